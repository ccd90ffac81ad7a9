package grants

import (
	"context"
	"errors"
	"fmt"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Refreshes are the times of refresh tokens, in seconds.
type Refreshes struct {
	// Grace is how long after its use one that is presented again gets the same
	// successor. Several of a client's threads refresh at once, and answers are lost on
	// the way; neither is theft.
	Grace int64
	// Life is how long one may wait to be used.
	Life int64
}

// DefaultRefreshes are those of a server that is told nothing else.
func DefaultRefreshes() Refreshes { return Refreshes{Grace: 30, Life: 30 * 24 * 3600} }

// Bounds of Refreshes: a longer grace would be a thief's, and no consent outlasts a year.
const (
	maxGrace       = 300
	minRefreshLife = 60
	maxRefreshLife = 365 * 24 * 3600
)

// Check tells what is out of bounds.
func (r Refreshes) Check() error {
	switch {
	case r.Grace < 0 || r.Grace > maxGrace:
		return fmt.Errorf("the grace of refresh tokens must be 0 to %d seconds", maxGrace)
	case r.Life < minRefreshLife || r.Life > maxRefreshLife:
		return errors.New("refresh tokens must live for a minute to a year")
	}
	return nil
}

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
		again := row.UsedAt != 0 && f.now < row.UsedAt+f.grace
		in.Authorization = authorization(found)
		in.Authorization.RedirectOK, in.Authorization.PKCE = true, "ok"
		in.Authorization.ExpiresAt, in.Authorization.Used = row.ExpiresAt, row.UsedAt != 0 && !again
		f.carried = &carried{Carried: *found, raw: req.RefreshToken, again: again}
	}
	return f.granted(ctx, req, in)
}
