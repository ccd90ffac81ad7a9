package limits

import (
	"sync"
	"time"

	"github.com/deputyauth/deputy/policies"
)

// PollInterval is how long a client waits between two questions whether somebody has
// answered, and by how much that grows each time it does not (RFC 8628 section 3.5).
const PollInterval = 5 * time.Second

// pollsKept bounds how many requests are remembered to have been polled for.
const pollsKept = 1 << 14

// poll is when a request was last polled for, and how long to wait for the next time.
type poll struct {
	mu       sync.Mutex
	at       time.Duration
	interval time.Duration
}

type polls struct {
	known *policies.Recent[string, *poll]
}

func newPolls() *polls { return &polls{policies.NewRecent[string, *poll](pollsKept)} }

// Poll notes that a client asks for the answer to a request. It returns how long it
// must wait from now on between two times, if that was too soon; 0 if it was not.
// Each replica holds it to that by itself.
func (l *Limits) Poll(id string) time.Duration {
	now := l.elapsed()
	p, ok := l.polls.known.Get(id)
	if !ok {
		l.polls.known.Put(id, &poll{at: now, interval: PollInterval})
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	early := now-p.at < p.interval-slack
	p.at = now
	if !early {
		return 0
	}
	p.interval += PollInterval
	return p.interval
}

// slack forgives clients whose clock is a little fast.
const slack = 500 * time.Millisecond
