package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
)

// Push is RFC 9126: a client says beforehand, over its own connection, what it will
// send a user for. Policy is asked what it would be asked then, as far as that hangs
// from the client; so a client learns here what no redirect could tell it.
func (e *Endpoint) Push(ctx context.Context, call Call, req oauth.AuthorizationRequest) (oauth.Pushed, error) {
	var v *models.Visit
	err := e.settle(ctx, call, policies.Authorize, req.ClientInForm.ID, func(f *facts) (*matter, error) {
		who, err := e.authenticate(ctx, f, call, req.ClientInForm)
		if err != nil {
			return nil, err
		}
		if who.clientID != req.ClientID {
			return nil, oauth.Errorf(oauth.InvalidRequest, "client_id is another client's than the one that authenticates.").Named("client_mismatch")
		}
		payer, open := who.clientID, who.credential.Method == oauth.None
		if open { // anybody can name it, and must not use up what it may ask
			payer = ""
			if wait := e.limits.Guest(limits.SourceOf(call.IP)); wait > 0 {
				return nil, oauth.TooMany(wait).Named("rate_limited")
			}
		}
		if v, err = e.visitor(ctx, req); err != nil {
			return nil, err
		}
		if err = e.means(ctx, req, v); err != nil {
			return nil, claimedBy(who.clientID, err)
		}
		in := policies.Input{Action: policies.Authorize, Now: f.now, Credential: who.credential}
		if err := e.visit(ctx, f, v, nil, &in); err != nil {
			return nil, claimedBy(who.clientID, err)
		}
		in.Request.Visit.Prompt = []string{} // nobody is there who could be prompted
		return &matter{
			in: in, once: who.once, credential: who.credential.ID, payer: payer, stranger: open,
			carryOut: func(policies.Decision, *models.Record) error { return nil },
		}, nil
	})
	if err != nil {
		return oauth.Pushed{}, err
	}
	token, err := e.store.PushVisit(ctx, v)
	if err != nil {
		return oauth.Pushed{}, unavailable(err)
	}
	return oauth.Pushed{RequestURI: oauth.RequestURIPrefix + token, ExpiresIn: int64(models.PushedLife.Seconds())}, nil
}
