//go:build linux

package failure

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
)

// Signing keys are rotated and the master key is changed while 16 connections ask. No
// request fails, and tokens from before are good after it. A server that was not told
// of the new master key goes on, and says so.
func TestKeysChangeUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDeputy(t, "", modelstest.Postgres(t)))
	master := func(next, previous string) {
		w.env = slices.DeleteFunc(slices.Clone(w.env), func(kv string) bool { return strings.HasPrefix(kv, "DEPUTY_MASTER_KEY") })
		w.env = append(w.env, "DEPUTY_MASTER_KEY="+next, "DEPUTY_MASTER_KEY_PREVIOUS="+previous)
	}
	at := slices.IndexFunc(w.env, func(kv string) bool { return strings.HasPrefix(kv, "DEPUTY_MASTER_KEY=") })
	old, next := strings.TrimPrefix(w.env[at], "DEPUTY_MASTER_KEY="), tokens.GenerateMasterKey()
	w.start()
	admin := regexp.MustCompile(`DEPUTY_CLIENT_ID=(\S+) DEPUTY_CLIENT_SECRET=(\S+)`).FindStringSubmatch(w.succeeds("admin", "create", "--name", "ops"))
	first := w.token()
	w.kill()

	master(next, old)
	w.start() // it knows both
	l := w.drive(16, w.mixed(first))
	for _, command := range [][]string{
		{"keys", "rotate", "--lead", "0s", "--url", w.url, "--client-id", admin[1], "--client-secret", admin[2]},
		{"keys", "rotate", "--ledger", "--url", w.url, "--client-id", admin[1], "--client-secret", admin[2]},
		{"keys", "rewrap"},
	} {
		w.succeeds(command...)
		w.awaitMore(l, "tokens after "+command[1], 50, (*answer).granted)
	}
	s := summed(t, l.stop())
	t.Logf("granted %d, 503 %d, without an answer %d, longest answer %v", s.granted, s.unavailable, s.unanswered, s.longest)
	if s.unavailable != 0 || s.unanswered != 0 {
		t.Error("some request failed")
	}
	w.allRecorded(s.received)
	w.refuses("another master key", "doctor", "local", "--master-key", old, "--master-key-previous", "")
	w.kill()
	master(next, "")
	w.start()
	if !w.send(http.DefaultClient, w.inspect(first)).body.Active {
		t.Error("a token from before is not active")
	}
	w.succeeds("doctor", "local")

	third := tokens.GenerateMasterKey()
	w.succeeds("keys", "rewrap", "--master-key", third, "--master-key-previous", next) // nobody tells the server
	w.leftBehind()
	master(third, "")
	w.start()
	w.token()
	w.verified()
}

// leftBehind is a server whose master key was changed without it: it serves until it ends.
func (w *world) leftBehind() {
	w.t.Helper()
	w.await("the server to say that its key is an old one", func() bool { return w.check("signing_keys") == "warn" })
	w.token()
	w.kill()
	w.launch()
	w.await("the server to end", func() bool {
		select {
		case <-w.ended:
			return true
		default:
			return false
		}
	})
	if !strings.Contains(w.log.String(), "another master key") {
		w.t.Errorf("it must not start with the old key: %s", w.log)
	}
}

// check is how one check of /readyz is.
func (d *deputy) check(name string) string {
	d.t.Helper()
	resp, err := http.Get(d.url + "/readyz")
	must(d.t, err)
	defer resp.Body.Close()
	var told struct {
		Checks map[string]struct{ Status string }
	}
	must(d.t, json.NewDecoder(resp.Body).Decode(&told))
	return told.Checks[name].Status
}
