package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

type backupCmd struct {
	database
	File string `arg:"" help:"The file to write; it must not be there."`
}

// errOfPostgres says how what these commands do for SQLite is done for Postgres.
const (
	backupOfPostgres = `Postgres has its own tools, which do it while servers run:
  pg_dump --format=custom --file=%s "$DEPUTY_DATABASE_URL"
The master key is not in it: keep that apart (docs/operations.md)`
	restoreOfPostgres = `Postgres has its own tools. Into an empty database:
  pg_restore --exit-on-error --single-transaction --no-owner --dbname="$DEPUTY_DATABASE_URL" %s
Then, with DEPUTY_MASTER_KEY set:
  deputy migrate && deputy audit verify && deputy doctor local`
)

// Run writes the backup, beside a running server or without one.
func (c *backupCmd) Run(ctx context.Context, io streams) error {
	if c.DatabaseURL != "" {
		return fmt.Errorf("backup: "+backupOfPostgres, c.File)
	}
	if err := models.Backup(ctx, c.DataDir, c.File); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s holds the database as it stood just now.\n", c.File)
	fmt.Fprintln(io.out, "The master key is not in it, and without that it is of no use: keep it, elsewhere. Nor is house policy.")
	return nil
}

type restoreCmd struct {
	database
	masterKeys
	File  string   `arg:"" type:"existingfile" help:"A file that deputy backup wrote."`
	Key   []string `sep:"none" help:"Verifier key of the ledger's heads (default: those in the backup)." placeholder:"KEY"`
	Heads []string `name:"head" help:"A signed head that was kept elsewhere, to hold the backup against." placeholder:"FILE"`
}

// Run restores the backup, if everything about it holds.
func (c *restoreCmd) Run(ctx context.Context, io streams) error {
	if c.DatabaseURL != "" {
		return fmt.Errorf("restore: "+restoreOfPostgres, c.File)
	}
	if c.MasterKey == "" {
		return errors.New("DEPUTY_MASTER_KEY is not set: whether it opens the backup must be known before anybody relies on it")
	}
	master, err := c.master()
	if err != nil {
		return err
	}
	err = models.Restore(ctx, c.File, c.DataDir, func(store *models.Store) error {
		n, err := opens(ctx, store, master)
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "The master key opens all that is sealed: %d secrets.\n", n)
		return verifyLedger(ctx, store, c.Key, c.Heads, io)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "The database is restored to %s, as it was at the backup.\n", c.DataDir)
	fmt.Fprintln(io.out, "What was revoked, suspended or used up since then is not in it: see docs/operations.md before you serve from it.")
	return nil
}

// opens tells how much is sealed in the database, all of which the key must open.
func opens(ctx context.Context, store *models.Store, master tokens.MasterKey) (int, error) {
	n, err := store.EachSealed(ctx, func(name string, sealed []byte) error {
		_, err := master.Open(name, sealed)
		return err
	})
	if err == nil && n == 0 {
		err = errors.New("nothing is sealed in it: it was never served from")
	}
	return n, err
}
