package grants

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
)

// How long a request waits for its answer if the client does not say, in seconds.
const usualExpiry = 300

// AskUser is the backchannel authentication endpoint (CIBA Core section 7): a client
// asks a user who is elsewhere. Whom it may not ask looks like somebody who is not there.
func (e *Endpoint) AskUser(ctx context.Context, call Call, req oauth.BackchannelRequest) (oauth.Backchannel, error) {
	a := approaching{Approval: models.Approval{Kind: models.ApprovalCIBA}}
	defer a.leave()
	asked, err := e.ask(ctx, call, req, &a)
	if err != nil {
		return oauth.Backchannel{}, refusedAtBackchannel(err)
	}
	answer := oauth.Backchannel{AuthReqID: asked.Secret, ExpiresIn: a.ExpiresAt - a.CreatedAt, CompareCode: a.CompareCode}
	if a.Delivery != models.DeliveryPush {
		answer.Interval = int64(limits.PollInterval / time.Second)
	}
	return answer, nil
}

// AskDevice is the device authorization endpoint (RFC 8628 section 3.1): a client asks
// whoever types the code that it shows.
func (e *Endpoint) AskDevice(ctx context.Context, call Call, req oauth.BackchannelRequest) (oauth.Device, error) {
	a := approaching{Approval: models.Approval{Kind: models.ApprovalDevice, Delivery: models.DeliveryPoll}, life: 2 * usualExpiry}
	asked, err := e.ask(ctx, call, req, &a)
	if err != nil {
		return oauth.Device{}, err
	}
	at := e.issuer + "/device"
	return oauth.Device{
		DeviceCode: asked.Secret, UserCode: asked.UserCode, VerificationURI: at, VerificationURIComplete: at + "?user_code=" + asked.UserCode,
		ExpiresIn: a.ExpiresAt - a.CreatedAt, Interval: int64(limits.PollInterval / time.Second),
	}, nil
}

// refusedAtBackchannel: access_denied is 403 there (CIBA Core section 13).
func refusedAtBackchannel(err error) error {
	var problem *oauth.Error
	if errors.As(err, &problem) && problem.Code == oauth.AccessDenied {
		return problem.Forbidden()
	}
	return err
}

// approaching is an approval that is yet to be asked, with who is to be told of it.
type approaching struct {
	models.Approval
	tell   models.Telling
	life   int64  // seconds for which it waits
	proven bool   // the client proved who it is, for this very request
	done   func() // lets the next one ask; nil: its turn has not come
}

// queue waits for the turn to ask somebody, until leave.
func (a *approaching) queue(ctx context.Context, l *limits.Limits) error {
	if a.done != nil { // it is decided anew
		return nil
	}
	if a.done = l.InOrder(ctx, a.ClientID+" "+a.SubjectID); a.done == nil {
		return oauth.TooMany(time.Second).Named("rate_limited")
	}
	return nil
}

func (a *approaching) leave() {
	if a.done != nil {
		a.done()
	}
}

// ask has policy decide whether a client may ask, and stores what it asks if so. What
// was seen of the user must still be so when it is stored: of a crowd of requests that
// come at once, here or at another replica, each is counted.
func (e *Endpoint) ask(ctx context.Context, call Call, req oauth.BackchannelRequest, a *approaching) (models.Asked, error) {
	for range maxAttempts {
		by, err := e.mayAsk(ctx, call, req, a)
		if err != nil {
			return models.Asked{}, err
		}
		a.CreatedAt, a.ExpiresAt = e.now().Unix(), e.now().Unix()+a.life
		asked, err := e.store.Ask(ctx, by, &a.Approval, a.tell)
		switch {
		case err == nil:
			return asked, nil
		case !errors.Is(err, models.ErrStale):
			return models.Asked{}, unavailable(err)
		}
		e.metrics.Stale()
	}
	return models.Asked{}, unavailable(models.ErrStale)
}

// mayAsk is the decision whether a client may ask what it asks; it fills in what is
// to be stored.
func (e *Endpoint) mayAsk(ctx context.Context, call Call, req oauth.BackchannelRequest, a *approaching) (models.By, error) {
	var by models.By
	err := e.settle(ctx, call, policies.AskApproval, req.Client.ID, func(f *facts) (*matter, error) {
		who, err := e.authenticate(ctx, f, call, req.Client)
		if err != nil {
			return nil, err
		}
		payer, open := who.clientID, who.credential.Method == oauth.None
		if open { // anybody can name it, and must not use up what it may ask
			payer = ""
			if wait := e.limits.Guest(limits.SourceOf(call.IP)); wait > 0 {
				return nil, oauth.TooMany(wait).Named("rate_limited")
			}
		}
		in := policies.Input{Action: policies.AskApproval, Now: f.now, Credential: who.credential}
		req, err := e.signedRequest(ctx, f, who.clientID, req)
		if err != nil {
			return nil, claimedBy(who.clientID, err)
		}
		if err := e.request(ctx, f, who.clientID, req, a, &in); err != nil {
			return nil, claimedBy(who.clientID, err)
		}
		once := who.once
		if a.proven { // it is decided anew, and the assertion was this request's own
			once = nil
		}
		carryOut := func(_ policies.Decision, r *models.Record) error {
			a.proven = true
			by = models.By{ClientID: who.clientID, DecisionID: r.Entry.ID, RequestID: call.RequestID, IP: call.IP, Seen: r.View}
			return nil
		}
		return &matter{in: in, once: once, credential: who.credential.ID, payer: payer, stranger: open, carryOut: carryOut}, nil
	})
	a.IP, a.UserAgent = call.IP, seen(call).UserAgent
	return by, err
}

// request adds what is asked, of whom, and what there is between them and the client.
func (e *Endpoint) request(ctx context.Context, f *facts, clientID string, req oauth.BackchannelRequest, a *approaching, in *policies.Input) error {
	var err error
	if in.Client, err = f.view.Principal(ctx, clientID); err != nil {
		return err
	}
	if a.Kind != models.ApprovalDevice {
		if req.Approve != "" {
			a.Kind = models.ApprovalMachine
		}
		a.life = cmp.Or(req.Expiry, usualExpiry)
		if err = e.whom(ctx, f, clientID, req, a, in); err != nil {
			return err
		}
	}
	a.ClientID = clientID
	a.Request = models.ApprovalRequest{Scopes: list(req.Scopes), Resources: list(req.Resources), Message: req.Message, ACRValues: list(req.ACRValues), Details: req.Details, GrantType: req.Approve}
	if err := f.toApprove(ctx, &a.Approval, in); err != nil || a.Kind != models.ApprovalMachine {
		return err
	}
	return f.byItself(ctx, &a.Approval, req.SubjectToken, in)
}

// whom finds the user that a hint names, how the client is told of their answer, and
// what there is between the two. A hint that names nobody is a fact, too.
func (e *Endpoint) whom(ctx context.Context, f *facts, clientID string, req oauth.BackchannelRequest, a *approaching, in *policies.Input) error {
	if err := e.delivery(ctx, clientID, req, a); err != nil {
		return err
	}
	id, err := e.hintedUser(ctx, f, clientID, req)
	if err != nil {
		return err
	}
	a.ClientID, a.SubjectID = clientID, id
	if err := a.queue(ctx, e.limits); err != nil {
		return err
	}
	if a.tell.Channels, err = e.between(ctx, f, clientID, id, in); err != nil || in.Subject == nil {
		return err
	}
	in.Acquaintance.UserCode, err = e.userCode(ctx, f, id, req.UserCode, in.Acquaintance.Known)
	return err
}

// between adds a user, and what there is between them and the client that asks. It
// returns the ways by which they can be reached.
func (e *Endpoint) between(ctx context.Context, f *facts, clientID, id string, in *policies.Input) (channels []string, err error) {
	if in.Subject, err = f.view.Principal(ctx, id); err != nil {
		return nil, err
	}
	if in.Acquaintance, err = f.view.Acquaintance(ctx, clientID, id); err != nil || in.Subject == nil {
		return nil, err
	}
	channels, err = e.word.Reaches(ctx, id)
	in.Acquaintance.Reached = len(channels) > 0
	return channels, err
}

// userCode tells whether an agent knows the code without which a user is not asked.
// Who may not ask them anyway learns nothing about it, and cannot guess.
func (e *Endpoint) userCode(ctx context.Context, f *facts, userID, given, known string) (string, error) {
	mark, err := f.view.UserCode(ctx, userID)
	switch {
	case err != nil:
		return "", err
	case mark == "" || known == "":
		return "none", nil
	case given == "":
		return "missing", nil
	}
	wait, err := e.codes.Take(ctx, userID)
	if err != nil {
		return "", err
	}
	if wait > 0 { // right or wrong: what is right must not show
		return "", oauth.TooMany(wait).Named("rate_limited")
	}
	if subtle.ConstantTimeCompare([]byte(mark), []byte(e.keys.UserCode(userID, given))) == 1 {
		return "ok", nil
	}
	return "wrong", nil
}

// hintedUser is the id of the user that a hint names, "" if it names none.
func (e *Endpoint) hintedUser(ctx context.Context, f *facts, clientID string, req oauth.BackchannelRequest) (string, error) {
	name := req.LoginHint
	switch {
	case req.IDTokenHint != "":
		claims, err := e.hinted(ctx, req.IDTokenHint, clientID)
		if err != nil {
			return "", err
		}
		return claims.Subject, nil
	case req.LoginHintToken != "":
		var err error
		if name, err = e.hintToken(ctx, f, clientID, req.LoginHintToken); err != nil {
			return "", err
		}
	}
	if models.HasPrefix(name, models.PrefixUser) {
		return name, nil
	}
	user, err := e.store.UserNamed(ctx, name)
	if errors.Is(err, models.ErrNotFound) {
		return "", nil
	}
	return user.ID, err
}

// hintToken is whom a login_hint_token names: a JWT that the client signed with a key
// of its own, for this server alone (its iss, aud, exp and sub; CIBA Core leaves the
// rest open).
func (e *Endpoint) hintToken(ctx context.Context, f *facts, clientID, raw string) (string, error) {
	unusable := oauth.Errorf(oauth.InvalidRequest, "login_hint_token must be a JWT with iss, sub, aud and exp, signed with a key of the client's and meant for this server.").Named("hint_unusable")
	live, _, err := f.view.Credentials(ctx, clientID)
	if err != nil {
		return "", err
	}
	keys, unread := e.unfolded(ctx, live, raw, f.now)
	for _, c := range keys {
		claims, problem := e.verify(raw, c.PublicJWK)
		switch {
		case problem != "":
			continue
		case claims.Issuer != clientID || len(claims.Audience) != 1 || claims.Audience[0] != e.issuer || claims.Subject == "" || claims.Expires == 0:
			return "", unusable
		case claims.Expires <= float64(f.now):
			return "", oauth.Errorf(oauth.ExpiredLoginHintToken, "login_hint_token has expired.").Named("hint_expired")
		}
		return claims.Subject, nil
	}
	if unread != nil {
		return "", unavailable(unread)
	}
	return "", unusable
}

// delivery is how the client gets to know the answer, as it was registered.
func (e *Endpoint) delivery(ctx context.Context, clientID string, req oauth.BackchannelRequest, a *approaching) error {
	if a.Kind == models.ApprovalMachine { // what it waits for is no token
		a.Delivery, a.tell.Seal = models.DeliveryPoll, nil
		return nil
	}
	client, err := e.store.Client(ctx, clientID)
	if err != nil {
		return err
	}
	if a.Delivery, a.tell.Seal = client.DeliveryMode, nil; a.Delivery == models.DeliveryPoll {
		return nil
	}
	if len(req.NotificationToken) < 22 { // 128 bits in base64
		return oauth.Errorf(oauth.InvalidRequest, "client_notification_token is missing, or has less than 128 bits.").Named("notification_token")
	}
	a.tell.Seal = func(a *models.Approval, secret string) []byte {
		return e.sealHandle(a.ID, handle{secret, req.NotificationToken})
	}
	return nil
}

// toApprove adds what is asked for, and the request itself.
func (f *facts) toApprove(ctx context.Context, a *models.Approval, in *policies.Input) error {
	in.Request = policies.Request{Scopes: a.Request.Scopes, Resources: []string{}, Details: a.Request.Details}
	in.Approval = approval(a)
	if a.ID == "" {
		in.Approval.State, in.Approval.CreatedAt, in.Approval.ExpiresAt = models.ApprovalPending, f.now, f.now+1
	}
	if err := f.target(ctx, oauth.TokenRequest{Resources: a.Request.Resources}, in); err != nil {
		return err
	}
	if err := f.acquaint(ctx, in); err != nil {
		return err
	}
	return f.wellFormed(ctx, in)
}
