package grants

import (
	"context"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// clientCredentials is RFC 6749 section 4.4: a client asks for itself.
type clientCredentials struct{}

func (clientCredentials) Type() string   { return oauth.ClientCredentials }
func (clientCredentials) Action() string { return policies.IssueClientCredentials }

func (clientCredentials) Question(ctx context.Context, f *facts, req oauth.TokenRequest, in *policies.Input) error {
	if err := f.brought(ctx, req, in); err != nil {
		return err
	}
	return f.target(ctx, req, in)
}
