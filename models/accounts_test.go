package models_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// people is a store with a clock, for those who sign in.
type people struct {
	*testing.T
	*models.Store
	ahead atomic.Int64
}

func eachPeople(t *testing.T, fn func(p *people)) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		p := &people{T: t}
		o.Now = func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }
		p.Store = modelstest.Open(t, o)
		fn(p)
	})
}

func (p *people) advance(d time.Duration) { p.ahead.Add(int64(d)) }

const idle, life = 3600, 12 * 3600

func (p *people) begin(userID string) (secret string, row *models.Session) {
	p.Helper()
	secret, row, err := p.BeginSession(p.Context(), by, p.signIn(userID))
	require.NoError(p, err)
	return secret, row
}

func (p *people) signIn(userID string) models.SignIn {
	return models.SignIn{Session: models.Session{
		UserID: userID, ACR: "1", AMR: []string{"pwd"}, IP: "192.0.2.1", UserAgent: "test", ExpiresAt: p.Now() + life,
	}}
}

func (p *people) isLive(secret string) bool {
	p.Helper()
	_, err := p.LiveSession(p.Context(), secret, idle)
	if err != nil {
		require.ErrorIs(p, err, models.ErrNotFound)
	}
	return err == nil
}

// ledgerText is everything the ledger says.
func (p *people) ledgerText() string {
	p.Helper()
	rows, _, err := p.Entries(p.Context(), models.EntryFilter{}, -1, 200)
	require.NoError(p, err)
	require.NotEmpty(p, rows)
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.Action + " " + r.Detail + "\n")
	}
	return b.String()
}

func (p *people) user(name string) *models.User { return modelstest.User(p, p.Store, name) }

func TestPasswords(t *testing.T) {
	eachPeople(t, func(p *people) {
		alice := p.user("alice")
		_, err := p.Password(p.Context(), alice.ID)
		require.ErrorIs(p, err, models.ErrNotFound)
		require.NoError(p, p.SetPassword(p.Context(), by, alice.ID, "hash-one", ""))
		here, kept := p.begin(alice.ID)
		there, _ := p.begin(alice.ID)
		require.NoError(p, p.SetPassword(p.Context(), by, alice.ID, "hash-two", kept.ID))
		got, err := p.Password(p.Context(), alice.ID)
		require.NoError(p, err)
		require.Equal(p, "hash-two", got.Hash)
		require.True(p, p.isLive(here))
		require.False(p, p.isLive(there), "a new password ends the sessions elsewhere")
		require.Contains(p, p.ledgerText(), "setPassword")
		require.NotContains(p, p.ledgerText(), "hash-")

		require.ErrorIs(p, p.SetPassword(p.Context(), by, "usr_nobody", "hash", ""), models.ErrNotFound)
		require.NoError(p, p.RemoveUser(p.Context(), by, alice.ID, models.AnyVersion))
		requireInvalid(p.T, p.SetPassword(p.Context(), by, alice.ID, "hash", ""), "user")
	})
}

func TestSessionsEnd(t *testing.T) {
	eachPeople(t, func(p *people) {
		alice, bob := p.user("alice"), p.user("bob")
		secret, row := p.begin(alice.ID)
		other, _ := p.begin(bob.ID)
		got, err := p.LiveSession(p.Context(), secret, idle)
		require.NoError(p, err)
		require.Equal(p, row, got)
		require.Equal(p, []string{"pwd"}, got.AMR)
		require.False(p, p.isLive(secret+"x"))
		require.False(p, p.isLive(""))
		require.False(p, p.isLive(models.SessionPrefix+strings.TrimPrefix(row.ID, "ses_")+strings.Repeat("A", 49)), "the id alone opens nothing")
		require.False(p, p.isLive(models.LinkPrefix+strings.TrimPrefix(secret, models.SessionPrefix)))

		p.Run("by who it is not", func(t *testing.T) {
			require.ErrorIs(t, p.RevokeSession(t.Context(), by, bob.ID, row.ID), models.ErrNotFound)
			require.True(t, p.isLive(secret))
		})
		p.Run("when its user may not be here, and no longer", func(t *testing.T) {
			for _, status := range []func() error{
				func() error { _, err := p.SuspendUser(t.Context(), by, alice.ID); return err },
				func() error {
					_, err := p.RestoreUser(t.Context(), by, alice.ID)
					require.NoError(t, err)
					require.True(t, p.isLive(secret))
					_, err = p.UpdateUser(t.Context(), by, alice.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = p.Now() })
					return err
				},
			} {
				require.NoError(t, status())
				require.False(t, p.isLive(secret))
				_, _, err := p.BeginSession(t.Context(), by, p.signIn(alice.ID))
				require.ErrorIs(t, err, models.ErrNotFound)
				require.True(t, p.isLive(other))
			}
			_, err := p.UpdateUser(t.Context(), by, alice.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = models.Never })
			require.NoError(t, err)
		})
		p.Run("when it is revoked", func(t *testing.T) {
			require.NoError(t, p.RevokeSession(t.Context(), by, alice.ID, row.ID))
			require.NoError(t, p.RevokeSession(t.Context(), by, alice.ID, row.ID))
			require.False(t, p.isLive(secret))
			one, _ := p.begin(alice.ID)
			two, kept := p.begin(alice.ID)
			require.NoError(t, p.RevokeSessions(t.Context(), by, alice.ID, kept.ID))
			require.False(t, p.isLive(one))
			require.True(t, p.isLive(two))
			require.True(t, p.isLive(other))
		})
		p.Run("when it is replaced", func(t *testing.T) {
			old, before := p.begin(alice.ID)
			in := p.signIn(alice.ID)
			in.Replaces = before.ID
			fresh, after, err := p.BeginSession(t.Context(), by, in)
			require.NoError(t, err)
			require.NotEqual(t, before.ID, after.ID)
			require.False(t, p.isLive(old))
			require.True(t, p.isLive(fresh))
		})
		p.Run("when its user is removed", func(t *testing.T) {
			gone := p.user("gone")
			secret, _ := p.begin(gone.ID)
			require.NoError(t, p.RemoveUser(t.Context(), by, gone.ID, models.AnyVersion))
			require.False(t, p.isLive(secret))
		})
		require.NotContains(p, p.ledgerText(), secret)
		rows, next, err := p.Sessions(p.Context(), alice.ID, models.Page{})
		require.NoError(p, err)
		require.Empty(p, next)
		require.Len(p, rows, 5)
	})
}

func TestSessionsAge(t *testing.T) {
	eachPeople(t, func(p *people) {
		alice := p.user("alice")
		left, _ := p.begin(alice.ID)
		used, row := p.begin(alice.ID)
		for range 11 {
			p.advance(59 * time.Minute)
			require.NoError(p, p.MarkSeen(p.Context(), map[string]int64{row.ID: p.Now()}))
			require.True(p, p.isLive(used))
		}
		require.False(p, p.isLive(left), "nobody was there for an hour")
		require.NoError(p, p.MarkSeen(p.Context(), map[string]int64{row.ID: 1}))
		require.True(p, p.isLive(used), "times only move forward")
		p.advance(59 * time.Minute)
		require.NoError(p, p.MarkSeen(p.Context(), map[string]int64{row.ID: p.Now()}))
		p.advance(13 * time.Minute)
		require.False(p, p.isLive(used), "twelve hours are the end, whoever was there")

		require.NoError(p, p.PurgeAccounts(p.Context(), p.Now()-life))
		rows, _, err := p.Sessions(p.Context(), alice.ID, models.Page{})
		require.NoError(p, err)
		require.Len(p, rows, 2)
		require.NoError(p, p.PurgeAccounts(p.Context(), p.Now()))
		rows, _, err = p.Sessions(p.Context(), alice.ID, models.Page{})
		require.NoError(p, err)
		require.Empty(p, rows)
	})
}

// What was verified before a session begins must still be so when it does.
func TestSignInHolds(t *testing.T) {
	eachPeople(t, func(p *people) {
		alice, bob := p.user("alice"), p.user("bob")
		try := func(edit func(*models.SignIn)) error {
			in := p.signIn(alice.ID)
			edit(&in)
			secret, _, err := p.BeginSession(p.Context(), by, in)
			require.Equal(p, err == nil, secret != "")
			return err
		}
		p.Run("password", func(t *testing.T) {
			require.NoError(t, p.SetPassword(t.Context(), by, alice.ID, "one", ""))
			verified, err := p.Password(t.Context(), alice.ID)
			require.NoError(t, err)
			with := func(in *models.SignIn) { in.Password = verified }
			require.NoError(t, try(with))
			require.NoError(t, p.SetPassword(t.Context(), by, alice.ID, "two", ""))
			require.ErrorIs(t, try(with), models.ErrVersion, "it was changed meanwhile")
		})
		p.Run("second step", func(t *testing.T) {
			token, err := p.CreateLink(t.Context(), by, &models.Link{Purpose: models.LinkSecondFactor, UserID: &bob.ID, ExpiresAt: p.Now() + 300})
			require.NoError(t, err)
			require.ErrorIs(t, try(func(in *models.SignIn) { in.Link = token }), models.ErrNotFound, "it is somebody else's")
			_, err = p.Link(t.Context(), token, models.LinkSecondFactor)
			require.NoError(t, err, "and was not used up by that")
		})
		p.Run("code", func(t *testing.T) {
			with := func(step int64) func(*models.SignIn) { return func(in *models.SignIn) { in.Step = step } }
			require.ErrorIs(t, try(with(100)), models.ErrUsed, "there is no second factor")
			require.NoError(t, p.PrepareTOTP(t.Context(), by, alice.ID, []byte("sealed-one")))
			require.ErrorIs(t, try(with(100)), models.ErrUsed, "it is not confirmed")
			require.NoError(t, p.PrepareTOTP(t.Context(), by, alice.ID, []byte("sealed-two")))
			require.NoError(t, p.ConfirmTOTP(t.Context(), by, alice.ID, 100))
			require.ErrorIs(t, p.ConfirmTOTP(t.Context(), by, alice.ID, 101), models.ErrUsed)
			require.ErrorIs(t, p.PrepareTOTP(t.Context(), by, alice.ID, []byte("sealed-three")), models.ErrConflict)
			require.ErrorIs(t, try(with(100)), models.ErrUsed, "that code confirmed it")
			require.NoError(t, try(with(102)))
			for _, again := range []int64{102, 101} {
				require.ErrorIs(t, try(with(again)), models.ErrUsed)
			}
			row, err := p.TOTP(t.Context(), alice.ID)
			require.NoError(t, err)
			require.Equal(t, []byte("sealed-two"), row.Sealed)
			require.NoError(t, p.RemoveTOTP(t.Context(), by, alice.ID))
			require.NoError(t, p.RemoveTOTP(t.Context(), by, alice.ID))
			_, err = p.TOTP(t.Context(), alice.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
		})
		p.Run("passkey", func(t *testing.T) {
			challenge := models.Once{Purpose: "passkey", Value: "challenge-1", ExpiresAt: p.Now() + 300}
			k := &models.Passkey{UserID: alice.ID, Name: "phone", CredentialID: "credential-1", Record: `{"x":1}`, SignCount: 5}
			require.NoError(t, p.CreatePasskey(t.Context(), by, k, challenge))
			require.ErrorIs(t, p.CreatePasskey(t.Context(), by, &models.Passkey{UserID: alice.ID, CredentialID: "credential-2"}, challenge), models.ErrUsed)
			challenge.Value = "challenge-2"
			require.ErrorIs(t, p.CreatePasskey(t.Context(), by, &models.Passkey{UserID: bob.ID, CredentialID: "credential-1"}, challenge), models.ErrConflict)
			with := func(count int64) error {
				used := *k
				used.SignCount, used.Record = count, `{"x":2}`
				return try(func(in *models.SignIn) { in.Passkey = &used })
			}
			require.NoError(t, with(6))
			for _, count := range []int64{6, 5, 0} {
				require.ErrorIs(t, with(count), models.ErrUsed, "a count that does not rise")
			}
			keys, err := p.Passkeys(t.Context(), alice.ID)
			require.NoError(t, err)
			require.Len(t, keys, 1)
			require.Equal(t, int64(6), keys[0].SignCount)
			require.JSONEq(t, `{"x":2}`, keys[0].Record)
			require.NotZero(t, keys[0].LastUsedAt)
			require.ErrorIs(t, p.RevokePasskey(t.Context(), by, bob.ID, k.ID), models.ErrNotFound)
			require.NoError(t, p.RevokePasskey(t.Context(), by, alice.ID, k.ID))
			require.NoError(t, p.RevokePasskey(t.Context(), by, alice.ID, k.ID))
			require.ErrorIs(t, with(7), models.ErrUsed)
		})
		p.Run("challenge", func(t *testing.T) {
			with := func(in *models.SignIn) {
				in.Once = &models.Once{Purpose: "passkey", Value: "challenge-3", ExpiresAt: p.Now() + 300}
			}
			require.NoError(t, try(with))
			require.ErrorIs(t, try(with), models.ErrUsed)
		})
	})
}

// atOnce counts how many of n who do the same at the same moment succeed; the
// others must have come too late.
func (p *people) atOnce(n int, do func() error) (succeeded int64) {
	p.Helper()
	var good, late atomic.Int64
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			switch err := do(); {
			case err == nil:
				good.Add(1)
			case errors.Is(err, models.ErrUsed) || errors.Is(err, models.ErrNotFound):
				late.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(p, int64(n), good.Load()+late.Load())
	return good.Load()
}

func TestLinksWorkOnce(t *testing.T) {
	eachPeople(t, func(p *people) {
		alice := p.user("alice")
		link := func(purpose string, lasts int64) string {
			token, err := p.CreateLink(p.Context(), by, &models.Link{Purpose: purpose, UserID: &alice.ID, ExpiresAt: p.Now() + lasts})
			require.NoError(p, err)
			return token
		}
		recover := func(token string) error {
			_, err := p.Recover(p.Context(), by, token, "hash")
			return err
		}
		token := link(models.LinkRecover, 600)
		require.Equal(p, int64(1), p.atOnce(16, func() error { return recover(token) }))
		_, err := p.Link(p.Context(), token, models.LinkRecover)
		require.ErrorIs(p, err, models.ErrNotFound)

		second := link(models.LinkSecondFactor, 600)
		require.ErrorIs(p, recover(second), models.ErrNotFound, "it is for something else")
		require.Equal(p, int64(1), p.atOnce(16, func() error {
			in := p.signIn(alice.ID)
			in.Link = second
			_, _, err := p.BeginSession(p.Context(), by, in)
			return err
		}))

		first, next := link(models.LinkInvite, 600), link(models.LinkInvite, 600)
		require.ErrorIs(p, recover(first), models.ErrNotFound, "the newer one replaced it")
		require.NoError(p, recover(next))
		late := link(models.LinkInvite, 600)
		p.advance(10 * time.Minute)
		require.ErrorIs(p, recover(late), models.ErrNotFound)
		suspended := link(models.LinkRecover, 600)
		_, err = p.SuspendUser(p.Context(), by, alice.ID)
		require.NoError(p, err)
		require.ErrorIs(p, recover(suspended), models.ErrNotFound)

		require.NotContains(p, p.ledgerText(), token)
		for _, bad := range []*models.Link{
			{Purpose: "other", UserID: &alice.ID, ExpiresAt: p.Now() + 9}, {Purpose: models.LinkRecover, ExpiresAt: p.Now() + 9},
			{Purpose: models.LinkSetup, UserID: &alice.ID, ExpiresAt: p.Now() + 9}, {Purpose: models.LinkRecover, UserID: &alice.ID, ExpiresAt: p.Now()},
		} {
			_, err := p.CreateLink(p.Context(), by, bad)
			var inv *models.Invalid
			require.ErrorAs(p, err, &inv)
		}
	})
}

func TestRecoveryBeginsAnew(t *testing.T) {
	eachPeople(t, func(p *people) {
		alice, bob := p.user("alice"), p.user("bob")
		require.NoError(p, p.SetPassword(p.Context(), by, alice.ID, "old", ""))
		require.NoError(p, p.PrepareTOTP(p.Context(), by, alice.ID, []byte("sealed")))
		require.NoError(p, p.ConfirmTOTP(p.Context(), by, alice.ID, 1))
		require.NoError(p, p.CreatePasskey(p.Context(), by, &models.Passkey{UserID: alice.ID, CredentialID: "c"}, models.Once{Purpose: "passkey", Value: "v", ExpiresAt: p.Now() + 9}))
		hers, _ := p.begin(alice.ID)
		his, _ := p.begin(bob.ID)
		pending, err := p.CreateLink(p.Context(), by, &models.Link{Purpose: models.LinkSecondFactor, UserID: &alice.ID, ExpiresAt: p.Now() + 600})
		require.NoError(p, err)
		token, err := p.CreateLink(p.Context(), by, &models.Link{Purpose: models.LinkRecover, UserID: &alice.ID, ExpiresAt: p.Now() + 600})
		require.NoError(p, err)

		got, err := p.Recover(p.Context(), by, token, "new")
		require.NoError(p, err)
		require.Equal(p, alice.ID, got)
		password, err := p.Password(p.Context(), alice.ID)
		require.NoError(p, err)
		require.Equal(p, "new", password.Hash)
		_, err = p.TOTP(p.Context(), alice.ID)
		require.ErrorIs(p, err, models.ErrNotFound)
		keys, err := p.Passkeys(p.Context(), alice.ID)
		require.NoError(p, err)
		require.Empty(p, keys)
		require.False(p, p.isLive(hers))
		require.True(p, p.isLive(his))
		_, err = p.Link(p.Context(), pending, models.LinkSecondFactor)
		require.ErrorIs(p, err, models.ErrNotFound, "a sign-in that was under way")
	})
}

func TestSetUp(t *testing.T) {
	eachPeople(t, func(p *people) {
		require.NoError(p, p.EnsureSelf(p.Context(), "https://deputy.example/api/v1"))
		admin := modelstest.Application(p, p.Store, "admin")
		modelstest.Assign(p, p.Store, models.AdminRoleID, admin.ID)
		p.administered(false) // an application is no person
		link := func() string {
			token, err := p.CreateLink(p.Context(), by, &models.Link{Purpose: models.LinkSetup, ExpiresAt: p.Now() + 1800})
			require.NoError(p, err)
			return token
		}
		token, other := link(), link()
		begin := func(token string) error {
			return p.SetUp(p.Context(), by, token, &models.User{Username: models.NewID("u"), Name: "First"}, "hash")
		}
		requireInvalid(p.T, p.SetUp(p.Context(), by, token, &models.User{Username: "Not A Handle"}, "hash"), "username")
		require.Equal(p, int64(1), p.atOnce(8, func() error { return begin(token) }))
		p.administered(true)
		require.ErrorIs(p, begin(other), models.ErrUsed, "somebody was first")
		users, _, err := p.Users(p.Context(), models.UserFilter{}, models.Page{})
		require.NoError(p, err)
		require.Len(p, users, 1)
		_, err = p.Password(p.Context(), users[0].ID)
		require.NoError(p, err)
		_, err = p.SuspendUser(p.Context(), by, users[0].ID)
		require.NoError(p, err)
		p.administered(true)
		require.NoError(p, p.RemoveUser(p.Context(), by, users[0].ID, models.AnyVersion))
		p.administered(false)

		carol := p.user("carol")
		inner := modelstest.Group(p, p.Store, "inner", carol.ID)
		outer := modelstest.Group(p, p.Store, "outer", inner.ID)
		modelstest.Assign(p, p.Store, models.AdminRoleID, outer.ID)
		p.administered(true)
	})
}

func (p *people) administered(want bool) {
	p.Helper()
	got, err := p.Administered(p.Context())
	require.NoError(p, err)
	require.Equal(p, want, got)
}
