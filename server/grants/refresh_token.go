package grants

import (
	"context"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Grace is how long after its use a refresh token that is presented again gets the
// same successor, in seconds. Several of a client's threads refresh at once, and
// answers are lost on the way; neither is theft.
const Grace = 30

// refreshToken is RFC 6749 section 6: what a person granted goes on, decided anew on
// what is so now. The code proved what a code proves; here there is none.
type refreshToken struct{}

func (refreshToken) Type() string   { return oauth.RefreshToken }
func (refreshToken) Action() string { return policies.IssueRefreshToken }

func (refreshToken) Question(ctx context.Context, f *facts, req oauth.TokenRequest, in *policies.Input) error {
	found, err := f.byRefreshToken(ctx, req.RefreshToken)
	if err != nil {
		return err
	}
	if found != nil {
		row := found.Refresh
		again := row.UsedAt != 0 && f.now < row.UsedAt+Grace
		in.Authorization = authorization(found)
		in.Authorization.RedirectOK, in.Authorization.PKCE = true, "ok"
		in.Authorization.ExpiresAt, in.Authorization.Used = row.ExpiresAt, row.UsedAt != 0 && !again
		f.carried = &carried{Carried: *found, raw: req.RefreshToken, again: again}
	}
	return f.granted(ctx, req, in)
}
