package policies

import "sync"

// Recent remembers a bounded number of values by their keys. When it is full,
// those that nobody asked for since it was last full are forgotten. It is safe
// for concurrent use.
type Recent[K comparable, V any] struct {
	size int

	mu         sync.RWMutex
	young, old map[K]V
}

// NewRecent makes a memory of at least size values, and at most twice as many.
func NewRecent[K comparable, V any](size int) *Recent[K, V] {
	return &Recent[K, V]{size: size, young: map[K]V{}}
}

// Get returns the value of key, if it is remembered.
func (r *Recent[K, V]) Get(key K) (value V, ok bool) {
	r.mu.RLock()
	value, ok = r.young[key]
	aging := false
	if !ok {
		value, ok = r.old[key]
		aging = ok
	}
	r.mu.RUnlock()
	if aging {
		r.Put(key, value)
	}
	return value, ok
}

// Put remembers value.
func (r *Recent[K, V]) Put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.size {
		r.old, r.young = r.young, make(map[K]V, r.size)
	}
	r.young[key] = value
}
