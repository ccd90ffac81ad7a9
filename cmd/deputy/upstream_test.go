package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

func TestUpstreamsAreAddedChangedAndRemoved(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		at := d.must("upstream", "add", "https://login.example/t1", "--name", "Workforce", "--upstream-client", "deputy", "--upstream-secret", "hush hush", "--acr", "gold")
		require.Contains(t, at, "/login/upstream/ups_")
		store, err := database{DatabaseURL: Secret(d.db), DataDir: d.dir}.open()
		require.NoError(t, err)
		defer store.Close()
		ctx := context.Background()
		rows, _, err := store.Upstreams(ctx, models.Page{})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		row := rows[0]
		require.Equal(t, []string{"gold"}, row.ACRValues)
		require.NotEmpty(t, row.Sealed)
		require.NotContains(t, string(row.Sealed), "hush")
		require.Contains(t, d.must("upstream", "list"), `"Workforce"`)
		require.Contains(t, d.must("upstream", "set", row.ID, "--status", "suspended", "--name", "Work"), "suspended")
		require.Contains(t, d.must("upstream", "list"), `"Work"`)
		changed, err := store.Upstream(ctx, row.ID)
		require.NoError(t, err)
		require.Equal(t, row.Sealed, changed.Sealed)
		require.Contains(t, d.must("upstream", "remove", row.ID), "Removed")
		require.NotContains(t, d.must("upstream", "list"), row.ID)
		_, err = d.deputy("upstream", "remove", row.ID)
		require.Error(t, err)

		joe, err := store.UserNamed(ctx, "joe")
		require.NoError(t, err)
		identity := &models.Identity{UserID: joe.ID, Issuer: "https://login.example/t1", Subject: "j-1"}
		require.NoError(t, store.LinkIdentity(ctx, models.By{System: "test"}, identity))
		require.Contains(t, d.must("user", "identities", "joe"), `"j-1"`)
		require.Contains(t, d.must("user", "identities", "joe", "--unlink", identity.ID), "Unlinked")
		require.Empty(t, d.must("user", "identities", "joe"))
	})
}
