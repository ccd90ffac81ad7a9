//go:build linux

package failure

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/deputyauth/deputy/models/modelstest"
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
	w.start()
	parent := w.token()
	l := w.drive(16, w.mixed(parent))
	for range rounds(1) {
		w.awaitMore(l, "tokens", 100, (*answer).granted)
		pg.Stop()
		w.awaitMore(l, "503s of a database that is gone", 100, (*answer).unavailable)
		if w.ready() {
			t.Error("ready without a database")
		}
		w.adminUnavailable(parent)
		pg.Start()
		recovered := w.awaitMore(l, "tokens after the database came back", 20, (*answer).granted)
		t.Logf("stopped: tokens again %v after it was back", recovered.Round(time.Millisecond))

		pg.Pause()
		if w.ready() {
			t.Error("ready with a database that hangs")
		}
		hung := w.awaitMore(l, "503s of a database that hangs", 16, (*answer).unavailable)
		pg.Resume()
		recovered = w.awaitMore(l, "tokens after the database thawed", 20, (*answer).granted)
		t.Logf("paused: told within %v, tokens again %v after it thawed", hung.Round(time.Millisecond), recovered.Round(time.Millisecond))
	}
	s := summed(t, l.stop())
	t.Logf("requests %d: granted %d, temporarily_unavailable %d, without an answer %d, anything else 0; longest answer %v",
		s.granted+s.unavailable+s.unanswered, s.granted, s.unavailable, s.unanswered, s.longest.Round(time.Millisecond))
	if s.unanswered != 0 || s.longest > slowest {
		t.Errorf("%d without an answer, the longest took %v", s.unanswered, s.longest)
	}
	w.allRecorded(s.received)
	w.verified()
}

// adminUnavailable calls the admin API, which must say that it cannot work.
func (w *world) adminUnavailable(bearer string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.url+"/api/v1/clients", nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := client().Do(req)
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
		if w.dsn != "" {
			breakTokens = []string{
				`create function broken() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$`,
				`create trigger broken before insert on tokens for each row execute function broken()`,
			}
			mend = `drop trigger broken on tokens; drop function broken()`
		}
		w.start()
		db := w.database()
		var received []string
		tried, worked := 0, 0
		for range rounds(1) {
			l := w.drive(16, w.mixed(w.token()))
			w.awaitMore(l, "tokens", 50, (*answer).granted)
			for _, statement := range breakTokens {
				_, err := db.Exec(statement)
				must(t, err)
			}
			w.awaitMore(l, "503s of writes that fail", 100, (*answer).unavailable)
			_, err := db.Exec(mend)
			must(t, err)
			recovered := w.awaitMore(l, "tokens after writes work again", 50, (*answer).granted)
			answers := l.stop()
			s := summed(t, answers)
			received = append(received, s.received...)
			for _, a := range answers {
				if a.assertion == "" || !a.unavailable() || tried >= 30 {
					continue
				}
				tried++
				if again := w.send(client(), a.ask); again.granted() {
					worked++
					received = append(received, again.jti())
				}
			}
			t.Logf("granted %d, temporarily_unavailable %d, anything else 0; tokens again after %v", s.granted, s.unavailable, recovered.Round(time.Millisecond))
		}
		t.Logf("assertions of failed batches %d / usable afterwards %d", tried, worked)
		if tried == 0 || tried != worked {
			t.Errorf("of %d assertions of failed batches %d worked afterwards", tried, worked)
		}
		w.allRecorded(received)
		w.verified()
	})
}
