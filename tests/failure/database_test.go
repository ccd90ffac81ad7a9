//go:build linux

package failure

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/process"
)

// slowest is the bound of Deputy's own on one request, and what a busy machine
// may add to it.
const slowest = 10*time.Second + 5*time.Second

// Postgres crashes under load, comes back, freezes and thaws. Meanwhile clients
// are told to try again, within a bound, and nothing else; afterwards everything
// works again without anybody's help.
func TestDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	pg := modelstest.NewCluster(t)
	w := newWorld(t, newDeputy(t, "", pg.URL()))
	w.Start()
	parent := w.token()
	l := w.drive(16, w.mixed(parent))
	for range rounds(1) {
		l.AwaitMore("tokens", 100, (*answer).Granted)
		pg.Stop()
		l.AwaitMore("503s of a database that is gone", 100, (*answer).Unavailable)
		if w.Ready() {
			t.Error("ready without a database")
		}
		w.adminUnavailable(parent)
		pg.Start()
		recovered := l.AwaitMore("tokens after the database came back", 20, (*answer).Granted)
		t.Logf("stopped: tokens again %v after it was back", recovered.Round(time.Millisecond))

		pg.Pause()
		if w.Ready() {
			t.Error("ready with a database that hangs")
		}
		hung := l.AwaitMore("503s of a database that hangs", 16, (*answer).Unavailable)
		pg.Resume()
		recovered = l.AwaitMore("tokens after the database thawed", 20, (*answer).Granted)
		t.Logf("paused: told within %v, tokens again %v after it thawed", hung.Round(time.Millisecond), recovered.Round(time.Millisecond))
	}
	s := summed(t, l.Stop())
	t.Logf("requests %d: granted %d, temporarily_unavailable %d, without an answer %d, anything else 0; longest answer %v",
		s.Granted+s.Unavailable+s.Unanswered, s.Granted, s.Unavailable, s.Unanswered, s.Longest().Round(time.Millisecond))
	if s.Unanswered != 0 || s.Longest() > slowest {
		t.Errorf("%d without an answer, the longest took %v", s.Unanswered, s.Longest())
	}
	w.AllRecorded(s.Received)
	w.Verified()
}

// adminUnavailable calls the admin API, which must say that it cannot work.
func (w *world) adminUnavailable(bearer string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.URL+"/api/v1/clients", nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := process.NewClient().Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(w.t, err)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "urn:deputy:problem:unavailable") {
		w.t.Errorf("admin API without a database: %d %s", resp.StatusCode, body)
	}
}

// Every write of a batch fails in its middle, after single-use values were used
// and before the ledger is written. Nothing of it stays, the committer goes on,
// and an assertion that brought nothing still works.
func TestFailedWriteMidBatch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		breakTokens, mend := []string{`create trigger broken before insert on tokens begin select raise(abort, 'broken'); end`}, `drop trigger broken`
		if w.DSN != "" {
			breakTokens = []string{
				`create function broken() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$`,
				`create trigger broken before insert on tokens for each row execute function broken()`,
			}
			mend = `drop trigger broken on tokens; drop function broken()`
		}
		w.Start()
		db := w.Database()
		var received []string
		tried, worked := 0, 0
		for range rounds(1) {
			l := w.drive(16, w.mixed(w.token()))
			l.AwaitMore("tokens", 50, (*answer).Granted)
			for _, statement := range breakTokens {
				_, err := db.Exec(statement)
				must(t, err)
			}
			l.AwaitMore("503s of writes that fail", 100, (*answer).Unavailable)
			_, err := db.Exec(mend)
			must(t, err)
			recovered := l.AwaitMore("tokens after writes work again", 50, (*answer).Granted)
			answers := l.Stop()
			s := summed(t, answers)
			received = append(received, s.Received...)
			for _, a := range answers {
				if a.Assertion == "" || !a.Unavailable() || tried >= 30 {
					continue
				}
				tried++
				if again := process.Send(process.NewClient(), a.Ask); again.Granted() {
					worked++
					received = append(received, again.JTI)
				}
			}
			t.Logf("granted %d, temporarily_unavailable %d, anything else 0; tokens again after %v", s.Granted, s.Unavailable, recovered.Round(time.Millisecond))
		}
		t.Logf("assertions of failed batches %d / usable afterwards %d", tried, worked)
		if tried == 0 || tried != worked {
			t.Errorf("of %d assertions of failed batches %d worked afterwards", tried, worked)
		}
		w.AllRecorded(received)
		w.Verified()
	})
}
