//go:build linux

package failure

import (
	"encoding/json"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGTERM comes while 32 connections ask without pause. What Deputy has taken on
// it answers to the end, then it ends well; whatever it recorded, somebody heard.
func TestTerminate(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		for range rounds(1) {
			w.start()
			before := w.decided()
			l := w.drive(32, w.mixed(w.token()))
			w.awaitMore(l, "tokens", 200, (*answer).granted)
			code := w.terminate()
			if conn, err := net.Dial("tcp", w.address); err == nil {
				_ = conn.Close()
				t.Error("a connection was accepted after the end")
			}
			answers := l.stop()
			s := summed(t, answers)
			w.allRecorded(s.received)
			heard, lost := map[string]bool{}, 0
			for _, a := range answers {
				heard[a.id] = a.err == nil
			}
			after := w.decided()
			for id := range after {
				if !before[id] && !heard[id] {
					lost++
				}
			}
			t.Logf("exit code %d; answered %d, recorded %d, recorded but not heard %d; not taken on %d",
				code, s.granted+s.unavailable, len(after)-len(before), lost-1, s.unanswered)
			if code != 0 || lost != 1 { // the one that began the load is nobody's
				t.Errorf("exit code %d, recorded but not heard %d", code, lost-1)
			}
			if s.unavailable != 0 {
				t.Errorf("%d requests were taken on and turned away", s.unavailable)
			}
		}
		w.verified()
	})
}

// With --drain, a server that was told to stop says so and goes on until the load
// balancer has noticed.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDeputy(t, t.TempDir(), "", "--drain", "2s"))
	w.start()
	w.token()
	must(t, w.process.Process.Signal(syscall.SIGTERM))
	w.await("/readyz to send requests elsewhere", func() bool { return !w.ready() })
	served := 0
	for range 5 {
		w.token()
		served++
	}
	select {
	case <-w.ended:
	case <-time.After(patience):
		t.Fatal("the server did not end")
	}
	code := w.process.ProcessState.ExitCode()
	t.Logf("unready, then served %d tokens; exit code %d", served, code)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.verified()
}

// decided are the request ids of every decision in the ledger.
func (w *world) decided() map[string]bool {
	w.t.Helper()
	out := map[string]bool{}
	for detail := range w.column("select detail from ledger where kind <> 'change'") {
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
	w.start()
	refused := 0
	for range 3 {
		out, code := w.run("serve", "--listen", "127.0.0.1:0")
		if code == 1 && strings.Contains(out, "database in use: process") && strings.Contains(out, "one SQLite database is for one server") {
			refused++
		} else {
			t.Errorf("a second server: exit code %d\n%s", code, out)
		}
	}
	if out, code := w.run("migrate"); code != 1 || !strings.Contains(out, "database in use") {
		t.Errorf("migrate beside a server: exit code %d\n%s", code, out)
	}
	w.verified()
	if out, code := w.run("audit", "tail"); code != 0 {
		t.Errorf("audit tail beside a server: exit code %d\n%s", code, out)
	}
	if out, code := w.run("admin", "create"); code != 0 || !strings.Contains(out, "DEPUTY_CLIENT_SECRET=") {
		t.Errorf("admin create beside a server: exit code %d\n%s", code, out)
	}
	w.token()
	w.kill()
	took := w.start()
	w.token()
	must(t, w.process.Process.Signal(syscall.SIGTERM))
	<-w.ended
	if out, code := w.run("migrate"); code != 0 {
		t.Errorf("migrate after the server ended: exit code %d\n%s", code, out)
	}
	t.Logf("second servers started 3 / refused with a reason %d; after kill -9 the next served within %v", refused, took.Round(1e6))
}
