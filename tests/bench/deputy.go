//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql drivers to count with
	_ "modernc.org/sqlite"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

func newMasterKey() string { return tokens.GenerateMasterKey() }

// estate is a world in a database, which servers are started on one after the other.
type estate struct {
	world
	dir    string // of logs, and of the SQLite database
	url    string // of Postgres
	name   string // of the database there
	pg     *postgresServer
	master string
	db     *sql.DB // to count rows with
	loaded time.Duration
}

// settle a world in a fresh database.
func (b *bench) settle(ctx context.Context, w world) (*estate, error) {
	e := &estate{world: w, master: newMasterKey(), pg: b.postgres}
	var err error
	if e.dir, err = os.MkdirTemp(b.dir, "world-"); err != nil {
		return nil, err
	}
	driver, dsn := "sqlite", "file:"+filepath.Join(e.dir, "deputy.db")+"?_pragma=query_only(1)&_pragma=busy_timeout(10000)"
	if b.postgres != nil {
		if e.name, err = b.postgres.database(ctx); err != nil {
			return nil, err
		}
		e.url = b.postgres.url(e.name)
		driver, dsn = "pgx", e.url
	}
	begin := time.Now()
	if err := w.load(ctx, models.Options{URL: e.url, Dir: e.dir}); err != nil {
		return nil, err
	}
	e.loaded = time.Since(begin)
	e.db, err = sql.Open(driver, dsn)
	return e, err
}

// leave frees what the world took.
func (e *estate) leave() error {
	err := errors.Join(e.db.Close(), os.RemoveAll(e.dir))
	if e.pg != nil {
		err = errors.Join(err, e.pg.exec(context.Background(), "drop database "+e.name+" with (force)"))
	}
	return err
}

// slowDown makes the database take longer over every commit, for servers that
// are started after: a disk that flushes slower than the one at hand. Only
// Postgres can.
func (e *estate) slowDown(ctx context.Context, by time.Duration) error {
	if e.pg == nil {
		return nil
	}
	return errors.Join(
		e.pg.exec(ctx, fmt.Sprintf("alter database %s set commit_delay = %d", e.name, by.Microseconds())),
		e.pg.exec(ctx, fmt.Sprintf("alter database %s set commit_siblings = 0", e.name)),
	)
}

// serve starts the real binary on the world, as production would: with a master
// key, without --dev. Limits are at work, but do not bite: a few clients ask as
// much as many would. Nor does the policy's deadline: whoever else is busy on the
// machine makes answers late here, which is measured, and does not make them fail.
func (b *bench) serve(ctx context.Context, e *estate, name string, reuse bool, policyDir string) (*program, error) {
	args := []string{"serve", "--listen", "{addr}", "--issuer", issuer, "--data-dir", e.dir, "--client-rate", "1000000", "--policy-deadline", "10s"}
	if policyDir != "" {
		args = append(args, "--policy-dir", policyDir)
	}
	if b.profiles != "" {
		b.started++
		args = append(args, "--cpuprofile", filepath.Join(b.profiles, fmt.Sprintf("%02d-%s.pprof", b.started, strings.ReplaceAll(name, "/", "-"))))
	}
	env := []string{"DEPUTY_MASTER_KEY=" + e.master, "DEPUTY_DATABASE_URL=" + e.url}
	if !reuse {
		env = append(env, "DEPUTY_DECISION_REUSE=off")
	}
	p, err := spawn(ctx, e.dir, "deputy", env, b.binary, args...)
	if err == nil && b.postgres != nil {
		p.also = []int{b.postgres.cmd.Process.Pid}
	}
	return p, err
}

// mark is how long the ledger is now.
func (e *estate) mark(ctx context.Context) (size int64, err error) {
	err = e.db.QueryRowContext(ctx, "select size from ledger_head where id = 1").Scan(&size)
	return size, err
}

// granted counts, from a mark on, the decisions that granted a token and whose
// token is on record too.
const granted = `select count(*) from ledger l join tokens t on t.id = l.token_id and t.decision_id = l.id
	where l.seq >= %d and l.kind = 'decision' and l.outcome = 'granted' and l.action like 'issue:%%'`

// shown counts the introspections that told of a live token.
const shown = `select count(*) from ledger
	where seq >= %d and kind = 'decision' and outcome = 'granted' and action = 'introspect'`

func (e *estate) count(ctx context.Context, query string, mark int64) (n int, err error) {
	err = e.db.QueryRowContext(ctx, fmt.Sprintf(query, mark)).Scan(&n)
	return n, err
}
