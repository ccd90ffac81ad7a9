package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestEnsureSelf(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		require.NoError(t, s.EnsureSelf(ctx, "https://Deputy.example/"))
		self, err := s.ResourceServer(ctx, models.SelfID)
		require.NoError(t, err)
		require.Equal(t, "https://deputy.example", self.Identifier)
		role, err := s.Role(ctx, models.AdminRoleID)
		require.NoError(t, err)
		require.Len(t, role.Scopes, len(models.SelfScopes()))
		require.Equal(t, int64(1), role.Version)

		t.Run("again changes nothing", func(t *testing.T) {
			before := size(t, s)
			require.NoError(t, s.EnsureSelf(ctx, "https://Deputy.example/"))
			require.Equal(t, before, size(t, s))
		})
		t.Run("keeps what administrators set", func(t *testing.T) {
			_, err := s.UpdateResourceServer(ctx, by, models.SelfID, models.AnyVersion, func(r *models.ResourceServer) { r.TokenTTL = 60 })
			require.NoError(t, err)
			before := size(t, s)
			require.ErrorIs(t, s.EnsureSelf(ctx, "https://elsewhere.example"), models.ErrOtherIssuer)
			require.Equal(t, before, size(t, s), "somebody may be serving there")
			require.NoError(t, s.RenameSelf(ctx, by, "https://elsewhere.example"))
			require.NoError(t, s.EnsureSelf(ctx, "https://elsewhere.example"))
			self, err := s.ResourceServer(ctx, models.SelfID)
			require.NoError(t, err)
			require.Equal(t, "https://elsewhere.example", self.Identifier)
			require.Equal(t, int64(60), self.TokenTTL)
		})
		t.Run("adds what a newer release brings, to the administrator role too", func(t *testing.T) {
			require.NoError(t, s.Writer().Exec("delete from scopes where resource_id = ? and name = 'keys:read'", models.SelfID).Error)
			require.NoError(t, s.EnsureSelf(ctx, "https://elsewhere.example"))
			scope(t, s, models.SelfID, "keys:read")
			role, err := s.Role(ctx, models.AdminRoleID)
			require.NoError(t, err)
			require.Contains(t, role.Scopes, models.ScopeRef{ResourceID: models.SelfID, Name: "keys:read"})
			require.Equal(t, int64(2), role.Version)
		})
		t.Run("its scopes stay", func(t *testing.T) {
			requireInvalid(t, s.DeleteScope(ctx, by, models.SelfID, "audit:read"), "resource_server_id")
			for _, name := range []string{"audit:read", "house:own"} {
				_, err := s.PutScope(ctx, by, &models.Scope{ResourceID: models.SelfID, Name: name, Risk: models.RiskLow})
				requireInvalid(t, err, "resource_server_id")
			}
		})
		t.Run("nobody operates it", func(t *testing.T) {
			operator := modelstest.Application(t, s, "operator")
			_, err := s.UpdateResourceServer(ctx, by, models.SelfID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &operator.ID })
			requireInvalid(t, err, "operator_id")
		})
		t.Run("under a name that can be one", func(t *testing.T) {
			requireInvalid(t, s.EnsureSelf(ctx, "deputy"), "identifier")
		})
	})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	last := ""
	for range 1000 {
		id := models.NewID(models.PrefixToken)
		require.True(t, models.HasPrefix(id, models.PrefixToken))
		require.Greater(t, id, last, "ids sort by when they were made")
		require.Regexp(t, `^tok_[0-9a-z]{26}$`, id)
		last = id
	}
	require.False(t, models.HasPrefix("tokens_x", models.PrefixToken))
	require.False(t, models.HasPrefix("tok", models.PrefixToken))
}
