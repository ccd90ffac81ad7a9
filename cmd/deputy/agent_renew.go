package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type agentRenewCmd struct {
	connection
	File    string        `arg:"" type:"existingfile" help:"Holds the secret, and nothing else."`
	After   time.Duration `default:"720h" help:"Leave it if it is younger than that."`
	Overlap time.Duration `default:"24h" help:"How long the old secret goes on working (1h to 720h)."`
}

// Run replaces the agent's own secret in a file, as the agent itself: no administrator
// sees it. Whatever fails, the file holds a secret that works.
func (c *agentRenewCmd) Run(ctx context.Context, io streams) error {
	if c.ClientID == "" {
		return errors.New("set DEPUTY_CLIENT_ID to the agent whose secret the file holds")
	}
	file, err := filepath.EvalSymlinks(c.File)
	if err != nil {
		return err
	}
	held, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	r := newRemote(c.URL, credentials{c.ClientID, strings.TrimSpace(string(held))})
	r.scopes = "credentials:own"
	var old apiCredential
	if err := r.call(ctx, http.MethodGet, "/self/credential", nil, &old); err != nil {
		return err
	}
	made, err := time.Parse(time.RFC3339, old.CreatedAt)
	if err != nil {
		return fmt.Errorf("created_at of %s: %w", old.ID, err)
	}
	if age := time.Since(made); age < c.After {
		fmt.Fprintf(io.out, "%s is %s old; it stays.\n", old.ID, age.Truncate(time.Second))
		return nil
	}
	var next apiCredential
	err = replace(file, func() (string, error) {
		body := map[string]any{"overlap": int(c.Overlap.Seconds())}
		err := r.call(ctx, http.MethodPost, "/self/credential/rotate", body, &next)
		return next.Secret + "\n", err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s took the place of %s, which works for %s more.\n", next.ID, old.ID, c.Overlap)
	return nil
}

// replace puts a text in the place of a file's, whole or not at all. That there is room
// for it beside the file is found out before the text is made.
func replace(file string, text func() (string, error)) (err error) {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	if err := part.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	body, err := text()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(part, body); err != nil {
		return err
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), file)
}
