// Package modelstest gives tests a migrated database of their own, on either
// dialect, and something to put into it.
package modelstest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/deputyauth/deputy/models"
)

// Dialects are the databases that everything must work on.
func Dialects() []string { return []string{"sqlite", "postgres"} }

// Each runs fn once per dialect, each time on a fresh store.
func Each(t *testing.T, fn func(t *testing.T, s *models.Store)) {
	t.Helper()
	for _, dialect := range Dialects() {
		t.Run(dialect, func(t *testing.T) { fn(t, New(t, dialect)) })
	}
}

// EachDatabase is Each for tests that open the database themselves, say with a
// clock of their own or twice.
func EachDatabase(t *testing.T, fn func(t *testing.T, o models.Options)) {
	t.Helper()
	for _, dialect := range Dialects() {
		t.Run(dialect, func(t *testing.T) { fn(t, Database(t, dialect)) })
	}
}

// New returns a store on a fresh, migrated database, closed when tb is done.
func New(tb testing.TB, dialect string) *models.Store {
	tb.Helper()
	return Open(tb, Database(tb, dialect))
}

// Database makes a fresh, migrated database and says how to open it.
func Database(tb testing.TB, dialect string) models.Options {
	tb.Helper()
	if dialect == "postgres" {
		return models.Options{URL: Postgres(tb)}
	}
	return models.Options{Dir: SQLite(tb)}
}

// SQLite makes a folder with a fresh, migrated database.
func SQLite(tb testing.TB) string {
	tb.Helper()
	files, err := migrated()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// migrated is a fresh, migrated SQLite database, file by file.
var migrated = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := models.Open(models.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Migrate(context.Background()), s.Close()); err != nil {
		return nil, err
	}
	found, err := os.ReadDir(dir)
	files := map[string][]byte{}
	for i := 0; err == nil && i < len(found); i++ {
		files[found[i].Name()], err = os.ReadFile(filepath.Join(dir, found[i].Name()))
	}
	return files, err
})

// Open opens a database that is there, and closes it when tb is done.
func Open(tb testing.TB, o models.Options) *models.Store {
	tb.Helper()
	s, err := models.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}
