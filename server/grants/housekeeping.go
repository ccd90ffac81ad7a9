package grants

import (
	"context"
	"errors"
	"sync"
	"time"
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
// values, every so often, and once more when ctx ends.
func (e *Endpoint) Tend(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			e.tend(last)
			return
		case <-tick.C:
			e.tend(ctx)
		}
	}
}

func (e *Endpoint) tend(ctx context.Context) {
	var errs []error
	if seen := e.used.take(); len(seen) > 0 {
		errs = append(errs, e.store.MarkUsed(ctx, seen))
	}
	if err := errors.Join(append(errs, e.store.PurgeUsed(ctx))...); err != nil && ctx.Err() == nil {
		e.log.Error("housekeeping failed", "error", err)
	}
}
