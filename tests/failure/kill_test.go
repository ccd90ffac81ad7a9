//go:build linux

package failure

import (
	"net/http"
	"strings"
	"testing"

	"github.com/deputyauth/deputy/models/modelstest"
)

// onEach gives each test a world of its own on either database.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, newDeputy(t, t.TempDir(), ""))) })
	t.Run("postgres", func(t *testing.T) { test(t, newWorld(t, newDeputy(t, "", modelstest.Postgres(t)))) })
}

// The process is killed while 32 connections ask, again and again. Every token
// that anybody received is in the ledger, and every assertion that brought one is
// refused after the restart, for that it was used and for nothing else.
func TestKill(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		var received []string
		used, refused, accepted := 0, 0, 0
		w.start()
		for range rounds(2) {
			l := w.drive(32, w.mixed(w.token()))
			w.awaitMore(l, "tokens", 300, (*answer).granted)
			w.kill() // under load
			answers := l.stop()
			received = append(received, summed(t, answers).received...)
			w.allRecorded(received)
			w.start() // at once, on the lock that was left behind
			before := refused
			for _, a := range proven(answers, 30) {
				used++
				again := w.send(http.DefaultClient, a.ask)
				switch {
				case again.granted():
					accepted++
				case again.status == http.StatusUnauthorized && again.body.Error == "invalid_client":
					refused++
				default:
					t.Errorf("a used assertion was answered %d %q, %v", again.status, again.body.Error, again.err)
				}
			}
			w.await("the log to tell why", func() bool {
				return strings.Count(w.log.String(), `"reason":"assertion_replayed"`) >= refused-before
			})
		}
		w.token()
		w.kill()
		t.Logf("assertions used before the kill %d / refused after it %d / accepted after it %d", used, refused, accepted)
		if used == 0 || refused != used || accepted != 0 {
			t.Errorf("of %d used assertions %d were refused and %d worked again", used, refused, accepted)
		}
		w.verified()
	})
}

// proven are the last n answers that an assertion brought a token with.
func proven(answers []*answer, n int) []*answer {
	var out []*answer
	for _, a := range answers {
		if a.assertion != "" && a.granted() {
			out = append(out, a)
		}
	}
	return out[max(0, len(out)-n):]
}
