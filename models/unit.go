package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// unit is a transaction that rows of the ledger are written in. Batches go past
// GORM: it would parse each statement anew in every transaction, and on Postgres
// wait for the answer to each.
type unit interface {
	// exec runs a statement, now or at the latest before the transaction commits.
	exec(text string, args ...any) error
	// count runs a statement now and tells how many rows it wrote.
	count(text string, args ...any) (int64, error)
	// each runs a query now and gives every row of the result to row.
	each(row func(scan func(...any) error) error, text string, args ...any) error
	// dialect names the database as GORM does.
	dialect() string
}

// atomically runs fn in a transaction that is committed if fn returns nil, and
// leaves nothing behind otherwise.
func (s *Store) atomically(ctx context.Context, fn func(unit) error) error {
	if s.postgres {
		return pipelined(ctx, s.pool, fn)
	}
	return s.prepared.run(ctx, fn)
}

// prepared are the statements of SQLite's writer, which serves one transaction
// at a time.
type prepared struct {
	pool *sql.DB

	mu     sync.Mutex
	ready  map[string]*sql.Stmt
	wanted []string // were run without having been prepared
}

func (p *prepared) run(ctx context.Context, fn func(unit) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // a file does not hang as a network does, and to watch for it costs a goroutine a statement
	for _, text := range p.wanted {
		stmt, err := p.pool.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		p.ready[text] = stmt
	}
	p.wanted = nil
	tx, err := p.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(&liteUnit{ctx, tx, p}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

type liteUnit struct {
	ctx context.Context
	tx  *sql.Tx
	*prepared
}

func (u *liteUnit) dialect() string { return "sqlite" }

func (u *liteUnit) exec(text string, args ...any) error {
	_, err := u.count(text, args...)
	return err
}

func (u *liteUnit) count(text string, args ...any) (int64, error) {
	var res sql.Result
	var err error
	if stmt := u.statement(text); stmt != nil {
		res, err = u.tx.StmtContext(u.ctx, stmt).ExecContext(u.ctx, args...)
	} else {
		res, err = u.tx.ExecContext(u.ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (u *liteUnit) each(row func(scan func(...any) error) error, text string, args ...any) error {
	var rows *sql.Rows
	var err error
	if stmt := u.statement(text); stmt != nil {
		rows, err = u.tx.StmtContext(u.ctx, stmt).QueryContext(u.ctx, args...)
	} else {
		rows, err = u.tx.QueryContext(u.ctx, text, args...)
	}
	return through(rows, err, row)
}

// statement is nil the first time: the only connection is taken by the
// transaction, so that nothing can be prepared until it is over.
func (p *prepared) statement(text string) *sql.Stmt {
	stmt := p.ready[text]
	if stmt == nil {
		p.wanted = append(p.wanted, text)
	}
	return stmt
}

func through(rows *sql.Rows, err error, row func(scan func(...any) error) error) error {
	if err != nil {
		return err
	}
	for err == nil && rows.Next() {
		err = row(rows.Scan)
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

// rollbackTimeout is what a connection has to take a transaction back, after
// which it is given up.
const rollbackTimeout = time.Second

// pipelined sends statements together and waits where an answer is needed: the
// usual batch takes two round trips.
func pipelined(ctx context.Context, pool *sql.DB, fn func(unit) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	err = conn.Raw(func(driver any) error {
		direct, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("unexpected driver %T", driver)
		}
		u := &pgUnit{ctx: ctx, conn: direct.Conn(), waiting: &pgx.Batch{}}
		u.waiting.Queue("begin")
		err := fn(u)
		if err == nil {
			err = u.commit()
		}
		if err != nil {
			u.undo()
		}
		return err
	})
	return errors.Join(err, conn.Close())
}

type pgUnit struct {
	ctx     context.Context
	conn    *pgx.Conn
	waiting *pgx.Batch
}

func (u *pgUnit) dialect() string { return "postgres" }

func (u *pgUnit) exec(text string, args ...any) error {
	u.waiting.Queue(text, args...)
	return nil
}

func (u *pgUnit) count(text string, args ...any) (int64, error) {
	var n int64
	u.waiting.Queue(text, args...).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	return n, u.flush()
}

func (u *pgUnit) each(row func(scan func(...any) error) error, text string, args ...any) error {
	u.waiting.Queue(text, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := row(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return u.flush()
}

// commit holds the database to its word: what had failed before, it would take
// back without an error.
func (u *pgUnit) commit() error {
	u.waiting.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return fmt.Errorf("not committed: %s", tag)
		}
		return nil
	})
	return u.flush()
}

func (u *pgUnit) flush() error {
	batch := u.waiting
	u.waiting = &pgx.Batch{}
	return u.conn.SendBatch(u.ctx, batch).Close()
}

// undo leaves the connection as it was, or closes it.
func (u *pgUnit) undo() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), rollbackTimeout)
	defer cancel()
	if u.conn.IsClosed() {
		return
	}
	if _, err := u.conn.Exec(ctx, "rollback"); err != nil {
		_ = u.conn.Close(ctx)
	}
}

// within writes as part of a transaction of GORM's, for changes.
type within struct{ tx *gorm.DB }

func (u within) dialect() string { return u.tx.Name() }

func (u within) exec(text string, args ...any) error {
	_, err := u.count(text, args...)
	return err
}

func (u within) count(text string, args ...any) (int64, error) {
	res, err := u.tx.Statement.ConnPool.ExecContext(u.tx.Statement.Context, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (u within) each(row func(scan func(...any) error) error, text string, args ...any) error {
	rows, err := u.tx.Statement.ConnPool.QueryContext(u.tx.Statement.Context, text, args...)
	return through(rows, err, row)
}
