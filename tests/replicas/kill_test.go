//go:build linux

package replicas

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/process"
)

// One replica after the other is killed in the middle of a load of 32, and started
// again, while the load goes on. Every token that anybody received is in the ledger,
// and an assertion is good for one token, wherever and however often it is shown:
// many are shown to both replicas at once, and all again after the kill.
func TestKilledUnderLoad(t *testing.T) {
	w := newWorld(newSite(t, modelstest.Postgres(t)), 8, 0)
	pair := []*replica{w.Deputy(), w.Deputy()}
	pair[0].Start()
	pair[1].Start()
	l := w.Drive(32, func(connection, turn int) []ask {
		at, as := (connection+turn)%2, w.agents[connection%len(w.agents)]
		switch turn % 3 {
		case 0:
			here := w.proven(pair[at], as)
			there := here
			there.At = pair[1-at]
			return []ask{here, there}
		default:
			return []ask{w.own(pair[at], as)}
		}
	})
	n := rounds(3)
	for round := range n {
		victim, other := pair[round%2], pair[1-round%2]
		l.AwaitMore("tokens of both", 30, (*answer).Granted, victim, other)
		victim.Kill()
		l.AwaitMore("tokens of the one that lives", 30, (*answer).Granted, other)
		victim.Start()
	}
	l.AwaitMore("tokens of both", 30, (*answer).Granted, pair...)
	answers := l.Stop()

	var received []string
	used, twice, cut, unavailable := map[string]bool{}, 0, 0, 0
	var again []ask
	for _, a := range answers {
		switch {
		case a.Granted():
			received = append(received, a.JTI)
			if a.Assertion == "" {
				continue
			}
			if used[a.Assertion] {
				twice++
			}
			used[a.Assertion] = true
			again = append(again, a.Ask)
		case a.Err != nil:
			cut++
		case a.Unavailable():
			unavailable++
		case a.Assertion == "" || !a.Refused():
			t.Errorf("%d %q", a.Status, a.Body.Error)
		}
	}
	t.Logf("replicas killed %d times; requests %d: tokens received %d, cut off %d, told to come back %d", n, len(answers), len(received), cut, unavailable)
	w.AllRecorded(received)
	w.onlyOnce(again, pair)
	t.Logf("assertions that brought a token %d / brought another %d", len(used), twice)
	require.Zero(t, twice)
	require.NotEmpty(t, used)
	w.Verified()
}

// onlyOnce shows the last assertions again, those that brought a token, at the replica
// that did not give it.
func (w *world) onlyOnce(used []ask, pair []*replica) {
	w.Helper()
	used = used[max(0, len(used)-200):]
	refused := 0
	c := process.NewClient()
	defer c.CloseIdleConnections()
	for _, a := range used {
		for _, at := range pair {
			if at == a.At {
				continue
			}
			a.At = at
			if got := process.Send(c, a); got.Status == 401 && got.Body.Error == "invalid_client" {
				refused++
			}
			break
		}
	}
	w.Logf("assertions shown again at the other replica %d / refused %d", len(used), refused)
	require.Equal(w, len(used), refused)
}
