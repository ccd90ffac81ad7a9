package models

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// announcements is where every change of facts is announced on Postgres, to the
// processes on the same database, by its epoch.
const announcements = "deputy_changes"

// listenerName is what the database lists the connection of Listen as.
const listenerName = "deputy-listener"

// How the listener bears with its connection.
const (
	listenTimeout = 5 * time.Second  // for anything it asks of the database
	listenSilence = 15 * time.Second // after which it asks whether the connection still lives
)

// announce tells the other processes of a change, at the moment it is committed
// and not if it is not. SQLite has one server, which knows.
func announce(tx *gorm.DB, epoch int64) error {
	if tx.Name() != "postgres" {
		return nil
	}
	return tx.Exec("select pg_notify(?, ?)", announcements, strconv.FormatInt(epoch, 10)).Error
}

// Announces tells whether there may be changes by other processes, which Listen hears of.
func (s *Store) Announces() bool { return s.postgres }

// Listen brings the cached facts up to date whenever a change is announced, and
// then calls also. It does both once when it begins, for what was announced while
// nobody listened. It has a connection of its own, and returns when that is lost
// or ctx ends. Nothing hangs from being told but time: Refresh finds the same.
func (s *Store) Listen(ctx context.Context, also func(context.Context)) error {
	if !s.postgres {
		return errors.New("listen: this database announces nothing")
	}
	s.pulse.deaf.CompareAndSwap(0, time.Now().UnixNano())
	conn, err := s.dialListener(ctx)
	if err != nil {
		return wrap("listen", err)
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(last)
	}()
	reached, err := s.heard(ctx, also)
	if err != nil {
		return err
	}
	s.pulse.deaf.Store(0)
	defer func() { s.pulse.deaf.Store(time.Now().UnixNano()) }()
	for {
		n, err := nextAnnouncement(ctx, conn)
		if err != nil {
			return wrap("listen", err)
		}
		if epoch, err := strconv.ParseInt(n.Payload, 10, 64); err == nil && epoch <= reached {
			continue // one look has found several
		}
		if reached, err = s.heard(ctx, also); err != nil {
			return err
		}
	}
}

func (s *Store) dialListener(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	cfg := s.pgx.Copy()
	cfg.RuntimeParams["application_name"] = listenerName
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "listen "+announcements); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// heard looks at what changed, and returns up to which epoch it has: what also
// reads is as new as that.
func (s *Store) heard(ctx context.Context, also func(context.Context)) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	if err := s.Refresh(ctx); err != nil {
		return 0, err
	}
	reached := s.Epoch()
	also(ctx)
	return reached, nil
}

// nextAnnouncement waits for one. A connection that says nothing for a while must
// show that it lives: a network that swallows everything closes nothing.
func nextAnnouncement(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	for {
		quiet, cancel := context.WithTimeout(ctx, listenSilence)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			return n, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case conn.IsClosed() || !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		ping, cancel := context.WithTimeout(ctx, listenTimeout)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("the connection is dead: %w", err)
		}
	}
}

// Deaf is for how long nobody has told this process of changes, 0 if somebody
// does, or nobody should: polling finds them meanwhile.
func (s *Store) Deaf() time.Duration { return since(&s.pulse.deaf) }
