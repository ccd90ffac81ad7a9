//go:build linux

package replicas

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/process"
)

// A key that is made here signs here at once. There, what it signed is known the first
// time it is looked at, and the key is published in no time.
func TestKeysAreTakenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(newSite(t, modelstest.Postgres(t)), 1, 0)
	here, there := w.Deputy(), w.Deputy()
	here.Start()
	there.Start()
	n := min(rounds(5), 10) // as many looks may be had at once
	known := 0
	var published []time.Duration
	for range n {
		made := w.administer(here, "keys:write", "/keys/rotate", `{"lead":0}`)
		a := process.Send(http.DefaultClient, w.own(here, w.agents[0]))
		require.True(t, a.Granted(), "%d %s", a.Status, a.Body.Error)
		if process.Send(http.DefaultClient, w.inspect(there, a.Body.Token)).Granted() {
			known++
		}
		parsed, _, err := jwt.NewParser().ParseUnverified(a.Body.Token, jwt.MapClaims{})
		require.NoError(t, err)
		w.Await("the key to be published", func() bool {
			return strings.Contains(get(t, there.URL+"/oauth2/jwks"), fmt.Sprint(parsed.Header["kid"]))
		})
		published = append(published, time.Since(made))
	}
	keys := w.number(`select count(*) from signing_keys where purpose = 'tokens'`)
	t.Logf("keys made here %d / known there at first sight %d; published there after %v at most", keys-1, known, process.Percentile(published, 100))
	require.Equal(t, []int{n + 1, n}, []int{keys, known})
	w.Verified()
}

// A house policy that is put into the folder is taken up by every replica that watches
// it, without a restart and without a failed request; the ledger says which decided what.
func TestPolicyIsTakenUp(t *testing.T) {
	t.Parallel()
	house := t.TempDir()
	put := func(rules string) {
		file := filepath.Join(t.TempDir(), "issue.rego")
		require.NoError(t, os.WriteFile(file, []byte("package house.issue\n\nimport rego.v2\n\n"+rules), 0o600))
		require.NoError(t, os.Rename(file, filepath.Join(house, "issue.rego")))
	}
	put("max_ttl := 120\n")
	w := newWorld(newSite(t, modelstest.Postgres(t), "--policy-dir", house), 1, 0)
	pair := []*replica{w.Deputy(), w.Deputy()}
	pair[0].Start()
	pair[1].Start()
	l := w.Drive(2, func(connection, _ int) []ask { return []ask{w.own(pair[connection], w.agents[0])} })
	l.AwaitMore("tokens", 5, (*answer).Granted, pair...)
	put("max_ttl := 120\n\ndeny contains {\"code\": \"closed\"}\n")
	l.AwaitMore("refusals", 5, (*answer).Refused, pair...)
	put("max_ttl := 60\n")
	l.AwaitMore("tokens again", 5, (*answer).Granted, pair...)
	granted, refused, wrong := 0, 0, 0
	for _, a := range l.Stop() {
		switch {
		case a.Granted():
			granted++
		case a.Refused():
			refused++
		default:
			wrong++
		}
	}
	revisions := w.number(`select count(distinct policy) from ledger where action like 'issue:%' and kind = 'decision'`)
	t.Logf("requests while the policy changed twice: granted %d, refused %d, failed %d; revisions that decided %d", granted, refused, wrong, revisions)
	require.Zero(t, wrong)
	require.Equal(t, 3, revisions)
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}
