package limits

import (
	"context"
	"hash/maphash"
	"sync/atomic"
)

// Bounds of the lines; who has different names may still share one.
const (
	lines  = 512
	inLine = 64
)

// line has those who ask under one name at once come one after another, in the order
// in which they came: each of them would otherwise be decided in vain, on facts that
// the one before just changed.
type line struct {
	first chan struct{}
	here  atomic.Int64
}

type order struct {
	seed  maphash.Seed
	lines [lines]line
}

func newOrder() *order {
	o := &order{seed: maphash.MakeSeed()}
	for i := range o.lines {
		o.lines[i].first = make(chan struct{}, 1)
	}
	return o
}

// InOrder waits until nobody else is at work under name, and returns what ends one's
// own work; nil if too many wait already, or ctx was over first.
func (l *Limits) InOrder(ctx context.Context, name string) (done func()) {
	line := &l.order.lines[maphash.String(l.order.seed, name)%lines]
	if line.here.Add(1) <= inLine {
		select {
		case line.first <- struct{}{}:
			return func() {
				<-line.first
				line.here.Add(-1)
			}
		case <-ctx.Done():
		}
	}
	line.here.Add(-1)
	return nil
}
