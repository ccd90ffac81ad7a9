package limits

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// rate is burst at once and one more after each refill.
type rate struct {
	refill time.Duration
	burst  int
}

// bucket is a token bucket in one word: the time at which it will be full again
// (the generic cell rate algorithm of ATM's traffic management). The zero value
// is a full bucket. It needs no lock, and full ones need not be kept.
type bucket struct{ full atomic.Int64 }

// take takes one token at time now, or says how long until there is one.
func (b *bucket) take(r rate, now time.Duration) time.Duration {
	for {
		was := b.full.Load()
		next, wait := r.next(time.Duration(was), now)
		if wait > 0 {
			if most := now + r.whole(); time.Duration(was) > most {
				b.full.CompareAndSwap(was, int64(most)) // the clock jumped back
			}
			return wait
		}
		if b.full.CompareAndSwap(was, int64(next)) {
			return 0
		}
	}
}

// empty reports whether there is no token to take.
func (b *bucket) empty(r rate, now time.Duration) bool {
	_, wait := r.next(time.Duration(b.full.Load()), now)
	return wait > 0
}

// next is when a bucket will be full after one more token is taken, or how long
// it takes until there is one. A clock that jumped back cannot make it owe more
// than it holds.
func (r rate) next(full, now time.Duration) (next, wait time.Duration) {
	next = min(max(full, now), now+r.whole()) + r.refill
	return next, max(0, next-now-r.whole())
}

// whole is how long an empty bucket takes to fill.
func (r rate) whole() time.Duration { return time.Duration(r.burst) * r.refill }

// Sizes of the tables: 1 MiB and 512 KiB.
const (
	sourceBuckets = 1 << 17
	pairBuckets   = 1 << 16
	guestBuckets  = 1 << 14
)

// table is a fixed number of buckets, of which a key has one, by a hash that
// nobody outside can compute. Nothing is ever evicted, so nobody can wash off
// their own failures by making others; the price is that two keys may share a
// bucket. That is why only failures are held against a table.
type table struct {
	rate
	seed    maphash.Seed
	buckets []bucket
}

func newTable(size int, r rate) *table {
	return &table{rate: r, seed: maphash.MakeSeed(), buckets: make([]bucket, size)}
}

func (t *table) of(s Source, name string) *bucket {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.Write(s[:])       // never fails
	_, _ = h.WriteString(name) // never fails
	return &t.buckets[h.Sum64()%uint64(len(t.buckets))]
}

func (t *table) take(s Source, name string, now time.Duration) time.Duration {
	return t.of(s, name).take(t.rate, now)
}

func (t *table) spent(s Source, name string, now time.Duration) bool {
	return t.of(s, name).empty(t.rate, now)
}
