package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrExists: there is something already where a backup or a database is to be.
var ErrExists = errors.New("is there already, and is not overwritten")

// databaseFile is the SQLite database in its folder.
const databaseFile = "deputy.db"

// Backup writes the SQLite database of a folder into a new file of mode 0600, as it
// stands in one moment, while servers go on reading and writing. What was deleted
// before is not in it, nor is the master key. The file appears whole or not at all;
// ErrExists if it is there.
func Backup(ctx context.Context, dir, file string) error {
	from := filepath.Join(dir, databaseFile)
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("backup: there is no database in %s: %w", dir, err)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("backup: %s %w", file, ErrExists)
	}
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-") // of mode 0600
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer os.Remove(part.Name())
	if err := part.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := vacuumInto(ctx, from, part.Name()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := keep(part.Name()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return place(part.Name(), file)
}

// vacuumInto has SQLite copy a database within one read transaction.
func vacuumInto(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", fileURI(from)+"?"+url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)", "synchronous(FULL)"}}.Encode())
	if err != nil {
		return err
	}
	to, err = filepath.Abs(to) // else SQLite might read it as a URI
	if err == nil {
		_, err = db.ExecContext(ctx, "vacuum into ?", to)
	}
	return errors.Join(err, db.Close())
}

// fileURI names a file to SQLite, so that any character may be in it.
func fileURI(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

// keep has what was written reach the disk.
func keep(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// place gives a file the name it is to have, unless something has it.
func place(from, to string) error {
	err := os.Link(from, to) // a rename would put it in the place of another
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w", to, ErrExists)
	}
	if err == nil {
		return os.Remove(from)
	}
	if _, err := os.Lstat(to); err == nil { // where there are no hard links
		return fmt.Errorf("%s %w", to, ErrExists)
	}
	return os.Rename(from, to)
}

// Restore puts a backup into a folder that holds no database. The copy is examined
// before it gets its place: SQLite's own checks, that this release knows its schema, which
// is brought up to date, and then whatever examine asks of it. If anything is wrong the
// folder stays as it was. ErrExists if there is a database, ErrInUse if somebody serves
// from there.
func Restore(ctx context.Context, file, dir string, examine func(*Store) error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	target := &Store{dir: dir}
	if err := target.Lock(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer target.lock.Close()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(filepath.Join(dir, databaseFile+suffix)); err == nil {
			return fmt.Errorf("restore: %s %w", filepath.Join(dir, databaseFile+suffix), ErrExists)
		}
	}
	staging, err := os.MkdirTemp(dir, ".restoring-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(staging)
	copied := filepath.Join(staging, databaseFile)
	if err := copyFile(file, copied); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := examineCopy(ctx, staging, examine); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := keep(copied); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return place(copied, filepath.Join(dir, databaseFile))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// examineCopy opens a copy of a database and looks whether it is a whole one.
func examineCopy(ctx context.Context, dir string, examine func(*Store) error) error {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return fmt.Errorf("this is not a backup of Deputy: %w", err)
	}
	err = s.whole(ctx)
	if err == nil {
		err = s.Migrate(ctx)
	}
	if err == nil && examine != nil {
		err = examine(s)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if left, err := os.Stat(filepath.Join(dir, databaseFile+"-wal")); err == nil && left.Size() > 0 {
		return errors.New("the copy could not be closed")
	}
	return nil
}

// whole has SQLite check the file, and holds its schema against this release.
func (s *Store) whole(ctx context.Context) error {
	db := s.read.WithContext(ctx)
	var wrong []string
	if err := db.Raw("pragma integrity_check(20)").Scan(&wrong).Error; err != nil {
		return fmt.Errorf("this is not a backup of Deputy: %w", err)
	}
	if !slices.Equal(wrong, []string{"ok"}) {
		return fmt.Errorf("the backup is damaged: %s", strings.Join(wrong, "; "))
	}
	var strays int64
	if err := db.Raw("select count(*) from pragma_foreign_key_check").Scan(&strays).Error; err != nil {
		return err
	}
	if strays > 0 {
		return fmt.Errorf("the backup is damaged: %d rows refer to others that are not there", strays)
	}
	schema, err := s.Schema(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("this is not a backup of Deputy: %w", err)
	case schema.Has > schema.Wants:
		return fmt.Errorf("the backup is of a newer release: its schema is of version %d, and this one knows %d", schema.Has, schema.Wants)
	}
	return nil
}

// Schema says which version the schema has, which this release wants, and how many of the
// steps there were never taken.
type Schema struct {
	Has, Wants int64
	Missing    int
}

// Schema reads it. It fails if the database was never migrated.
func (s *Store) Schema(ctx context.Context) (Schema, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return Schema{}, err
	}
	var taken []int64
	if err := s.read.WithContext(ctx).Raw("select version_id from goose_db_version where is_applied order by version_id").Scan(&taken).Error; err != nil {
		return Schema{}, wrap("read schema version", err)
	}
	var out Schema
	for _, file := range files {
		number, _, _ := strings.Cut(filepath.Base(file), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return Schema{}, fmt.Errorf("migration %s: %w", file, err)
		}
		out.Wants = max(out.Wants, n)
		if !slices.Contains(taken, n) {
			out.Missing++
		}
	}
	if len(taken) > 0 {
		out.Has = taken[len(taken)-1]
	}
	return out, nil
}
