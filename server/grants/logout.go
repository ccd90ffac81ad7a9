package grants

import (
	"context"
	"errors"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/oauth"
)

// Leaving is what is known of a request to sign out.
type Leaving struct {
	ClientID string // who asks, "" if nobody says
	To       string // where whoever signed out goes, "" if nowhere
	Sure     bool   // the client has an ID token of just this session: nobody needs to ask
}

// Leave reads a request to sign out (OpenID Connect RP-Initiated Logout) by whoever is
// there, or by nobody (nil). It decides nothing: people may always sign out. What it
// refuses is a request that contradicts itself or that would send people to where the
// client is not registered to be.
func (e *Endpoint) Leave(ctx context.Context, req oauth.LogoutRequest, who *Person) (*Leaving, error) {
	out := &Leaving{ClientID: req.ClientID}
	if req.Hint != "" {
		claims, err := e.hinted(ctx, req.Hint, req.ClientID) // which may have expired (section 4)
		if err != nil {
			return nil, err
		}
		out.ClientID = claims.Audience
		out.Sure = who != nil && claims.Subject == who.UserID && claims.SessionID == who.SessionID
	}
	if req.Redirect == "" {
		return out, nil
	}
	if out.ClientID == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "post_logout_redirect_uri needs an id_token_hint or a client_id.").Named("client_id_missing")
	}
	client, err := e.store.Client(ctx, out.ClientID)
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		return nil, unavailable(err)
	}
	if err != nil || client.Status == models.StatusDecommissioned || !slices.Contains(client.PostLogoutURIs, req.Redirect) {
		return nil, oauth.Errorf(oauth.InvalidRequest, "post_logout_redirect_uri is none that the client has registered.").Named("redirect_unknown")
	}
	out.To, err = oauth.AfterLogout(req.Redirect, req.State)
	return out, err
}
