package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestClients(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		owner := modelstest.User(t, s, "owner")
		t.Run("an agent gets an id, a grant and an expiry", func(t *testing.T) {
			c := &models.Client{Kind: models.KindAgent, Name: "born", OwnerID: &owner.ID, Sponsor: "Finance"}
			require.NoError(t, s.CreateClient(t.Context(), by, c))
			require.True(t, models.HasPrefix(c.ID, models.PrefixAgent))
			require.Equal(t, models.StatusActive, c.Status)
			require.Equal(t, int64(1), c.Version)
			require.Equal(t, int64(models.DefaultTokenTTL), c.MaxTTL)
			require.InDelta(t, s.Now()+models.DefaultExpiry, c.ExpiresAt, 5)
			require.Len(t, c.GrantTypes, 2)
			g, err := s.Grant(t.Context(), c.SelfGrantID)
			require.NoError(t, err)
			require.Equal(t, [2]string{c.ID, c.ID}, [2]string{g.ClientID, g.SubjectID})
			requireStored(t, s, c)
		})
		t.Run("an application does not expire", func(t *testing.T) {
			c := modelstest.Application(t, s, "widget")
			require.True(t, models.HasPrefix(c.ID, models.PrefixApplication))
			require.Equal(t, models.Never, c.ExpiresAt)
			requireStored(t, s, c)
		})
		t.Run("what the caller may not choose is not taken over", func(t *testing.T) {
			c := &models.Client{
				Meta: models.Meta{ID: "agt_mine", Version: 7, CreatedAt: 1}, Kind: models.KindApplication, Name: "pushy",
				Status: models.StatusDecommissioned, SelfGrantID: "gnt_mine",
			}
			require.NoError(t, s.CreateClient(t.Context(), by, c))
			require.True(t, models.HasPrefix(c.ID, models.PrefixApplication))
			require.Equal(t, int64(1), c.Version)
			require.NotEqual(t, int64(1), c.CreatedAt)
			require.Equal(t, models.StatusActive, c.Status)
			require.NotEqual(t, "gnt_mine", c.SelfGrantID)
		})
		t.Run("a taken name conflicts", func(t *testing.T) {
			modelstest.Application(t, s, "taken")
			again := &models.Client{Kind: models.KindApplication, Name: "taken"}
			require.ErrorIs(t, s.CreateClient(t.Context(), by, again), models.ErrConflict)
		})
		t.Run("nobody", func(t *testing.T) {
			_, err := s.Client(t.Context(), "agt_nobody")
			require.ErrorIs(t, err, models.ErrNotFound)
			_, err = s.SuspendClient(t.Context(), by, "agt_nobody")
			require.ErrorIs(t, err, models.ErrNotFound)
			require.ErrorIs(t, s.DecommissionClient(t.Context(), by, "agt_nobody", models.AnyVersion), models.ErrNotFound)
		})
	})
}

func TestUpdateClient(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		owner := modelstest.User(t, s, "owner")
		full := &models.Client{
			Kind: models.KindAgent, Name: "full", Purpose: "Does everything", OwnerID: &owner.ID, Sponsor: "Finance", ExpiresAt: s.Now() + 1000,
			Labels: models.Labels{"team": "a"}, GrantTypes: []string{"client_credentials"}, MaxTTL: 60,
			DefaultScopes: []models.ScopeRef{{ResourceID: "rsv_x", Name: "read"}},
		}
		require.NoError(t, s.CreateClient(t.Context(), by, full))
		t.Run("keeps what it was not given", func(t *testing.T) {
			got, err := s.UpdateClient(t.Context(), by, full.ID, full.Version, func(c *models.Client) { c.Purpose = "Does less" })
			require.NoError(t, err)
			want := *full
			want.Purpose, want.Version, want.UpdatedAt = "Does less", full.Version+1, got.UpdatedAt
			require.Equal(t, &want, got)
			requireStored(t, s, &want)
		})
		t.Run("refuses an older version", func(t *testing.T) {
			_, err := s.UpdateClient(t.Context(), by, full.ID, full.Version, func(c *models.Client) { c.Purpose = "Lost" })
			require.ErrorIs(t, err, models.ErrVersion)
			got, err := s.Client(t.Context(), full.ID)
			require.NoError(t, err)
			require.Equal(t, "Does less", got.Purpose)
		})
		t.Run("empties lists", func(t *testing.T) {
			got, err := s.UpdateClient(t.Context(), by, full.ID, models.AnyVersion, func(c *models.Client) {
				c.Labels, c.GrantTypes, c.DefaultScopes = nil, nil, nil
			})
			require.NoError(t, err)
			require.Equal(t, []string{}, got.GrantTypes)
			requireStored(t, s, got)
		})
	})
}

func TestUpdateClientCannot(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		full := modelstest.Application(t, s, "full")
		t.Run("change identity", func(t *testing.T) {
			got, err := s.UpdateClient(t.Context(), by, full.ID, models.AnyVersion, func(c *models.Client) {
				c.ID, c.Version, c.CreatedAt, c.SelfGrantID = "agt_other", 99, 1, "gnt_other"
			})
			require.NoError(t, err)
			want := *full
			want.Version, want.UpdatedAt = 2, got.UpdatedAt
			require.Equal(t, &want, got)
			requireStored(t, s, &want)
		})
		t.Run("take a name", func(t *testing.T) {
			modelstest.Application(t, s, "taken")
			_, err := s.UpdateClient(t.Context(), by, full.ID, models.AnyVersion, func(c *models.Client) { c.Name = "taken" })
			require.ErrorIs(t, err, models.ErrConflict)
		})
		t.Run("make another kind of it", func(t *testing.T) {
			_, err := s.UpdateClient(t.Context(), by, full.ID, models.AnyVersion, func(c *models.Client) { c.Kind = models.KindAgent })
			requireInvalid(t, err, "kind")
		})
		t.Run("decommission", func(t *testing.T) {
			_, err := s.UpdateClient(t.Context(), by, full.ID, models.AnyVersion, func(c *models.Client) { c.Status = models.StatusDecommissioned })
			requireInvalid(t, err, "status")
		})
	})
}

func TestClientStatus(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("suspended and restored", func(t *testing.T) {
			c := modelstest.Application(t, s, "widget")
			got, err := s.SuspendClient(t.Context(), by, c.ID)
			require.NoError(t, err)
			require.Equal(t, models.StatusSuspended, got.Status)
			got, err = s.RestoreClient(t.Context(), by, c.ID)
			require.NoError(t, err)
			require.Equal(t, models.StatusActive, got.Status)
			require.Equal(t, int64(3), got.Version)
		})
	})
}

func TestDecommissionClient(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("for good", func(t *testing.T) {
			w := modelstest.NewWorld(t, s, "gone")
			token := modelstest.Issue(t, s, w.Token(s))
			require.ErrorIs(t, s.DecommissionClient(t.Context(), by, w.Agent.ID, 99), models.ErrVersion)
			require.NoError(t, s.DecommissionClient(t.Context(), by, w.Agent.ID, w.Agent.Version))

			c, err := s.Client(t.Context(), w.Agent.ID)
			require.NoError(t, err)
			require.Equal(t, models.StatusDecommissioned, c.Status)
			creds, _, err := s.Credentials(t.Context(), c.ID, models.Page{})
			require.NoError(t, err)
			require.Len(t, creds, 1)
			require.NotZero(t, creds[0].RevokedAt)
			g, err := s.Grant(t.Context(), c.SelfGrantID)
			require.NoError(t, err)
			require.NotZero(t, g.RevokedAt)
			dead, err := s.Token(t.Context(), token.ID)
			require.NoError(t, err)
			require.NotZero(t, dead.RevokedAt)

			_, err = s.RestoreClient(t.Context(), by, c.ID)
			requireInvalid(t, err, "status")
			_, err = s.UpdateClient(t.Context(), by, c.ID, models.AnyVersion, func(c *models.Client) { c.Name = "back" })
			requireInvalid(t, err, "status")
			_, err = s.CreateCredential(t.Context(), by, &models.Credential{ClientID: c.ID, Kind: models.CredentialSecret})
			requireInvalid(t, err, "client")
		})
		t.Run("others keep theirs", func(t *testing.T) {
			w, other := modelstest.NewWorld(t, s, "left"), modelstest.NewWorld(t, s, "kept")
			token := modelstest.Issue(t, s, other.Token(s))
			require.NoError(t, s.DecommissionClient(t.Context(), by, w.Agent.ID, models.AnyVersion))
			alive, err := s.Token(t.Context(), token.ID)
			require.NoError(t, err)
			require.Zero(t, alive.RevokedAt)
			creds, _, err := s.Credentials(t.Context(), other.Agent.ID, models.Page{})
			require.NoError(t, err)
			require.Zero(t, creds[0].RevokedAt)
		})
	})
}

// requireStored holds what the store returned against what it reads back.
func requireStored(t *testing.T, s *models.Store, want *models.Client) {
	t.Helper()
	got, err := s.Client(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func requireInvalid(t *testing.T, err error, field string) {
	t.Helper()
	var inv *models.Invalid
	require.ErrorAs(t, err, &inv)
	require.Equal(t, field, inv.Field, inv.Reason)
}
