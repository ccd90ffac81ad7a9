package limits

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a time that moves when told to.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_000_000_000, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func newLimits(edit func(*Config)) (*Limits, *clock) {
	config, c := Defaults(), &clock{}
	if edit != nil {
		edit(&config)
	}
	return New(config, c.now), c
}

// failures counts how many of n failures in a row are let off with their own answer.
func failures(l *Limits, s Source, client string, n int) (own int) {
	for range n {
		if l.Failed(s, client) == 0 {
			own++
		}
	}
	return own
}

func TestFailuresOfOneSource(t *testing.T) {
	l, clock := newLimits(nil)
	here, elsewhere := SourceOf("192.0.2.1"), SourceOf("192.0.2.2")
	require.False(t, l.Spent(here, ""))
	require.Equal(t, 20, failures(l, here, "", 1000))
	require.True(t, l.Spent(here, "agt_1"))
	require.Equal(t, time.Second, l.Failed(here, ""), "and says how long to wait")
	require.False(t, l.Spent(elsewhere, "agt_1"))
	require.Equal(t, 20, failures(l, elsewhere, "", 1000))

	clock.advance(999 * time.Millisecond)
	require.Zero(t, failures(l, here, "", 10))
	clock.advance(time.Millisecond)
	require.Equal(t, 1, failures(l, here, "", 10), "one a second")
	clock.advance(time.Hour)
	require.Equal(t, 20, failures(l, here, "", 1000), "and never more than the burst")
}

func TestFailuresAgainstOneClient(t *testing.T) {
	l, clock := newLimits(nil)
	here := SourceOf("192.0.2.1")
	require.Equal(t, 10, failures(l, here, "agt_1", 15))
	require.True(t, l.Spent(here, "agt_1"))
	require.False(t, l.Spent(here, "agt_2"))
	require.False(t, l.Spent(SourceOf("192.0.2.2"), "agt_1"))
	clock.advance(5 * time.Second)
	require.Equal(t, 1, failures(l, here, "agt_1", 3), "one in five seconds")
}

func TestSwitchedOff(t *testing.T) {
	l, _ := newLimits(func(c *Config) { *c = Config{} })
	require.Equal(t, 1000, failures(l, SourceOf("192.0.2.1"), "agt_1", 1000))
	require.False(t, l.Spent(SourceOf("192.0.2.1"), "agt_1"))
	for range 1000 {
		require.Zero(t, l.Client("agt_1"))
		require.True(t, l.OAuth.Enter())
		require.True(t, l.Admin.Enter())
	}
}

// A clock that is set back by an hour makes nobody wait longer than a new burst takes.
func TestClockThatJumpsBack(t *testing.T) {
	l, clock := newLimits(nil)
	here := SourceOf("192.0.2.1")
	clock.advance(time.Hour)
	failures(l, here, "", 100)
	clock.advance(-time.Hour)
	require.LessOrEqual(t, l.Failed(here, ""), time.Second)
	clock.advance(20 * time.Second)
	require.Equal(t, 20, failures(l, here, "", 100))
}

// Of callers at the same moment, as many get through as there are tokens.
func TestTakingAtOnce(t *testing.T) {
	l, _ := newLimits(nil)
	var own atomic.Int64
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() { own.Add(int64(failures(l, SourceOf("192.0.2.1"), "", 100))) })
	}
	callers.Wait()
	require.Equal(t, int64(20), own.Load())
}

func TestSources(t *testing.T) {
	same := [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8:1:2::1", "2001:db8:1:2:ffff::2"}, {"", "@"}, {"unix", ""},
	}
	for _, pair := range same {
		require.Equal(t, SourceOf(pair[0]), SourceOf(pair[1]), "%v", pair)
	}
	for _, pair := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8:1:2::1", "2001:db8:1:3::1"}, {"192.0.2.1", ""}} {
		require.NotEqual(t, SourceOf(pair[0]), SourceOf(pair[1]), "%v", pair)
	}
	require.Equal(t, []string{"192.0.2.1", "2001:db8:1:2::/64", ""},
		[]string{SourceOf("::ffff:192.0.2.1").String(), SourceOf("2001:db8:1:2::9").String(), SourceOf("?").String()})
}

// A million addresses and client ids later, no memory has been taken, and
// whoever had failed too often still has.
func TestAMillionSourcesTakeNoMemoryAndResetNobody(t *testing.T) {
	const million = 1_000_000
	l, _ := newLimits(nil)
	culprit := SourceOf("192.0.2.1")
	failures(l, culprit, "agt_1", 100)
	require.True(t, l.Spent(culprit, ""))
	before := heap()
	for i := range million {
		var s Source
		s[0] = 0x20
		binary.BigEndian.PutUint32(s[4:8], uint32(i))
		l.Failed(s, "agt_"+fmt.Sprint(i))
	}
	require.True(t, l.Spent(culprit, ""), "its failures are not forgotten for those of others")
	grown := int64(heap()) - int64(before)
	t.Logf("%d sources and clients: %d buckets of sources, %d of pairs, heap grew by %d KiB", million, len(l.sources.buckets), len(l.pairs.buckets), grown>>10)
	require.Less(t, grown, int64(1<<20))
	runtime.KeepAlive(l)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestRateOfOneClient(t *testing.T) {
	l, clock := newLimits(func(c *Config) { c.ClientRate = 10 })
	let := func(who string, n int) (through int) {
		for range n {
			if l.Client(who) == 0 {
				through++
			}
		}
		return through
	}
	require.Equal(t, 20, let("agt_busy", 1000))
	require.Equal(t, 100*time.Millisecond, l.Client("agt_busy"))
	require.Equal(t, 20, let("agt_other", 20), "another does not feel it")
	require.Equal(t, 1000, let("", 1000), "nobody in particular")
	clock.advance(time.Second)
	require.Equal(t, 10, let("agt_busy", 1000))
}

// A million clients: the buckets stay within their bound, those that are not
// full are kept, so nobody's is reset by the others.
func TestAMillionClients(t *testing.T) {
	l, clock := newLimits(func(c *Config) { c.ClientRate = 10 })
	busy := make([]string, 1000)
	for i := range busy {
		busy[i] = fmt.Sprintf("agt_busy%d", i)
		for range 20 {
			require.Zero(t, l.Client(busy[i]))
		}
	}
	most := 0
	for i := range 1_000_000 {
		l.Client("agt_" + fmt.Sprint(i))
		if i%10_000 == 0 {
			clock.advance(10 * time.Millisecond) // a million a second
			most = max(most, l.clients.size())
		}
	}
	t.Logf("1000000 clients within a second: %d buckets at most", most)
	require.LessOrEqual(t, most, maxBucket)
	reset := 0
	for _, b := range busy { // 1 s gave 10 back, of 20
		through := 0
		for range 20 {
			if l.Client(b) == 0 {
				through++
			}
		}
		if through > 10 {
			reset++
		}
	}
	require.Zero(t, reset)
}

func TestGate(t *testing.T) {
	g := NewGate(3)
	for range 3 {
		require.True(t, g.Enter())
	}
	require.False(t, g.Enter())
	require.Equal(t, int64(3), g.Inside())
	g.Leave()
	require.True(t, g.Enter())
	require.True(t, (*Gate)(nil).Enter())
	(*Gate)(nil).Leave()
}

// In the lane few are at work, few wait, and the others are told at once.
func TestLane(t *testing.T) {
	l, _ := newLimits(nil)
	var dones []func()
	for range turns {
		done, ok := l.Turn(t.Context())
		require.True(t, ok)
		dones = append(dones, done)
	}
	hungUp, cancel := context.WithCancel(t.Context())
	cancel()
	_, ok := l.Turn(hungUp)
	require.False(t, ok, "who hung up does not wait")
	begin := time.Now()
	_, ok = l.Turn(t.Context())
	require.False(t, ok, "nobody waits for ever")
	require.GreaterOrEqual(t, time.Since(begin), longestWait)

	var waiters sync.WaitGroup
	var served, turnedAway atomic.Int64
	for range 10 * maxWaiting {
		waiters.Go(func() {
			if done, ok := l.Turn(t.Context()); ok {
				served.Add(1)
				done()
			} else {
				turnedAway.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return turnedAway.Load() == 9*maxWaiting }, 10*time.Second, time.Millisecond, "only so many wait")
	for _, done := range dones {
		done()
	}
	waiters.Wait()
	require.Zero(t, l.lane.waiting.Load())
	require.Empty(t, l.lane.turns)
	require.Equal(t, int64(10*maxWaiting), served.Load()+turnedAway.Load())
}

// What every granted request pays.
func BenchmarkClient(b *testing.B) {
	l := New(Defaults(), time.Now)
	names := make([]string, 1024)
	for i := range names {
		names[i] = fmt.Sprintf("agt_%026d", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.Client(names[i%len(names)])
		}
	})
}

// What a failure pays besides.
func BenchmarkFailed(b *testing.B) {
	l := New(Defaults(), time.Now)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := SourceOf("2001:db8:1:2::1")
			if !l.Spent(s, "agt_1") {
				l.Failed(s, "agt_1")
			}
		}
	})
}

func TestGuests(t *testing.T) {
	l, clock := newLimits(nil)
	here := SourceOf("192.0.2.1")
	let := 0
	for range 300 {
		if l.Guest(here) == 0 {
			let++
		}
	}
	require.Equal(t, 100, let)
	require.Zero(t, l.Guest(SourceOf("192.0.2.2")))
	clock.advance(100 * time.Millisecond)
	require.Zero(t, l.Guest(here))
	require.NotZero(t, l.Guest(here))
}

func TestInOrderOneIsAtWork(t *testing.T) {
	l := New(Defaults(), time.Now)
	var inside, all atomic.Int64
	var wait sync.WaitGroup
	for range inLine {
		wait.Go(func() {
			done := l.InOrder(context.Background(), "agent user")
			if done == nil || inside.Add(1) != 1 {
				return
			}
			all.Add(1)
			inside.Add(-1)
			done()
		})
	}
	wait.Wait()
	require.EqualValues(t, inLine, all.Load())
}

func TestInOrderALineHasAnEnd(t *testing.T) {
	l := New(Defaults(), time.Now)
	first := l.InOrder(context.Background(), "agent user")
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for range inLine - 1 {
		wait.Go(func() { l.InOrder(ctx, "agent user") })
	}
	of := &l.order.lines[maphash.String(l.order.seed, "agent user")%lines]
	require.Eventually(t, func() bool { return of.here.Load() == inLine }, 5*time.Second, time.Millisecond)
	require.Nil(t, l.InOrder(context.Background(), "agent user"), "nobody else may wait")
	cancel()
	wait.Wait()
	first()
	require.Zero(t, of.here.Load(), "who left is no longer there")
	second := l.InOrder(context.Background(), "agent user")
	require.NotNil(t, second)
	second()
}
