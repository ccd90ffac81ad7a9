//go:build linux

package process

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to look at databases past everything of ours
	_ "modernc.org/sqlite"

	"github.com/deputyauth/deputy/server/tokens"
)

// T is what a test lends.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
	TempDir() string
}

// Patience is how long something may take on a busy machine before it counts
// as not happening at all.
const Patience = time.Minute

// Site is one database and what all servers on it have in common.
type Site struct {
	t      T
	Binary string // of servers, and of commands
	Dir    string // of the SQLite database
	DSN    string // of Postgres, "" for SQLite
	Issuer string
	Env    []string
	Args   []string // of deputy serve

	first bool // whether the server at the issuer's address is made
}

// NewSite is one on Postgres, or on SQLite in a folder if dsn is empty.
func NewSite(t T, dir, dsn string, args ...string) *Site {
	t.Helper()
	s := &Site{t: t, Binary: built, Dir: dir, DSN: dsn, Args: args}
	s.Issuer = s.freeURL()
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DEPUTY_") {
			s.Env = append(s.Env, kv)
		}
	}
	// One client asks as fast as it can, and fails on purpose; and these tests share
	// a small machine. Policy that takes long has a deadline of its own.
	s.Env = append(s.Env, "DEPUTY_MASTER_KEY="+tokens.GenerateMasterKey(), "DEPUTY_ISSUER="+s.Issuer, "DEPUTY_DATABASE_URL="+dsn,
		"DEPUTY_DATA_DIR="+dir, "DEPUTY_CLIENT_RATE=0", "DEPUTY_FAILURE_BURST=0", "DEPUTY_POLICY_DEADLINE=10s")
	return s
}

func (s *Site) freeURL() string {
	s.t.Helper()
	address, err := FreeAddress()
	s.must(err)
	return "http://" + address
}

func (s *Site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%v", err)
	}
}

// Await polls until it happens.
func (s *Site) Await(what string, happened func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(Patience); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited %v for %s", Patience, what)
		}
	}
}

// Try runs another command of the binary on the same database.
func (s *Site) Try(args ...string) (out string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Binary, args...)
	cmd.Env = s.Env
	body, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%v: %v", args, err)
	}
	return string(body), cmd.ProcessState.ExitCode()
}

// Succeeds runs a command that must not fail.
func (s *Site) Succeeds(args ...string) string {
	s.t.Helper()
	out, code := s.Try(args...)
	if code != 0 {
		s.t.Fatalf("%v: exit code %d\n%s", args, code, Tail(out, 20))
	}
	return out
}

// Verified proves the ledger with deputy audit verify.
func (s *Site) Verified() {
	s.t.Helper()
	out := s.Succeeds("audit", "verify")
	if !strings.Contains(out, "The ledger holds.") {
		s.t.Fatalf("audit verify: %s", Tail(out, 20))
	}
	s.t.Logf("audit verify: %s", strings.TrimSpace(out))
}

// Database opens the database past everything of ours.
func (s *Site) Database() *sql.DB {
	s.t.Helper()
	driver, dsn := "pgx", s.DSN
	if dsn == "" {
		driver, dsn = "sqlite", "file:"+(&url.URL{Path: filepath.Join(s.Dir, "deputy.db")}).EscapedPath()+"?_pragma=busy_timeout(20000)"
	}
	db, err := sql.Open(driver, dsn)
	s.must(err)
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// Column reads one column of text and counts each value.
func (s *Site) Column(query string) map[string]int {
	s.t.Helper()
	db := s.Database()
	defer db.Close()
	rows, err := db.Query(query)
	s.must(err)
	out := map[string]int{}
	for rows.Next() {
		var v string
		s.must(rows.Scan(&v))
		out[v]++
	}
	s.must(errors.Join(rows.Err(), rows.Close()))
	return out
}

// AllRecorded counts the tokens that were received against the rows there are of
// them, in the ledger and among the tokens.
func (s *Site) AllRecorded(received []string) {
	s.t.Helper()
	ledger := s.Column("select token_id from ledger where kind = 'decision' and outcome = 'granted' and action like 'issue:%'")
	rows := s.Column("select t.id from tokens t join ledger l on l.id = t.decision_id and l.token_id = t.id")
	found, before := 0, map[string]bool{}
	for _, id := range received {
		if ledger[id] == 1 && rows[id] == 1 && !before[id] {
			found++
		}
		before[id] = true
	}
	s.t.Logf("tokens received %d / rows found %d / lost %d, received twice %d (rows in all: %d)",
		len(received), found, len(before)-found, len(received)-len(before), len(rows))
	if found != len(received) || len(ledger) != len(rows) {
		s.t.Errorf("tokens received %d, with a row each in ledger and tokens %d; rows in the ledger %d, of tokens %d", len(received), found, len(ledger), len(rows))
	}
}
