package tokens

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func newMaster(t *testing.T) MasterKey {
	t.Helper()
	m, err := NewMasterKey(GenerateMasterKey())
	require.NoError(t, err)
	return m
}

func ringOf(t *testing.T, s *models.Store, m MasterKey) *Keyring {
	t.Helper()
	k, err := NewKeyring(t.Context(), "https://deputy.example", s, m, time.Now)
	require.NoError(t, err)
	return k
}

// sealSome seals one of everything that tests can reach, and tells how much is sealed.
func sealSome(t *testing.T, s *models.Store, m MasterKey) int {
	t.Helper()
	ctx := t.Context()
	user := modelstest.User(t, s, "alice")
	require.NoError(t, s.PrepareTOTP(ctx, modelstest.By(), user.ID, m.Seal(models.SealedTOTP(user.ID), []byte("totp"))))
	upstream := &models.Upstream{Name: "Example", Issuer: "https://id.example", ClientID: "deputy"}
	require.NoError(t, s.CreateUpstream(ctx, modelstest.By(), upstream, func(id string) []byte { return m.Seal(models.SealedUpstream(id), []byte("secret")) }))
	_, err := s.PushKey(ctx, func() (*models.PushKey, error) {
		return &models.PushKey{ID: "key_push", Public: "public", Sealed: m.Seal("key_push", []byte("push"))}, nil
	})
	require.NoError(t, err)
	agent, _ := modelstest.Agent(t, s, "agent", user.ID)
	asked := &models.Approval{Kind: models.ApprovalCIBA, ClientID: agent.ID, SubjectID: user.ID, Delivery: models.DeliveryPing, ExpiresAt: s.Now() + 600,
		Request: models.ApprovalRequest{Scopes: []string{"work:do"}, Resources: []string{}, ACRValues: []string{}}}
	_, err = s.Ask(ctx, modelstest.By(), asked, models.Telling{Seal: func(a *models.Approval, _ string) []byte {
		return m.Seal(models.SealedHandle(a.ID), []byte("handle"))
	}})
	require.NoError(t, err)
	n, err := s.EachSealed(ctx, func(string, []byte) error { return nil })
	require.NoError(t, err)
	require.Equal(t, 7, n, "two signing keys, derivation, TOTP, upstream, push, handle")
	return n
}

// openable counts what a master key opens.
func openable(t *testing.T, s *models.Store, m MasterKey) int {
	t.Helper()
	n := 0
	_, err := s.EachSealed(t.Context(), func(name string, sealed []byte) error {
		if _, err := m.Open(name, sealed); err == nil {
			n++
		}
		return nil
	})
	require.NoError(t, err)
	return n
}

func TestRewrapSealsEverythingAnewOrNothing(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by := t.Context(), modelstest.By()
		old, next, other := newMaster(t), newMaster(t), newMaster(t)
		before := ringOf(t, s, old)
		all := sealSome(t, s, old)

		_, err := Rewrap(ctx, s, by, next.After(other))
		require.ErrorIs(t, err, ErrMasterKey)
		require.Equal(t, all, openable(t, s, old), "a wrong key changes nothing")

		stray := modelstest.User(t, s, "bob")
		require.NoError(t, s.PrepareTOTP(ctx, by, stray.ID, other.Seal(models.SealedTOTP(stray.ID), []byte("totp"))))
		_, err = Rewrap(ctx, s, by, next.After(old))
		require.ErrorIs(t, err, ErrMasterKey)
		require.ErrorContains(t, err, models.SealedTOTP(stray.ID))
		require.Equal(t, all, openable(t, s, old), "one that nobody opens keeps all as they are")
		require.NoError(t, s.PrepareTOTP(ctx, by, stray.ID, old.Seal(models.SealedTOTP(stray.ID), []byte("totp"))))
		all++

		n, err := Rewrap(ctx, s, by, next.After(old))
		require.NoError(t, err)
		require.Equal(t, all, n)
		require.Equal(t, all, openable(t, s, next))
		require.Zero(t, openable(t, s, old))

		_, err = NewKeyring(ctx, "https://deputy.example", s, old, time.Now)
		require.ErrorIs(t, err, ErrMasterKey)
		require.False(t, before.Lost())
		require.ErrorIs(t, before.Reload(ctx), ErrMasterKey)
		require.True(t, before.Lost(), "a server with the old key tells")
		require.True(t, before.Ready(), "and goes on")
		after := ringOf(t, s, next)
		require.JSONEq(t, string(before.JWKS()), string(after.JWKS()))
		require.Equal(t, before.Successor("dpr_token"), after.Successor("dpr_token"), "refresh tokens outlive the master key")
		require.Equal(t, before.UserCode("usr_a", "1234"), after.UserCode("usr_a", "1234"))

		// A server that knows both sealed something with the old one meanwhile.
		require.NoError(t, s.PrepareTOTP(ctx, by, stray.ID, old.Seal(models.SealedTOTP(stray.ID), []byte("totp"))))
		require.Equal(t, all-1, openable(t, s, next))
		n, err = Rewrap(ctx, s, by, next.After(old))
		require.NoError(t, err)
		require.Equal(t, all, n)
		require.Equal(t, all, openable(t, s, next))

		third := newMaster(t)
		_, err = Rewrap(ctx, s, by, third.After(next))
		require.NoError(t, err)
		require.Equal(t, before.Successor("dpr_token"), ringOf(t, s, third).Successor("dpr_token"), "every one of them")
	})
}

// A server that is started with both keys before anything was sealed anew derives what
// the others derive.
func TestServersWithBothKeysAgree(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		old, next := newMaster(t), newMaster(t)
		before := &Keyring{issuer: "https://deputy.example", store: s, master: old, derive: old.refresh, now: time.Now} // of a release that kept no derivation
		require.NoError(t, before.add(t.Context(), modelstest.By(), 0, true))
		both := ringOf(t, s, next.After(old))
		require.Equal(t, before.Successor("dpr_token"), both.Successor("dpr_token"))
		_, err := both.Rotate(t.Context(), modelstest.By(), 0)
		require.NoError(t, err)
		require.Equal(t, before.Successor("dpr_token"), ringOf(t, s, next.After(old)).Successor("dpr_token"))
	})
}

func TestLedgerKeyRotates(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		k := ringOf(t, s, newMaster(t))
		require.NoError(t, s.SignHead(ctx, k.LedgerSigner()))
		first := k.LedgerSigner()
		next, err := k.RotateLedger(ctx, modelstest.By())
		require.NoError(t, err)
		require.NotEqual(t, first.KeyHash(), k.LedgerSigner().KeyHash(), "it signs at once")
		tree, err := s.Tree(ctx)
		require.NoError(t, err)
		head, err := s.LatestHead(ctx)
		require.NoError(t, err)
		require.Equal(t, tree.Size, head.Size, "the one before it signed over what brought it")
		modelstest.User(t, s, "somebody")
		require.NoError(t, s.SignHead(ctx, k.LedgerSigner()))

		keys, err := s.LedgerKeys(ctx)
		require.NoError(t, err)
		require.Len(t, keys, 2)
		require.Equal(t, next.ID, keys[1].ID)
		var all []note.Verifier
		for _, row := range keys {
			one, err := note.NewVerifier(row.PublicJWK)
			require.NoError(t, err)
			all = append(all, one)
		}
		require.Empty(t, findings(ctx, t, s, all...))
		require.Len(t, findings(ctx, t, s, all[1]), 2, "what the first signed needs the first")
		require.Len(t, findings(ctx, t, s, all[0]), 1)
	})
}

func findings(ctx context.Context, t *testing.T, s *models.Store, keys ...note.Verifier) []models.Finding {
	t.Helper()
	v, err := s.Verify(ctx, note.VerifierList(keys...), nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, v.Heads)
	return v.Findings
}
