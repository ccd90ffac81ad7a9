package models

import "sync"

// grown tells how far the ledger is known to reach whose changes the cached facts take
// into account: whoever is told of an entry before that decides on facts that are at
// least as new.
type grown struct {
	mu   sync.Mutex
	size int64
	more chan struct{} // closed when size has grown
}

func newGrown() *grown { return &grown{more: make(chan struct{})} }

func (g *grown) to(size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if size > g.size {
		g.size = size
		close(g.more)
		g.more = make(chan struct{})
	}
}

// Grown is how many entries of the ledger are known of, and a channel that is closed
// once there are more. It asks nobody: Refresh finds out, and every change of this
// process does.
func (s *Store) Grown() (size int64, more <-chan struct{}) {
	s.grown.mu.Lock()
	defer s.grown.mu.Unlock()
	return s.grown.size, s.grown.more
}

// Stands reports whether nothing that the view hangs from is known to have changed
// since. It asks nobody.
func (v *View) Stands() bool {
	c := v.store.facts
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.primed || c.life != v.life {
		return false
	}
	for _, dep := range v.Deps {
		if c.touched[dep] > v.Epoch {
			return false
		}
	}
	return true
}
