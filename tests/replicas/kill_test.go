//go:build linux

package replicas

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
)

// One replica after the other is killed in the middle of a load of 32, and started
// again, while the load goes on. Every token that anybody received is in the ledger,
// and an assertion is good for one token, wherever and however often it is shown:
// many are shown to both replicas at once, and all again after the kill.
func TestKilledUnderLoad(t *testing.T) {
	w := newWorld(newSite(t, modelstest.Postgres(t)), 8, 0)
	pair := []*replica{w.replica(), w.replica()}
	pair[0].start()
	pair[1].start()
	l := w.drive(32, func(connection, turn int) []ask {
		at, as := (connection+turn)%2, w.agents[connection%len(w.agents)]
		switch turn % 3 {
		case 0:
			here := w.proven(pair[at], as)
			there := here
			there.at = pair[1-at]
			return []ask{here, there}
		default:
			return []ask{w.own(pair[at], as)}
		}
	})
	n := rounds(3)
	for round := range n {
		victim, other := pair[round%2], pair[1-round%2]
		l.awaitMore("tokens of both", 30, (*answer).granted, victim, other)
		victim.kill()
		l.awaitMore("tokens of the one that lives", 30, (*answer).granted, other)
		victim.start()
	}
	l.awaitMore("tokens of both", 30, (*answer).granted, pair...)
	answers := l.stop()

	received, used, twice, cut, unavailable := map[string]int{}, map[string]bool{}, 0, 0, 0
	var again []ask
	for _, a := range answers {
		switch {
		case a.granted():
			received[a.jti()]++
			if a.assertion == "" {
				continue
			}
			if used[a.assertion] {
				twice++
			}
			used[a.assertion] = true
			again = append(again, a.ask)
		case a.err != nil:
			cut++
		case a.unavailable():
			unavailable++
		case a.assertion == "" || !a.refused():
			t.Errorf("%d %q", a.status, a.body.Error)
		}
	}
	t.Logf("replicas killed %d times; requests %d: tokens received %d, cut off %d, told to come back %d", n, len(answers), len(received), cut, unavailable)
	w.allRecorded(received)
	w.onlyOnce(again, pair)
	t.Logf("assertions that brought a token %d / brought another %d", len(used), twice)
	require.Zero(t, twice)
	require.NotEmpty(t, used)
	w.verified()
}

// allRecorded counts the tokens that were received against the rows there are of them,
// in the ledger and among the tokens.
func (w *world) allRecorded(received map[string]int) {
	w.Helper()
	rows, err := w.db.Query(`select t.id from tokens t join ledger l on l.id = t.decision_id and l.token_id = t.id
		where l.kind = 'decision' and l.outcome = 'granted'`)
	require.NoError(w, err)
	recorded := map[string]int{}
	for rows.Next() {
		var id string
		require.NoError(w, rows.Scan(&id))
		recorded[id]++
	}
	require.NoError(w, rows.Err())
	require.NoError(w, rows.Close())
	lost, copies := 0, 0
	for id, times := range received {
		if recorded[id] != 1 {
			lost++
		}
		if times != 1 {
			copies++
		}
	}
	w.Logf("tokens received %d / rows found %d / lost %d / received twice %d (rows in all: %d)", len(received), len(received)-lost, lost, copies, len(recorded))
	require.Zero(w, lost)
	require.Zero(w, copies)
}

// onlyOnce shows the last assertions again, those that brought a token, at the replica
// that did not give it.
func (w *world) onlyOnce(used []ask, pair []*replica) {
	w.Helper()
	used = used[max(0, len(used)-200):]
	refused := 0
	c := client()
	defer c.CloseIdleConnections()
	for _, a := range used {
		for _, at := range pair {
			if at == a.at {
				continue
			}
			a.at = at
			if got := w.send(c, a); got.status == 401 && got.body.Error == "invalid_client" {
				refused++
			}
			break
		}
	}
	w.Logf("assertions shown again at the other replica %d / refused %d", len(used), refused)
	require.Equal(w, len(used), refused)
}
