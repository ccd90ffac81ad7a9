//go:build linux

package replicas

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/process"
)

// scene is two replicas under load of agents that nobody stops.
type scene struct {
	*world
	here, there *replica
	others      *load
	follower    *follower // of the service, there

	// What was seen of victims, whose suspension here was answered before.
	stopped  int
	tokens   int             // they got before it
	after    int             // they got for what they asked after it, of either replica
	late     int             // the ledger has after the change
	alive    int             // answers there to questions asked after it, that a token of theirs is active
	sees     []time.Duration // until the first answer there that it is not
	inspects []time.Duration // how long the questions took
	hears    []time.Duration // until the event feed there told it
}

func newScene(t *testing.T, dsn string, victims int) *scene {
	t.Helper()
	s := &scene{world: newWorld(newSite(t, dsn), 4, victims)}
	s.here, s.there = s.Deputy(), s.Deputy()
	s.here.Start()
	s.there.Start()
	s.Await("both to listen", func() bool { return s.listeners() == 2 })
	s.follower = s.follow(s.guard, func() *replica { return s.there })
	s.others = s.Drive(6, func(connection, turn int) []ask {
		at, as := []*replica{s.here, s.there}[connection%2], s.agents[turn%len(s.agents)]
		if turn%5 == 0 {
			return []ask{s.proven(at, as)}
		}
		return []ask{s.own(at, as)}
	})
	s.others.AwaitMore("tokens", 20, (*answer).Granted, s.here, s.there)
	return s
}

// next is the next victim, at work at both replicas, with a token that the service
// looks at there again and again.
func (s *scene) next() (victim agent, work, looks *load) {
	s.Helper()
	victim = s.victims[s.stopped]
	s.stopped++
	work = s.Drive(2, func(connection, _ int) []ask { return []ask{s.own([]*replica{s.here, s.there}[connection], victim)} })
	work.AwaitMore("the victim's tokens", 5, (*answer).Granted, s.here, s.there)
	token := process.Send(process.NewClient(), s.own(s.here, victim))
	require.True(s, token.Granted())
	looks = s.Drive(2, func(int, int) []ask { return []ask{s.inspect(s.there, token.Body.Token)} })
	looks.AwaitMore("the token to be looked at", 5, (*answer).Granted, s.there)
	return victim, work, looks
}

// fall suspends a victim here and watches what that does there. meanwhile is done once
// that was answered, if it is not nil.
func (s *scene) fall(victim agent, work, looks *load, meanwhile func()) {
	s.Helper()
	answered := s.administer(s.here, "clients:suspend", "/clients/"+victim.ID+"/suspend", "")
	if meanwhile != nil {
		meanwhile()
	}
	dead := func(a *answer) bool { return a.Status == 200 && !a.Body.Active }
	looks.AwaitMore("the token to be dead", 3, dead, s.there)
	work.AwaitMore("the victim to be refused", 3, (*answer).Refused, s.here, s.there)
	first := time.Duration(-1)
	for _, a := range looks.Stop() {
		switch {
		case a.Granted() && a.Begun.After(answered):
			s.alive++
		case dead(a):
			if since := a.Ended.Sub(answered); first < 0 || since < first {
				first = max(0, since)
			}
		}
		if !a.Begun.Before(answered) {
			s.inspects = append(s.inspects, a.Took())
		}
	}
	s.sees = append(s.sees, first)
	for _, a := range work.Stop() {
		switch {
		case a.Granted() && a.Begun.After(answered):
			s.after++
		case a.Granted():
			s.tokens++
		}
	}
	s.late += s.tooLate(victim.ID)
	s.hears = append(s.hears, max(0, s.follower.of(s, victim.ID).Sub(answered)))
}

// report tells what became of the victims, and holds it to what must be.
func (s *scene) report(what string) {
	s.Helper()
	s.Logf("%s: victims stopped %d, tokens before %d / after %d, in the ledger after the change %d; answers there that one is still active %d; first that it is not: median %v, p99 %v; introspection beside it: p99 %v; the event at the follower: median %v, p99 %v",
		what, len(s.sees), s.tokens, s.after, s.late, s.alive, process.Percentile(s.sees, 50), process.Percentile(s.sees, 99), process.Percentile(s.inspects, 99), process.Percentile(s.hears, 50), process.Percentile(s.hears, 99))
	s.follower.once(s)
	require.Zero(s, s.after)
	require.Zero(s, s.late)
	require.Zero(s, s.alive)
	require.Positive(s, s.tokens)
}

// unharmed ends the load of the others and counts what went wrong with it: nothing
// may, but that a replica says for a while that it cannot work, where it may.
func (s *scene) unharmed(mayBeUnavailable func(*answer) bool) {
	s.Helper()
	granted, unavailable, wrong := 0, 0, 0
	var took []time.Duration
	for _, a := range s.others.Stop() {
		took = append(took, a.Took())
		switch {
		case a.Granted():
			granted++
		case a.Unavailable() && mayBeUnavailable(a):
			unavailable++
		default:
			if wrong++; wrong < 5 {
				s.Errorf("%s at %s: %d %q %v", a.Path, a.At.URL, a.Status, a.Body.Error, a.Err)
			}
		}
	}
	s.Logf("requests of others %d: granted %d, told to come back %d, failed %d; p50 %v, p99 %v, longest %v",
		len(took), granted, unavailable, wrong, process.Percentile(took, 50), process.Percentile(took, 99), process.Percentile(took, 100))
	require.Zero(s, wrong)
	s.Verified()
}

func never(*answer) bool { return false }

// Suspended here, an agent is stopped there: no token after the change, no answer
// that one of its tokens is active; and nobody else notices. Whoever
// follows events there hears of it.
func TestStoppedEverywhere(t *testing.T) {
	n := rounds(4)
	s := newScene(t, modelstest.Postgres(t), n)
	for range n {
		victim, work, looks := s.next()
		s.fall(victim, work, looks, nil)
	}
	s.report("announced")
	s.unharmed(never)
	if full {
		require.Less(t, process.Percentile(s.sees, 99), 250*time.Millisecond)
		require.Less(t, process.Percentile(s.hears, 99), 500*time.Millisecond)
	}
}

// The same with nobody to tell the replicas of changes: the connections that would
// are cut again and again. Afterwards they listen again by themselves.
func TestStoppedWithoutWord(t *testing.T) {
	n := rounds(2)
	s := newScene(t, modelstest.Postgres(t), n)
	ctx, cancel := context.WithCancel(t.Context())
	cut := 0
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for ctx.Err() == nil {
			var ended int
			if err := s.db.QueryRow(`select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'deputy-listener' and datname = current_database()`).Scan(&ended); err != nil {
				t.Error(err)
			}
			cut += ended
			time.Sleep(2 * time.Millisecond)
		}
	})
	s.Await("the connections to be cut", func() bool { return s.listeners() == 0 })
	for range n {
		victim, work, looks := s.next()
		s.fall(victim, work, looks, nil)
	}
	cancel()
	cutting.Wait()
	t.Logf("connections cut %d", cut)
	s.report("found by polling")
	s.Await("both to listen again", func() bool { return s.listeners() == 2 })
	s.unharmed(never)
}

// The other replica stands still for five seconds, in the middle of its work, while an
// agent is stopped here. When it goes on it knows; here nobody noticed but by waiting.
func TestStoppedWhileTheOtherStandsStill(t *testing.T) {
	n := 1
	if full {
		n = 5
	}
	s := newScene(t, modelstest.Postgres(t), n)
	for range n {
		victim, work, looks := s.next()
		s.there.Signal(syscall.SIGSTOP)
		begun := time.Now()
		s.fall(victim, work, looks, func() {
			told := time.Since(begun)
			s.others.AwaitMore("tokens here", 20, (*answer).Granted, s.here)
			time.Sleep(5*time.Second - time.Since(begun)) // for what the clock says, not for something to happen
			s.there.Signal(syscall.SIGCONT)
			t.Logf("stopped there %v before the change was made here, went on after %v", told.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
		})
		s.others.AwaitMore("tokens there", 20, (*answer).Granted, s.there)
	}
	s.report("stood still")
	s.unharmed(func(a *answer) bool { return a.At == s.there })
}

// The database crashes under both and comes back. What is stopped then is stopped.
func TestStoppedAfterTheDatabaseCrashed(t *testing.T) {
	n := 1
	if full {
		n = 5
	}
	pg := modelstest.NewCluster(t)
	s := newScene(t, pg.URL(), n)
	for range n {
		victim, work, looks := s.next()
		pg.Stop()
		s.others.AwaitMore("503s of a database that is gone", 10, (*answer).Unavailable, s.here, s.there)
		pg.Start()
		begun := time.Now()
		s.fall(victim, work, looks, nil)
		s.others.AwaitMore("tokens again", 20, (*answer).Granted, s.here, s.there)
		s.Await("both to listen again", func() bool { return s.listeners() == 2 })
		t.Logf("stopped, seen and both listening %v after the database was back", time.Since(begun).Round(time.Millisecond))
	}
	s.report("database crashed")
	s.unharmed(func(*answer) bool { return true })
}
