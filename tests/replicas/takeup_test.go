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
)

// A key that is made here signs here at once. There, what it signed is known the first
// time it is looked at, and the key is published in no time.
func TestKeysAreTakenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(newSite(t, modelstest.Postgres(t)), 1, 0)
	here, there := w.replica(), w.replica()
	here.start()
	there.start()
	n := min(rounds(5), 10) // as many looks may be had at once
	known := 0
	var published []time.Duration
	for range n {
		made := w.administer(here, "keys:write", "/keys/rotate", `{"lead":0}`)
		a := w.send(http.DefaultClient, w.own(here, w.agents[0]))
		require.True(t, a.granted(), "%d %s", a.status, a.body.Error)
		if w.send(http.DefaultClient, w.inspect(there, a.body.Token)).granted() {
			known++
		}
		parsed, _, err := jwt.NewParser().ParseUnverified(a.body.Token, jwt.MapClaims{})
		require.NoError(t, err)
		w.await("the key to be published", func() bool {
			return strings.Contains(get(t, there.url+"/oauth2/jwks"), fmt.Sprint(parsed.Header["kid"]))
		})
		published = append(published, time.Since(made))
	}
	keys := w.number(`select count(*) from signing_keys where purpose = 'tokens'`)
	t.Logf("keys made here %d / known there at first sight %d; published there after %v at most", keys-1, known, percentile(published, 100))
	require.Equal(t, []int{n + 1, n}, []int{keys, known})
	w.verified()
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
	pair := []*replica{w.replica(), w.replica()}
	pair[0].start()
	pair[1].start()
	l := w.drive(2, func(connection, _ int) []ask { return []ask{w.own(pair[connection], w.agents[0])} })
	l.awaitMore("tokens", 5, (*answer).granted, pair...)
	put("max_ttl := 120\n\ndeny contains {\"code\": \"closed\"}\n")
	l.awaitMore("refusals", 5, (*answer).refused, pair...)
	put("max_ttl := 60\n")
	l.awaitMore("tokens again", 5, (*answer).granted, pair...)
	granted, refused, wrong := 0, 0, 0
	for _, a := range l.stop() {
		switch {
		case a.granted():
			granted++
		case a.refused():
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
