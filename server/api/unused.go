package api

import (
	"cmp"
	"context"

	"github.com/deputyauth/deputy/models"
)

// Bounds of what is told of unused scopes: how far back is looked unless somebody says
// so, in days, and how many scopes one answer names that somebody needs.
const (
	unusedDays = 90
	neededTold = 1000
)

func (s *server) ListUnusedScopes(ctx context.Context, r ListUnusedScopesRequestObject) (ListUnusedScopesResponseObject, error) {
	if _, err := s.Store.Client(ctx, r.ID); err != nil {
		return nil, err
	}
	u, err := s.unused(ctx, r.ID, r.Params.Days, page(r.Params.Limit, r.Params.Cursor))
	return ListUnusedScopes200JSONResponse(u), err
}

func (s *server) ListUserUnusedScopes(ctx context.Context, r ListUserUnusedScopesRequestObject) (ListUserUnusedScopesResponseObject, error) {
	if _, err := s.Store.User(ctx, r.ID); err != nil {
		return nil, err
	}
	u, err := s.unused(ctx, r.ID, r.Params.Days, page(r.Params.Limit, r.Params.Cursor))
	return ListUserUnusedScopes200JSONResponse(u), err
}

func (s *server) unused(ctx context.Context, id string, days int, p models.Page) (UnusedScopes, error) {
	u, next, err := s.Store.UnusedScopes(ctx, id, int64(cmp.Or(days, unusedDays)), p)
	if err != nil {
		return UnusedScopes{}, err
	}
	return UnusedScopes{
		Since: at(u.Since), TooYoung: u.TooYoung, Held: u.Held, Unused: u.Unused,
		Items: each(u.Scopes, effectiveOf), NextCursor: cursor(next), Roles: each(u.Roles, sourceOf), Narrower: narrowerOf(u.Narrower),
	}, nil
}

func narrowerOf(n models.Narrower) NarrowerRoles {
	return NarrowerRoles{
		Roles: each(n.Roles, func(r models.Role) RoleName { return RoleName{ID: r.ID, Name: r.Name} }), Spare: n.Spare,
		Scopes: each(n.Scopes[:min(len(n.Scopes), neededTold)], refOf), Total: len(n.Scopes),
	}
}

func sourceOf(r models.ScopeSource) ScopeSource {
	return ScopeSource{RoleID: r.RoleID, Role: r.Role, Direct: r.Direct, Via: each(r.Via, same)}
}
