package tokens

import (
	"context"
	"sync"
	"time"
)

// How often keys that nobody here has heard of may cause a look at the database:
// ten times at once, and once a second after that.
const (
	lookRefill = time.Second
	lookBurst  = 10
)

// looks bounds it: another replica may have made the key, but made-up ones must
// not load the database.
type looks struct {
	mu   sync.Mutex
	full time.Time // when the whole burst may be had again
}

// unheardOf is the key called kid if another replica has made it since this one
// last looked, nil if there is none. Who comes while somebody looks waits for what
// they find.
func (k *Keyring) unheardOf(ctx context.Context, kid string) *key {
	k.looks.mu.Lock()
	defer k.looks.mu.Unlock()
	if one := k.ring.Load().byID[kid]; one != nil {
		return one
	}
	if !k.looks.take(k.now()) || k.Reload(ctx) != nil {
		return nil
	}
	return k.ring.Load().byID[kid]
}

// take takes one of the looks that may be had now. The caller holds mu.
func (l *looks) take(now time.Time) bool {
	most := now.Add(lookBurst * lookRefill)
	switch {
	case l.full.Before(now):
		l.full = now
	case l.full.After(most): // the clock was set back
		l.full = most
	}
	next := l.full.Add(lookRefill)
	if next.After(most) {
		return false
	}
	l.full = next
	return true
}
