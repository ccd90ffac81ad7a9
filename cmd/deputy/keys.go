package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the signing keys that are published, and all that ever signed the ledger."`
	Rotate keysRotateCmd `cmd:"" help:"Make the next signing key. What the old one signed goes on to be valid."`
	Rewrap keysRewrapCmd `cmd:"" help:"Seal everything anew under another master key, directly in the database."`
}

// apiKey is a signing key as the admin API tells it.
type apiKey struct {
	ID        string    `json:"id"`
	Purpose   string    `json:"purpose"`
	Alg       string    `json:"alg"`
	Verifier  string    `json:"verifier"`
	ActiveAt  time.Time `json:"active_at"`
	RetiresAt string    `json:"retires_at"`
	ExpiresAt string    `json:"expires_at"`
}

func (k apiKey) String() string {
	line := fmt.Sprintf("%s  %-6s  %-7s  signs from %s", k.ID, k.Purpose, k.Alg, k.ActiveAt.UTC().Format(time.RFC3339))
	if k.RetiresAt != "" {
		line += " to " + k.RetiresAt
	}
	if k.ExpiresAt != "" {
		line += ", published until " + k.ExpiresAt
	}
	return line
}

type keysListCmd struct {
	connection
}

// Run lists them, oldest first; those of the ledger whole, as heads are verified with
// them elsewhere.
func (c *keysListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("keys:read")
	if err != nil {
		return err
	}
	var all list[apiKey]
	if err := r.call(ctx, http.MethodGet, "/keys", nil, &all); err != nil {
		return err
	}
	for _, k := range all.Items {
		fmt.Fprintln(io.out, k)
		if k.Verifier != "" {
			fmt.Fprintln(io.out, k.Verifier)
		}
	}
	return nil
}

type keysRotateCmd struct {
	connection
	Lead   time.Duration `default:"5m" help:"How long the new key is published before it signs, so that services have it before they meet it."`
	Ledger bool          `help:"Rotate the key that signs the ledger's heads instead. It signs at once."`
}

// Run rotates. The next key of the ledger is printed whole: it is what heads are
// verified with elsewhere.
func (c *keysRotateCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("keys:write")
	if err != nil {
		return err
	}
	body := map[string]any{"lead": int64(c.Lead / time.Second)}
	if c.Ledger {
		body = map[string]any{"purpose": models.KeyForLedger}
	}
	var k apiKey
	if err := r.call(ctx, http.MethodPost, "/keys/rotate", body, &k); err != nil {
		return err
	}
	fmt.Fprintln(io.out, k)
	if c.Ledger {
		fmt.Fprintln(io.out, k.Verifier)
	}
	return nil
}

type keysRewrapCmd struct {
	database
	masterKeys
}

// Run seals anew. With SQLite no server may run; with Postgres they must know both keys
// before.
func (c *keysRewrapCmd) Run(ctx context.Context, io streams) error {
	if c.MasterKey == "" || c.PreviousMasterKey == "" {
		return errors.New("set DEPUTY_MASTER_KEY to the new key, and DEPUTY_MASTER_KEY_PREVIOUS to the one it takes the place of")
	}
	if c.MasterKey == c.PreviousMasterKey {
		return errors.New("the new master key is the previous one")
	}
	master, err := c.master()
	if err != nil {
		return err
	}
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Lock(); err != nil {
		return err
	}
	n, err := tokens.Rewrap(ctx, store, models.By{System: "deputy keys rewrap"}, master)
	if err != nil {
		return fmt.Errorf("nothing is changed: %w", err)
	}
	fmt.Fprintf(io.out, "%d secrets are sealed under the new master key. The previous one opens nothing of this database any more, but its backups.\n", n)
	return nil
}
