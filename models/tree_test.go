package models_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// Our tree, grown from its right edge alone, is tlog's tree.
func TestTreeIsTlogs(t *testing.T) {
	t.Parallel()
	var ours, theirs []tlog.Hash
	var edge []byte
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = theirs[index]
		}
		return out, nil
	})
	for n := range int64(301) {
		want, err := tlog.TreeHash(n, reader)
		require.NoError(t, err)
		require.Equal(t, want, models.RootOf(edge), "root of %d", n)
		require.Len(t, ours, int(tlog.StoredHashCount(n)))

		leaf := fmt.Appendf(nil, "record %d", n)
		hashes, err := tlog.StoredHashes(n, leaf, reader)
		require.NoError(t, err)
		theirs = append(theirs, hashes...)
		var stored []byte
		stored, edge = models.GrowTree(edge, n, leaf)
		for i := 0; i < len(stored); i += tlog.HashSize {
			ours = append(ours, tlog.Hash(stored[i:]))
		}
		require.Equal(t, theirs, ours, "hashes of %d", n)
	}
}

func TestEveryEntryCanBeProven(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		modelstest.NewWorld(t, s, "w") // some batches of one
		records := []*models.Record{}
		for range 20 { // and one of more
			records = append(records, modelstest.Refused(s, "agt_a"))
		}
		for _, err := range s.CommitTogether(t.Context(), records...) {
			require.NoError(t, err)
		}
		tree, err := s.Tree(t.Context())
		require.NoError(t, err)
		rows, _, err := s.Entries(t.Context(), models.EntryFilter{}, -1, 200)
		require.NoError(t, err)
		require.Len(t, rows, int(tree.Size))
		for _, e := range rows {
			ev, err := s.Evidence(t.Context(), &e)
			require.NoError(t, err)
			require.Equal(t, tree, ev.Tree)
			require.NoError(t, tlog.CheckRecord(ev.Hashes, tree.Size, tree.Root, e.Seq, tlog.RecordHash(e.Leaf())))
			e.Outcome = "another"
			require.Error(t, tlog.CheckRecord(ev.Hashes, tree.Size, tree.Root, e.Seq, tlog.RecordHash(e.Leaf())))
		}
		_, err = s.Evidence(t.Context(), &models.Entry{Seq: tree.Size})
		require.Error(t, err, "there is no such entry")
	})
}
