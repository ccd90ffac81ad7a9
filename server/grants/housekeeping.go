package grants

import (
	"context"
	"errors"
	"sync"
)

// lastUsed gathers when credentials were used and is written now and then: it
// helps an administrator to see which secret may go, and no decision hangs on it.
type lastUsed struct {
	mu   sync.Mutex
	seen map[string]int64
}

func newLastUsed() *lastUsed { return &lastUsed{seen: map[string]int64{}} }

func (l *lastUsed) note(id string, at int64) {
	if id == "" { // a bearer token was used
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[id] = at
}

func (l *lastUsed) take() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = map[string]int64{}
	return seen
}

// Tend writes when credentials were last used and forgets expired single-use
// values. It is called now and then, and once more at the end.
func (e *Endpoint) Tend(ctx context.Context) error {
	var errs []error
	if seen := e.used.take(); len(seen) > 0 {
		errs = append(errs, e.store.MarkUsed(ctx, seen))
	}
	return errors.Join(append(errs, e.store.PurgeUsed(ctx))...)
}
