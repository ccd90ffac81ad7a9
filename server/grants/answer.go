package grants

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
)

// ApprovalOutcome is what is to be shown of an approval.
type ApprovalOutcome struct {
	Approval *models.Approval
	State    string             // as it is now: pending | approved | denied | cancelled | expired
	SignIn   []string           // why the person must sign in anew before they may answer
	Asked    *policies.Decision // what they are asked, while it waits
	Wrong    string             // reason why the answer did not count, "" if it did or there was none
	Just     bool               // it was answered by this very request
	Refusal  *oauth.Error       // it cannot be answered as things are
}

// Waiting are the requests that wait for a person, the latest first.
func (e *Endpoint) Waiting(ctx context.Context, who Person) ([]models.Approval, error) {
	rows, err := e.store.AskedOf(ctx, who.UserID, 50)
	if err != nil {
		return nil, err
	}
	waiting := rows[:0]
	for _, a := range rows {
		if a.Now(e.now().Unix()) == models.ApprovalPending {
			waiting = append(waiting, a)
		}
	}
	return waiting, nil
}

// ChooseUserCode has agents need a code to ask a user (CIBA Core section 7.1, user_code);
// none any more where it is "".
func (e *Endpoint) ChooseUserCode(ctx context.Context, by models.By, userID, code string) error {
	mark := ""
	if code != "" {
		mark = e.keys.UserCode(userID, code)
	}
	return e.store.SetUserCode(ctx, by, userID, mark)
}

// Claim finds the request of a device by the code that somebody typed, which makes it
// theirs. models.ErrNotFound if none waits under it; an *oauth.Error when codes are
// guessed.
func (e *Endpoint) Claim(ctx context.Context, call Call, userCode string, who Person) (id string, err error) {
	source := limits.SourceOf(call.IP)
	if e.limits.Spent(source, who.UserID) {
		return "", oauth.TooMany(max(1, e.limits.Failed(source, who.UserID))).Named("rate_limited")
	}
	by := models.By{SubjectID: who.UserID, SessionID: who.SessionID, RequestID: call.RequestID, IP: call.IP}
	id, err = e.store.ClaimApproval(ctx, by, userCode, who.UserID)
	if errors.Is(err, models.ErrNotFound) {
		e.limits.Failed(source, who.UserID)
	}
	return id, err
}

// Approval shows a person what a client asks of them. models.ErrNotFound if it asks
// somebody else, or nothing.
func (e *Endpoint) Approval(ctx context.Context, call Call, id string, who Person) (*ApprovalOutcome, error) {
	return e.shown(ctx, call, id, who, &ApprovalOutcome{})
}

// shown adds what there is to see of an approval.
func (e *Endpoint) shown(ctx context.Context, call Call, id string, who Person, out *ApprovalOutcome) (*ApprovalOutcome, error) {
	a, err := e.store.Approval(ctx, id)
	if err != nil {
		return nil, err
	}
	out.Approval, out.State = a, a.Now(e.now().Unix())
	if out.State != models.ApprovalPending {
		if a.SubjectID != who.UserID {
			return nil, models.ErrNotFound
		}
		return out, nil
	}
	q, err := e.confronted(ctx, call, a, who, nil)
	var problem *oauth.Error
	switch {
	case errors.As(err, &problem) && problem.Reason == "approval_foreign":
		return nil, models.ErrNotFound
	case errors.As(err, &problem) && problem.Code != oauth.TemporarilyUnavailable && problem.Code != oauth.ServerError:
		out.Refusal = problem
		return out, nil
	case err != nil:
		return nil, err
	}
	out.Asked, out.SignIn = &q.decision, append(out.SignIn, q.decision.SignIn...)
	return out, nil
}

// AnswerApproval takes what a person answers: the scopes they ticked, and until when;
// nil if they deny it, and report if they say that something is wrong with it.
func (e *Endpoint) AnswerApproval(ctx context.Context, call Call, id string, who Person, answer *policies.Answer, report bool) (*ApprovalOutcome, error) {
	a, err := e.store.Approval(ctx, id)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return e.denied(ctx, call, a, who, report)
	}
	for range maxAttempts {
		q, err := e.confronted(ctx, call, a, who, answer)
		var problem *oauth.Error
		switch {
		case errors.As(err, &problem) && problem.Reason == "approval_foreign":
			return nil, models.ErrNotFound
		case errors.As(err, &problem) && problem.Code != oauth.TemporarilyUnavailable && problem.Code != oauth.ServerError:
			return e.shown(ctx, call, id, who, &ApprovalOutcome{Wrong: problem.Reason, SignIn: q.decision.SignIn})
		case err != nil:
			return nil, err
		}
		err = e.store.AllowApproval(ctx, q.by(call, &who), id, q.granted(&who))
		switch {
		case errors.Is(err, models.ErrStale):
			e.metrics.Stale()
			continue
		case errors.Is(err, models.ErrUsed):
			return e.shown(ctx, call, id, who, &ApprovalOutcome{Wrong: "approval_over"})
		case err != nil:
			return nil, unavailable(err)
		}
		return e.shown(ctx, call, id, who, &ApprovalOutcome{Just: true})
	}
	return nil, unavailable(models.ErrStale)
}

// denied takes a no. Whoever may answer may always say it, whatever else has changed;
// so policy is asked only whether they may.
func (e *Endpoint) denied(ctx context.Context, call Call, a *models.Approval, who Person, report bool) (*ApprovalOutcome, error) {
	nothing := &policies.Answer{Scopes: []policies.Grants{}}
	q, err := e.confronted(ctx, call, a, who, nothing)
	var problem *oauth.Error
	switch {
	case err == nil: // nothing was ticked, which is always refused
		return nil, unavailable(errors.New("policy allowed an answer that allows nothing"))
	case !errors.As(err, &problem) || problem.Code == oauth.TemporarilyUnavailable || problem.Code == oauth.ServerError:
		return nil, err
	case problem.Reason == "approval_foreign":
		return nil, models.ErrNotFound
	case problem.Reason == "approval_over":
		return e.shown(ctx, call, a.ID, who, &ApprovalOutcome{Wrong: problem.Reason})
	}
	err = e.store.DenyApproval(ctx, q.by(call, &who), a.ID, report)
	switch {
	case errors.Is(err, models.ErrUsed):
		return e.shown(ctx, call, a.ID, who, &ApprovalOutcome{Wrong: "approval_over"})
	case err != nil:
		return nil, unavailable(err)
	}
	return e.shown(ctx, call, a.ID, who, &ApprovalOutcome{Just: true})
}

// confronted puts a request, or the answer to it, to policy. A refusal is an
// *oauth.Error; what was decided is there then, too.
func (e *Endpoint) confronted(ctx context.Context, call Call, a *models.Approval, who Person, answer *policies.Answer) (*asking, error) {
	var q asking
	action := policies.ShowApproval
	if answer != nil {
		action = policies.AnswerApproval
	}
	err := e.settle(ctx, call, action, a.ClientID, func(f *facts) (*matter, error) {
		in := policies.Input{Action: action, Now: f.now}
		current, _, err := f.view.Approval(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if current == nil { // forgotten since
			return nil, models.ErrNotFound
		}
		if in.Client, err = f.view.Principal(ctx, current.ClientID); err != nil {
			return nil, err
		}
		if err := f.toApprove(ctx, current, &in); err != nil {
			return nil, err
		}
		if current.Kind == models.ApprovalMachine {
			f.keys = byID{e.keys, e.store}
			if err := f.byItself(ctx, current, current.Request.Parent, &in); err != nil {
				return nil, err
			}
		}
		in.Request.Answer = answer
		if err := e.inPerson(ctx, f, who, &in); err != nil {
			return nil, err
		}
		remember := func(d policies.Decision, id string) { q = asking{in: in, decision: d, id: id, view: f.view} }
		return &matter{
			in: in, payer: who.SessionID,
			carryOut: func(d policies.Decision, r *models.Record) error { remember(d, r.Entry.ID); return nil },
			refused:  func(d policies.Decision, id string) error { remember(d, id); return nil },
		}, nil
	})
	return &q, err
}

// inPerson adds who is there, if their session still lives.
func (e *Endpoint) inPerson(ctx context.Context, f *facts, who Person, in *policies.Input) error {
	f.view.InSession(who.SessionID)
	live, err := e.store.InSession(ctx, who.SessionID)
	if err != nil {
		return err
	}
	if live {
		in.Session = &policies.Session{AuthTime: who.AuthTime, ACR: who.ACR, AMR: who.AMR}
	}
	in.Subject, err = f.view.Principal(ctx, who.UserID)
	return err
}

// granted is what a decision about an approval says, as it is stored.
func (q *asking) granted(who *Person) models.Allowed {
	scopes := map[string][]string{}
	for _, g := range q.decision.Grants {
		scopes[g.Resource] = append(scopes[g.Resource], g.Scope)
	}
	return models.Allowed{
		Subject: who.UserID, Until: q.decision.Until,
		Code: models.Code{Scopes: scopes, Details: q.details(), SessionID: who.SessionID, AuthTime: who.AuthTime, ACR: who.ACR, AMR: who.AMR},
	}
}
