//go:build linux

package process

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Load sends requests from several connections until it is stopped.
type Load struct {
	site *Site
	stop func() []*Answer

	mu      sync.Mutex
	answers []*Answer
}

// Drive begins a load. next makes the requests of each connection, turn by turn; those
// of one turn are sent at once. A connection that fails takes a rest and tries again.
func (s *Site) Drive(connections int, next func(connection, turn int) []Ask) *Load {
	l := &Load{site: s}
	done := make(chan struct{})
	var all sync.WaitGroup
	c := NewClient()
	for n := range connections {
		all.Go(func() {
			for turn := 0; ; turn++ {
				select {
				case <-done:
					return
				default:
				}
				if l.turn(c, next(n, turn)) {
					time.Sleep(5 * time.Millisecond) // as a client that means well
				}
			}
		})
	}
	l.stop = sync.OnceValue(func() []*Answer {
		close(done)
		all.Wait()
		c.CloseIdleConnections()
		return l.answers
	})
	s.t.Cleanup(func() { l.stop() })
	return l
}

// turn sends requests at once, and tells whether one of them failed.
func (l *Load) turn(c *http.Client, asks []Ask) (failed bool) {
	got := make([]*Answer, len(asks))
	var all sync.WaitGroup
	for i := range asks[1:] {
		all.Go(func() { got[i+1] = Send(c, asks[i+1]) })
	}
	got[0] = Send(c, asks[0])
	all.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, got...)
	return slices.ContainsFunc(got, func(a *Answer) bool { return a.Err != nil || a.Status >= 400 })
}

// Stop ends the load and gives every answer there was.
func (l *Load) Stop() []*Answer { return l.stop() }

// SoFar gives the answers there are yet.
func (l *Load) SoFar() []*Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.answers)
}

// Count counts the answers so far that are so.
func (l *Load) Count(so func(*Answer) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, a := range l.answers {
		if so(a) {
			n++
		}
	}
	return n
}

// AwaitMore waits until n more answers are so: of each of some servers, or of any if
// none is named. It tells how long that took.
func (l *Load) AwaitMore(what string, n int, so func(*Answer) bool, at ...*Deputy) time.Duration {
	l.site.t.Helper()
	begun := time.Now()
	if len(at) == 0 {
		at = []*Deputy{nil}
	}
	for _, d := range at {
		here := func(a *Answer) bool { return (d == nil || a.At == d) && so(a) }
		had := l.Count(here)
		l.site.Await(what, func() bool { return l.Count(here) >= had+n })
	}
	return time.Since(begun)
}

// Counts are answers by what they are.
type Counts struct {
	Granted, Unavailable, Unanswered int
	Other                            []*Answer // neither, or cut short
	Received                         []string  // jtis
	Took                             []time.Duration
}

// Count sorts answers.
func Count(answers []*Answer) Counts {
	var c Counts
	for _, a := range answers {
		c.Took = append(c.Took, a.Took())
		switch {
		case a.Err != nil && !a.Cut:
			c.Unanswered++
		case a.Granted():
			c.Granted++
			if a.JTI != "" {
				c.Received = append(c.Received, a.JTI)
			}
		case a.Unavailable():
			c.Unavailable++
		default:
			c.Other = append(c.Other, a)
		}
	}
	return c
}

// Longest is the time that the slowest answer took.
func (c Counts) Longest() time.Duration { return Percentile(c.Took, 100) }

// Percentile of durations, the longest for 100.
func Percentile(of []time.Duration, p int) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(100 * time.Microsecond)
}
