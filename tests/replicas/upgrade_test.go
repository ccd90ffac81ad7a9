//go:build linux

package replicas

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/harness"
	"github.com/deputyauth/deputy/tests/process"
)

// from is the commit of the older release, "" for the source at hand: then no migration
// is new, and one is made up.
var from = os.Getenv("UPGRADE_FROM")

// Two replicas of one release are replaced by the next, one after the other, under load
// that a load balancer sends to those that are ready. No request fails; what one release
// issued the other inspects, exchanges and refreshes; who is stopped at one is stopped at
// the other; whoever follows events hears of it once; and the ledger holds for both.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	old := olderRelease(t)
	s := newSite(t, modelstest.EmptyPostgres(t))
	s.Env = append(s.Env, "DEPUTY_DRAIN=500ms")
	next := s.Binary
	s.Binary = old
	w, f := found(s, 4, 3)
	u := &upgrade{scene: &scene{world: w, here: f.at, there: w.Deputy()}, release: map[*replica]string{}, done: map[string]int{}}
	u.there.Start()
	first, second := u.here, u.there
	u.release[first], u.release[second] = "old", "old"
	u.others = u.load(f)
	u.follows(1)
	u.others.AwaitMore("answers of the old release", 30, (*answer).Granted, first, second)

	u.migrate(next)
	u.others.AwaitMore("answers of the old release on the new schema", 60, (*answer).Granted, first, second)
	u.replace(first, next, "new")
	u.replace(second, old, "old") // it may end, and start again
	u.follows(0)
	u.crosses(first, second)
	u.holds(first, second)
	u.holds(second, first)
	s.Binary = old
	s.Verified()

	u.replace(second, next, "new")
	s.Binary = next
	u.others.AwaitMore("answers of the new release", 30, (*answer).Granted, first, second)
	u.holds(first, second)
	u.report("upgraded")
	u.unharmed(never)
	u.AllRecorded(process.Count(u.others.Stop()).Received)
	u.tell(first, second)
}

// olderRelease builds that, and gives its binary.
func olderRelease(t *testing.T) string {
	t.Helper()
	if from == "" {
		return process.NewSite(t, "", "").Binary
	}
	dir := t.TempDir()
	source, tar := filepath.Join(dir, "source"), filepath.Join(dir, "source.tar")
	require.NoError(t, os.Mkdir(source, 0o700))
	for _, command := range [][]string{{"git", "-C", "../..", "archive", "--output", tar, from}, {"tar", "-xf", tar, "-C", source}} {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "%v: %s", command, out)
	}
	binary := filepath.Join(dir, "deputy")
	require.NoError(t, process.Build(t.Context(), source, binary))
	return binary
}

// upgrade is two replicas, of one release or the other, and a load that goes to and fro.
type upgrade struct {
	*scene

	mu      sync.Mutex
	release map[*replica]string // of those that are sent requests
	done    map[string]int      // what was granted where: "introspect old -> new"
	errors  []string            // what the replicas said went wrong
}

// pick is a replica that is sent requests: that one, or the other if it is out.
func (u *upgrade) pick(n int) *replica {
	u.mu.Lock()
	defer u.mu.Unlock()
	pair := []*replica{u.here, u.there}
	if _, in := u.release[pair[n%2]]; in {
		return pair[n%2]
	}
	return pair[1-n%2]
}

// kept is a token, and the release it is of.
type kept struct{ token, release string }

// through makes a request that is counted by what it is and where its token comes from,
// and keeps what it brings.
func (u *upgrade) through(what string, a ask, with kept, keep func(*answer, string)) ask {
	u.mu.Lock()
	at := u.release[a.At]
	u.mu.Unlock()
	a.Then = func(got *answer) {
		if !got.Granted() {
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done[fmt.Sprintf("%s %s -> %s", what, with.release, at)]++
		if keep != nil {
			keep(got, at)
		}
	}
	return a
}

// load is agents that get tokens at one replica, look at them and exchange them at the
// other, and assistants that refresh at one what they have of the other.
func (u *upgrade) load(f *founder) *load {
	u.Helper()
	var turns []func(turn int) ask
	for _, a := range u.agents {
		turns = append(turns, u.machine(a))
	}
	for n := range 2 {
		a, token := f.assistant(n)
		turns = append(turns, u.assistant(a, token))
	}
	return u.Drive(len(turns), func(connection, turn int) []ask { return []ask{turns[connection](turn)} })
}

func (u *upgrade) machine(as agent) func(turn int) ask {
	var own, exchanged kept
	return func(turn int) ask {
		at, other := u.pick(turn/5), u.pick(turn/5+1)
		keep := func(k *kept) func(*answer, string) {
			return func(a *answer, release string) { *k = kept{a.Body.Token, release} }
		}
		switch step := turn % 5; {
		case step == 0 || own.token == "":
			return u.through("issue", u.own(at, as), kept{}, keep(&own))
		case step == 1:
			return u.through("introspect", u.inspect(other, own.token), own, nil)
		case step == 2 || exchanged.token == "":
			form := harness.ExchangeForm(own.token, u.service, "read")
			return u.through("exchange", ask{At: other, Path: "/oauth2/token", Form: form, As: as}, own, keep(&exchanged))
		case step == 3:
			return u.through("introspect", u.inspect(at, exchanged.token), exchanged, nil)
		default:
			return u.through("issue", u.proven(other, as), kept{}, nil)
		}
	}
}

func (u *upgrade) assistant(as agent, token string) func(turn int) ask {
	next, access := kept{token, "old"}, kept{}
	return func(turn int) ask {
		at := u.pick(turn/2 + turn%2)
		if turn%2 == 1 && access.token != "" {
			return u.through("introspect", u.inspect(at, access.token), access, nil)
		}
		a := ask{At: at, Path: "/oauth2/token", Form: harness.RefreshForm(next.token), As: as}
		return u.through("refresh", a, next, func(a *answer, release string) {
			next, access = kept{a.Body.Refresh, release}, kept{a.Body.Token, release}
		})
	}
}

// migrate does what the new release has to do before its first replica starts, beneath
// those of the old one. Where that is nothing, every table gets a column, as the release
// after it might do.
func (u *upgrade) migrate(next string) {
	u.Helper()
	u.Binary = next
	count := func() int { return u.number(`select count(*) from goose_db_version where version_id > 0`) }
	before := count()
	u.Succeeds("migrate")
	after := count()
	added := 0
	if from == "" {
		tables := u.Column(`select table_name from information_schema.tables where table_schema = 'public'`)
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			_, err := u.db.Exec("alter table " + name + " add column of_the_next_release text not null default 'x'")
			require.NoError(u, err)
			added++
		}
	}
	u.Logf("from %q: migrations before %d / applied beneath the old release %d; made-up columns %d", from, before, after-before, added)
}

// replace ends a replica as an operator does, and starts it again, of a release. Nobody
// sends it requests from when it says that it is not ready until it says that it is.
func (u *upgrade) replace(r *replica, binary, release string) {
	u.Helper()
	require.NoError(u, r.Server.Signal(syscall.SIGTERM))
	u.Await("the balancer to notice", func() bool { return !r.Ready() })
	u.mu.Lock()
	delete(u.release, r)
	u.mu.Unlock()
	require.Zero(u, r.AwaitEnd(), r.Tail(20))
	u.saidWrong(r)
	r.Binary = binary
	r.Start()
	u.mu.Lock()
	u.release[r] = release
	u.mu.Unlock()
}

// saidWrong keeps the errors in a replica's log, which begins anew when it starts. That
// it ends streams of events when it is told to end, and opens no other, is none.
func (u *upgrade) saidWrong(r *replica) {
	for line := range strings.Lines(r.Said()) {
		if strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, `"route":"/events","status":503`) {
			u.errors = append(u.errors, line)
		}
	}
}

// follows begins to follow events at the n-th replica, or at the other while that is out,
// if nobody follows yet. The oldest releases have none.
func (u *upgrade) follows(n int) {
	u.Helper()
	if u.follower != nil {
		return
	}
	ctx, cancel := context.WithTimeout(u.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.pick(n).URL+"/events", nil)
	require.NoError(u, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(u, err)
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		u.Logf("%q has no events", from)
		return
	}
	u.follower = u.follow(u.guard, func() *replica { return u.pick(n) })
}

// crosses waits until enough went from one release to the other, both ways.
func (u *upgrade) crosses(replicas ...*replica) {
	u.Helper()
	n := 5
	if from != "" {
		n = 100
	}
	for _, what := range []string{"introspect", "exchange", "refresh"} {
		for _, way := range []string{"old -> new", "new -> old"} {
			u.Await(what+" "+way, func() bool {
				u.mu.Lock()
				defer u.mu.Unlock()
				return u.done[what+" "+way] >= n
			})
		}
	}
	u.others.AwaitMore("answers of both releases", n, (*answer).Granted, replicas...)
}

// holds stops a victim here, and looks there.
func (u *upgrade) holds(here, there *replica) {
	u.Helper()
	both := *u.scene
	both.here, both.there = here, there
	victim, work, looks := both.next()
	both.fall(victim, work, looks, nil)
	both.here, both.there = u.here, u.there
	u.mu.Lock()
	defer u.mu.Unlock()
	*u.scene = both
}

func (u *upgrade) tell(replicas ...*replica) {
	u.Helper()
	for _, r := range replicas {
		u.saidWrong(r)
	}
	for _, what := range slices.Sorted(maps.Keys(u.done)) {
		u.Logf("%s: %d", what, u.done[what])
	}
	require.Empty(u, u.errors)
}
