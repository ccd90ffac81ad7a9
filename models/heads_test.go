package models_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func noteKey(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "deputy.example")
	require.NoError(t, err)
	signer, err := note.NewSigner(private)
	require.NoError(t, err)
	verifier, err := note.NewVerifier(public)
	require.NoError(t, err)
	return signer, verifier
}

func TestSignHead(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		signer, verifier := noteKey(t)
		require.NoError(t, s.SignHead(t.Context(), signer))
		_, err := s.LatestHead(t.Context())
		require.ErrorIs(t, err, models.ErrNotFound, "there is nothing to sign yet")

		modelstest.User(t, s, "alice")
		require.NoError(t, s.SignHead(t.Context(), signer))
		require.NoError(t, s.SignHead(t.Context(), signer), "twice is no error")
		modelstest.User(t, s, "bob")
		require.NoError(t, s.SignHead(t.Context(), signer))
		head, err := s.LatestHead(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(2), head.Size)
		n, err := note.Open([]byte(head.Note), note.VerifierList(verifier))
		require.NoError(t, err)
		signed, err := tlog.ParseTree([]byte(n.Text))
		require.NoError(t, err)
		tree, err := s.Tree(t.Context())
		require.NoError(t, err)
		require.Equal(t, tlog.Tree{N: tree.Size, Hash: tree.Root}, signed)
	})
}
