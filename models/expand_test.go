package models_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// A release and the one after it work on one database side by side, so a migration
// only adds: what the release before reads and writes is all still there, of the same
// kind, and nothing new must be written. (Indexes that are not unique come and go.)
func TestMigrationsOnlyAdd(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("pgx", modelstest.EmptyPostgres(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	require.NoError(t, err)
	before := map[string]held{}
	kept := 0
	for _, source := range p.ListSources() {
		_, err := p.UpByOne(t.Context())
		require.NoError(t, err)
		after := heldBy(t, db)
		for name, was := range before {
			is, there := after[name]
			require.True(t, there, "%s takes %s away", source.Path, name)
			require.Equal(t, was.kind, is.kind, "%s changes what %s holds", source.Path, name)
			require.True(t, is.optional || !was.optional, "%s makes %s required", source.Path, name)
			kept++
		}
		for name, is := range after {
			_, old := before[name]
			if _, table := before[is.table]; table && !old {
				require.True(t, is.optional, "%s adds %s, which the release before does not write", source.Path, name)
			}
		}
		before = after
	}
	t.Logf("migrations %d; columns, tables and unique keys held to after each %d", len(p.ListSources()), kept)
}

// held is a table, a column or a unique key.
type held struct {
	table, kind string
	optional    bool // whoever does not know it need not write it
}

func heldBy(t *testing.T, db *sql.DB) map[string]held {
	t.Helper()
	rows, err := db.Query(`
		select table_name, '', 'table', true from information_schema.tables where table_schema = 'public'
		union all select table_name, column_name, data_type, is_nullable = 'YES' or column_default is not null
			from information_schema.columns where table_schema = 'public'
		union all select c.relname, i.relname, 'unique key', n.nullable
			from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid join pg_namespace s on s.oid = c.relnamespace,
			lateral (select bool_or(not a.attnotnull) as nullable from pg_attribute a where a.attrelid = c.oid and a.attnum = any (x.indkey)) n
			where s.nspname = 'public' and x.indisunique`)
	require.NoError(t, err)
	out := map[string]held{}
	for rows.Next() {
		var h held
		var name string
		require.NoError(t, rows.Scan(&h.table, &name, &h.kind, &h.optional))
		if name != "" {
			name = fmt.Sprintf("%s.%s", h.table, name)
		} else {
			name = h.table
		}
		out[name] = h
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	return out
}

// What is open goes on when the next release adds columns to every table there is:
// what it reads and writes, it names.
func TestColumnsMayBeAdded(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		s := modelstest.Open(t, o)
		w := modelstest.NewWorld(t, s, "w")
		works := func() {
			ctx := t.Context()
			token := modelstest.Issue(t, s, w.Token(s))
			c, err := s.Client(ctx, w.Agent.ID)
			require.NoError(t, err)
			require.Equal(t, w.Agent.Name, c.Name)
			_, err = s.UpdateClient(ctx, modelstest.By(), c.ID, models.AnyVersion, func(c *models.Client) { c.Purpose += "." })
			require.NoError(t, err)
			tokens, _, err := s.Tokens(ctx, models.TokenFilter{}, models.Page{Limit: 10})
			require.NoError(t, err)
			require.NotEmpty(t, tokens)
			e, err := s.EntryByID(ctx, token.DecisionID)
			require.NoError(t, err)
			require.Equal(t, token.ID, e.TokenID)
			require.NoError(t, s.Refresh(ctx))
			view, err := s.View(ctx)
			require.NoError(t, err)
			p, err := view.Principal(ctx, w.Agent.ID)
			require.NoError(t, err)
			require.Len(t, p.Value.Scopes[w.Service.ID], 2)
			_, _, err = view.Credentials(ctx, w.Agent.ID)
			require.NoError(t, err)
			_, err = view.ResourceByName(ctx, w.Service.Identifier)
			require.NoError(t, err)
		}
		works()
		added := addColumns(t, o)
		require.Greater(t, added, 20)
		works()
	})
}

// addColumns gives every table a column, past the store.
func addColumns(t *testing.T, o models.Options) (added int) {
	t.Helper()
	driver, dsn, list := "pgx", o.URL, `select table_name from information_schema.tables where table_schema = 'public'`
	if o.URL == "" {
		driver, dsn, list = "sqlite", "file:"+filepath.Join(o.Dir, "deputy.db")+"?_pragma=busy_timeout(10000)", `select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.Query(list)
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, errors.Join(rows.Err(), rows.Close()))
	for _, name := range tables {
		_, err := db.Exec("alter table " + name + " add column of_the_next_release text not null default 'x'")
		require.NoError(t, err)
	}
	return len(tables)
}
