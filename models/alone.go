package models

import (
	"context"
	"sync"
)

// alone is who of one process is at what, on SQLite, which is for one process.
type alone struct {
	mu sync.Mutex
	at map[string]bool
}

// Alone does something that one process at a time may be at, of all that share the
// database; began is false, and nothing was done, if another one is. On Postgres a
// transaction holds it that does nothing else, so that it ends with the process or its
// connection, also behind PgBouncer. Whoever lost the connection goes on unaware of it, so
// what is done must not rest on nobody else having begun.
func (s *Store) Alone(ctx context.Context, what string, do func(context.Context) error) (began bool, err error) {
	if !s.postgres {
		return s.aloneHere(ctx, what, do)
	}
	tx, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		return false, wrap(what, err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written in it
	if _, err := tx.ExecContext(ctx, "set local idle_in_transaction_session_timeout = 0"); err != nil {
		return false, wrap(what, err)
	}
	if err := tx.QueryRowContext(ctx, "select pg_try_advisory_xact_lock(hashtextextended($1, 0))", "deputy: "+what).Scan(&began); err != nil || !began {
		return false, wrap(what, err)
	}
	return true, do(ctx)
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
