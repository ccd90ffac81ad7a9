// Package upkeep does by itself what an operator would otherwise have to remember: it
// archives the ledger's past, and makes the next signing keys. Of all replicas one does
// it; what goes wrong is told, keeps nobody from being served, and is tried again.
package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

// Names of what is done, in logs and metrics.
const (
	ArchiveLedger = "archive_ledger"
	RotateKeys    = "rotate_keys"
	RotateLedger  = "rotate_ledger_key"
)

// Config of an Upkeep.
type Config struct {
	Store *models.Store
	Keys  *tokens.Keyring
	Now   func() time.Time
	Log   *slog.Logger

	ArchiveDir   string        // "": all of the ledger is kept
	ArchiveAfter time.Duration // how old what is archived is, at least LeastAge

	RotateEvery       time.Duration // how long a key signs, at least LeastRotation; 0: until somebody rotates it
	RotateLedgerEvery time.Duration // likewise, of the ledger's key
}

// Bounds of settings.
const (
	LeastAge      = models.TokensOutlived * time.Second
	LeastRotation = tokens.Overlap * time.Second // the one before is published for as long
)

// Times between attempts.
const (
	often   = time.Minute
	longest = time.Hour     // after many failures
	atMost  = 6 * time.Hour // for one attempt
	tooLong = 2 * time.Hour // another replica may be at it
	late    = 7 * 24 * 3600 // seconds that a rotation may be held up
	lead    = 300           // seconds that a key is published before it signs, as deputy keys rotate has it
)

// errHeld: another replica has been at it for very long.
var errHeld = errors.New("another replica has been at it for hours: it may stand still")

// Upkeep is that of one process.
type Upkeep struct {
	Config
	chores   []*chore
	archived time.Time // all before is in archives: there is no need to look
}

// New makes one of what the settings ask for.
func New(c Config) *Upkeep {
	u := &Upkeep{Config: c}
	if c.ArchiveDir != "" {
		u.chores = append(u.chores, &chore{name: ArchiveLedger, do: u.archive})
	}
	if c.RotateEvery > 0 {
		u.chores = append(u.chores, &chore{name: RotateKeys, do: u.rotate})
	}
	if c.RotateLedgerEvery > 0 {
		u.chores = append(u.chores, &chore{name: RotateLedger, do: u.rotateLedger})
	}
	return u
}

// chore is one of the things that are done.
type chore struct {
	name string
	do   func(context.Context) (*told, error)

	mu    sync.Mutex
	since time.Time // the last attempts have failed; zero: they have not
	busy  time.Time // since when others are at it
	next  time.Time
	wait  time.Duration
}

// told is what is said of something that was done.
type told struct {
	text string
	args []any
}

// Run looks again and again whether something is to be done, until ctx ends.
func (u *Upkeep) Run(ctx context.Context) {
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		u.Tend(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Tend does now what is due.
func (u *Upkeep) Tend(ctx context.Context) {
	for _, c := range u.chores {
		if ctx.Err() == nil && c.due(u.Now()) {
			u.attempt(ctx, c)
		}
	}
}

func (u *Upkeep) attempt(ctx context.Context, c *chore) {
	one, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var done *told
	began, err := u.Store.Alone(one, "upkeep "+c.name, func(ctx context.Context) (err error) {
		done, err = c.do(ctx)
		return err
	})
	if ctx.Err() != nil { // the server is being stopped
		return
	}
	if err == nil && !began && c.held(u.Now()) {
		err = errHeld
	}
	if err == nil && !began {
		return
	}
	if wait := c.ended(u.Now(), err); err != nil {
		u.Log.Error("upkeep failed, and is tried again", "task", c.name, "error", err, "again_in", wait.String())
		return
	}
	if done != nil {
		u.Log.Info(done.text, append([]any{"task", c.name}, done.args...)...)
	}
}

func (c *chore) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !now.Before(c.next) || now.Add(longest).Before(c.next) // or the clock was set back
}

// held notes that another replica is at it, and tells whether that is so for too long.
func (c *chore) held(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy.IsZero() {
		c.busy = now
	}
	return now.Sub(c.busy) > tooLong
}

// ended notes how an attempt ended, and tells when the next one is.
func (c *chore) ended(now time.Time, err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.since, c.busy, c.wait, c.next = time.Time{}, time.Time{}, 0, now
		return 0
	}
	if c.since.IsZero() {
		c.since = now
	}
	c.wait = min(max(often, 2*c.wait), longest)
	c.next = now.Add(c.wait)
	return c.wait
}

// Failing tells of everything that is done here by itself since when its last attempt
// has failed; the zero time if it has not.
func (u *Upkeep) Failing() map[string]time.Time {
	out := map[string]time.Time{}
	for _, c := range u.chores {
		c.mu.Lock()
		out[c.name] = c.since
		c.mu.Unlock()
	}
	return out
}
