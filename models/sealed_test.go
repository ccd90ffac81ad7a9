package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// Whatever holds bytes is either sealed, and changed with the master key, or is told here
// why it is not.
func TestEverySealedColumnIsListed(t *testing.T) {
	open := map[string]string{
		"credentials.secret_hash": "SHA-256", "sessions.secret_hash": "SHA-256", "links.token_hash": "SHA-256", "visits.pushed_hash": "SHA-256",
		"ledger_tree.hashes": "the Merkle tree", "ledger_head.edge": "its right edge",
	}
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		query := `select m.name || '.' || p.name from sqlite_master m, pragma_table_info(m.name) p where m.type = 'table' and lower(p.type) = 'bytea'`
		if s.Dialect() == "postgres" {
			query = `select table_name || '.' || column_name from information_schema.columns where table_schema = 'public' and data_type = 'bytea'`
		}
		var found []string
		require.NoError(t, s.Reader().Raw(query).Scan(&found).Error)
		want := models.SealedColumns()
		for name := range open {
			want = append(want, name)
		}
		require.ElementsMatch(t, want, found)
	})
}
