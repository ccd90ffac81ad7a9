package limits

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// marks are kept in memory, where a database keeps them for real.
type marks struct {
	mu   sync.Mutex
	kept map[string]int64
}

func (m *marks) Mark(_ context.Context, purpose, name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[purpose+" "+name], nil
}

func (m *marks) SwapMark(_ context.Context, purpose, name string, was, next int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept[purpose+" "+name] != was {
		return false, nil
	}
	m.kept[purpose+" "+name] = next
	return true, nil
}

// backoff is a Backoff whose marks cannot fail.
type backoff struct {
	*Backoff
	t *testing.T
}

func (b backoff) Take(name string) time.Duration {
	wait, err := b.Backoff.Take(b.t.Context(), name)
	require.NoError(b.t, err)
	return wait
}

func (b backoff) Clear(name string) { require.NoError(b.t, b.Backoff.Clear(b.t.Context(), name)) }

func newBackoff(t *testing.T) (backoff, *clock) {
	c := &clock{}
	return backoff{NewBackoff(&marks{kept: map[string]int64{}}, []byte("seed"), c.now), t}, c
}

func TestBackoffDoubles(t *testing.T) {
	b, clock := newBackoff(t)
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
	b, clock := newBackoff(t)
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
	b, _ := newBackoff(t)
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

// Replicas that share their marks share their pauses, and names their slots.
func TestBackoffOfReplicas(t *testing.T) {
	shared, c := &marks{kept: map[string]int64{}}, &clock{}
	here, there := backoff{NewBackoff(shared, []byte("seed"), c.now), t}, backoff{NewBackoff(shared, []byte("seed"), c.now), t}
	for range freeFailures - 1 {
		require.Zero(t, here.Take("alice"))
	}
	require.Zero(t, there.Take("alice"))
	require.Equal(t, time.Second, here.Take("alice"))
	require.Equal(t, time.Second, there.Take("alice"))
	there.Clear("alice")
	require.Zero(t, here.Take("alice"))
}

// However many names are guessed at, there is a mark for so many slots at most.
func TestBackoffHasAFixedSize(t *testing.T) {
	shared, c := &marks{kept: map[string]int64{}}, &clock{}
	b := backoff{NewBackoff(shared, []byte("seed"), c.now), t}
	for i := range 2 * backoffNames {
		b.Take(fmt.Sprint(i))
	}
	require.LessOrEqual(t, len(shared.kept), backoffNames)
	require.Greater(t, len(shared.kept), backoffNames*8/10)
}

// Twelve codes of a user an hour, wherever they are given.
func TestUserCodes(t *testing.T) {
	shared, c := &marks{kept: map[string]int64{}}, &clock{}
	here, there := NewUserCodes(shared, c.now), NewUserCodes(shared, c.now)
	take := func(u *UserCodes, user string) time.Duration {
		wait, err := u.Take(t.Context(), user)
		require.NoError(t, err)
		return wait
	}
	for range 6 {
		require.Zero(t, take(here, "usr_1"))
		require.Zero(t, take(there, "usr_1"))
	}
	require.Equal(t, 5*time.Minute, take(here, "usr_1"))
	require.Equal(t, 5*time.Minute, take(there, "usr_1"))
	require.Zero(t, take(there, "usr_2"))
	c.advance(5 * time.Minute)
	require.Zero(t, take(there, "usr_1"))
	require.NotZero(t, take(here, "usr_1"))
}
