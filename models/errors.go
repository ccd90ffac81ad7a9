package models

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors a Store returns. Whatever is not one of these is a fault of the
// database and is reported as ErrUnavailable.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("already exists")
	ErrVersion     = errors.New("changed since it was read")
	ErrUnavailable = errors.New("database unavailable")
	// ErrStale: a fact the decision was taken on has changed; decide again.
	ErrStale = errors.New("facts changed since the decision")
	// ErrUsed: something that works once was used before.
	ErrUsed = errors.New("already used")
)

// Invalid is a value that cannot be stored, with the field to blame.
type Invalid struct{ Field, Reason string }

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &Invalid{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// wrap names the operation and sorts a database error into one of ours.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, classify(err))
}

func classify(err error) error {
	var inv *Invalid
	switch {
	case errors.As(err, &inv), errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict), errors.Is(err, ErrVersion),
		errors.Is(err, ErrUnavailable), errors.Is(err, ErrStale), errors.Is(err, ErrUsed), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound):
		return ErrNotFound
	case violates(err, "23505", sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
		return ErrConflict
	case refersToNothing(err):
		return invalid("reference", "names something that does not exist")
	case unstorable(err):
		return invalid("text", "holds bytes that cannot be stored")
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

// blame lays a reference to nothing at the door of the field that holds it.
func blame(err error, field, format string, args ...any) error {
	if refersToNothing(err) {
		return invalid(field, format, args...)
	}
	return err
}

func refersToNothing(err error) bool {
	return violates(err, "23503", sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY)
}

// unstorable recognises what Postgres will not take as text: a zero byte, or
// bytes that are not UTF-8.
func unstorable(err error) bool { return violates(err, "22021") }

// absent is the error of a read: what cannot be stored is not there.
func absent(err error) error {
	if unstorable(err) {
		return ErrNotFound
	}
	return err
}

// violates recognises a constraint violation on either database.
func violates(err error, sqlstate string, codes ...int) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == sqlstate
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		for _, code := range codes {
			if lite.Code() == code {
				return true
			}
		}
	}
	return false
}
