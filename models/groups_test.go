package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestGroups(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("created and changed", func(t *testing.T) {
			g := modelstest.Group(t, s, "staff")
			require.True(t, models.HasPrefix(g.ID, models.PrefixGroup))
			got, err := s.UpdateGroup(t.Context(), by, g.ID, g.Version, func(g *models.Group) { g.Description = "Everyone" })
			require.NoError(t, err)
			require.Equal(t, "staff", got.Name)
			read, err := s.Group(t.Context(), g.ID)
			require.NoError(t, err)
			require.Equal(t, got, read)
			_, err = s.UpdateGroup(t.Context(), by, g.ID, g.Version, func(*models.Group) {})
			require.ErrorIs(t, err, models.ErrVersion)
			require.ErrorIs(t, s.CreateGroup(t.Context(), by, &models.Group{Name: "staff"}), models.ErrConflict)
		})
		t.Run("members", func(t *testing.T) {
			u, c := modelstest.User(t, s, "alice"), modelstest.Application(t, s, "widget")
			inner := modelstest.Group(t, s, "inner")
			g := modelstest.Group(t, s, "outer", u.ID, c.ID, inner.ID)
			require.ElementsMatch(t, []string{u.ID, c.ID, inner.ID}, members(t, s, g.ID))
			require.NoError(t, s.AddGroupMember(t.Context(), by, g.ID, u.ID), "being in already is no error")
			require.NoError(t, s.RemoveGroupMember(t.Context(), by, g.ID, u.ID))
			require.ElementsMatch(t, []string{c.ID, inner.ID}, members(t, s, g.ID))
			require.ErrorIs(t, s.RemoveGroupMember(t.Context(), by, g.ID, u.ID), models.ErrNotFound)
		})
		t.Run("of nobody", func(t *testing.T) {
			g := modelstest.Group(t, s, "empty")
			for _, id := range []string{"usr_nobody", "agt_nobody", "grp_nobody", "", "rol_x"} {
				requireInvalid(t, s.AddGroupMember(t.Context(), by, g.ID, id), "member_id")
			}
			require.ErrorIs(t, s.AddGroupMember(t.Context(), by, "grp_nobody", g.ID), models.ErrNotFound)
			_, _, err := s.GroupMembers(t.Context(), "grp_nobody", models.Page{})
			require.ErrorIs(t, err, models.ErrNotFound)
		})
	})
}

func TestNestedGroups(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("no group contains itself", func(t *testing.T) {
			c := modelstest.Group(t, s, "c")
			b := modelstest.Group(t, s, "b", c.ID)
			a := modelstest.Group(t, s, "a", b.ID)
			for _, group := range []*models.Group{a, b, c} {
				requireInvalid(t, s.AddGroupMember(t.Context(), by, c.ID, group.ID), "member_id")
			}
			require.NoError(t, s.AddGroupMember(t.Context(), by, a.ID, c.ID), "twice in, by two ways, is no cycle")
		})
		t.Run("deleted", func(t *testing.T) {
			w := modelstest.NewWorld(t, s, "deleted")
			inner := modelstest.Group(t, s, "deleted-inner", w.Agent.ID)
			outer := modelstest.Group(t, s, "deleted-outer", inner.ID)
			modelstest.Assign(t, s, w.Role.ID, inner.ID)
			require.ErrorIs(t, s.DeleteGroup(t.Context(), by, inner.ID, 9), models.ErrVersion)
			require.NoError(t, s.DeleteGroup(t.Context(), by, inner.ID, inner.Version))
			_, err := s.Group(t.Context(), inner.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
			require.Empty(t, members(t, s, outer.ID))
			left, _, err := s.Assignments(t.Context(), "", inner.ID, models.Page{})
			require.NoError(t, err)
			require.Empty(t, left)
			require.ErrorIs(t, s.DeleteGroup(t.Context(), by, inner.ID, models.AnyVersion), models.ErrNotFound)
		})
	})
}

func members(t *testing.T, s *models.Store, groupID string) []string {
	t.Helper()
	rows, _, err := s.GroupMembers(t.Context(), groupID, models.Page{})
	require.NoError(t, err)
	ids := []string{}
	for _, m := range rows {
		ids = append(ids, m.MemberID)
	}
	return ids
}
