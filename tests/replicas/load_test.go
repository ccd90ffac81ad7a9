//go:build linux

package replicas

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
	"github.com/deputyauth/deputy/tests/process"
)

type (
	agent   = process.Client
	answer  = process.Answer
	ask     = process.Ask
	load    = process.Load
	replica = process.Deputy
)

func TestMain(m *testing.M) { process.Main(m) }

// full says that this is make replicas: fifty rounds, and times are held to.
var full = os.Getenv("REPLICAS") == "full"

// rounds is how often a test goes through what it does.
func rounds(usually int) int {
	if full {
		return 50
	}
	return usually
}

// site is a test and the database its replicas share.
type site struct {
	*testing.T
	*process.Site
}

func newSite(t *testing.T, dsn string, args ...string) *site {
	t.Helper()
	return &site{t, process.NewSite(t, t.TempDir(), dsn, append([]string{"--no-access-log"}, args...)...)}
}

// own asks for a token, proven with the secret or with an assertion.
func (w *world) own(at *replica, as agent) ask {
	return ask{At: at, Path: "/oauth2/token", Form: harness.OwnForm(w.service, "read"), As: as}
}

func (w *world) proven(at *replica, as agent) ask {
	a := w.own(at, as)
	a.Assertion = as.Assertion(w.Issuer)
	return a
}

// inspect has the service look at a token.
func (w *world) inspect(at *replica, token string) ask { return process.Inspect(at, w.guard, token) }

// post calls the admin API and returns the status of the answer.
func (w *world) post(url, bearer, body string) int {
	w.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(w, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(w, err)
	return resp.StatusCode
}
