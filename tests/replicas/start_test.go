//go:build linux

package replicas

import (
	"database/sql"
	"os"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
)

// Four replicas start at once, each told to migrate, on a database that is empty and
// on one of an earlier release that holds something. All get ready, and the schema is
// what one alone would have made.
func TestStartedAtOnce(t *testing.T) {
	t.Parallel()
	want := columns(t, modelstest.Postgres(t))
	require.Greater(t, len(want), 200)
	all := migrations(t, modelstest.EmptyPostgres(t)).ListSources()
	versions := map[string]int64{"empty": 0, "of the first migration": all[0].Version}
	if full {
		versions["of the last but one"] = all[len(all)-2].Version
	}
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, asOf(t, version), "--migrate")
			started := []*replica{s.Deputy(), s.Deputy(), s.Deputy(), s.Deputy()}
			for _, r := range started {
				r.Launch()
			}
			for _, r := range started {
				r.AwaitReady()
			}
			require.Equal(t, want, columns(t, s.DSN))
			w := &world{site: s, db: s.Database()}
			applied := w.number(`select count(*) from goose_db_version where version_id > 0`)
			distinct := w.number(`select count(distinct version_id) from goose_db_version where version_id > 0`)
			keys := w.number(`select count(*) from signing_keys`)
			self := w.number(`select count(*) from resource_servers where id = 'rsv_deputy'`)
			t.Logf("started at once %d / ready %d; migrations applied %d, twice %d; signing keys %d", len(started), len(started), applied, applied-distinct, keys)
			require.Equal(t, []int{applied, 2, 1}, []int{distinct, keys, self})
			s.Verified()
		})
	}
}

// migrations are those of this release, to be applied to a database.
func migrations(t *testing.T, dsn string) *goose.Provider {
	t.Helper()
	p, err := goose.NewProvider(goose.DialectPostgres, open(t, dsn), os.DirFS("../../models/migrations"))
	require.NoError(t, err)
	return p
}

// asOf is a database as a release had it whose newest migration this is, with a user.
func asOf(t *testing.T, version int64) (dsn string) {
	t.Helper()
	dsn = modelstest.EmptyPostgres(t)
	if version == 0 {
		return dsn
	}
	_, err := migrations(t, dsn).UpTo(t.Context(), version)
	require.NoError(t, err)
	_, err = open(t, dsn).Exec(`insert into users (id, username, name, email, status, labels, created_at, updated_at, version, expires_at)
		values ('usr_old', 'old', 'Old', '', 'active', '{}', 1, 1, 1, 253402300799)`)
	require.NoError(t, err)
	return dsn
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// columns are all there are, with what they hold and whether that may be nothing.
func columns(t *testing.T, dsn string) []string {
	t.Helper()
	rows, err := open(t, dsn).Query(`select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '-')
		from information_schema.columns where table_schema = 'public' order by 1`)
	require.NoError(t, err)
	var out []string
	for rows.Next() {
		var c string
		require.NoError(t, rows.Scan(&c))
		out = append(out, c)
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	return out
}
