package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		one, two := modelstest.Service(t, s, "one", "read", "write"), modelstest.Service(t, s, "two", "read")
		ref := func(r *models.ResourceServer, name string) models.ScopeRef {
			return models.ScopeRef{ResourceID: r.ID, Name: name}
		}
		t.Run("holds each scope once, sorted", func(t *testing.T) {
			r := &models.Role{Name: "mixed", Scopes: []models.ScopeRef{ref(two, "read"), ref(one, "write"), ref(two, "read"), ref(one, "read")}}
			require.NoError(t, s.CreateRole(t.Context(), by, r))
			require.True(t, models.HasPrefix(r.ID, models.PrefixRole))
			require.Equal(t, []models.ScopeRef{ref(one, "read"), ref(one, "write"), ref(two, "read")}, r.Scopes)
			requireRole(t, s, r)
			require.ErrorIs(t, s.CreateRole(t.Context(), by, &models.Role{Name: "mixed"}), models.ErrConflict)
		})
		t.Run("an update keeps what it was not given", func(t *testing.T) {
			r := modelstest.Role(t, s, "kept", one.ID, "read", "write")
			got, err := s.UpdateRole(t.Context(), by, r.ID, r.Version, func(r *models.Role) { r.Description = "Both" })
			require.NoError(t, err)
			require.Equal(t, r.Scopes, got.Scopes)
			requireRole(t, s, got)
			_, err = s.UpdateRole(t.Context(), by, r.ID, r.Version, func(*models.Role) {})
			require.ErrorIs(t, err, models.ErrVersion)
		})
		t.Run("an update replaces scopes", func(t *testing.T) {
			r := modelstest.Role(t, s, "replaced", one.ID, "read")
			got, err := s.UpdateRole(t.Context(), by, r.ID, r.Version, func(r *models.Role) { r.Scopes = []models.ScopeRef{ref(two, "read")} })
			require.NoError(t, err)
			requireRole(t, s, got)
			got, err = s.UpdateRole(t.Context(), by, r.ID, got.Version, func(r *models.Role) { r.Scopes = nil })
			require.NoError(t, err)
			require.Equal(t, []models.ScopeRef{}, got.Scopes)
			requireRole(t, s, got)
		})
	})
}

func TestRolesEnd(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		one := modelstest.Service(t, s, "one", "read", "write")
		t.Run("a failed update changes nothing", func(t *testing.T) {
			r := modelstest.Role(t, s, "unhurt", one.ID, "read")
			_, err := s.UpdateRole(t.Context(), by, r.ID, r.Version, func(r *models.Role) {
				r.Scopes = []models.ScopeRef{{ResourceID: one.ID, Name: "write"}, {ResourceID: one.ID, Name: "none"}}
			})
			requireInvalid(t, err, "scopes")
			requireRole(t, s, r)
		})
		t.Run("deleted with its assignments", func(t *testing.T) {
			r, u := modelstest.Role(t, s, "deleted", one.ID, "read"), modelstest.User(t, s, "alice")
			modelstest.Assign(t, s, r.ID, u.ID)
			require.ErrorIs(t, s.DeleteRole(t.Context(), by, r.ID, 9), models.ErrVersion)
			require.NoError(t, s.DeleteRole(t.Context(), by, r.ID, r.Version))
			_, err := s.Role(t.Context(), r.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
			left, _, err := s.Assignments(t.Context(), r.ID, "", models.Page{})
			require.NoError(t, err)
			require.Empty(t, left)
		})
		t.Run("the administrator role stays", func(t *testing.T) {
			requireInvalid(t, s.DeleteRole(t.Context(), by, models.AdminRoleID, models.AnyVersion), "id")
		})
	})
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		service := modelstest.Service(t, s, "service", "read")
		role, u := modelstest.Role(t, s, "role", service.ID, "read"), modelstest.User(t, s, "alice")
		a := modelstest.Assign(t, s, role.ID, u.ID)
		require.True(t, models.HasPrefix(a.ID, models.PrefixAssignment))
		t.Run("once only", func(t *testing.T) {
			again := &models.Assignment{RoleID: role.ID, PrincipalID: u.ID}
			require.ErrorIs(t, s.CreateAssignment(t.Context(), by, again), models.ErrConflict)
		})
		t.Run("to whom and of what must exist", func(t *testing.T) {
			requireInvalid(t, s.CreateAssignment(t.Context(), by, &models.Assignment{RoleID: role.ID, PrincipalID: "usr_nobody"}), "principal_id")
			requireInvalid(t, s.CreateAssignment(t.Context(), by, &models.Assignment{RoleID: "rol_none", PrincipalID: u.ID}), "role_id")
		})
		t.Run("taken away", func(t *testing.T) {
			require.NoError(t, s.DeleteAssignment(t.Context(), by, a.ID))
			require.ErrorIs(t, s.DeleteAssignment(t.Context(), by, a.ID), models.ErrNotFound)
			modelstest.Assign(t, s, role.ID, u.ID)
		})
	})
}

func requireRole(t *testing.T, s *models.Store, want *models.Role) {
	t.Helper()
	got, err := s.Role(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
