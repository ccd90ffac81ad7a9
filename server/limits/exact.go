package limits

import (
	"hash/maphash"
	"sync"
	"time"
)

// Bounds of exact: buckets in all, and parts that are locked apart.
const (
	shards    = 64
	perShard  = 1024
	maxBucket = shards * perShard
)

// exact gives each key a bucket that it shares with nobody, so that whoever asks
// too often is the only one to feel it. Keys have proven what they are. A bucket
// that is full again is as good as none: when a shard has no room, those are
// dropped, which resets nobody. Should all be in use, a newcomer goes unmetered
// until one is free; that takes 65,536 clients within two seconds.
type exact struct {
	rate
	seed  maphash.Seed
	parts [shards]shard
}

type shard struct {
	mu      sync.RWMutex
	buckets map[string]*bucket
	tidied  time.Duration // when full ones were last dropped
}

func newExact(r rate) *exact {
	e := &exact{rate: r, seed: maphash.MakeSeed()}
	for i := range e.parts {
		e.parts[i].buckets = map[string]*bucket{}
	}
	return e
}

func (e *exact) take(key string, now time.Duration) time.Duration {
	part := &e.parts[maphash.String(e.seed, key)%shards]
	part.mu.RLock()
	b := part.buckets[key]
	if b != nil { // under the lock, so that it is not dropped meanwhile
		defer part.mu.RUnlock()
		return b.take(e.rate, now)
	}
	part.mu.RUnlock()
	part.mu.Lock()
	defer part.mu.Unlock()
	if b = part.buckets[key]; b == nil {
		if len(part.buckets) >= perShard && now-part.tidied >= e.refill { // sooner, few have filled
			part.dropFull(now)
		}
		if len(part.buckets) >= perShard {
			return 0
		}
		b = &bucket{}
		part.buckets[key] = b
	}
	return b.take(e.rate, now)
}

func (s *shard) dropFull(now time.Duration) {
	s.tidied = now
	for key, b := range s.buckets {
		if time.Duration(b.full.Load()) <= now {
			delete(s.buckets, key)
		}
	}
}

// size is how many buckets there are.
func (e *exact) size() int {
	n := 0
	for i := range e.parts {
		e.parts[i].mu.RLock()
		n += len(e.parts[i].buckets)
		e.parts[i].mu.RUnlock()
	}
	return n
}
