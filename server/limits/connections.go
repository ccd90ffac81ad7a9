package limits

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Connections bounds how many are open. Whoever comes when all are taken gets
// the place of one that is idle between requests; if there is none, the new one
// is closed. So nobody keeps others out by holding connections open.
type Connections struct {
	max  int64
	open atomic.Int64
	all  sync.Map // net.Conn -> *atomic.Bool, true while idle
}

// NewConnections bounds them to max, 0 for any number.
func NewConnections(max int) *Connections { return &Connections{max: int64(max)} }

// Open is how many there are.
func (c *Connections) Open() int64 { return c.open.Load() }

// Track is the ConnState hook of an http.Server. Between requests it takes no
// lock that connections share.
func (c *Connections) Track(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.all.Store(conn, &atomic.Bool{})
		if n := c.open.Add(1); c.max > 0 && n > c.max && !c.closeIdle() {
			_ = conn.Close() // the server notices, and reports it closed
		}
	case http.StateActive, http.StateIdle:
		if idle, ok := c.all.Load(conn); ok {
			idle.(*atomic.Bool).Store(state == http.StateIdle)
		}
	case http.StateClosed, http.StateHijacked:
		if _, ok := c.all.LoadAndDelete(conn); ok {
			c.open.Add(-1)
		}
	}
}

// closeIdle closes one idle connection and reports whether there was one.
func (c *Connections) closeIdle() (found bool) {
	c.all.Range(func(conn, idle any) bool {
		if found = idle.(*atomic.Bool).CompareAndSwap(true, false); found {
			_ = conn.(net.Conn).Close()
		}
		return !found
	})
	return found
}
