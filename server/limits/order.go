package limits

import (
	"context"
	"hash/maphash"
)

// orderLines is how many lines there are; who has different names may still share one.
const orderLines = 512

// order has those who ask under one name at once come one after another, in the order
// in which they came: each of them would otherwise be decided in vain, on facts that the
// one before just changed. It is no bound, and nothing hangs from it but time.
type order struct {
	seed  maphash.Seed
	lines []chan struct{}
}

func newOrder() *order {
	o := &order{seed: maphash.MakeSeed(), lines: make([]chan struct{}, orderLines)}
	for i := range o.lines {
		o.lines[i] = make(chan struct{}, 1)
	}
	return o
}

// InOrder waits until nobody else is at work under name, and returns what ends one's
// own work. Its error is ctx's.
func (l *Limits) InOrder(ctx context.Context, name string) (done func(), err error) {
	line := l.order.lines[maphash.String(l.order.seed, name)%orderLines]
	select {
	case line <- struct{}{}:
		return func() { <-line }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
