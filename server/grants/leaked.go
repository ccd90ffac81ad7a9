package grants

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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
	var about policies.Input
	var opens *models.Credential
	by := models.By{System: "leak report", RequestID: call.RequestID, IP: call.IP}
	err = e.settle(ctx, call, policies.Leaked, "", func(f *facts) (*matter, error) {
		in := policies.Input{Action: policies.Leaked, Now: f.now, Request: policies.Request{Resources: []string{}, Scopes: []string{}}}
		var err error
		if opens, err = f.found(ctx, secret, &in); err != nil {
			return nil, err
		}
		carryOut := func(_ policies.Decision, r *models.Record) error {
			about, by.DecisionID = in, r.Entry.ID
			return nil
		}
		return &matter{in: in, stranger: true, carryOut: carryOut}, nil
	})
	switch {
	case isRefusal(err):
		return false, nil
	case err != nil:
		return false, err
	case opens == nil:
		return true, e.end(ctx, by, about)
	}
	if err := e.store.RevokeCredential(ctx, by, opens.ClientID, opens.ID); err != nil {
		return false, unavailable(err)
	}
	return true, nil
}

// found adds what a secret opens: a token, what a person granted, or what it returns, a
// client's credential.
func (f *facts) found(ctx context.Context, raw string, in *policies.Input) (*models.Credential, error) {
	if !strings.HasPrefix(raw, models.SecretPrefix) {
		return nil, f.handedIn(ctx, raw, in)
	}
	c, err := f.view.CredentialOf(ctx, raw)
	if c == nil || !c.Live(f.now) {
		in.Request.TokenProblem = string(tokens.Unknown)
		return nil, err
	}
	in.Credential = policies.Credential{ID: c.ID, Method: c.Kind}
	return c, nil
}
