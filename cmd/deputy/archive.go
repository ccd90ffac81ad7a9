package main

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
	"github.com/deputyauth/deputy/server/upkeep"
)

type auditArchiveCmd struct {
	database
	Before string           `required:"" help:"Archive what is older than the beginning of this day (UTC), two days ago or earlier." placeholder:"2006-01-02"`
	File   string           `arg:"" help:"The file to write; it must not be there."`
	Key    []string         `sep:"none" help:"Verifier key of the tree heads; once for each, if they were rotated (default: those in the database)." placeholder:"KEY"`
	now    func() time.Time // nil: the machine's
}

// Run writes the archive, proves what it wrote, and only then removes it from the
// ledger, beside a running server or without one.
func (c *auditArchiveCmd) Run(ctx context.Context, io streams) error {
	now := time.Now
	if c.now != nil {
		now = c.now
	}
	before, err := time.Parse(time.DateOnly, c.Before)
	if err != nil {
		return fmt.Errorf("--before %q must be a day, such as 2026-01-31", c.Before)
	}
	if before.After(now().Add(-models.TokensOutlived * time.Second)) {
		return errors.New("--before must be two days ago or earlier: of what is younger, tokens may live")
	}
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.RemoveArchived(ctx); err != nil { // that somebody began to
		return err
	}
	if err := verifyLedger(ctx, store, c.Key, nil, io); err != nil { // else damage would be archived with it
		return err
	}
	keys, err := upkeep.Verifiers(ctx, store, c.Key)
	if err != nil {
		return err
	}
	a, err := upkeep.WriteArchive(ctx, store, keys, c.File, before.UnixMilli())
	if errors.Is(err, models.ErrNotFound) {
		fmt.Fprintln(io.out, "There is nothing to archive.")
		return nil
	}
	if err != nil {
		return err
	}
	by := models.By{System: "deputy audit archive " + filepath.Base(c.File)}
	if err := store.Archived(ctx, by, *a); err != nil {
		return fmt.Errorf("%s is written and holds; the ledger: %w", c.File, err)
	}
	fmt.Fprintf(io.out, "Entries %d to %d, and %d facts, are in %s and no longer in the ledger.\nSHA-256 %s\n", a.From, a.To-1, a.Facts, c.File, a.SHA256)
	return nil
}

type auditVerifyArchiveCmd struct {
	database
	Files []string `arg:"" type:"existingfile" help:"Archives, oldest first; then that each begins where the one before it ends is proven, too."`
	Key   []string `sep:"none" help:"Verifier key of the tree heads; once for each, if they were rotated (default: those in the database)." placeholder:"KEY"`
	Print bool     `help:"Print the entries, one a line, as deputy audit tail does."`
}

// Run proves the archives. With --key no database is needed.
func (c *auditVerifyArchiveCmd) Run(ctx context.Context, io streams) error {
	keys, err := c.keys(ctx)
	if err != nil {
		return err
	}
	var last *models.Archive
	for _, name := range c.Files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		a, err := models.ReadArchive(file, keys, func(e models.Entry) {
			if c.Print {
				fmt.Fprintln(io.out, strings.TrimRight(entryLine(e), " "))
			}
		})
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if last != nil && last.To != a.From {
			return fmt.Errorf("%s begins at entry %d, and the one before it ends before %d", name, a.From, last.To)
		}
		fmt.Fprintf(io.out, "%s holds: entries %d to %d, %d facts. Root %s\nSHA-256 %s\n", name, a.From, a.To-1, a.Facts, a.Root, a.SHA256)
		last = a
	}
	return nil
}

func (c *auditVerifyArchiveCmd) keys(ctx context.Context) (note.Verifiers, error) {
	if len(c.Key) > 0 {
		return upkeep.Verifiers(ctx, nil, c.Key)
	}
	store, err := c.open()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return upkeep.Verifiers(ctx, store, nil)
}
