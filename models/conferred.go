package models

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// SelfScopes names, sorted, the scopes of Deputy's own API that a user or client
// holds, a role has, or a group hands to its members. What names nothing has none.
func (v *View) SelfScopes(ctx context.Context, id string) (scopes []string, err error) {
	switch {
	case HasPrefix(id, PrefixRole):
		scopes, err = v.selfScopesOf(ctx, id)
	case HasPrefix(id, PrefixGroup):
		scopes, err = v.groupSelfScopes(ctx, id)
	default:
		scopes, err = v.principalSelfScopes(ctx, id)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return scopes, err
}

func (v *View) principalSelfScopes(ctx context.Context, id string) ([]string, error) {
	p, err := v.Principal(ctx, id)
	if err != nil || p == nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(p.Value.Scopes[SelfID])), nil
}

func (v *View) groupSelfScopes(ctx context.Context, id string) ([]string, error) {
	db := v.store.read.WithContext(ctx)
	above, err := groupsOf(db, id)
	if err != nil {
		return nil, wrap("load group", absent(err))
	}
	groups := append(above, id)
	for _, g := range groups {
		v.Deps = append(v.Deps, key("group", g))
	}
	var roles []string
	err = db.Model(&Assignment{}).Where("principal_id in ?", groups).Distinct().Pluck("role_id", &roles).Error
	if err != nil {
		return nil, wrap("load group", err)
	}
	return v.selfScopesOf(ctx, roles...)
}

func (v *View) selfScopesOf(ctx context.Context, roles ...string) ([]string, error) {
	for _, r := range roles {
		v.Deps = append(v.Deps, key("role", r))
	}
	scopes, err := scopesOf(v.store.read.WithContext(ctx), roles)
	if err != nil {
		return nil, wrap("load role", absent(err))
	}
	return slices.Sorted(maps.Keys(scopes[SelfID])), nil
}

// ClientRow is a client as it stands, which what is decided next hangs from.
// ErrNotFound if there is none.
func (v *View) ClientRow(ctx context.Context, id string) (*Client, error) {
	v.Deps = append(v.Deps, key("client", id))
	return v.store.Client(ctx, id)
}

// UserRow is ClientRow of a user.
func (v *View) UserRow(ctx context.Context, id string) (*User, error) {
	v.Deps = append(v.Deps, key("user", id))
	return v.store.User(ctx, id)
}

// RoleRow is ClientRow of a role.
func (v *View) RoleRow(ctx context.Context, id string) (*Role, error) {
	v.Deps = append(v.Deps, key("role", id))
	return v.store.Role(ctx, id)
}

// ResourceRow is ClientRow of a resource server.
func (v *View) ResourceRow(ctx context.Context, id string) (*ResourceServer, error) {
	v.Deps = append(v.Deps, key("resource", id))
	return v.store.ResourceServer(ctx, id)
}

// With is what both views saw: a change decided on them goes stale with either.
// A nil view saw nothing.
func (v *View) With(other *View) *View {
	switch {
	case v == nil:
		return other
	case other == nil:
		return v
	}
	return &View{store: v.store, Epoch: min(v.Epoch, other.Epoch), Deps: slices.Concat(v.Deps, other.Deps)}
}
