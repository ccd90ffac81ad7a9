package limits

import (
	"context"
	"sync/atomic"
	"time"
)

// Gate lets a number of requests in at once and turns the others away without
// making them wait: a queue would only make everybody late.
type Gate struct {
	max    int64
	inside atomic.Int64
}

// NewGate makes a gate for max at once, 0 for any number.
func NewGate(max int) *Gate { return &Gate{max: int64(max)} }

// Enter takes a place, which Leave gives back. It reports false if there is none.
func (g *Gate) Enter() bool {
	if g == nil {
		return true
	}
	if n := g.inside.Add(1); g.max > 0 && n > g.max {
		g.inside.Add(-1)
		return false
	}
	return true
}

// Leave gives a place back.
func (g *Gate) Leave() {
	if g != nil {
		g.inside.Add(-1)
	}
}

// Inside is how many places are taken.
func (g *Gate) Inside() int64 { return g.inside.Load() }

// Bounds of the lane.
const (
	turns       = 2
	maxWaiting  = 64
	longestWait = time.Second
)

// lane is where sources that fail too often take turns, a few at a time, for
// what costs something to check. They are slowed down, not locked out: there may
// be somebody else behind the same address. The waiting places are few, so that
// they cannot fill the gate.
type lane struct {
	turns   chan struct{}
	waiting atomic.Int64
}

func newLane() *lane { return &lane{turns: make(chan struct{}, turns)} }

// Turn waits for a turn, which done ends. It reports false if too many wait, or
// if it took too long.
func (l *Limits) Turn(ctx context.Context) (done func(), ok bool) {
	lane := l.lane
	defer lane.waiting.Add(-1)
	if lane.waiting.Add(1) > maxWaiting {
		return nil, false
	}
	patience := time.NewTimer(longestWait)
	defer patience.Stop()
	select {
	case lane.turns <- struct{}{}:
		return func() { <-lane.turns }, true
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil, false
}
