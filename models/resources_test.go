package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestResourceServers(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		operator := modelstest.Application(t, s, "operator")
		t.Run("created", func(t *testing.T) {
			r := &models.ResourceServer{Identifier: "HTTPS://Orders.Example:443/", Name: "orders", OperatorID: &operator.ID}
			require.NoError(t, s.CreateResourceServer(t.Context(), by, r))
			require.True(t, models.HasPrefix(r.ID, models.PrefixResource))
			require.Equal(t, "https://orders.example", r.Identifier)
			require.Equal(t, int64(models.DefaultResourceTTL), r.TokenTTL)
			require.Equal(t, models.DefaultMaxDepth, r.MaxDepth)
			requireServer(t, s, r)
		})
		t.Run("no actors is another depth than none given", func(t *testing.T) {
			r := &models.ResourceServer{Identifier: "https://alone.example", Name: "alone", MaxDepth: models.NoActors}
			require.NoError(t, s.CreateResourceServer(t.Context(), by, r))
			require.Zero(t, r.MaxDepth)
			requireServer(t, s, r)
		})
		t.Run("one identifier, however it is written", func(t *testing.T) {
			modelstest.Service(t, s, "taken")
			for _, same := range []string{"https://taken.example", "https://TAKEN.example/", "https://taken.example:443"} {
				r := &models.ResourceServer{Identifier: same, Name: "taken-too"}
				require.ErrorIs(t, s.CreateResourceServer(t.Context(), by, r), models.ErrConflict, same)
			}
		})
		t.Run("an update keeps what it was not given", func(t *testing.T) {
			r := &models.ResourceServer{
				Identifier: "urn:example:full", Name: "full", Description: "Full", OperatorID: &operator.ID, TokenTTL: 77, MaxDepth: 2,
			}
			require.NoError(t, s.CreateResourceServer(t.Context(), by, r))
			got, err := s.UpdateResourceServer(t.Context(), by, r.ID, r.Version, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
			require.NoError(t, err)
			want := *r
			want.Status, want.Version, want.UpdatedAt = models.StatusSuspended, 2, got.UpdatedAt
			requireServer(t, s, &want)
			_, err = s.UpdateResourceServer(t.Context(), by, r.ID, r.Version, func(*models.ResourceServer) {})
			require.ErrorIs(t, err, models.ErrVersion)
		})
	})
}

func TestResourceServerEnds(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("the identifier stays", func(t *testing.T) {
			r := modelstest.Service(t, s, "fixed")
			_, err := s.UpdateResourceServer(t.Context(), by, r.ID, r.Version, func(r *models.ResourceServer) { r.Identifier = "https://moved.example" })
			requireInvalid(t, err, "identifier")
		})
		t.Run("deleted with its scopes, in roles and downstream too", func(t *testing.T) {
			gone, left := modelstest.Service(t, s, "gone", "read"), modelstest.Service(t, s, "left", "read")
			modelstest.Scope(t, s, left.ID, "read", models.ScopeRef{ResourceID: gone.ID, Name: "read"})
			role := modelstest.Role(t, s, "reader", gone.ID, "read")
			require.ErrorIs(t, s.DeleteResourceServer(t.Context(), by, gone.ID, 9), models.ErrVersion)
			require.NoError(t, s.DeleteResourceServer(t.Context(), by, gone.ID, gone.Version))
			_, err := s.ResourceServer(t.Context(), gone.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
			r, err := s.Role(t.Context(), role.ID)
			require.NoError(t, err)
			require.Empty(t, r.Scopes)
			require.Empty(t, scope(t, s, left.ID, "read").Downstream)
			requireInvalid(t, s.DeleteResourceServer(t.Context(), by, models.SelfID, models.AnyVersion), "id")
		})
	})
}

func TestScopes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		one, two := modelstest.Service(t, s, "one"), modelstest.Service(t, s, "two", "read", "write")
		ref := func(name string) models.ScopeRef { return models.ScopeRef{ResourceID: two.ID, Name: name} }
		t.Run("defined", func(t *testing.T) {
			sc := &models.Scope{ResourceID: one.ID, Name: "Read:all", Description: "Reads", Downstream: []models.ScopeRef{ref("write"), ref("read"), ref("write")}}
			created, err := s.PutScope(t.Context(), by, sc)
			require.NoError(t, err)
			require.True(t, created)
			require.Equal(t, models.RiskLow, sc.Risk)
			require.Equal(t, []models.ScopeRef{ref("read"), ref("write")}, sc.Downstream)
			require.Equal(t, *sc, scope(t, s, one.ID, "Read:all"))
		})
		t.Run("replaced", func(t *testing.T) {
			modelstest.Scope(t, s, one.ID, "replaced", ref("read"))
			sc := &models.Scope{ResourceID: one.ID, Name: "replaced", Description: "New", Risk: models.RiskHigh}
			created, err := s.PutScope(t.Context(), by, sc)
			require.NoError(t, err)
			require.False(t, created)
			require.Equal(t, *sc, scope(t, s, one.ID, "replaced"))
		})
		t.Run("the same name elsewhere, or in another case, is another", func(t *testing.T) {
			modelstest.Scope(t, s, one.ID, "same")
			modelstest.Scope(t, s, one.ID, "Same")
			modelstest.Scope(t, s, two.ID, "same")
			require.NoError(t, s.DeleteScope(t.Context(), by, one.ID, "same"))
			scope(t, s, one.ID, "Same")
			scope(t, s, two.ID, "same")
		})
		t.Run("downstream of what is not defined", func(t *testing.T) {
			sc := &models.Scope{ResourceID: one.ID, Name: "bad", Downstream: []models.ScopeRef{ref("read"), ref("none")}}
			_, err := s.PutScope(t.Context(), by, sc)
			requireInvalid(t, err, "downstream")
			require.ErrorIs(t, s.DeleteScope(t.Context(), by, one.ID, "bad"), models.ErrNotFound, "nothing of it is left")
		})
	})
}

func TestScopesEnd(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		one := modelstest.Service(t, s, "one")
		t.Run("of nobody", func(t *testing.T) {
			_, err := s.PutScope(t.Context(), by, &models.Scope{ResourceID: "rsv_none", Name: "read"})
			require.ErrorIs(t, err, models.ErrNotFound)
			_, _, err = s.Scopes(t.Context(), "rsv_none", models.Page{})
			require.ErrorIs(t, err, models.ErrNotFound)
		})
		t.Run("deleted, and roles lose it", func(t *testing.T) {
			modelstest.Scope(t, s, one.ID, "lost")
			modelstest.Scope(t, s, one.ID, "stays", models.ScopeRef{ResourceID: one.ID, Name: "lost"})
			role := modelstest.Role(t, s, "loser", one.ID, "lost", "stays")
			require.NoError(t, s.DeleteScope(t.Context(), by, one.ID, "lost"))
			require.ErrorIs(t, s.DeleteScope(t.Context(), by, one.ID, "lost"), models.ErrNotFound)
			r, err := s.Role(t.Context(), role.ID)
			require.NoError(t, err)
			require.Equal(t, []models.ScopeRef{{ResourceID: one.ID, Name: "stays"}}, r.Scopes)
			require.Empty(t, scope(t, s, one.ID, "stays").Downstream)
		})
	})
}

func requireServer(t *testing.T, s *models.Store, want *models.ResourceServer) {
	t.Helper()
	got, err := s.ResourceServer(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func scope(t *testing.T, s *models.Store, resourceID, name string) models.Scope {
	t.Helper()
	rows, _, err := s.Scopes(t.Context(), resourceID, models.Page{})
	require.NoError(t, err)
	for _, sc := range rows {
		if sc.Name == name {
			return sc
		}
	}
	require.Failf(t, "no such scope", "%s of %s", name, resourceID)
	return models.Scope{}
}
