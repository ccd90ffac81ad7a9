package grants

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
)

// Outcome is what becomes of somebody whom a client has sent here. One of Redirect,
// Refusal, SignIn and Asked is set.
type Outcome struct {
	Visit *models.Visit // has no id where the request was too wrong to be kept

	Redirect string // back to the client, with a code or an error
	Failed   bool   // it is an error
	Denied   bool   // because the person said no
	// Refusal is for whoever is here: the client is not known, or not known to be there.
	Refusal *oauth.Error
	SignIn  []string           // why somebody must sign in first (policies.Decision)
	Asked   *policies.Decision // what the person is to answer
	Wrong   string             // reason why their answer did not count, "" if there was none yet
}

// Arrive is a request to the authorization endpoint (OAuth 2.1 section 4.1.1), by
// somebody who has signed in or by nobody yet (nil). problem is what was wrong with
// its syntax, nil if nothing was.
func (e *Endpoint) Arrive(ctx context.Context, call Call, req oauth.AuthorizationRequest, problem *oauth.Error, who *Person) (*Outcome, error) {
	if crowd := e.crowd(ctx, call, who); crowd != nil {
		return crowd, nil
	}
	v, err := e.visitor(ctx, req)
	switch {
	case errors.Is(err, models.ErrNotFound):
		unknown := oauth.Errorf(oauth.InvalidRequestURI, "request_uri is unknown, has expired, was answered, or belongs to another client.").Named("request_uri_unknown")
		return &Outcome{Visit: v, Refusal: e.Refuse(ctx, call, policies.Authorize, req.ClientID, unknown)}, nil
	case err != nil:
		return nil, unavailable(err)
	case problem != nil:
		return e.turnedAway(ctx, v, e.Refuse(ctx, call, policies.Authorize, req.ClientID, problem))
	}
	if err := e.means(ctx, req, v); err != nil {
		return e.turnedAway(ctx, v, e.Refuse(ctx, call, policies.Authorize, req.ClientID, err))
	}
	if v.ID == "" && v.ReturnTo != "" {
		if err := e.store.BeginVisit(ctx, v); err != nil {
			return nil, unavailable(err)
		}
	}
	return e.proceed(ctx, call, v, who, nil, nil)
}

// crowd is the outcome where more come from one source than may who have not signed
// in; nil where there is room. Whatever they ask is a row somewhere.
func (e *Endpoint) crowd(ctx context.Context, call Call, who *Person) *Outcome {
	if who != nil {
		return nil
	}
	wait := e.limits.Guest(limits.SourceOf(call.IP))
	if wait == 0 {
		return nil
	}
	return &Outcome{Visit: &models.Visit{}, Refusal: e.Refuse(ctx, call, policies.Authorize, "", oauth.TooMany(wait).Named("rate_limited"))}
}

// visitor is the visit that a request makes, or the one that was pushed for it.
func (e *Endpoint) visitor(ctx context.Context, req oauth.AuthorizationRequest) (*models.Visit, error) {
	if req.RequestURI != "" {
		v, err := e.store.PushedVisit(ctx, req.RequestURI[len(oauth.RequestURIPrefix):], req.ClientID)
		if err != nil {
			v = &models.Visit{ClientID: req.ClientID}
		}
		return v, err
	}
	v := &models.Visit{ClientID: req.ClientID, Request: models.VisitRequest{
		RedirectURI: req.RedirectURI, State: req.State, Nonce: req.Nonce, Scopes: list(req.Scopes), Resources: list(req.Resources), Challenge: req.Challenge,
		PKCE: req.PKCE, Prompt: list(req.Prompt), MaxAge: req.MaxAge, ACRValues: list(req.ACRValues), LoginHint: req.LoginHint, UILocales: list(req.UILocales), Details: req.Details,
	}}
	return v, e.wayBack(ctx, v)
}

func list(some []string) []string { return append([]string{}, some...) }

// wayBack finds where the answer may go as the client is registered now: nowhere if
// it is not, or not there.
func (e *Endpoint) wayBack(ctx context.Context, v *models.Visit) error {
	v.ReturnTo = ""
	client, err := e.store.Client(ctx, v.ClientID)
	if err == nil {
		v.ReturnTo, _ = oauth.MatchRedirect(client.RedirectURIs, v.Request.RedirectURI)
	}
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	return err
}

// Proceed goes on with a visit: after a sign-in, or to show again what was asked.
// models.ErrNotFound if it is over, or never was.
func (e *Endpoint) Proceed(ctx context.Context, call Call, id string, who *Person) (*Outcome, error) {
	if crowd := e.crowd(ctx, call, who); crowd != nil {
		return crowd, nil
	}
	v, err := e.store.Visit(ctx, id)
	if err != nil {
		return nil, err
	}
	return e.proceed(ctx, call, v, who, nil, nil)
}

// Answer is what a person answers to a visit: the scopes they ticked, and until when;
// nil if they deny it.
func (e *Endpoint) Answer(ctx context.Context, call Call, id string, who *Person, answer *policies.Answer) (*Outcome, error) {
	if crowd := e.crowd(ctx, call, who); crowd != nil {
		return crowd, nil
	}
	v, err := e.store.Visit(ctx, id)
	if err != nil {
		return nil, err
	}
	denied, mend := answer == nil, mendable
	if denied {
		answer, mend = &policies.Answer{Scopes: []policies.Grants{}}, nil
	}
	if who == nil || v.SessionID != who.SessionID { // they were not asked, or were somebody else then
		return e.again(ctx, call, v, who, "scope_not_offered")
	}
	out, err := e.proceed(ctx, call, v, who, answer, mend)
	if denied && err == nil && out.Failed {
		out.Denied = true
		out.Redirect, err = oauth.Redirect(v.ReturnTo, e.issuer, v.Request.State, url.Values{"error": {oauth.AccessDenied}, "error_description": {"The user said no."}})
	}
	return out, err
}

// again asks anew, and says why the answer did not count.
func (e *Endpoint) again(ctx context.Context, call Call, v *models.Visit, who *Person, wrong string) (*Outcome, error) {
	out, err := e.proceed(ctx, call, v, who, nil, nil)
	if err == nil {
		out.Wrong = wrong
	}
	return out, err
}

// mendable are reasons that whoever allows something can do something about.
var mendable = []string{"login_required", "nothing_ticked", "details_not_offered", "scope_not_offered", "until_out_of_bounds"}

// proceed asks policy what is to happen, and has it happen. Whoever answers is asked
// again for reasons in mend.
func (e *Endpoint) proceed(ctx context.Context, call Call, v *models.Visit, who *Person, answer *policies.Answer, mend []string) (*Outcome, error) {
	for range maxAttempts {
		q, err := e.asked(ctx, call, v, who, answer)
		if err != nil {
			var problem *oauth.Error
			if errors.As(err, &problem) && slices.Contains(mend, problem.Reason) {
				return e.again(ctx, call, v, who, problem.Reason)
			}
			return e.turnedAway(ctx, v, err)
		}
		switch q.decision.Ask {
		case policies.AskSignIn:
			return &Outcome{Visit: v, SignIn: q.decision.SignIn}, unlessNil(e.store.AskVisit(ctx, v, v.SessionID, q.decision.SignIn))
		case policies.AskConsent:
			return &Outcome{Visit: v, Asked: &q.decision}, unlessNil(e.store.AskVisit(ctx, v, who.SessionID, nil))
		}
		code, err := e.store.AllowVisit(ctx, q.by(call, who), q.allowed(v, who))
		switch {
		case errors.Is(err, models.ErrStale):
			e.metrics.Stale()
			continue
		case errors.Is(err, models.ErrUsed):
			return nil, models.ErrNotFound
		case err != nil:
			return nil, unavailable(err)
		}
		to, err := oauth.Redirect(v.ReturnTo, e.issuer, v.Request.State, url.Values{"code": {code}})
		return &Outcome{Visit: v, Redirect: to}, err
	}
	return nil, unavailable(models.ErrStale)
}

func unlessNil(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(err)
}

// turnedAway tells the client, if it is known to be there and the fault is not ours;
// that ends the visit.
func (e *Endpoint) turnedAway(ctx context.Context, v *models.Visit, err error) (*Outcome, error) {
	var problem *oauth.Error
	if !errors.As(err, &problem) {
		return nil, err
	}
	if v.ReturnTo == "" || problem.Code == oauth.TemporarilyUnavailable {
		return &Outcome{Visit: v, Refusal: problem}, nil
	}
	if v.ID != "" {
		switch err := e.store.CloseVisit(ctx, v.ID); {
		case errors.Is(err, models.ErrUsed):
			return nil, models.ErrNotFound
		case err != nil:
			return nil, unavailable(err)
		}
	}
	to, err := oauth.Redirect(v.ReturnTo, e.issuer, v.Request.State, url.Values{"error": {problem.Code}, "error_description": {problem.Description}})
	return &Outcome{Visit: v, Redirect: to, Failed: true}, err
}

// asking is a decision about a visit, with what it was taken on.
type asking struct {
	in       policies.Input
	decision policies.Decision
	id       string
	view     *models.View
}

// asked puts the question, or the answer, to policy. A refusal is an *oauth.Error.
func (e *Endpoint) asked(ctx context.Context, call Call, v *models.Visit, who *Person, answer *policies.Answer) (*asking, error) {
	var q asking
	action := policies.Authorize
	if answer != nil {
		action = policies.AnswerConsent
	}
	err := e.settle(ctx, call, action, v.ClientID, func(f *facts) (*matter, error) {
		in := policies.Input{Action: action, Now: f.now}
		if err := e.visit(ctx, f, v, who, &in); err != nil {
			return nil, err
		}
		in.Request.Answer = answer
		m := &matter{in: in, stranger: in.Client == nil}
		if who != nil {
			m.payer = who.UserID
		}
		m.carryOut = func(d policies.Decision, r *models.Record) error {
			q = asking{in: in, decision: d, id: r.Entry.ID, view: r.View}
			return nil
		}
		return m, nil
	})
	return &q, err
}

// visit adds what there is to know of a visit and of who is there.
func (e *Endpoint) visit(ctx context.Context, f *facts, v *models.Visit, who *Person, in *policies.Input) error {
	var err error
	if in.Client, err = f.view.Principal(ctx, v.ClientID); err != nil {
		return err
	}
	if err = e.wayBack(ctx, v); err != nil {
		return err
	}
	in.Request = policies.Request{Scopes: v.Request.Scopes, Resources: []string{}, Details: v.Request.Details, Visit: &policies.Visit{
		RedirectOK: v.ReturnTo != "", PKCE: v.Request.PKCE, Prompt: v.Request.Prompt, MaxAge: v.Request.MaxAge, ACRValues: v.Request.ACRValues, Began: v.BeganAt,
		Subject: v.Request.Subject,
	}}
	if err = f.target(ctx, oauth.TokenRequest{Resources: v.Request.Resources}, in); err != nil {
		return err
	}
	if err = f.acquaint(ctx, in); err != nil {
		return err
	}
	if err = f.wellFormed(ctx, in); err != nil || who == nil {
		return err
	}
	f.view.InSession(who.SessionID)
	in.Session = &policies.Session{AuthTime: who.AuthTime, ACR: who.ACR, AMR: who.AMR}
	if in.Subject, err = f.view.Principal(ctx, who.UserID); err != nil {
		return err
	}
	in.Consents, err = f.view.ConsentsTo(ctx, who.UserID, v.ClientID)
	return err
}

// by says who makes the change that follows, and on what decision.
func (q *asking) by(call Call, who *Person) models.By {
	return models.By{SubjectID: who.UserID, SessionID: who.SessionID, DecisionID: q.id, RequestID: call.RequestID, IP: call.IP, Seen: q.view}
}

// allowed is what the decision says, as it is stored: what was asked and answered
// becomes consent, and where nothing was asked the consent there is counts.
func (q *asking) allowed(v *models.Visit, who *Person) models.Allowed {
	a := q.granted(who)
	a.Visit, a.Rests = v.ID, q.standing()
	a.Code.RedirectURI, a.Code.Challenge, a.Code.Nonce = v.Request.RedirectURI, v.Request.Challenge, v.Request.Nonce
	scopes := a.Code.Scopes
	if q.in.Action != policies.AnswerConsent {
		return a
	}
	on := map[string][]string{} // what the page had, by resource server
	for _, o := range q.decision.Offers {
		if o.State != "greyed" && !q.fell(o) {
			on[o.Resource] = append(on[o.Resource], o.Scope)
		}
	}
	for resource, shown := range on {
		if len(scopes[resource]) > 0 || a.Rests[resource] != "" {
			a.Given = append(a.Given, models.Given{Asked: shown, Shown: q.shown(resource), Once: slices.Contains(q.decision.Once, resource), Consent: models.Consent{
				ClientID: v.ClientID, SubjectID: who.UserID, ResourceID: resource, Scopes: scopes[resource], Details: a.Code.Details[resource], ExpiresAt: q.decision.Until,
			}})
		}
	}
	return a
}

// standing is the consent there is at each resource server.
func (q *asking) standing() map[string]string {
	rests := map[string]string{}
	for _, c := range q.in.Consents {
		if !c.Revoked && c.RedirectsOK && c.ExpiresAt > q.in.Now {
			rests[c.Resource] = c.ID
		}
	}
	return rests
}
