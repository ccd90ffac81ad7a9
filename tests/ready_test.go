package tests

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server"
	adminapi "github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/tests/harness"
)

// ready asks /readyz: its status, that of everything together, and of each check.
func ready(t *testing.T, s *harness.Server) (code int, status string, checks map[string]string) {
	t.Helper()
	a := get(t, s, "/readyz")
	var body struct {
		Status string
		Checks map[string]struct {
			Status, Detail string
		}
		Alarms *int64
	}
	require.NoError(t, json.Unmarshal([]byte(a.Body), &body), a.Body)
	require.NotNil(t, body.Alarms)
	checks = map[string]string{}
	for name, c := range body.Checks {
		checks[name] = c.Status
		require.Equal(t, c.Status != "ok", c.Detail != "", "what is not well is told, in %s", name)
		for _, inside := range []string{"select", "sql", "deputy.db", "postgres", "dial", "127.0.0.1", "/"} {
			require.NotContains(t, strings.ToLower(c.Detail), inside)
		}
	}
	return a.Status, body.Status, checks
}

func TestReadyNamesTheCheckThatFails(t *testing.T) {
	well := map[string]string{"database": "ok", "ledger": "ok", "facts": "ok", "clock": "ok", "policy": "ok", "signing_keys": "ok", "upkeep": "ok", "serving": "ok"}
	but := func(changes ...string) map[string]string {
		out := map[string]string{}
		for name, status := range well {
			out[name] = status
		}
		for i := 0; i < len(changes); i += 2 {
			out[changes[i]] = changes[i+1]
		}
		return out
	}
	for _, dialect := range harness.Dialects {
		t.Run(dialect+"/as it should be", func(t *testing.T) {
			s := harness.New(t, dialect, harness.Options{})
			code, status, checks := ready(t, s)
			require.Equal(t, []any{http.StatusOK, "ok", well}, []any{code, status, checks})
		})
		t.Run(dialect+"/database", func(t *testing.T) {
			s := harness.New(t, dialect, harness.Options{})
			require.NoError(t, s.Store.Close())
			code, status, checks := ready(t, s)
			require.Equal(t, []any{http.StatusServiceUnavailable, "fail"}, []any{code, status})
			require.Equal(t, but("database", "fail", "ledger", "fail"), checks)
			require.Equal(t, http.StatusOK, get(t, s, "/healthz").Status, "the process lives, whatever it needs")
		})
	}
	t.Run("signing keys", func(t *testing.T) {
		s := harness.New(t, "sqlite", harness.Options{})
		without, err := server.New(server.Config{
			Issuer: s.URL, Store: s.Store, Endpoint: s.Endpoint, People: s.People, Word: s.Word, Keys: &tokens.Keyring{}, Log: slog.New(slog.DiscardHandler),
			Policy: func() adminapi.PolicyStatus { return adminapi.PolicyStatus(s.Engine.Status()) },
		})
		require.NoError(t, err)
		web := httptest.NewServer(without.Handler())
		defer web.Close()
		s.URL = web.URL
		code, status, checks := ready(t, s)
		require.Equal(t, []any{http.StatusServiceUnavailable, "fail"}, []any{code, status})
		require.Equal(t, but("signing_keys", "fail"), checks)
	})
	t.Run("upkeep", func(t *testing.T) {
		s := harness.New(t, "sqlite", harness.Options{})
		s.Server.Failing = func() map[string]time.Time {
			return map[string]time.Time{"archive_ledger": time.Now().Add(-time.Minute), "rotate_keys": {}}
		}
		code, status, checks := ready(t, s)
		require.Equal(t, []any{http.StatusOK, "warn"}, []any{code, status}, "that is no reason to send requests elsewhere")
		require.Equal(t, but("upkeep", "warn"), checks)
	})
	t.Run("clock", func(t *testing.T) {
		s := harness.New(t, "sqlite", harness.Options{})
		s.Clock.Advance(time.Hour)
		s.User("someone") // writes an entry
		s.Clock.Advance(-time.Hour)
		code, status, checks := ready(t, s)
		require.Equal(t, []any{http.StatusOK, "warn", "warn"}, []any{code, status, checks["clock"]})
	})
	t.Run("policy", func(t *testing.T) {
		house, err := fs.Sub(policies.FS, "house") // an engine of its own
		require.NoError(t, err)
		s := harness.New(t, "sqlite", harness.Options{House: house})
		require.Error(t, s.Engine.Load(fstest.MapFS{"house/issue/issue.rego": &fstest.MapFile{Data: []byte("nonsense")}}))
		code, status, checks := ready(t, s)
		require.Equal(t, []any{http.StatusOK, "warn"}, []any{code, status}, "the one before serves")
		require.Equal(t, but("policy", "warn"), checks)
	})
}
