package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("created", func(t *testing.T) {
			u := &models.User{Meta: models.Meta{Version: 3}, Username: "alice", Name: "Älice", Status: models.StatusSuspended}
			require.NoError(t, s.CreateUser(t.Context(), by, u))
			require.True(t, models.HasPrefix(u.ID, models.PrefixUser))
			require.Equal(t, int64(1), u.Version)
			require.Equal(t, models.StatusActive, u.Status)
			require.Equal(t, models.Never, u.ExpiresAt)
			requireUser(t, s, u)
			require.ErrorIs(t, s.CreateUser(t.Context(), by, &models.User{Username: "alice"}), models.ErrConflict)
		})
		t.Run("an update keeps what it was not given", func(t *testing.T) {
			u := modelstest.User(t, s, "bob")
			got, err := s.UpdateUser(t.Context(), by, u.ID, u.Version, func(u *models.User) { u.Labels = models.Labels{"team": "b"} })
			require.NoError(t, err)
			want := *u
			want.Labels, want.Version, want.UpdatedAt = models.Labels{"team": "b"}, 2, got.UpdatedAt
			requireUser(t, s, &want)
			_, err = s.UpdateUser(t.Context(), by, u.ID, u.Version, func(*models.User) {})
			require.ErrorIs(t, err, models.ErrVersion)
		})
		t.Run("suspended and restored", func(t *testing.T) {
			u := modelstest.User(t, s, "carol")
			got, err := s.SuspendUser(t.Context(), by, u.ID)
			require.NoError(t, err)
			require.Equal(t, models.StatusSuspended, got.Status)
			got, err = s.RestoreUser(t.Context(), by, u.ID)
			require.NoError(t, err)
			require.Equal(t, models.StatusActive, got.Status)
		})
		t.Run("removed for good, and still there", func(t *testing.T) {
			u := modelstest.User(t, s, "dave")
			require.ErrorIs(t, s.RemoveUser(t.Context(), by, u.ID, 9), models.ErrVersion)
			require.NoError(t, s.RemoveUser(t.Context(), by, u.ID, u.Version))
			got, err := s.User(t.Context(), u.ID)
			require.NoError(t, err)
			require.Equal(t, models.StatusDecommissioned, got.Status)
			_, err = s.RestoreUser(t.Context(), by, u.ID)
			requireInvalid(t, err, "status")
			_, err = s.UpdateUser(t.Context(), by, u.ID, models.AnyVersion, func(*models.User) {})
			requireInvalid(t, err, "status")
		})
		t.Run("nobody", func(t *testing.T) {
			_, err := s.User(t.Context(), "usr_nobody")
			require.ErrorIs(t, err, models.ErrNotFound)
			require.ErrorIs(t, s.RemoveUser(t.Context(), by, "usr_nobody", models.AnyVersion), models.ErrNotFound)
		})
	})
}

func requireUser(t *testing.T, s *models.Store, want *models.User) {
	t.Helper()
	got, err := s.User(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
