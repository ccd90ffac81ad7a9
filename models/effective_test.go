package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestEffectiveScopes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		inner := modelstest.Group(t, s, "inner", w.Agent.ID)
		outer := modelstest.Group(t, s, "outer", inner.ID)
		reader := modelstest.Role(t, s, "reader", w.Service.ID, "read")
		modelstest.Assign(t, s, reader.ID, outer.ID)
		modelstest.Assign(t, s, w.Role.ID, inner.ID)

		page := func(p models.Page) ([]models.EffectiveScope, string, error) {
			return s.EffectiveScopes(t.Context(), w.Agent.ID, p)
		}
		rows, next, err := page(models.Page{})
		require.NoError(t, err)
		require.Empty(t, next)
		both := models.ScopeSource{RoleID: w.Role.ID, Role: "w-role", Direct: true, Via: []string{inner.ID}}
		of := func(scope string, roles ...models.ScopeSource) models.EffectiveScope {
			return models.EffectiveScope{ResourceID: w.Service.ID, Identifier: w.Service.Identifier, Scope: scope, Risk: models.RiskLow, Roles: roles}
		}
		require.Equal(t, []models.EffectiveScope{
			of("read", both, models.ScopeSource{RoleID: reader.ID, Role: "reader", Via: []string{outer.ID}}),
			of("write", both),
		}, rows)
		checkPages(t, []string{"read", "write"}, page, func(e models.EffectiveScope) string { return e.Scope })

		none, _, err := s.EffectiveScopes(t.Context(), modelstest.Application(t, s, "app").ID, models.Page{})
		require.NoError(t, err)
		require.Empty(t, none)
		_, _, err = s.EffectiveScopes(t.Context(), "agt_nobody", models.Page{})
		require.ErrorIs(t, err, models.ErrNotFound)
	})
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		modelstest.NewWorld(t, s, "w")
		rows, _, err := s.Entries(t.Context(), models.EntryFilter{}, -1, 200)
		require.NoError(t, err)
		for _, e := range rows {
			ev, err := s.Evidence(t.Context(), &e)
			require.NoError(t, err)
			require.Equal(t, size(t, s), ev.Tree.Size)
			require.NoError(t, tlog.CheckRecord(ev.Hashes, ev.Tree.Size, ev.Tree.Root, e.Seq, tlog.RecordHash([]byte(ev.Leaf))))
		}
	})
}
