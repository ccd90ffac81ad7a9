package upkeep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
)

// Verifiers are the keys that the ledger's heads may be signed by: those that are given,
// else all that the database knows.
func Verifiers(ctx context.Context, store *models.Store, given []string) (note.Verifiers, error) {
	if len(given) == 0 {
		keys, err := store.LedgerKeys(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			given = append(given, k.PublicJWK)
		}
	}
	if len(given) == 0 {
		return nil, errors.New("there is no ledger key yet: start the server once")
	}
	var all []note.Verifier
	for _, key := range given {
		one, err := note.NewVerifier(strings.TrimSpace(key))
		if err != nil {
			return nil, fmt.Errorf("verifier key %q: %w", key, err)
		}
		all = append(all, one)
	}
	return note.VerifierList(all...), nil
}

// verify holds the whole ledger against itself. What does not hold is not archived: the
// damage would be with it.
func (u *Upkeep) verify(ctx context.Context, keys note.Verifiers) error {
	v, err := u.Store.Verify(ctx, keys, nil)
	if err == nil && len(v.Findings) > 0 {
		err = fmt.Errorf("the ledger does not hold: %d findings, the first: %s; see deputy audit verify", len(v.Findings), v.Findings[0])
	}
	return err
}

// WriteArchive writes an archive of what is older than a moment, in unix milliseconds, into
// a file that is not there yet, whole or not at all, and reads it back. models.ErrNotFound:
// there is nothing to archive.
func WriteArchive(ctx context.Context, store *models.Store, keys note.Verifiers, name string, before int64) (a *models.Archive, err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(name)
		}
	}()
	if err := store.WriteArchive(ctx, file, before); err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, 0); err != nil {
		return nil, err
	}
	return models.ReadArchive(file, keys, nil)
}

const day = 24 * time.Hour

// archive does what deputy audit archive does, of all that is older than the beginning of
// a day. It looks for it once a day.
func (u *Upkeep) archive(ctx context.Context) (*told, error) {
	before := u.Now().Add(-u.ArchiveAfter).UTC().Truncate(day)
	if before.Equal(u.archived) {
		return nil, nil
	}
	if err := u.Store.RemoveArchived(ctx); err != nil { // that somebody began to
		return nil, err
	}
	keys, err := Verifiers(ctx, u.Store, nil)
	if err != nil {
		return nil, err
	}
	name, a, err := u.leftBehind(ctx, keys)
	if err == nil && a == nil {
		name, a, err = u.write(ctx, keys, before.UnixMilli())
	}
	if errors.Is(err, models.ErrNotFound) {
		u.archived = before
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := u.Store.Archived(ctx, models.By{System: "archive " + filepath.Base(name)}, *a); err != nil {
		return nil, fmt.Errorf("%s is written and holds; the ledger: %w", name, err)
	}
	return &told{"the ledger's past was archived", []any{"file", name, "from", a.From, "to", a.To - 1, "sha256", a.SHA256}}, nil
}

// fileName names an archive by its first entry and its last.
func fileName(from, last string) string { return fmt.Sprintf("ledger-%s-%s.jsonl", from, last) }

func numbered(entry int64) string { return fmt.Sprintf("%012d", entry) }

// leftBehind finds the archive that was written when somebody was stopped before the ledger
// said so: it holds, or is in the way.
func (u *Upkeep) leftBehind(ctx context.Context, keys note.Verifiers) (string, *models.Archive, error) {
	from, err := u.Store.ArchivedUntil(ctx)
	if err != nil {
		return "", nil, err
	}
	names, err := filepath.Glob(filepath.Join(escaped(u.ArchiveDir), fileName(numbered(from), "*")))
	if err != nil || len(names) == 0 {
		return "", nil, err
	}
	file, err := os.Open(names[0])
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	a, err := models.ReadArchive(file, keys, nil)
	if err != nil {
		return "", nil, fmt.Errorf("%s is in the way: %w", names[0], err)
	}
	return names[0], a, nil
}

// escaped is a folder's name as a pattern that matches it alone.
func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

const partial = ".ledger-*.part"

// write writes the next archive. Under its name it is there once it was proven.
func (u *Upkeep) write(ctx context.Context, keys note.Verifiers, before int64) (string, *models.Archive, error) {
	if there, err := u.Store.Archivable(ctx, before); err != nil || !there {
		return "", nil, errors.Join(err, models.ErrNotFound)
	}
	if err := u.verify(ctx, keys); err != nil {
		return "", nil, err
	}
	u.sweep()
	part := filepath.Join(u.ArchiveDir, strings.Replace(partial, "*", models.NewID("x"), 1))
	a, err := WriteArchive(ctx, u.Store, keys, part, before)
	if err != nil {
		return "", nil, err
	}
	name := filepath.Join(u.ArchiveDir, fileName(numbered(a.From), numbered(a.To-1)))
	if err := os.Rename(part, name); err != nil {
		return "", nil, errors.Join(err, os.Remove(part))
	}
	return name, a, settle(u.ArchiveDir)
}

// sweep removes what was begun to be written long ago. Nobody is at it: they would be the
// one who is alone at it.
func (u *Upkeep) sweep() {
	parts, _ := filepath.Glob(filepath.Join(escaped(u.ArchiveDir), partial))
	for _, part := range parts {
		if info, err := os.Stat(part); err == nil && time.Since(info.ModTime()) > day {
			_ = os.Remove(part)
		}
	}
}

// settle has a folder keep what was put into it, also over a power cut.
func settle(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
