package grants

import (
	"context"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// tokenExchange is RFC 8693: a client hands in a token it holds or was sent and
// asks for a narrower one, with itself as the actor.
type tokenExchange struct{}

func (tokenExchange) Type() string   { return oauth.TokenExchange }
func (tokenExchange) Action() string { return policies.IssueTokenExchange }

func (tokenExchange) Question(ctx context.Context, f *facts, req oauth.TokenRequest, in *policies.Input) error {
	parent, problem, err := f.presented(ctx, req.SubjectToken, in)
	if err != nil {
		return err
	}
	in.Parent, in.Request.TokenProblem = parent, problem
	if req.ActorToken != "" {
		if in.Request.ActorToken, err = f.actorToken(ctx, req.ActorToken); err != nil {
			return err
		}
	}
	if err := f.brought(ctx, req, in); err != nil {
		return err
	}
	return f.target(ctx, req, in)
}
