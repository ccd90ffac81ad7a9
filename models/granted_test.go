package models_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// family is a grant with its code, and how many refresh tokens came after.
type family struct {
	grant *models.Grant
	codes string
	next  string // the refresh token that is unused, "" if none is
}

// lives begins a grant that lasts so long and redeems its code at once; each refresh
// follows at once too, and gives a successor that may wait for so long.
func (s *sitting) lives(ends, refreshes int, wait int64) family {
	s.t.Helper()
	consent := s.give([]string{"sales:read"}, "sales:read")
	f := family{grant: &models.Grant{Kind: "authorization_code", ClientID: s.client.ID, SubjectID: s.user.ID, ExpiresAt: s.Now() + int64(ends)}}
	var err error
	f.codes, err = s.NewCode(s.t.Context(), modelstest.By(), f.grant, map[string]string{s.sales.ID: consent.ID},
		&models.Code{Challenge: "c", Scopes: map[string][]string{s.sales.ID: {"sales:read"}}})
	require.NoError(s.t, err)
	spent := models.Spent{Hash: models.HashCode(f.codes), At: s.Now()}
	for range refreshes {
		f.next = models.RefreshPrefix + models.NewID("x")
		row := models.RefreshToken{Hash: models.HashCode(f.next), GrantID: f.grant.ID, ClientID: s.client.ID, Parent: spent.Hash, CreatedAt: s.Now(), ExpiresAt: s.Now() + wait}
		require.NoError(s.t, s.spend(f.grant, spent, &row))
		spent = models.Spent{Refresh: true, Hash: row.Hash, At: s.Now()}
	}
	return f
}

// remembered tells what is left of a family: its code, its unused refresh token, and
// the grant itself.
func (s *sitting) remembered(f family) (left [3]bool) {
	s.t.Helper()
	v, err := s.View(s.t.Context())
	require.NoError(s.t, err)
	code, err := v.ByCode(s.t.Context(), f.codes)
	require.NoError(s.t, err)
	refresh, err := v.ByRefreshToken(s.t.Context(), f.next)
	require.NoError(s.t, err)
	_, err = s.Grant(s.t.Context(), f.grant.ID)
	if !errors.Is(err, models.ErrNotFound) {
		require.NoError(s.t, err)
	}
	return [3]bool{code != nil, refresh != nil, err == nil}
}

func TestWhatNobodyNeedsIsForgotten(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s, now := newSitting(t, store), store.Now()
		waiting, long := s.lives(1_000_000, 0, 0), s.lives(1_000_000, 3, 900_000)
		unused, short := s.lives(1_000_000, 2, 5_000), s.lives(20_000, 2, 20_000)
		ended, last := s.lives(1_000_000, 2, 900_000), s.lives(1_000_000, 1, 900_000)
		require.NoError(t, store.RevokeGrant(t.Context(), modelstest.By(), ended.grant.ID))
		require.NoError(t, s.spend(last.grant, models.Spent{Refresh: true, Hash: models.HashCode(last.next), At: now + 40_000}, nil))
		all := map[string]family{"waiting": waiting, "long": long, "unused": unused, "short": short, "ended": ended, "last": last}

		for _, step := range []struct {
			moment int64
			want   map[string][3]bool // of those that are not whole
		}{
			{now, nil},
			{now + 100, map[string][3]bool{"ended": {false, false, true}, "waiting": {}}},
			{now + 4_900, nil},
			{now + 5_100, map[string][3]bool{"unused": {false, false, true}}},
			{now + 20_100, map[string][3]bool{"short": {false, false, true}}},
			{now + 39_900, nil},
			{now + 40_100, map[string][3]bool{"last": {false, false, true}}},
			{now + 899_900, nil},
			{now + 900_100, map[string][3]bool{"long": {false, false, true}}},
		} {
			n, err := store.PurgeGranted(t.Context(), step.moment)
			require.NoError(t, err)
			require.Equal(t, len(step.want), n, "at %d", step.moment-now)
			for name, left := range step.want {
				require.Equal(t, left, s.remembered(all[name]), name)
				delete(all, name)
			}
			for name, f := range all {
				require.Equal(t, [3]bool{true, f.next != "", true}, s.remembered(f), "%s at %d", name, step.moment-now)
			}
		}
		require.Empty(t, all)
	})
}

// However many there are, a transaction is short, and all of them go.
func TestManyGrantsAreForgotten(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		for range 250 {
			s.lives(1_000_000, 0, 0)
		}
		n, err := store.PurgeGranted(t.Context(), store.Now()+models.CodeLife+10)
		require.NoError(t, err)
		require.Equal(t, 250, n)
		left, _, err := store.Grants(t.Context(), s.client.ID, s.user.ID, models.Page{})
		require.NoError(t, err)
		require.Empty(t, left)
	})
}
