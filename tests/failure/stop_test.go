//go:build linux

package failure

import (
	"encoding/json"
	"net"
	"strings"
	"syscall"
	"testing"
)

// SIGTERM comes while 32 connections ask without pause. What Deputy has taken on
// it answers to the end, then it ends well; whatever it recorded, somebody heard.
func TestTerminate(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		for range rounds(1) {
			w.Start()
			before := w.decided()
			l := w.drive(32, w.mixed(w.token()))
			l.AwaitMore("tokens", 200, (*answer).Granted)
			code := w.Terminate()
			if conn, err := net.Dial("tcp", w.Address()); err == nil {
				_ = conn.Close()
				t.Error("a connection was accepted after the end")
			}
			answers := l.Stop()
			s := summed(t, answers)
			w.AllRecorded(s.Received)
			heard, lost := map[string]bool{}, 0
			for _, a := range answers {
				heard[a.ID] = a.Err == nil
			}
			after := w.decided()
			for id := range after {
				if !before[id] && !heard[id] {
					lost++
				}
			}
			t.Logf("exit code %d; answered %d, recorded %d, recorded but not heard %d; not taken on %d",
				code, s.Granted+s.Unavailable, len(after)-len(before), lost-1, s.Unanswered)
			if code != 0 || lost != 1 { // the one that began the load is nobody's
				t.Errorf("exit code %d, recorded but not heard %d", code, lost-1)
			}
			if s.Unavailable != 0 {
				t.Errorf("%d requests were taken on and turned away", s.Unavailable)
			}
		}
		w.Verified()
	})
}

// With --drain, a server that was told to stop says so and goes on until the load
// balancer has noticed.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDeputy(t, t.TempDir(), "", "--drain", "2s"))
	w.Start()
	w.token()
	w.Signal(syscall.SIGTERM)
	w.Await("/readyz to send requests elsewhere", func() bool { return !w.Ready() })
	served := 0
	for range 5 {
		w.token()
		served++
	}
	code := w.AwaitEnd()
	t.Logf("unready, then served %d tokens; exit code %d", served, code)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.Verified()
}

// decided are the request ids of every decision in the ledger.
func (w *world) decided() map[string]bool {
	w.t.Helper()
	out := map[string]bool{}
	for detail := range w.Column("select detail from ledger where kind <> 'change'") {
		var d struct {
			Call struct {
				RequestID string `json:"request_id"`
			} `json:"call"`
		}
		must(w.t, json.Unmarshal([]byte(detail), &d))
		out[d.Call.RequestID] = true
	}
	return out
}

// A second server on one SQLite database is refused and says why. Reading, and
// changes that the server notices, work beside it; a kill leaves no lock behind.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDeputy(t, t.TempDir(), ""))
	w.Start()
	refused := 0
	for range 3 {
		out, code := w.Try("serve", "--listen", "127.0.0.1:0")
		if code == 1 && strings.Contains(out, "database in use: process") && strings.Contains(out, "one SQLite database is for one server") {
			refused++
		} else {
			t.Errorf("a second server: exit code %d\n%s", code, out)
		}
	}
	if out, code := w.Try("migrate"); code != 1 || !strings.Contains(out, "database in use") {
		t.Errorf("migrate beside a server: exit code %d\n%s", code, out)
	}
	w.Verified()
	if out, code := w.Try("audit", "tail"); code != 0 {
		t.Errorf("audit tail beside a server: exit code %d\n%s", code, out)
	}
	if out, code := w.Try("admin", "create"); code != 0 || !strings.Contains(out, "DEPUTY_CLIENT_SECRET=") {
		t.Errorf("admin create beside a server: exit code %d\n%s", code, out)
	}
	w.token()
	w.Kill()
	took := w.Start()
	w.token()
	w.Signal(syscall.SIGTERM)
	w.AwaitEnd()
	if out, code := w.Try("migrate"); code != 0 {
		t.Errorf("migrate after the server ended: exit code %d\n%s", code, out)
	}
	t.Logf("second servers started 3 / refused with a reason %d; after kill -9 the next served within %v", refused, took.Round(1e6))
}
