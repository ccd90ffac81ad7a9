package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestUpstreamsAreChecked(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by := t.Context(), models.By{System: "test"}
		good := func() *models.Upstream {
			return &models.Upstream{Name: "Workforce", Issuer: "https://login.example/t1", ClientID: "deputy"}
		}
		for name, spoil := range map[string]func(*models.Upstream){
			"no name": func(u *models.Upstream) { u.Name = "" }, "no client": func(u *models.Upstream) { u.ClientID = "" },
			"plain": func(u *models.Upstream) { u.Issuer = "http://login.example" }, "no host": func(u *models.Upstream) { u.Issuer = "https:///x" },
			"query": func(u *models.Upstream) { u.Issuer = "https://login.example/?a" }, "fragment": func(u *models.Upstream) { u.Issuer = "https://login.example/#a" },
			"user": func(u *models.Upstream) { u.Issuer = "https://a@login.example" }, "script": func(u *models.Upstream) { u.Issuer = "javascript:alert(1)" },
			"no openid": func(u *models.Upstream) { u.Scopes = []string{"email"} }, "blank scope": func(u *models.Upstream) { u.Scopes = []string{"openid", "a b"} },
			"long name": func(u *models.Upstream) { u.Name = string(make([]byte, 61)) },
		} {
			u := good()
			spoil(u)
			var inv *models.Invalid
			require.ErrorAs(t, s.CreateUpstream(ctx, by, u, nil), &inv, name)
		}
		u := good()
		require.NoError(t, s.CreateUpstream(ctx, by, u, func(id string) []byte { return []byte("sealed " + id) }))
		require.ErrorIs(t, s.CreateUpstream(ctx, by, good(), nil), models.ErrConflict, "one per issuer")
		read, err := s.Upstream(ctx, u.ID)
		require.NoError(t, err)
		require.Equal(t, "sealed "+u.ID, string(read.Sealed))
		require.Equal(t, []string{"openid"}, read.Scopes)
		changed, err := s.UpdateUpstream(ctx, by, u.ID, u.Version, func(u *models.Upstream) { u.Name, u.Issuer = "W", "https://other.example" })
		require.NoError(t, err)
		require.Equal(t, []string{"W", "https://login.example/t1"}, []string{changed.Name, changed.Issuer})
		_, err = s.UpdateUpstream(ctx, by, u.ID, u.Version, func(*models.Upstream) {})
		require.ErrorIs(t, err, models.ErrVersion)
		entries, _, err := s.Entries(ctx, models.EntryFilter{}, -1, 50)
		require.NoError(t, err)
		for _, e := range entries {
			require.NotContains(t, e.Detail, "sealed")
		}
		require.NoError(t, s.DeleteUpstream(ctx, by, u.ID, changed.Version))
		_, err = s.Upstream(ctx, u.ID)
		require.ErrorIs(t, err, models.ErrNotFound)
	})
}

func TestIdentitiesAreOneUsers(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by := t.Context(), models.By{System: "test"}
		alice, bob := &models.User{Username: "alice"}, &models.User{Username: "bob"}
		require.NoError(t, s.CreateUser(ctx, by, alice))
		require.NoError(t, s.CreateUser(ctx, by, bob))
		link := func(u *models.User, issuer, subject string) (*models.Identity, error) {
			row := &models.Identity{UserID: u.ID, Issuer: issuer, Subject: subject}
			return row, s.LinkIdentity(ctx, by, row)
		}
		first, err := link(alice, "https://one", "1")
		require.NoError(t, err)
		again, err := link(alice, "https://one", "1")
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		_, err = link(bob, "https://one", "1")
		require.ErrorIs(t, err, models.ErrConflict)
		_, err = link(bob, "https://two", "1")
		require.NoError(t, err, "of another issuer it is somebody else")
		var inv *models.Invalid
		for _, subject := range []string{"", string(make([]byte, 256)), "\xff"} {
			_, err = link(alice, "https://one", subject)
			require.ErrorAs(t, err, &inv)
		}
		for _, subject := range []string{"1 ", "A", "\x00", "\xff"} {
			_, err = s.IdentityOf(ctx, "https://one", subject)
			require.ErrorIs(t, err, models.ErrNotFound)
		}

		in := models.SignIn{Session: models.Session{UserID: alice.ID, ACR: "1", AMR: []string{}, ExpiresAt: s.Now() + 60, AuthTime: s.Now() - 60}, Identity: first}
		_, session, err := s.BeginSession(ctx, by, in)
		require.NoError(t, err)
		require.Equal(t, in.Session.AuthTime, session.AuthTime, "when they showed who they are")
		in.Session.AuthTime = s.Now() + 60
		_, session, err = s.BeginSession(ctx, by, in)
		require.NoError(t, err)
		require.LessOrEqual(t, session.AuthTime, s.Now(), "which was not tomorrow")
		require.ErrorIs(t, s.UnlinkIdentity(ctx, by, bob.ID, first.ID), models.ErrNotFound)
		require.NoError(t, s.UnlinkIdentity(ctx, by, alice.ID, first.ID))
		_, _, err = s.BeginSession(ctx, by, in)
		require.ErrorIs(t, err, models.ErrNotFound, "it was unlinked meanwhile")

		_, err = link(alice, "https://one", "1")
		require.NoError(t, err)
		token, err := s.CreateLink(ctx, by, &models.Link{Purpose: models.LinkRecover, UserID: &alice.ID, ExpiresAt: s.Now() + 60})
		require.NoError(t, err)
		_, err = s.Recover(ctx, by, token, "hash")
		require.NoError(t, err)
		rows, err := s.Identities(ctx, alice.ID)
		require.NoError(t, err)
		require.Empty(t, rows, "recovery begins anew")
		once := models.Once{Purpose: "upstream", Value: "v", ExpiresAt: s.Now() + 60}
		require.NoError(t, s.UseUp(ctx, once))
		require.ErrorIs(t, s.UseUp(ctx, once), models.ErrUsed)
	})
}
