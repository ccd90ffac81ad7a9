package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestEnsureOpenID(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		require.NoError(t, s.EnsureOpenID(ctx, "https://deputy.example/oauth2/userinfo"))
		for _, id := range []string{models.OpenIDRoleID, models.PersonRoleID} {
			role, err := s.Role(ctx, id)
			require.NoError(t, err)
			require.Len(t, role.Scopes, 4)
			requireInvalid(t, s.DeleteRole(ctx, by, id, models.AnyVersion), "id")
		}
		t.Run("again changes nothing", func(t *testing.T) {
			before := size(t, s)
			require.NoError(t, s.EnsureOpenID(ctx, "https://deputy.example/oauth2/userinfo"))
			require.Equal(t, before, size(t, s))
		})
		t.Run("goes with the issuer", func(t *testing.T) {
			require.NoError(t, s.EnsureOpenID(ctx, "https://elsewhere.example/oauth2/userinfo"))
			row, err := s.ResourceServer(ctx, models.OpenIDID)
			require.NoError(t, err)
			require.Equal(t, "https://elsewhere.example/oauth2/userinfo", row.Identifier)
			require.Equal(t, int64(2), row.Version)
		})
		t.Run("is the release's", func(t *testing.T) {
			requireInvalid(t, s.DeleteResourceServer(ctx, by, models.OpenIDID, models.AnyVersion), "id")
			requireInvalid(t, s.DeleteScope(ctx, by, models.OpenIDID, "openid"), "resource_server_id")
			_, err := s.PutScope(ctx, by, &models.Scope{ResourceID: models.OpenIDID, Name: "email", Risk: models.RiskHigh})
			requireInvalid(t, err, "resource_server_id")
			_, err = s.UpdateResourceServer(ctx, by, models.OpenIDID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
			requireInvalid(t, err, "status")
		})
	})
}

// Every user may be asked who they are; nobody else is one for having a role.
func TestEveryUserHoldsTheIdentityScopes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		require.NoError(t, s.EnsureOpenID(ctx, "https://deputy.example/oauth2/userinfo"))
		user, app := modelstest.User(t, s, "alice"), modelstest.Application(t, s, "app")
		holds := func(id string) map[string][]string {
			v, err := s.View(ctx)
			require.NoError(t, err)
			p, err := v.Principal(ctx, id)
			require.NoError(t, err)
			return p.Value.Scopes[models.OpenIDID]
		}
		require.Equal(t, map[string][]string{
			"openid": {models.PersonRoleID}, "profile": {models.PersonRoleID}, "email": {models.PersonRoleID}, "groups": {models.PersonRoleID},
		}, holds(user.ID))
		require.Empty(t, holds(app.ID))
		_, err := s.UpdateRole(ctx, by, models.PersonRoleID, models.AnyVersion, func(r *models.Role) { r.Scopes = r.Scopes[:1] })
		require.NoError(t, err)
		require.NoError(t, s.Refresh(ctx))
		require.Len(t, holds(user.ID), 1, "what an operator takes from everybody stays taken")
		require.NoError(t, s.EnsureOpenID(ctx, "https://deputy.example/oauth2/userinfo"))
		require.NoError(t, s.Refresh(ctx))
		require.Len(t, holds(user.ID), 1)
	})
}

func TestProfileFollowsItsUser(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		user := modelstest.User(t, s, "alice")
		inner, outer := &models.Group{Name: "inner"}, &models.Group{Name: "outer"}
		for _, g := range []*models.Group{inner, outer} {
			require.NoError(t, s.CreateGroup(ctx, by, g))
		}
		profile := func() *models.Profile {
			require.NoError(t, s.Refresh(ctx))
			v, err := s.View(ctx)
			require.NoError(t, err)
			p, err := v.Profile(ctx, user.ID)
			require.NoError(t, err)
			return p
		}
		require.Empty(t, profile().Groups)
		require.Equal(t, "alice", profile().Username)
		require.NoError(t, s.AddGroupMember(ctx, by, inner.ID, user.ID))
		require.NoError(t, s.AddGroupMember(ctx, by, outer.ID, inner.ID))
		require.Equal(t, []string{"inner", "outer"}, profile().Groups)
		_, err := s.UpdateUser(ctx, by, user.ID, models.AnyVersion, func(u *models.User) { u.Name, u.Email = "Alice", "alice@example.com" })
		require.NoError(t, err)
		require.Equal(t, "Alice", profile().Name)
		v, err := s.View(ctx)
		require.NoError(t, err)
		_, err = v.Profile(ctx, "usr_nobody")
		require.ErrorIs(t, err, models.ErrNotFound)
	})
}
