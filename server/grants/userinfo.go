package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// Userinfo is OpenID Connect Core section 5.3: who the user of a bearer token is, as
// far as policy releases it. It is decided on live facts, like everything.
func (e *Endpoint) Userinfo(ctx context.Context, call Call, bearer string) (map[string]any, error) {
	var answer map[string]any
	err := e.settle(ctx, call, policies.Userinfo, "", func(f *facts) (*matter, error) {
		span := signals.Start(ctx, "facts")
		defer span.End()
		in := policies.Input{Action: policies.Userinfo, Now: f.now, Request: policies.Request{Resources: []string{}, Scopes: []string{}}}
		done, err := e.turn(ctx, call, "")
		if err != nil {
			return nil, err
		}
		defer done()
		if in.Token, in.Request.TokenProblem, err = f.presented(ctx, bearer, &in); err != nil {
			return nil, err
		}
		m := &matter{in: in, stranger: in.Token == nil}
		if in.Token != nil { // the token pays, not its client: whoever stole one must not use up what the client has
			m.payer = in.Token.ID
			if m.in.Client, err = f.view.Principal(ctx, in.Token.Client); err != nil {
				return nil, err
			}
		}
		m.carryOut = func(d policies.Decision, _ *models.Record) error {
			answer, err = f.claims(ctx, in.Token.Subject, d.Release)
			return err
		}
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// BadUserinfo is the refusal of a request that brings no usable token at all.
func (e *Endpoint) BadUserinfo(ctx context.Context, call Call, reason string) *oauth.Error {
	problem := oauth.Errorf(oauth.InvalidToken, "A bearer token for the userinfo endpoint is needed.").Named(reason)
	return e.Refuse(ctx, call, policies.Userinfo, "", problem)
}
