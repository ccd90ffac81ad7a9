package models

import (
	"context"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
)

// cache keeps what was loaded for policy for as long as nothing it hangs from
// changes. An entry depends on keys; whether one of them was touched since is
// looked up when the entry is asked for.
type cache struct {
	store *Store

	mu      sync.RWMutex
	epoch   int64 // every change up to here is known
	primed  bool
	life    int // raised whenever the cache begins anew
	entries map[string]*cached
	touched map[string]int64 // key -> epoch of its last change, of those since the cache began
}

type cached struct {
	value any
	deps  []string
	good  atomic.Int64 // the epoch up to which nothing it hangs from was touched
}

// Bounds of the cache's memory. With too many entries an arbitrary one goes;
// with too many touched keys the cache begins anew.
const (
	maxCached  = 50_000
	maxTouched = 100_000
)

func newCache(s *Store) *cache {
	return &cache{store: s, entries: map[string]*cached{}, touched: map[string]int64{}}
}

// position returns the epoch the cache has reached, and in which of its lives,
// catching up on first use.
func (c *cache) position(ctx context.Context) (epoch int64, life int, err error) {
	c.mu.RLock()
	epoch, life, primed := c.epoch, c.life, c.primed
	c.mu.RUnlock()
	if primed {
		return epoch, life, nil
	}
	if err := c.refresh(ctx); err != nil {
		return 0, 0, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch, c.life, nil
}

// refresh applies every committed change the cache has not seen.
func (c *cache) refresh(ctx context.Context) (err error) {
	var head Head
	defer func() {
		if err == nil {
			c.store.grown.to(head.Size)
		}
	}()
	c.mu.RLock()
	since, primed := c.epoch, c.primed
	c.mu.RUnlock()
	db := c.store.read.WithContext(ctx)
	if err := db.First(&head, "id = 1").Error; err != nil {
		return wrap("refresh facts", err)
	}
	var changes []Changed
	if primed && head.Epoch > since {
		if err := db.Where("epoch > ? and epoch <= ?", since, head.Epoch).Find(&changes).Error; err != nil {
			return wrap("refresh facts", err)
		}
		var forgotten int64 // asked after them: none of them was then
		if err := db.Model(&Head{}).Where("id = 1").Pluck("forgotten", &forgotten).Error; err != nil {
			return wrap("refresh facts", err)
		}
		primed = forgotten <= since
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.primed && head.Epoch <= c.epoch {
		return nil
	}
	if !primed || len(c.touched)+len(changes) > maxTouched { // what came before is not known, so nothing from before is kept
		clear(c.entries)
		clear(c.touched)
		c.life++
	}
	c.primed = true
	for _, ch := range changes {
		c.touched[ch.Key] = max(c.touched[ch.Key], ch.Epoch)
	}
	c.epoch = head.Epoch
	return nil
}

// forget makes the next View begin anew, after changes could not be read.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.primed = false
}

// get returns the entry called name if it still holds. The caller holds mu.
func (c *cache) get(name string) *cached {
	e := c.entries[name]
	if e == nil {
		return nil
	}
	good := e.good.Load()
	if good == c.epoch {
		return e
	}
	for _, dep := range e.deps {
		if c.touched[dep] > good {
			return nil
		}
	}
	e.good.Store(c.epoch)
	return e
}

// load returns the entry called name, reading it with fetch if it is not there.
// What was read may be newer than the epoch it is kept under, never older. hit
// tells whether it was there.
func load[T any](ctx context.Context, c *cache, name string, fetch func(*gorm.DB) (T, []string, error)) (value T, deps []string, hit bool, err error) {
	c.mu.RLock()
	e := c.get(name)
	epoch, life := c.epoch, c.life
	c.mu.RUnlock()
	c.store.observer.Loaded(e != nil)
	if e != nil {
		return e.value.(T), e.deps, true, nil
	}
	value, deps, err = fetch(c.store.read.WithContext(ctx))
	if err != nil {
		return value, nil, false, wrap("load "+name, absent(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if life == c.life {
		e = &cached{value: value, deps: deps}
		e.good.Store(epoch)
		c.put(name, e)
	}
	return value, deps, false, nil
}

// peek returns the entry called name if it is there, else the zero value.
func peek[T any](c *cache, name string) (value T, deps []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e := c.get(name); e != nil {
		return e.value.(T), e.deps
	}
	return value, nil
}

func (c *cache) put(name string, e *cached) {
	if _, there := c.entries[name]; !there && len(c.entries) >= maxCached {
		for victim := range c.entries {
			delete(c.entries, victim)
			break
		}
	}
	c.entries[name] = e
}
