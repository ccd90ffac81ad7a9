package models

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrInUse: another process serves from this SQLite database.
var ErrInUse = errors.New("database in use")

// errLocked is what lockFile returns if somebody else holds the lock.
var errLocked = errors.New("locked")

// Lock makes this process the only one that serves from a SQLite database, or
// changes its schema, until Close: another that tries gets ErrInUse. The lock is
// the operating system's on an open file, so it ends with the process, however
// that ends, and the file left behind means nothing. It keeps nobody from
// reading, nor from changes that a server notices (deputy admin create). On
// Postgres, where several may serve, it does nothing.
func (s *Store) Lock() error {
	if s.postgres || s.lock != nil {
		return nil
	}
	file, err := os.OpenFile(filepath.Join(s.dir, "deputy.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock database: %w", err)
	}
	if err := lockFile(file); err != nil {
		defer file.Close()
		if errors.Is(err, errLocked) {
			return fmt.Errorf("lock database: %w: %s serves from %s; one SQLite database is for one server, several need Postgres",
				ErrInUse, holder(file), filepath.Join(s.dir, databaseFile))
		}
		return fmt.Errorf("lock database: %w", err)
	}
	s.lock = file
	// For the message above only: the lock does not hang on what is written here.
	_ = file.Truncate(0)
	_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return nil
}

// holder names the process that wrote its number into the file.
func holder(file *os.File) string {
	body := make([]byte, 32)
	n, _ := file.ReadAt(body, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(body[:n]))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
