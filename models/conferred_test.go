package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestSelfScopes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		require.NoError(t, s.EnsureSelf(t.Context(), "https://deputy.example"))
		reads := modelstest.Role(t, s, "reads", models.SelfID, "users:read", "clients:read")
		keys := modelstest.Role(t, s, "keys", models.SelfID, "keys:read")
		client, user := modelstest.Application(t, s, "client"), modelstest.User(t, s, "user")
		inner := modelstest.Group(t, s, "inner", client.ID)
		outer := modelstest.Group(t, s, "outer", inner.ID)
		modelstest.Assign(t, s, reads.ID, outer.ID)
		modelstest.Assign(t, s, keys.ID, inner.ID)
		modelstest.Assign(t, s, keys.ID, user.ID)
		modelstest.Assign(t, s, modelstest.NewWorld(t, s, "w").Role.ID, user.ID)
		for id, want := range map[string][]string{
			reads.ID: {"clients:read", "users:read"}, keys.ID: {"keys:read"}, user.ID: {"keys:read"}, outer.ID: {"clients:read", "users:read"},
			inner.ID: {"clients:read", "keys:read", "users:read"}, client.ID: {"clients:read", "keys:read", "users:read"},
			"rol_none": nil, "grp_none": nil, "usr_none": nil, "rsv_deputy": nil, "": nil, "rol_\x00": nil, "grp_\x00": nil,
		} {
			v := view(t, s)
			got, err := v.SelfScopes(t.Context(), id)
			require.NoError(t, err, "%q", id)
			require.Equal(t, want, got, "%q", id)
		}
	})
}

// A change on an authority that was weighed against what somebody holds is not
// made once they hold something else.
func TestWhatIsConferredIsWatched(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		require.NoError(t, s.EnsureSelf(t.Context(), "https://deputy.example"))
		role := modelstest.Role(t, s, "role", models.SelfID)
		client := modelstest.Application(t, s, "client")
		inner := modelstest.Group(t, s, "inner", client.ID)
		outer := modelstest.Group(t, s, "outer", inner.ID)
		assigned := modelstest.Assign(t, s, role.ID, outer.ID)
		grow := func(scopes ...string) {
			_, err := s.UpdateRole(t.Context(), by, role.ID, models.AnyVersion, func(r *models.Role) {
				r.Scopes = nil
				for _, name := range scopes {
					r.Scopes = append(r.Scopes, models.ScopeRef{ResourceID: models.SelfID, Name: name})
				}
			})
			require.NoError(t, err)
		}
		make := func(v *models.View) error {
			_, err := s.UpdateUser(t.Context(), models.By{System: "test", Seen: v}, modelstest.User(t, s, models.NewID("u")).ID, models.AnyVersion, func(*models.User) {})
			return err
		}
		for _, id := range []string{role.ID, inner.ID, outer.ID, client.ID} {
			v := view(t, s)
			_, err := v.SelfScopes(t.Context(), id)
			require.NoError(t, err)
			require.NoError(t, make(v), "nothing changed yet")
			grow("keys:read")
			require.ErrorIs(t, make(v), models.ErrStale, id)
			require.ErrorIs(t, make(view(t, s).With(v)), models.ErrStale, id)
			require.ErrorIs(t, make(v.With(view(t, s))), models.ErrStale, id)
			grow()
		}
		v := view(t, s)
		_, err := v.SelfScopes(t.Context(), inner.ID)
		require.NoError(t, err)
		require.NoError(t, s.DeleteAssignment(t.Context(), by, assigned.ID))
		require.ErrorIs(t, make(v), models.ErrStale)

		rows := view(t, s)
		_, err = rows.ClientRow(t.Context(), client.ID)
		require.NoError(t, err)
		require.Same(t, rows, rows.With(nil))
		require.Same(t, rows, (*models.View)(nil).With(rows))
		_, err = s.SuspendClient(t.Context(), by, client.ID)
		require.NoError(t, err)
		require.ErrorIs(t, make(rows), models.ErrStale)
	})
}
