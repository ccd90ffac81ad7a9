//go:build linux

package failure

import (
	"net/http"
	"testing"

	"github.com/deputyauth/deputy/models/modelstest"
)

// onEach gives each test a world of its own on either database.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, newDeputy(t, t.TempDir(), ""))) })
	t.Run("postgres", func(t *testing.T) { test(t, newWorld(t, newDeputy(t, "", modelstest.Postgres(t)))) })
}

// The process is killed while 32 connections ask, again and again. Every token
// that anybody received is in the ledger, and no assertion that brought a token
// works again.
func TestKill(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		var received []string
		used, twice := 0, 0
		w.start()
		for range rounds(2) {
			l := w.drive(32, w.mixed(w.token()))
			w.awaitMore(l, "tokens", 300, (*answer).granted)
			w.kill() // under load
			answers := l.stop()
			received = append(received, summed(t, answers).received...)
			w.allRecorded(received)
			w.start() // at once, on the lock that was left behind
			for _, a := range proven(answers, 30) {
				used++
				switch again := w.send(http.DefaultClient, a.ask); {
				case again.granted():
					twice++
				case again.status != http.StatusUnauthorized || again.body.Error != "invalid_client":
					t.Errorf("a used assertion was answered %d %q", again.status, again.body.Error)
				}
			}
		}
		w.token()
		w.kill()
		t.Logf("assertions used before the kill %d / accepted after it %d", used, twice)
		if used == 0 || twice != 0 {
			t.Errorf("of %d used assertions %d worked again", used, twice)
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
