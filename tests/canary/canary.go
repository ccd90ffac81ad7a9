// Package canary looks for secrets where none may be: in logs, answers, and every
// column of a database.
package canary

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/deputyauth/deputy/models"
)

// Secrets are values by a name that may be printed.
type Secrets map[string]string

// Found names the secrets that text holds in any of the forms they travel in.
func (s Secrets) Found(text []byte) []string {
	var out []string
	for name, secret := range s {
		for form, written := range forms(secret) {
			if bytes.Contains(text, []byte(written)) {
				out = append(out, name+" ("+form+")")
			}
		}
	}
	slices.Sort(out)
	return out
}

func forms(secret string) map[string]string {
	if len(secret) < 8 {
		panic("too short to be told from chance: " + secret)
	}
	raw := []byte(secret)
	return map[string]string{
		"plain": secret, "form": url.QueryEscape(secret), "hex": hex.EncodeToString(raw), "HEX": strings.ToUpper(hex.EncodeToString(raw)),
		"base64": strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="), "base64url": base64.RawURLEncoding.EncodeToString(raw),
	}
}

// Token adds a signed token: as a whole, and its signature, without which the
// rest proves nothing.
func (s Secrets) Token(name, raw string) {
	s[name] = raw
	s[name+"'s signature"] = raw[strings.LastIndex(raw, ".")+1:]
}

// Log is a log that is kept, for any number of writers.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Bytes is all that was written so far.
func (l *Log) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// Dump reads every column of every table, whatever its type, by table and
// column; of SQLite also the files themselves, with what was deleted.
func Dump(tb testing.TB, o models.Options) map[string][]byte {
	tb.Helper()
	driver, dsn := "pgx", o.URL
	tables := `select table_name from information_schema.tables where table_schema = 'public'`
	out := map[string][]byte{}
	if o.URL == "" {
		driver, dsn = "sqlite", "file:"+(&url.URL{Path: filepath.Join(o.Dir, "deputy.db")}).EscapedPath()+"?_pragma=busy_timeout(10000)"
		tables = `select name from sqlite_master where type = 'table'`
		files, err := filepath.Glob(filepath.Join(o.Dir, "deputy.db*"))
		require.NoError(tb, err)
		for _, file := range files {
			body, err := os.ReadFile(file)
			require.NoError(tb, err)
			out["file "+filepath.Base(file)] = body
		}
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(tb, err)
	defer db.Close()
	for _, table := range column(tb, db, tables) {
		dumpTable(tb, db, string(table), out)
	}
	require.Contains(tb, out, "ledger.detail")
	require.Contains(tb, out, "credentials.secret_hash")
	return out
}

func column(tb testing.TB, db *sql.DB, query string) (values [][]byte) {
	tb.Helper()
	rows, err := db.Query(query)
	require.NoError(tb, err)
	defer rows.Close()
	for rows.Next() {
		var v sql.RawBytes
		require.NoError(tb, rows.Scan(&v))
		values = append(values, bytes.Clone(v))
	}
	require.NoError(tb, rows.Err())
	return values
}

func dumpTable(tb testing.TB, db *sql.DB, table string, out map[string][]byte) {
	tb.Helper()
	rows, err := db.Query(`select * from ` + table)
	require.NoError(tb, err)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(tb, err)
	values, into := make([]sql.RawBytes, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
		out[table+"."+names[i]] = nil
	}
	for rows.Next() {
		require.NoError(tb, rows.Scan(into...))
		for i, v := range values {
			key := table + "." + names[i]
			out[key] = append(append(out[key], v...), '\n')
		}
	}
	require.NoError(tb, rows.Err())
}
