package grants

import (
	"context"
	"errors"
	"sort"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// facts is what one decision may look at: a view of the store at one epoch, the
// keys that tell a token of ours, and the time.
type facts struct {
	view *models.View
	keys reader
	now  int64

	grace    int64            // of refresh tokens; see Refreshes
	carried  *carried         // the code or refresh token that was presented, if one was
	approval *models.Approval // that a machine grant brings, if it does
	supposed bool             // nobody sent the request: what is presented may be named by its id
}

// reader makes the claims of a token that somebody names or hands in, or says,
// with a tokens.Problem, why it cannot.
type reader interface {
	Verify(ctx context.Context, raw string) (*tokens.Claims, error)
}

// target adds the resource server the token is for. If none was named, it adds
// every one the client holds scopes at: which of them fits is policy's to say.
func (f *facts) target(ctx context.Context, req oauth.TokenRequest, in *policies.Input) error {
	names, err := canonical(req.Resources)
	if err != nil {
		return err
	}
	in.Request.Resources = names
	if len(names) == 0 && in.Client != nil {
		return f.candidates(ctx, in)
	}
	for i, name := range names {
		r, err := f.view.ResourceByName(ctx, name)
		if err != nil {
			return err
		}
		if r != nil {
			names[i] = r.Value.Identifier
			in.Resources = append(in.Resources, r)
		}
	}
	return nil
}

func (f *facts) candidates(ctx context.Context, in *policies.Input) error {
	ids := make([]string, 0, len(in.Client.Value.Scopes))
	for id := range in.Client.Value.Scopes {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		r, err := f.view.Resource(ctx, id)
		if err != nil {
			return err
		}
		if r != nil {
			in.Resources = append(in.Resources, r)
		}
	}
	return nil
}

// canonical brings resource names into the form they are compared in (RFC 8707),
// each once. A resource server may also be named by its id.
func canonical(names []string) ([]string, error) {
	out := []string{}
	seen := map[string]bool{}
	for _, name := range names {
		if !models.HasPrefix(name, models.PrefixResource) || len(name) > 64 {
			uri, err := models.CanonicalURI(name)
			var inv *models.Invalid
			if errors.As(err, &inv) {
				return nil, oauth.Errorf(oauth.InvalidTarget, "resource %s.", inv.Reason).Named("resource_malformed")
			}
			name = uri
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out, nil
}

// presented reads a token somebody handed in, and adds the facts of everybody
// in it. If it is not a token of ours, problem says why and the token is nil:
// that is a fact too.
func (f *facts) presented(ctx context.Context, raw string, in *policies.Input) (*policies.Token, string, error) {
	claims, err := f.keys.Verify(ctx, raw)
	var problem tokens.Problem
	if errors.As(err, &problem) {
		return nil, string(problem), nil
	}
	if err != nil {
		return nil, "", err
	}
	state, err := f.view.TokenState(ctx, claims.ID)
	if err != nil {
		return nil, "", err
	}
	if !state.Known || state.ClientID != claims.ClientID || state.SubjectID != claims.Subject {
		return nil, string(tokens.Unknown), nil
	}
	if in.Subject, err = f.view.Principal(ctx, claims.Subject); err != nil {
		return nil, "", err
	}
	for _, id := range claims.Chain() {
		actor, err := f.view.Principal(ctx, id)
		if err != nil {
			return nil, "", err
		}
		in.Chain = append(in.Chain, actor)
	}
	t := &policies.Token{
		ID: claims.ID, Client: claims.ClientID, Subject: claims.Subject, Chain: claims.Chain(),
		Expires: claims.Expires, IssuedAt: claims.IssuedAt, Revoked: state.Revoked, Grant: state.Grant, Txn: state.Txn,
		Own: claims.Scopes(), Details: claims.Details, Scopes: map[string]map[string][]string{},
	}
	if models.HasPrefix(t.Subject, models.PrefixUser) {
		if in.Consent, err = f.view.ConsentOf(ctx, t.Grant.ID, t.Txn); err != nil {
			return nil, "", err
		}
	}
	return t, "", f.lockedTo(ctx, claims.Audience, state.ResourceID, t)
}

// lockedTo adds the service the token is for, and how far its scopes reach. A
// service that was registered anew under an old identifier is another service.
func (f *facts) lockedTo(ctx context.Context, audience, id string, t *policies.Token) error {
	r, err := f.view.ResourceByName(ctx, audience)
	if err != nil || r == nil || r.Value.ID != id {
		return err
	}
	t.Audience = policies.Audience{ID: r.Value.ID, Operator: r.Value.Operator, Status: r.Value.Status}
	t.Scopes, err = f.view.Reach(ctx, r.Value.ID, t.Own)
	return err
}

func (f *facts) actorToken(ctx context.Context, raw string) (*policies.ActorToken, error) {
	var aside policies.Input // its parties are not the request's
	t, problem, err := f.presented(ctx, raw, &aside)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return &policies.ActorToken{Chain: []string{}, Problem: problem}, nil
	}
	return &policies.ActorToken{
		Subject: t.Subject, Client: t.Client, Chain: t.Chain, Expires: t.Expires, Revoked: t.Revoked || t.Grant.Revoked, Audience: t.Audience.ID,
	}, nil
}
