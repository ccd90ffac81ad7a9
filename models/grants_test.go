package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		t.Run("recorded as they were issued", func(t *testing.T) {
			token := modelstest.Issue(t, s, w.Token(s))
			got, err := s.Token(t.Context(), token.ID)
			require.NoError(t, err)
			require.Equal(t, &token, got)
			require.Equal(t, []string{}, got.Chain, "a list is never null")
			_, err = s.Token(t.Context(), "tok_none")
			require.ErrorIs(t, err, models.ErrNotFound)
		})
		t.Run("revoking one ends what was exchanged from it, and nothing else", func(t *testing.T) {
			root := modelstest.Issue(t, s, w.Token(s))
			child := modelstest.Issue(t, s, modelstest.Exchange(root, "agt_b"))
			grandchild := modelstest.Issue(t, s, modelstest.Exchange(child, "agt_c"))
			sibling := modelstest.Issue(t, s, modelstest.Exchange(root, "agt_d"))
			other := modelstest.Issue(t, s, w.Token(s))

			require.NoError(t, s.RevokeToken(t.Context(), by, child.ID))
			require.ElementsMatch(t, []string{root.ID, sibling.ID, other.ID}, alive(t, s, root, child, grandchild, sibling, other))
			before := size(t, s)
			require.NoError(t, s.RevokeToken(t.Context(), by, child.ID), "twice is no error")
			require.Equal(t, before, size(t, s), "and no second entry")
			require.NoError(t, s.RevokeToken(t.Context(), by, root.ID))
			require.ElementsMatch(t, []string{other.ID}, alive(t, s, root, child, grandchild, sibling, other))
			require.ErrorIs(t, s.RevokeToken(t.Context(), by, "tok_none"), models.ErrNotFound)
		})
	})
}

func TestRevokedTokensAreRecorded(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		t.Run("what fell is in the ledger", func(t *testing.T) {
			root := modelstest.Issue(t, s, w.Token(s))
			child := modelstest.Issue(t, s, modelstest.Exchange(root, "agt_b"))
			require.NoError(t, s.RevokeToken(t.Context(), by, root.ID))
			rows, _, err := s.Entries(t.Context(), models.EntryFilter{Action: "revokeToken", TokenID: root.ID}, -1, 1)
			require.NoError(t, err)
			require.Len(t, rows, 1)
			require.Contains(t, rows[0].Detail, root.ID)
			require.Contains(t, rows[0].Detail, child.ID)
		})
		t.Run("more than one statement can name", func(t *testing.T) {
			root := modelstest.Issue(t, s, w.Token(s))
			records := []*models.Record{}
			for range 1100 {
				records = append(records, modelstest.Granted(modelstest.Exchange(root, "agt_b")))
			}
			for _, err := range s.CommitTogether(t.Context(), records...) {
				require.NoError(t, err)
			}
			require.NoError(t, s.RevokeToken(t.Context(), by, root.ID))
			live, _, err := s.Tokens(t.Context(), models.TokenFilter{Txn: root.Txn, Live: true}, models.Page{})
			require.NoError(t, err)
			require.Empty(t, live)
		})
	})
}

func TestRevokeGrant(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w, other := modelstest.NewWorld(t, s, "w"), modelstest.NewWorld(t, s, "other")
		root := modelstest.Issue(t, s, w.Token(s))
		child := modelstest.Issue(t, s, modelstest.Exchange(root, other.Agent.ID))
		theirs := modelstest.Issue(t, s, other.Token(s))
		old := w.Agent.SelfGrantID

		require.NoError(t, s.RevokeGrant(t.Context(), by, old))
		require.Equal(t, []string{theirs.ID}, alive(t, s, root, child, theirs))
		g, err := s.Grant(t.Context(), old)
		require.NoError(t, err)
		require.NotZero(t, g.RevokedAt)

		c, err := s.Client(t.Context(), w.Agent.ID)
		require.NoError(t, err)
		require.NotEqual(t, old, c.SelfGrantID, "it may ask for other tokens")
		g, err = s.Grant(t.Context(), c.SelfGrantID)
		require.NoError(t, err)
		require.Zero(t, g.RevokedAt)

		before := size(t, s)
		require.NoError(t, s.RevokeGrant(t.Context(), by, old), "twice is no error")
		require.Equal(t, before, size(t, s))
		require.ErrorIs(t, s.RevokeGrant(t.Context(), by, "gnt_none"), models.ErrNotFound)
	})
}

// alive lists the ids of the tokens that are not revoked.
func alive(t *testing.T, s *models.Store, tokens ...models.Token) []string {
	t.Helper()
	ids := []string{}
	for _, token := range tokens {
		got, err := s.Token(t.Context(), token.ID)
		require.NoError(t, err)
		if got.RevokedAt == 0 {
			ids = append(ids, got.ID)
		}
	}
	return ids
}

// size is how many entries the ledger has.
func size(t *testing.T, s *models.Store) int64 {
	t.Helper()
	tree, err := s.Tree(t.Context())
	require.NoError(t, err)
	return tree.Size
}
