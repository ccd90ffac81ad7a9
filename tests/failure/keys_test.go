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
	"github.com/deputyauth/deputy/tests/process"
)

// Signing keys are rotated and the master key is changed while 16 connections ask. No
// request fails, and tokens from before are good after it. A server that was not told
// of the new master key goes on, and says so.
func TestKeysChangeUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newDeputy(t, "", modelstest.Postgres(t)))
	master := func(next, previous string) {
		w.Env = slices.DeleteFunc(slices.Clone(w.Env), func(kv string) bool { return strings.HasPrefix(kv, "DEPUTY_MASTER_KEY") })
		w.Env = append(w.Env, "DEPUTY_MASTER_KEY="+next, "DEPUTY_MASTER_KEY_PREVIOUS="+previous)
	}
	at := slices.IndexFunc(w.Env, func(kv string) bool { return strings.HasPrefix(kv, "DEPUTY_MASTER_KEY=") })
	old, next := strings.TrimPrefix(w.Env[at], "DEPUTY_MASTER_KEY="), tokens.GenerateMasterKey()
	w.Start()
	admin := regexp.MustCompile(`DEPUTY_CLIENT_ID=(\S+) DEPUTY_CLIENT_SECRET=(\S+)`).FindStringSubmatch(w.Succeeds("admin", "create", "--name", "ops"))
	first := w.token()
	w.Kill()

	master(next, old)
	w.Start() // it knows both
	l := w.drive(16, w.mixed(first))
	for _, command := range [][]string{
		{"keys", "rotate", "--lead", "0s", "--url", w.URL, "--client-id", admin[1], "--client-secret", admin[2]},
		{"keys", "rotate", "--ledger", "--url", w.URL, "--client-id", admin[1], "--client-secret", admin[2]},
		{"keys", "rewrap"},
	} {
		w.Succeeds(command...)
		l.AwaitMore("tokens after "+command[1], 50, (*answer).Granted)
	}
	s := summed(t, l.Stop())
	t.Logf("granted %d, 503 %d, without an answer %d, longest answer %v", s.Granted, s.Unavailable, s.Unanswered, s.Longest())
	if s.Unavailable != 0 || s.Unanswered != 0 {
		t.Error("some request failed")
	}
	w.AllRecorded(s.Received)
	w.refuses("another master key", "doctor", "local", "--master-key", old, "--master-key-previous", "")
	w.Kill()
	master(next, "")
	w.Start()
	if !process.Send(http.DefaultClient, w.inspect(first)).Body.Active {
		t.Error("a token from before is not active")
	}
	w.Succeeds("doctor", "local")

	third := tokens.GenerateMasterKey()
	w.Succeeds("keys", "rewrap", "--master-key", third, "--master-key-previous", next) // nobody tells the server
	w.leftBehind()
	master(third, "")
	w.Start()
	w.token()
	w.Verified()
}

// leftBehind is a server whose master key was changed without it: it serves until it ends.
func (w *world) leftBehind() {
	w.t.Helper()
	w.Await("the server to say that its key is an old one", func() bool { return w.check("signing_keys") == "warn" })
	w.token()
	w.Kill()
	w.Launch()
	w.AwaitEnd()
	if !strings.Contains(w.Said(), "another master key") {
		w.t.Errorf("it must not start with the old key: %s", w.Said())
	}
}

// check is how one check of /readyz is.
func (d *deputy) check(name string) string {
	d.t.Helper()
	resp, err := http.Get(d.URL + "/readyz")
	must(d.t, err)
	defer resp.Body.Close()
	var told struct {
		Checks map[string]struct{ Status string }
	}
	must(d.t, json.NewDecoder(resp.Body).Decode(&told))
	return told.Checks[name].Status
}
