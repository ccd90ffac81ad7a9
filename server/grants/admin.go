package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// Admit asks policy whether a bearer token may be used for an operation of
// Deputy's own API, and says who acts, for the ledger. conferred are the scopes
// of that API which the change would give to somebody, and its effects.
func (e *Endpoint) Admit(ctx context.Context, call Call, bearer, operation string, conferred ...string) (models.By, error) {
	scopes := append([]string{}, conferred...) // policy must see an empty list, not null
	by, _, err := e.admit(ctx, call, bearer, operation, policies.Request{Resources: []string{}, Scopes: scopes})
	by.Again = func(ctx context.Context) (models.By, error) { return e.Admit(ctx, call, bearer, operation, scopes...) }
	return by, err
}

// admit asks policy about an operation, and tells what it answered.
func (e *Endpoint) admit(ctx context.Context, call Call, bearer, operation string, asked policies.Request) (by models.By, answered policies.Decision, err error) {
	action := policies.AdminPrefix + operation
	err = e.settle(ctx, call, action, "", func(f *facts) (*matter, error) {
		span := signals.Start(ctx, "facts")
		defer span.End()
		in := policies.Input{Action: action, Now: f.now, Request: asked}
		done, err := e.turn(ctx, call, "")
		if err != nil {
			return nil, err
		}
		defer done()
		if in.Token, in.Request.TokenProblem, err = f.presented(ctx, bearer, &in); err != nil {
			return nil, err
		}
		if in.Token != nil {
			if in.Client, err = f.view.Principal(ctx, in.Token.Client); err != nil {
				return nil, err
			}
		}
		m := &matter{in: in, stranger: in.Token == nil, carryOut: func(d policies.Decision, r *models.Record) error {
			answered = d
			by.ClientID, by.SubjectID, by.Chain = in.Token.Client, in.Token.Subject, in.Token.Chain
			by.DecisionID, by.RequestID, by.IP, by.Seen = r.Entry.ID, call.RequestID, call.IP, r.View
			return nil
		}}
		if in.Token != nil { // not the client: who has a stolen token must not use up what the client has
			m.payer = in.Token.ID
		}
		return m, nil
	})
	return by, answered, err
}

// BadBearer is the refusal of a call that brings no usable token at all.
func (e *Endpoint) BadBearer(ctx context.Context, call Call, operation, reason string) *oauth.Error {
	problem := oauth.Errorf(oauth.InvalidToken, "A bearer token for this API is needed.").Named(reason)
	return e.Refuse(ctx, call, policies.AdminPrefix+operation, "", problem)
}
