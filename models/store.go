// Package models holds what Deputy knows: identities, their roles and
// credentials, tokens, and the ledger of everything decided and changed. It
// loads the facts policy asks about; it draws no conclusions from them.
package models

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	_ "modernc.org/sqlite" // the pure-Go driver behind gorm's SQLite dialect
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is the database. It is safe for concurrent use. Reads and writes go
// through separate pools because SQLite has one writer; on Postgres they are
// the same pool.
type Store struct {
	read, write *gorm.DB
	pool        *sql.DB   // write's own
	prepared    *prepared // statements of the pool, on SQLite
	postgres    bool
	pgx         *pgx.ConnConfig // on Postgres
	now         func() time.Time
	facts       *cache
	ledger      *committer
	dir         string   // of the SQLite file
	lock        *os.File // held since Lock
	observer    Observer
	pulse       pulse
	grown       *grown
	alone       alone
}

// Options of Open.
type Options struct {
	URL string           // postgres://…, or empty for SQLite
	Dir string           // where SQLite keeps its file, "data" if empty
	Now func() time.Time // time.Now if nil

	Observer Observer // nil: nobody watches
}

// Open connects to the database. Call Migrate before anything else, and Close
// when done.
func Open(o Options) (*Store, error) {
	s := &Store{now: o.Now, observer: o.Observer, grown: newGrown()}
	if s.observer == nil {
		s.observer = unobserved{}
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if o.URL == "" {
		err = s.openSQLite(o.Dir)
	} else {
		err = s.openPostgres(o.URL)
	}
	if err != nil {
		return nil, err
	}
	if s.pool, err = s.write.DB(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s.prepared = &prepared{pool: s.pool, ready: map[string]*sql.Stmt{}}
	s.facts = newCache(s)
	s.ledger = newCommitter(s)
	return s, nil
}

func (s *Store) openSQLite(dir string) error {
	if dir == "" {
		dir = "data"
	}
	s.dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if f, err := os.OpenFile(filepath.Join(dir, databaseFile), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("open database: %w", err)
	} else if err := f.Close(); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	file := fileURI(filepath.Join(dir, databaseFile))
	// FULL: a committed ledger row survives a power cut. Immediate transactions:
	// a writer waits at its beginning instead of failing in its middle.
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(10000)"}, "_txlock": {"immediate"}}
	var err error
	if s.write, err = s.gorm(sqlite.Dialector{DriverName: "sqlite", DSN: file + "?" + pragmas.Encode()}, 1); err != nil {
		return err
	}
	pragmas = url.Values{"_pragma": {"busy_timeout(10000)", "query_only(1)"}}
	s.read, err = s.gorm(sqlite.Dialector{DriverName: "sqlite", DSN: file + "?" + pragmas.Encode()}, 8)
	return err
}

func (s *Store) openPostgres(dsn string) error {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return errors.New("open database: the URL must begin with postgres://; leave it empty for SQLite")
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errors.New("open database: the postgres:// URL cannot be parsed") // the cause would show its password
	}
	s.postgres, s.pgx = true, cfg
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(forgetful))
	s.write, err = s.gorm(postgres.New(postgres.Config{Conn: db}), 20)
	s.read = s.write
	return err
}

// longestPause is how long a process may leave a transaction open without a word
// before the database takes it back. A process that stands still in the middle of a
// batch holds the ledger's head: all others would stand still with it.
const longestPause = 5 * time.Second

// forgetful sets it, unless whoever runs the database has chosen another.
func forgetful(ctx context.Context, conn *pgx.Conn) error {
	const setting = "idle_in_transaction_session_timeout"
	if _, chosen := conn.Config().RuntimeParams[setting]; chosen {
		return nil
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("set %s = %d", setting, longestPause.Milliseconds()))
	return err
}

func (s *Store) gorm(d gorm.Dialector, conns int) (*gorm.DB, error) {
	db, err := gorm.Open(d, &gorm.Config{
		SkipDefaultTransaction: true, PrepareStmt: true, QueryFields: true, Logger: logger.Discard,
		NowFunc: func() time.Time { return s.now().UTC() },
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return db, nil
}

// Migrate brings the schema up to date. Several processes may call it at once:
// on Postgres one migrates under a session lock while the others wait.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{goose.WithVerbose(false)}
	if s.postgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // try each second for five minutes
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		dialect, opts = goose.DialectPostgres, append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, s.pool, files, opts...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return wrap("ping", s.read.WithContext(ctx).Raw("select 1").Scan(&one).Error)
}

// Dialect is "postgres" or "sqlite".
func (s *Store) Dialect() string { return s.write.Name() }

// Close waits for the ledger to finish what it holds and closes the database.
func (s *Store) Close() error {
	s.ledger.close()
	var errs []error
	for _, db := range []*gorm.DB{s.write, s.read} {
		if pool, err := db.DB(); err == nil {
			errs = append(errs, pool.Close())
		}
	}
	if s.lock != nil { // last: whoever waits for it may begin now
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Now is the store's clock in unix seconds.
func (s *Store) Now() int64 { return s.now().Unix() }
