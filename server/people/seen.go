package people

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// lastSeen gathers when sessions were seen, at most once a minute each; it is
// written off the way of requests.
type lastSeen struct {
	mu   sync.Mutex
	seen map[string]int64
}

const seenEvery = 60 // seconds

func newLastSeen() *lastSeen { return &lastSeen{seen: map[string]int64{}} }

func (l *lastSeen) note(id string, written, now int64) {
	if now-written < seenEvery {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[id] = now
}

func (l *lastSeen) take() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = map[string]int64{}
	return seen
}

// Tend writes when sessions were last seen, and forgets those that ended long
// ago. It is called every fifteen seconds, and once more at the end.
func (p *People) Tend(ctx context.Context) error {
	var errs []error
	if seen := p.seen.take(); len(seen) > 0 {
		errs = append(errs, p.store.MarkSeen(ctx, seen))
	}
	return errors.Join(append(errs, p.store.PurgeAccounts(ctx, p.now().Add(-keepEnded).Unix()))...)
}

// valid is s without what a database cannot store.
func valid(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
}
