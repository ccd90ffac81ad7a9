package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Admit asks policy whether a bearer token may be used for an operation of
// Deputy's own API, and says who acts, for the ledger.
func (e *Endpoint) Admit(ctx context.Context, call Call, bearer, operation string) (models.By, error) {
	var by models.By
	action := policies.AdminPrefix + operation
	err := e.settle(ctx, call, action, "", func(f *facts) (*matter, error) {
		in := policies.Input{Action: action, Now: f.now, Request: policies.Request{Resources: []string{}, Scopes: []string{}}}
		var err error
		if in.Token, in.Request.TokenProblem, err = f.presented(ctx, bearer, &in); err != nil {
			return nil, err
		}
		if in.Token != nil {
			if in.Client, err = f.view.Principal(ctx, in.Token.Client); err != nil {
				return nil, err
			}
		}
		return &matter{in: in, carryOut: func(_ policies.Decision, r *models.Record) error {
			by = models.By{
				ClientID: in.Token.Client, SubjectID: in.Token.Subject, Chain: in.Token.Chain,
				DecisionID: r.Entry.ID, RequestID: call.RequestID, IP: call.IP,
			}
			return nil
		}}, nil
	})
	return by, err
}

// BadBearer is the refusal of a call that brings no usable token at all.
func (e *Endpoint) BadBearer(ctx context.Context, call Call, operation, reason string) *oauth.Error {
	problem := oauth.Errorf(oauth.InvalidToken, "A bearer token for this API is needed.").Named(reason)
	return e.Refuse(ctx, call, policies.AdminPrefix+operation, "", problem)
}
