package models_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("a secret is shown once and stored as a hash", func(t *testing.T) {
			c := modelstest.Application(t, s, "shown")
			cred, secret := modelstest.Secret(t, s, c.ID)
			require.True(t, strings.HasPrefix(secret, models.SecretPrefix))
			require.True(t, models.HasPrefix(cred.ID, models.PrefixCredential))
			got, err := s.Credential(t.Context(), c.ID, cred.ID)
			require.NoError(t, err)
			require.Equal(t, cred, got)
			require.Equal(t, models.HashSecret(secret), got.SecretHash)
			require.Equal(t, models.Never, got.ExpiresAt)
			requireNowhere(t, s, secret)
		})
		t.Run("a public key", func(t *testing.T) {
			c := modelstest.Application(t, s, "keyed")
			cred := &models.Credential{ClientID: c.ID, Kind: models.CredentialKey, PublicJWK: `{"kty":"OKP"}`}
			secret, err := s.CreateCredential(t.Context(), by, cred)
			require.NoError(t, err)
			require.Empty(t, secret)
			got, err := s.Credential(t.Context(), c.ID, cred.ID)
			require.NoError(t, err)
			require.Equal(t, cred, got)
			_, _, err = s.RotateCredential(t.Context(), by, c.ID, cred.ID, 0, 0)
			requireInvalid(t, err, "kind")
		})
	})
}

func TestCredentialsOfAClient(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("of nobody", func(t *testing.T) {
			_, err := s.CreateCredential(t.Context(), by, &models.Credential{ClientID: "agt_nobody", Kind: models.CredentialSecret})
			require.ErrorIs(t, err, models.ErrNotFound)
			_, _, err = s.Credentials(t.Context(), "agt_nobody", models.Page{})
			require.ErrorIs(t, err, models.ErrNotFound)
		})
		t.Run("twenty at once", func(t *testing.T) {
			c := modelstest.Application(t, s, "many")
			for range 20 {
				modelstest.Secret(t, s, c.ID)
			}
			_, err := s.CreateCredential(t.Context(), by, &models.Credential{ClientID: c.ID, Kind: models.CredentialSecret})
			requireInvalid(t, err, "credentials")
			creds, _, err := s.Credentials(t.Context(), c.ID, models.Page{})
			require.NoError(t, err)
			require.NoError(t, s.RevokeCredential(t.Context(), by, c.ID, creds[0].ID))
			modelstest.Secret(t, s, c.ID)
		})
		t.Run("another client's is not found", func(t *testing.T) {
			mine, theirs := modelstest.Application(t, s, "mine"), modelstest.Application(t, s, "theirs")
			cred, _ := modelstest.Secret(t, s, theirs.ID)
			_, err := s.Credential(t.Context(), mine.ID, cred.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
			require.ErrorIs(t, s.RevokeCredential(t.Context(), by, mine.ID, cred.ID), models.ErrNotFound)
			_, _, err = s.RotateCredential(t.Context(), by, mine.ID, cred.ID, 0, 0)
			require.ErrorIs(t, err, models.ErrNotFound)
		})
		t.Run("last use only moves forward", func(t *testing.T) {
			c := modelstest.Application(t, s, "used")
			first, _ := modelstest.Secret(t, s, c.ID)
			second, _ := modelstest.Secret(t, s, c.ID)
			require.NoError(t, s.MarkUsed(t.Context(), map[string]int64{first.ID: 50, second.ID: 60}))
			require.NoError(t, s.MarkUsed(t.Context(), map[string]int64{first.ID: 40, "crd_nobody": 1}))
			creds, _, err := s.Credentials(t.Context(), c.ID, models.Page{})
			require.NoError(t, err)
			require.Equal(t, [2]int64{50, 60}, [2]int64{creds[0].LastUsedAt, creds[1].LastUsedAt})
		})
	})
}

func TestRevokeCredential(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		c := modelstest.Application(t, s, "app")
		cred, _ := modelstest.Secret(t, s, c.ID)
		require.True(t, cred.Live(s.Now()))
		require.NoError(t, s.RevokeCredential(t.Context(), by, c.ID, cred.ID))
		got, err := s.Credential(t.Context(), c.ID, cred.ID)
		require.NoError(t, err)
		require.False(t, got.Live(s.Now()))
		before, err := s.Tree(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.RevokeCredential(t.Context(), by, c.ID, cred.ID), "twice is no error")
		after, err := s.Tree(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after, "and no second entry")
		_, _, err = s.RotateCredential(t.Context(), by, c.ID, cred.ID, 0, 0)
		requireInvalid(t, err, "id")
	})
}

func TestRotateCredential(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Unix(1_800_000_000, 0)
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		c := modelstest.Application(t, s, "app")
		old, _ := modelstest.Secret(t, s, c.ID)

		next, secret, err := s.RotateCredential(t.Context(), by, c.ID, old.ID, 60, now.Unix()+1000)
		require.NoError(t, err)
		require.Equal(t, models.HashSecret(secret), next.SecretHash)
		require.Equal(t, "first", next.Name)
		require.Equal(t, now.Unix()+1000, next.ExpiresAt)
		got, err := s.Credential(t.Context(), c.ID, old.ID)
		require.NoError(t, err)
		require.True(t, got.Live(now.Unix()+59))
		require.False(t, got.Live(now.Unix()+60))

		for _, overlap := range []int64{-1, 30*24*3600 + 1} {
			_, _, err = s.RotateCredential(t.Context(), by, c.ID, next.ID, overlap, 0)
			requireInvalid(t, err, "overlap")
		}
		now = now.Add(time.Minute)
		_, _, err = s.RotateCredential(t.Context(), by, c.ID, old.ID, 0, 0)
		requireInvalid(t, err, "id")
	})
}

// A secret that is in its overlap was still meant to live as long as it was made for.
func TestASuccessorLivesAsLongAsWasMeant(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Unix(1_800_000_000, 0)
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		c := modelstest.Application(t, s, "app")
		old := &models.Credential{ClientID: c.ID, Kind: models.CredentialSecret, ExpiresAt: now.Unix() + 1000}
		_, err := s.CreateCredential(t.Context(), by, old)
		require.NoError(t, err)
		for range 3 { // each time it is the old one again, whose own end draws nearer
			now = now.Add(10 * time.Second)
			shown, err := s.Credential(t.Context(), c.ID, old.ID)
			require.NoError(t, err)
			require.EqualValues(t, 1000, shown.Life())
			next, _, err := s.RotateCredential(t.Context(), by, c.ID, old.ID, 60, models.After(now.Unix(), shown.Life()))
			require.NoError(t, err)
			require.Equal(t, now.Unix()+1000, next.ExpiresAt)
			require.EqualValues(t, 1000, next.Life())
		}
		endless, _ := modelstest.Secret(t, s, c.ID)
		_, _, err = s.RotateCredential(t.Context(), by, c.ID, endless.ID, 60, 0)
		require.NoError(t, err)
		shown, err := s.Credential(t.Context(), c.ID, endless.ID)
		require.NoError(t, err)
		require.Equal(t, now.Unix()+60, shown.ExpiresAt)
		require.Equal(t, models.Never, models.After(now.Unix(), shown.Life()), "nor does one without end get one so")
		older := models.Credential{CreatedAt: 100, ExpiresAt: 400}
		require.EqualValues(t, 300, older.Life(), "one that an older release made")
	})
}

// requireNowhere looks for a secret in everything the ledger says.
func requireNowhere(t *testing.T, s *models.Store, secret string) {
	t.Helper()
	rows, _, err := s.Entries(t.Context(), models.EntryFilter{}, -1, 200)
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	for _, e := range rows {
		require.NotContains(t, e.Detail, secret)
		require.NotContains(t, e.Detail, "secret_hash")
	}
}
