package limits

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newBackoff() (*Backoff, *clock) {
	c := &clock{}
	return NewBackoff(c.now), c
}

func TestBackoffDoubles(t *testing.T) {
	b, clock := newBackoff()
	for range freeFailures {
		require.Zero(t, b.Take("alice"))
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		require.Equal(t, want*time.Second, b.Take("alice"))
		clock.advance(want*time.Second - time.Millisecond)
		require.Equal(t, time.Millisecond, b.Take("alice"), "asking meanwhile does not prolong it")
		require.Zero(t, b.Take("bob"), "nobody else feels it")
		b.Clear("bob")
		clock.advance(time.Millisecond)
		require.Zero(t, b.Take("alice"))
	}
}

func TestBackoffForgets(t *testing.T) {
	b, clock := newBackoff()
	for range freeFailures {
		b.Take("alice")
	}
	require.NotZero(t, b.Take("alice"))
	b.Clear("alice")
	for range freeFailures {
		require.Zero(t, b.Take("alice"))
	}
	clock.advance(backoffForgets)
	for range freeFailures {
		require.Zero(t, b.Take("alice"))
	}
	require.NotZero(t, b.Take("alice"))
	clock.advance(-time.Hour)
	require.LessOrEqual(t, b.Take("alice"), longestPause, "a clock that is set back keeps nobody waiting for longer")
}

func TestBackoffAtOnce(t *testing.T) {
	b, _ := newBackoff()
	var through atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if b.Take("alice") == 0 {
				through.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(freeFailures), through.Load())
}
