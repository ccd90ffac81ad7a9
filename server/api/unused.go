package api

import (
	"cmp"
	"context"

	"github.com/deputyauth/deputy/models"
)

// Bounds of what is told of unused scopes: how far back is looked unless somebody says
// so, in days, and how many scopes one answer names that a client needs.
const (
	unusedDays = 90
	neededTold = 1000
)

func (s *server) ListUnusedScopes(ctx context.Context, r ListUnusedScopesRequestObject) (ListUnusedScopesResponseObject, error) {
	days := int64(cmp.Or(r.Params.Days, unusedDays))
	u, next, err := s.Store.UnusedScopes(ctx, r.ID, days, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListUnusedScopes200JSONResponse{
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
