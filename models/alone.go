package models

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// errDropped has a connection thrown away instead of put back.
var errDropped = driver.ErrBadConn

// alone is who of one process is at what, on SQLite, which is for one process.
type alone struct {
	mu sync.Mutex
	at map[string]bool
}

// Alone does something that one process at a time may be at, of all that share the
// database; began is false, and nothing was done, if another one is. On Postgres it is
// held by a connection and ends with it, however that ends, so whatever is done must not
// hang from nobody else having begun meanwhile. (Through PgBouncer in transaction mode it
// holds nothing.)
func (s *Store) Alone(ctx context.Context, what string, do func(context.Context) error) (began bool, err error) {
	if !s.postgres {
		return s.aloneHere(ctx, what, do)
	}
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return false, wrap(what, err)
	}
	defer func() { err = errors.Join(err, giveBack(conn, what)) }()
	if err := conn.QueryRowContext(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", lockName(what)).Scan(&began); err != nil || !began {
		return false, wrap(what, err)
	}
	return true, do(ctx)
}

func lockName(what string) string { return "deputy: " + what }

// giveBack lets go of whatever the connection holds. One that may hold it still is ended.
func giveBack(conn *sql.Conn, what string) error {
	ctx, done := context.WithTimeout(context.Background(), longestPause)
	defer done()
	if _, err := conn.ExecContext(ctx, "select pg_advisory_unlock(hashtextextended($1, 0))", lockName(what)); err != nil {
		_ = conn.Raw(func(any) error { return errDropped })
	}
	if err := conn.Close(); err != nil && !errors.Is(err, errDropped) && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *Store) aloneHere(ctx context.Context, what string, do func(context.Context) error) (bool, error) {
	if !s.alone.enter(what) {
		return false, nil
	}
	defer s.alone.leave(what)
	return true, do(ctx)
}

func (a *alone) enter(what string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at[what] {
		return false
	}
	if a.at == nil {
		a.at = map[string]bool{}
	}
	a.at[what] = true
	return true
}

func (a *alone) leave(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.at, what)
}
