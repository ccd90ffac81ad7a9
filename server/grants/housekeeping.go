package grants

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
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

// lookback remembers what the clock said when Tend looked at it. A single-use
// value is forgotten only once it had expired at every one of those looks: a
// clock that leaps ahead and is set right again must not make it usable anew.
type lookback struct {
	mu   sync.Mutex
	seen []int64
}

// looks times the fifteen seconds between them are longer than an assertion
// can live, with both clocks askew.
const looks = 60

// earliest is the earliest time among the last looks, of which now is one; 0
// while there were too few to tell.
func (l *lookback) earliest(now int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, now)
	if len(l.seen) < looks {
		return 0
	}
	l.seen = l.seen[len(l.seen)-looks:]
	return slices.Min(l.seen)
}

// Codes and refresh tokens are looked through for what nobody needs any more once
// in purgeEvery seconds: all of them are looked at. They are kept for keepGranted
// seconds after they could be used, which is longer than any access token lives.
const (
	purgeEvery  = 3600
	keepGranted = 2 * tokens.Overlap
)

// Tend writes when credentials were last used and forgets expired single-use
// values and visits, what people granted once nobody needs it any more, what they
// were asked a month ago and did not allow, and which facts changed long ago. It
// reminds people of what ends. It is called every fifteen seconds, and once more at
// the end.
func (e *Endpoint) Tend(ctx context.Context) error {
	var errs []error
	if seen := e.used.take(); len(seen) > 0 {
		errs = append(errs, e.store.MarkUsed(ctx, seen))
	}
	now := e.now().Unix()
	earliest := e.past.earliest(now)
	errs = append(errs, e.store.PurgeUsed(ctx, earliest), e.store.PurgeVisits(ctx, now), e.remind(ctx, now))
	if last := e.purged.Load(); (earliest < last || earliest >= last+purgeEvery) && e.purged.CompareAndSwap(last, earliest) {
		_, err := e.store.PurgeGranted(ctx, earliest-keepGranted)
		err = errors.Join(err, e.store.PurgeApprovals(ctx, earliest-models.ApprovalsKept), e.store.PurgeChanges(ctx, models.ChangesKept))
		if err != nil {
			e.purged.Store(last) // the next call goes on
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
