package models

import (
	"context"
	"sync"

	"gorm.io/gorm"
)

// cache keeps what was loaded for policy until something it hangs from changes.
// An entry depends on keys; a change of any of them drops it.
type cache struct {
	store *Store

	mu      sync.RWMutex
	epoch   int64 // every change up to here has been applied
	gen     int64 // raised by each application
	primed  bool
	entries map[string]cached
	users   map[string]map[string]bool // key -> names of the entries that depend on it
}

type cached struct {
	value any
	deps  []string
}

// maxCached bounds the memory of the cache. Beyond it an arbitrary entry goes.
const maxCached = 50_000

func newCache(s *Store) *cache {
	return &cache{store: s, entries: map[string]cached{}, users: map[string]map[string]bool{}}
}

// position returns the epoch the cache has reached, catching up on first use.
func (c *cache) position(ctx context.Context) (int64, error) {
	c.mu.RLock()
	epoch, primed := c.epoch, c.primed
	c.mu.RUnlock()
	if primed {
		return epoch, nil
	}
	if err := c.refresh(ctx); err != nil {
		return 0, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch, nil
}

// refresh applies every committed change the cache has not seen.
func (c *cache) refresh(ctx context.Context) error {
	c.mu.RLock()
	since, primed := c.epoch, c.primed
	c.mu.RUnlock()
	db := c.store.read.WithContext(ctx)
	var head Head
	if err := db.First(&head, "id = 1").Error; err != nil {
		return wrap("refresh facts", err)
	}
	var changes []Changed
	if primed && head.Epoch > since {
		if err := db.Where("epoch > ? and epoch <= ?", since, head.Epoch).Find(&changes).Error; err != nil {
			return wrap("refresh facts", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.primed && head.Epoch <= c.epoch {
		return nil
	}
	if !primed { // what came before is not known, so nothing from before is kept
		clear(c.entries)
		clear(c.users)
	}
	c.primed = true
	for _, ch := range changes {
		for name := range c.users[ch.Key] {
			c.drop(name)
		}
	}
	c.epoch = head.Epoch
	c.gen++
	return nil
}

// forget makes the next View begin anew, after changes could not be read.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.primed = false
}

func (c *cache) drop(name string) {
	for _, dep := range c.entries[name].deps {
		delete(c.users[dep], name)
		if len(c.users[dep]) == 0 {
			delete(c.users, dep)
		}
	}
	delete(c.entries, name)
}

// load returns the entry called name, reading it with fetch if it is not there.
// What was read while changes were being applied is used once and not kept. hit
// tells whether it was there.
func load[T any](ctx context.Context, c *cache, name string, fetch func(*gorm.DB) (T, []string, error)) (value T, deps []string, hit bool, err error) {
	c.mu.RLock()
	e, ok := c.entries[name]
	gen := c.gen
	c.mu.RUnlock()
	c.store.observer.Loaded(ok)
	if ok {
		return e.value.(T), e.deps, true, nil
	}
	value, deps, err = fetch(c.store.read.WithContext(ctx))
	if err != nil {
		return value, nil, false, wrap("load "+name, absent(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen == c.gen {
		c.put(name, cached{value, deps})
	}
	return value, deps, false, nil
}

// peek returns the entry called name if it is there, else the zero value.
func peek[T any](c *cache, name string) (value T, deps []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.entries[name]; ok {
		return e.value.(T), e.deps
	}
	return value, nil
}

func (c *cache) put(name string, e cached) {
	c.drop(name)
	if len(c.entries) >= maxCached {
		for victim := range c.entries {
			c.drop(victim)
			break
		}
	}
	c.entries[name] = e
	for _, dep := range e.deps {
		if c.users[dep] == nil {
			c.users[dep] = map[string]bool{}
		}
		c.users[dep][name] = true
	}
}
