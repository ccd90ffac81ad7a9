package limits

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// Bounds of a Backoff.
const (
	backoffNames   = 1 << 16 // 512 KiB
	freeFailures   = 5
	firstPause     = time.Second
	longestPause   = time.Minute
	backoffForgets = 15 * time.Minute
)

// Backoff slows down guessing at one name, wherever the guesses come from. The
// first five failures cost nothing; after each further one nothing is looked at
// for a while: a second, then twice as long each time, a minute at most. What
// comes meanwhile does not prolong it. A quarter of an hour without a failure and
// all is forgotten.
//
// Like the tables of failures it has a fixed size, and a name has a slot by a
// hash that nobody outside can compute.
type Backoff struct {
	now   func() time.Time
	begin time.Time
	seed  maphash.Seed
	slots []atomic.Uint64 // failures in a row (8 bits), when the last was (56 bits, milliseconds)
}

// NewBackoff makes one in which nobody has failed.
func NewBackoff(now func() time.Time) *Backoff {
	return &Backoff{now: now, begin: now(), seed: maphash.MakeSeed(), slots: make([]atomic.Uint64, backoffNames)}
}

// Take says how long it is until an attempt at name is looked at; 0: this one is,
// and counts as failed until Clear says otherwise. So of many at once no more
// get through than of as many in a row.
func (b *Backoff) Take(name string) time.Duration {
	slot := b.slot(name)
	for {
		was := slot.Load()
		now := b.elapsed()
		failed, last := was&0xff, time.Duration(was>>8)*time.Millisecond
		if now < last { // the clock jumped back
			last = now
		}
		if now-last >= backoffForgets {
			failed = 0
		}
		if wait := last + pause(failed) - now; failed > 0 && wait > 0 {
			return wait
		}
		if slot.CompareAndSwap(was, uint64(now/time.Millisecond)<<8|min(failed+1, 0xff)) {
			return 0
		}
	}
}

// Clear forgets the failures at name: somebody proved to be who they say.
func (b *Backoff) Clear(name string) { b.slot(name).Store(0) }

// pause is how long nothing is looked at after so many failures.
func pause(failed uint64) time.Duration {
	if failed < freeFailures {
		return 0
	}
	if failed-freeFailures >= 6 {
		return longestPause
	}
	return min(longestPause, firstPause<<(failed-freeFailures))
}

func (b *Backoff) slot(name string) *atomic.Uint64 {
	return &b.slots[maphash.String(b.seed, name)%uint64(len(b.slots))]
}

func (b *Backoff) elapsed() time.Duration { return max(0, b.now().Sub(b.begin)) }
