//go:build linux

package failure

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
)

// oldTokens is how many tokens of the past there are in the ledger.
const oldTokens = 4000

// The past of the ledger is archived while 16 connections ask. No request fails, every
// token that was received is in the ledger, and what is left of it is proven, as is the file.
func TestArchiveUnderLoad(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			d := newDeputy(t, t.TempDir(), "")
			if dialect == "postgres" {
				d = newDeputy(t, "", modelstest.Postgres(t))
			}
			d.hadAPast()
			w := newWorld(t, d)
			w.Start()
			l := w.drive(16, w.mixed(w.token()))
			l.AwaitMore("tokens before", 100, (*answer).Granted)
			file := filepath.Join(t.TempDir(), "ledger.jsonl")
			begun := time.Now()
			out := w.Succeeds("audit", "archive", "--before", time.Now().UTC().AddDate(0, 0, -5).Format(time.DateOnly), file)
			took := time.Since(begun)
			l.AwaitMore("tokens after", 100, (*answer).Granted)
			s := summed(t, l.Stop())
			t.Logf("archived in %v, meanwhile and around it granted %d, 503 %d, longest answer %v", took.Round(time.Millisecond), s.Granted, s.Unavailable, s.Longest())
			if s.Unavailable != 0 || s.Unanswered != 0 {
				t.Errorf("503 %d, without an answer %d", s.Unavailable, s.Unanswered)
			}
			if n := w.Column("select 'left' from tokens where issued_at < " + strconv.FormatInt(time.Now().AddDate(0, 0, -5).Unix(), 10))["left"]; n != 0 {
				t.Errorf("%d tokens of the past are left", n)
			}
			if !strings.Contains(out, "no longer in the ledger") {
				t.Error(out)
			}
			w.AllRecorded(s.Received)
			w.Verified()
			w.Succeeds("audit", "verify-archive", file)
		})
	}
}

// hadAPast puts into the ledger what happened ten days ago.
func (d *deputy) hadAPast() {
	d.t.Helper()
	then := time.Now().AddDate(0, 0, -10)
	s, err := models.Open(models.Options{URL: d.DSN, Dir: d.Dir, Now: func() time.Time { return then }})
	must(d.t, err)
	defer s.Close()
	ctx := context.Background()
	must(d.t, s.Migrate(ctx))
	key := ""
	for _, kv := range d.Env {
		if value, ok := strings.CutPrefix(kv, "DEPUTY_MASTER_KEY="); ok {
			key = value
		}
	}
	master, err := tokens.NewMasterKey(key)
	must(d.t, err)
	ring, err := tokens.NewKeyring(ctx, d.Issuer, s, master, func() time.Time { return then })
	must(d.t, err)
	w := modelstest.NewWorld(d.t, s, "past")
	done := make(chan error, oldTokens)
	for range oldTokens {
		go func() { done <- s.Append(ctx, modelstest.Granted(w.Token(s))) }()
	}
	for range oldTokens {
		must(d.t, <-done)
	}
	must(d.t, s.SignHead(ctx, ring.LedgerSigner()))
}
