package grants

import (
	"errors"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// issuance is a token that was made and may leave once it is recorded.
type issuance struct {
	raw     string
	token   models.Token
	refresh string // the refresh token that goes with it, "" if none does
	id      string // the ID token, likewise
}

// mint signs exactly what the decision says. The only thing it makes up is the
// token's name.
func (e *Endpoint) mint(in policies.Input, d policies.Decision, out *issuance, r *models.Record) error {
	t, claims := said(in, d)
	t.DecisionID = r.Entry.ID
	raw, err := e.keys.Sign(claims)
	if errors.Is(err, tokens.ErrTooLarge) {
		return tooLarge()
	}
	if err != nil {
		return err
	}
	*out = issuance{raw: raw, token: t}
	r.Token = &out.token
	r.Entry.TokenID, r.Entry.ParentID, r.Entry.GrantID, r.Entry.Txn = t.ID, t.ParentID, t.GrantID, t.Txn
	r.Entry.SubjectID, r.Entry.ResourceID = t.SubjectID, t.ResourceID
	return nil
}

// said is the token that a decision says, as record and as claims.
func said(in policies.Input, d policies.Decision) (models.Token, tokens.Claims) {
	t := models.Token{
		ID: models.NewID(models.PrefixToken), ClientID: in.Client.Value.ID, SubjectID: d.Subject, ResourceID: d.Resource,
		Scopes: d.Scopes, Chain: d.Chain, Details: d.Details, IssuedAt: in.Now, ExpiresAt: in.Now + d.TTL,
	}
	signIn := policies.Authorization{}
	switch {
	case in.Parent != nil:
		t.ParentID, t.GrantID, t.Txn = in.Parent.ID, in.Parent.Grant.ID, in.Parent.Txn
	case in.Authorization != nil:
		t.GrantID, t.Txn = in.Authorization.ID, t.ID
		signIn = *in.Authorization
	default:
		t.GrantID, t.Txn = in.Client.Value.SelfGrant, t.ID
	}
	profile := profiles(in)
	return t, tokens.Claims{
		AuthTime: signIn.AuthTime, ACR: signIn.ACR, AMR: signIn.AMR,
		Subject: d.Subject, SubProfile: profile(d.Subject), Audience: d.Audience,
		ClientID: t.ClientID, ClientProfile: profile(t.ClientID), Scope: strings.Join(d.Scopes, " "),
		ID: t.ID, Txn: t.Txn, GrantID: t.GrantID, IssuedAt: t.IssuedAt, Expires: t.ExpiresAt,
		Act: tokens.NestActors(d.Chain, profile), Details: d.Details, House: d.Claims,
	}
}

func tooLarge() *oauth.Error {
	return oauth.Errorf(oauth.InvalidScope, "The token would be too large; ask for fewer scopes.").Named(reasonTooLarge)
}

// profiles tells what kind of principal an id of this request names.
func profiles(in policies.Input) func(id string) string {
	kinds := map[string]string{}
	for _, p := range append([]*policies.Fact[policies.Principal]{in.Client, in.Subject}, in.Chain...) {
		if p != nil {
			kinds[p.Value.ID] = p.Value.Kind
		}
	}
	return func(id string) string { return tokens.Profile(kinds[id]) }
}

func (i *issuance) response(g Grant) oauth.TokenResponse {
	resp := oauth.TokenResponse{
		AccessToken: i.raw, TokenType: "Bearer",
		ExpiresIn: i.token.ExpiresAt - i.token.IssuedAt, Scope: strings.Join(i.token.Scopes, " "),
		Details: i.token.Details, RefreshToken: i.refresh, IDToken: i.id,
	}
	if g.Type() == oauth.TokenExchange {
		resp.IssuedTokenType = oauth.TypeAccessToken
	}
	return resp
}
