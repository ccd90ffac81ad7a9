//go:build linux

package failure

import (
	"net/http"
	"strings"
	"testing"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/process"
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
		w.Start()
		for range rounds(2) {
			l := w.drive(32, w.mixed(w.token()))
			l.AwaitMore("tokens", 300, (*answer).Granted)
			w.Kill() // under load
			answers := l.Stop()
			received = append(received, summed(t, answers).Received...)
			w.AllRecorded(received)
			w.Start() // at once, on the lock that was left behind
			before := refused
			for _, a := range proven(answers, 30) {
				used++
				again := process.Send(http.DefaultClient, a.Ask)
				switch {
				case again.Granted():
					accepted++
				case again.Status == http.StatusUnauthorized && again.Body.Error == "invalid_client":
					refused++
				default:
					t.Errorf("a used assertion was answered %d %q, %v", again.Status, again.Body.Error, again.Err)
				}
			}
			w.Await("the log to tell why", func() bool {
				return strings.Count(w.Said(), `"reason":"assertion_replayed"`) >= refused-before
			})
		}
		w.token()
		w.Kill()
		t.Logf("assertions used before the kill %d / refused after it %d / accepted after it %d", used, refused, accepted)
		if used == 0 || refused != used || accepted != 0 {
			t.Errorf("of %d used assertions %d were refused and %d worked again", used, refused, accepted)
		}
		w.Verified()
	})
}

// proven are the last n answers that an assertion brought a token with.
func proven(answers []*answer, n int) []*answer {
	var out []*answer
	for _, a := range answers {
		if a.Assertion != "" && a.Granted() {
			out = append(out, a)
		}
	}
	return out[max(0, len(out)-n):]
}
