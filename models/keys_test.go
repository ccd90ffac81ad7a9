package models_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Unix(1_800_000_000, 0)
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		start := now.Unix()
		add := func(purpose string, at int64, onlyIfNone bool) *models.SigningKey {
			k := &models.SigningKey{
				ID: models.NewID(models.PrefixKey), Purpose: purpose, Alg: "ES256", PublicJWK: "{}", Sealed: []byte{0, 1, 255}, ActiveAt: at,
			}
			require.NoError(t, s.AddSigningKey(t.Context(), by, k, 100, onlyIfNone))
			return k
		}
		first := add(models.KeyForTokens, start, true)
		keys, err := s.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, []models.SigningKey{*first}, keys)
		require.Equal(t, models.Never, first.RetiresAt)

		add(models.KeyForTokens, start, true)
		ledger := add(models.KeyForLedger, start, true)
		require.ElementsMatch(t, []string{first.ID, ledger.ID}, keyIDs(t, s), "the second was one too many, the third is for something else")

		second := add(models.KeyForTokens, start+10, false)
		keys, err = s.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 3)
		for _, k := range keys {
			if k.ID == first.ID {
				require.Equal(t, [2]int64{start + 10, start + 110}, [2]int64{k.RetiresAt, k.ExpiresAt})
				require.Equal(t, []byte{0, 1, 255}, k.Sealed)
			}
		}
		now = time.Unix(start+110, 0)
		require.ElementsMatch(t, []string{second.ID, ledger.ID}, keyIDs(t, s), "the first has expired")

		again := *second
		require.ErrorIs(t, s.AddSigningKey(t.Context(), by, &again, 100, false), models.ErrConflict)
		rows, _, err := s.Entries(t.Context(), models.EntryFilter{Action: "rotateKey"}, -1, 50)
		require.NoError(t, err)
		require.Len(t, rows, 4, "three additions and one retirement")
	})
}

// An emergency rotation overtakes a planned one: both older keys retire now.
func TestRotatingAtOnceRetiresAPendingKeyToo(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		now := s.Now()
		add := func(at int64) string {
			k := &models.SigningKey{ID: models.NewID(models.PrefixKey), Purpose: models.KeyForTokens, Alg: "ES256", PublicJWK: "{}", Sealed: []byte{1}, ActiveAt: at}
			require.NoError(t, s.AddSigningKey(t.Context(), by, k, 100, false))
			return k.ID
		}
		add(now)
		add(now + 604800)
		last := add(now + 1)
		keys, err := s.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 3)
		for _, k := range keys {
			if k.ID == last {
				require.Equal(t, models.Never, k.RetiresAt)
				continue
			}
			require.Equal(t, [2]int64{now + 1, now + 101}, [2]int64{k.RetiresAt, k.ExpiresAt})
		}
	})
}

func keyIDs(t *testing.T, s *models.Store) []string {
	t.Helper()
	keys, err := s.SigningKeys(t.Context())
	require.NoError(t, err)
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}
