package grants

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/tokens"
)

// identify makes the ID token that a decision says goes with the access token
// (OpenID Connect Core sections 3.1.3.3 and 12.2): signed as it is said, with the
// claims that policy named and no others. Its name follows from the access token's,
// under which the ledger has the decision, so nothing about the user is kept there.
func (e *Endpoint) identify(ctx context.Context, f *facts, in policies.Input, d policies.Decision, out *issuance) error {
	if d.IDToken == nil {
		return nil
	}
	about, err := f.claims(ctx, d.Subject, d.IDToken.Claims)
	if err != nil {
		return err
	}
	delete(about, "sub")
	code, first := f.carried.Code, f.carried.Refresh == nil
	claims := tokens.IDClaims{
		Subject: d.Subject, Audience: in.Client.Value.ID, IssuedAt: in.Now, Expires: in.Now + d.IDToken.TTL,
		ID:       models.PrefixIDToken + strings.TrimPrefix(out.token.ID, models.PrefixToken),
		AuthTime: code.AuthTime, ACR: code.ACR, AMR: code.AMR, SessionID: code.SessionID,
		TokenHash: tokens.TokenHash(out.raw), About: about,
	}
	if first {
		claims.Nonce = code.Nonce
	}
	if a := in.Approval; a != nil && a.Delivery == models.DeliveryPush { // whoever is told must see that all of it belongs together
		claims.AuthReqID = f.carried.raw
		if out.refresh != "" {
			claims.RefreshHash = tokens.TokenHash(out.refresh)
		}
	}
	out.id, err = e.keys.SignID(claims)
	if errors.Is(err, tokens.ErrTooLarge) {
		return tooLarge()
	}
	return err
}

// acquaint adds the userinfo endpoint to a visit that asks who the user is, whether
// or not the client named it or holds anything there. What follows is policy's to say.
func (f *facts) acquaint(ctx context.Context, in *policies.Input) error {
	if !slices.Contains(in.Request.Scopes, "openid") || slices.ContainsFunc(in.Resources, func(r *policies.Fact[policies.Resource]) bool {
		return r.Value.ID == models.OpenIDID
	}) {
		return nil
	}
	r, err := f.view.Resource(ctx, models.OpenIDID)
	if err == nil && r != nil {
		in.Resources = append(in.Resources, r)
	}
	return err
}

// claims are what is known of a user of what was named. What is unknown is left out:
// no claim is ever null.
func (f *facts) claims(ctx context.Context, userID string, names []string) (map[string]any, error) {
	p, err := f.view.Profile(ctx, userID)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, name := range names {
		switch name {
		case "sub":
			out[name] = userID
		case "name":
			known(out, name, p.Name)
		case "preferred_username":
			known(out, name, p.Username)
		case "updated_at":
			out[name] = p.UpdatedAt
		case "email":
			known(out, name, p.Email)
		case "email_verified":
			if p.Email != "" {
				out[name] = false // nobody has looked whether it is theirs
			}
		case "groups":
			out[name] = p.Groups
		}
	}
	return out, nil
}

func known(claims map[string]any, name, value string) {
	if value != "" {
		claims[name] = value
	}
}
