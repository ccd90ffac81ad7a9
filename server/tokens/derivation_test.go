package tokens

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// What operators do whose master key leaked, with every server stopped: once the key is
// another, what is derived from is made anew from that, and nothing else is touched.
func TestDerivationIsMadeAnewOnceItsRowIsGone(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		s := modelstest.Open(t, o)
		old, next := newMaster(t), newMaster(t)
		before := ringOf(t, s, old)
		_, err := Rewrap(t.Context(), s, modelstest.By(), next.After(old))
		require.NoError(t, err)
		require.Equal(t, before.Successor("dpt_rft_x"), ringOf(t, s, next).Successor("dpt_rft_x"), "the master key alone changes nothing of it")

		driver, dsn := "pgx", o.URL
		if dsn == "" {
			driver, dsn = "sqlite", "file:"+(&url.URL{Path: filepath.Join(o.Dir, "deputy.db")}).EscapedPath()+"?_pragma=busy_timeout(20000)"
		}
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec("delete from derivation_keys")
		require.NoError(t, err)

		after := ringOf(t, s, next)
		require.NotEqual(t, before.Successor("dpt_rft_x"), after.Successor("dpt_rft_x"))
		require.NotEqual(t, before.UserCode("usr_a", "1234"), after.UserCode("usr_a", "1234"))
		require.Equal(t, after.Successor("dpt_rft_x"), ringOf(t, s, next).Successor("dpt_rft_x"), "all who start agree")
		require.JSONEq(t, string(before.JWKS()), string(after.JWKS()))
	})
}
