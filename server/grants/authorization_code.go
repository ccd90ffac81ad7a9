package grants

import (
	"context"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// authorizationCode is RFC 6749 section 4.1.3 as OAuth 2.1 has it: a client brings
// the code of what a person granted, and the verifier by which it shows that it is
// the one that began.
type authorizationCode struct{}

func (authorizationCode) Type() string   { return oauth.AuthorizationCode }
func (authorizationCode) Action() string { return policies.IssueAuthorizationCode }

func (authorizationCode) Question(ctx context.Context, f *facts, req oauth.TokenRequest, in *policies.Input) error {
	found, err := f.byCode(ctx, req.Code)
	if err != nil {
		return err
	}
	if found != nil {
		in.Authorization = authorization(found)
		in.Authorization.RedirectOK = found.Code.RedirectURI == req.RedirectURI
		in.Authorization.PKCE = oauth.CheckVerifier(found.Code.Challenge, req.Verifier)
		in.Authorization.ExpiresAt, in.Authorization.Used = found.Code.ExpiresAt, found.Code.UsedAt != 0
		f.carried = &carried{Carried: *found, raw: req.Code}
	}
	return f.granted(ctx, req, in)
}
