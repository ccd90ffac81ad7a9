package grants

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// Leaked ends what secrets open that were found where they should not be, if policy says
// so, and tells of each whether it opened anything. Anybody may report one; the ledger
// names the address it came from.
func (e *Endpoint) Leaked(ctx context.Context, call Call, found []oauth.Leak) ([]oauth.LeakVerdict, error) {
	if wait := e.limits.Guest(limits.SourceOf(call.IP)); wait > 0 {
		return nil, oauth.TooMany(wait).Named("rate_limited")
	}
	verdicts := make([]oauth.LeakVerdict, 0, len(found))
	for _, leak := range found {
		live, err := e.leaked(ctx, call, leak.Token)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256([]byte(leak.Token))
		v := oauth.LeakVerdict{Hash: base64.StdEncoding.EncodeToString(sum[:]), Type: leak.Type, Label: oauth.LeakIsDead}
		if live {
			v.Label = oauth.LeakWasLive
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// leaked asks policy about one secret. What does not look like one of ours is no question.
func (e *Endpoint) leaked(ctx context.Context, call Call, secret string) (live bool, err error) {
	if !models.Genuine(secret) && strings.Count(secret, ".") != 2 {
		return false, nil
	}
	var ends ending
	by := models.By{System: "leak report", RequestID: call.RequestID, IP: call.IP}
	err = e.settle(ctx, call, policies.Leaked, "", func(f *facts) (*matter, error) {
		in := policies.Input{Action: policies.Leaked, Now: f.now, Request: policies.Request{Resources: []string{}, Scopes: []string{}}}
		var err error
		if ends, err = e.found(ctx, f, secret, &in); err != nil {
			return nil, err
		}
		carryOut := func(_ policies.Decision, r *models.Record) error {
			by.DecisionID = r.Entry.ID
			return nil
		}
		return &matter{in: in, stranger: true, carryOut: carryOut}, nil
	})
	switch {
	case isRefusal(err):
		return false, nil
	case err != nil:
		return false, err
	}
	if err := ends(ctx, by); err != nil && !errors.Is(err, models.ErrUsed) { // somebody was faster
		return false, unavailable(err)
	}
	return true, nil
}

// ending ends what a secret opens.
type ending func(context.Context, models.By) error

// found adds the fact of what a secret opens: a client's credential, a person's session
// or link, a request that waits for an answer, what was granted, or a token. It returns
// how that is ended.
func (e *Endpoint) found(ctx context.Context, f *facts, raw string, in *policies.Input) (ends ending, err error) {
	switch prefix := raw[:min(len(raw), len(models.SessionPrefix))]; {
	case strings.HasPrefix(raw, models.SecretPrefix):
		ends, err = e.foundCredential(ctx, f, raw, in)
	case prefix == models.SessionPrefix:
		ends, err = e.foundSession(ctx, raw, in)
	case prefix == models.LinkPrefix:
		ends, err = e.foundLink(ctx, raw, in)
	case prefix == models.AuthReqPrefix, prefix == models.DeviceCodePrefix:
		ends, err = e.foundRequest(ctx, f, raw, in)
	default:
		err = f.handedIn(ctx, raw, in)
		return func(ctx context.Context, by models.By) error { return e.store.EndLeaked(ctx, by, handedIn(in)) }, err
	}
	if errors.Is(err, models.ErrNotFound) {
		in.Request.TokenProblem, err = string(tokens.Unknown), nil
	}
	return ends, err
}

func (e *Endpoint) foundCredential(ctx context.Context, f *facts, raw string, in *policies.Input) (ending, error) {
	c, err := f.view.CredentialOf(ctx, raw)
	if err != nil {
		return nil, err
	}
	if !c.Live(f.now) {
		return nil, models.ErrNotFound
	}
	in.Credential = policies.Credential{ID: c.ID, Method: c.Kind}
	return func(ctx context.Context, by models.By) error { return e.store.EndLeaked(ctx, by, c.ID) }, nil
}

// handedIn is the id of what was granted, or of the token, that a secret opens.
func handedIn(in *policies.Input) string {
	if in.Authorization != nil {
		return in.Authorization.ID
	}
	return in.Token.ID
}

func (e *Endpoint) foundSession(ctx context.Context, raw string, in *policies.Input) (ending, error) {
	s, err := e.store.LiveSession(ctx, raw, in.Now) // however long it was idle
	if err != nil {
		return nil, err
	}
	in.Object = &policies.Object{Kind: "session", ID: s.ID, Owner: s.UserID}
	return func(ctx context.Context, by models.By) error { return e.store.EndLeaked(ctx, by, s.ID) }, nil
}

func (e *Endpoint) foundLink(ctx context.Context, raw string, in *policies.Input) (ending, error) {
	l, err := e.store.Link(ctx, raw, models.LinkPurposes...)
	if err != nil {
		return nil, err
	}
	in.Object = &policies.Object{Kind: "link", ID: l.ID}
	return func(ctx context.Context, by models.By) error { return e.store.EndLeaked(ctx, by, l.ID) }, nil
}

func (e *Endpoint) foundRequest(ctx context.Context, f *facts, raw string, in *policies.Input) (ending, error) {
	a, given, err := f.view.ByApproval(ctx, raw)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, models.ErrNotFound
	}
	in.Approval = approval(a)
	if given != nil { // what came of it
		in.Authorization = authorization(given)
	}
	if a.State == models.ApprovalUsed {
		if in.Token, err = e.issuedFor(ctx, f, a); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, by models.By) error { return e.store.CancelApproval(ctx, by, a.ID) }, nil
}

// issuedFor is the token that a machine got for an approval, as far as it says whether
// the token lives.
func (e *Endpoint) issuedFor(ctx context.Context, f *facts, a *models.Approval) (*policies.Token, error) {
	t, err := e.store.Token(ctx, a.TokenID)
	if err != nil {
		return nil, err
	}
	now, err := f.view.TokenState(ctx, t.ID)
	return &policies.Token{
		ID: t.ID, Client: t.ClientID, Subject: t.SubjectID, Chain: []string{}, Expires: t.ExpiresAt, IssuedAt: t.IssuedAt, Revoked: now.Revoked, Grant: now.Grant,
		Txn: now.Txn, Own: []string{}, Scopes: map[string]map[string][]string{},
	}, err
}
