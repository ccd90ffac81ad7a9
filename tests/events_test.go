package tests

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

// logged is what the log says, line by line.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// of returns the events of one request.
func (l *logged) of(t *testing.T, requestID string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		if event["request_id"] == requestID {
			out = append(out, event)
		}
	}
	return out
}

// one waits for the event of a request: it is written after the answer left.
func (l *logged) one(t *testing.T, requestID string) map[string]any {
	t.Helper()
	require.Eventually(t, func() bool { return len(l.of(t, requestID)) > 0 }, 10*time.Second, 5*time.Millisecond, requestID)
	events := l.of(t, requestID)
	require.Len(t, events, 1, "one event per request")
	return events[0]
}

// Each request is one event, which says who, what and how it ended, and holds
// nothing that opens anything.
func TestTheLogHasOneEventPerRequest(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			log := &logged{}
			s := harness.New(t, dialect, harness.Options{Log: log})
			c := newChain(s)
			agent, service := c.agents[0], c.services[0]
			const canary = "canary-2f6b1d"
			send := func(id, method, path string, as *harness.Client, form url.Values) harness.Answer {
				req, err := http.NewRequest(method, s.URL+path, strings.NewReader(form.Encode()))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("X-Request-ID", id)
				req.Header.Set("Cookie", "session="+canary)
				if as != nil {
					req.SetBasicAuth(as.ID, as.Secret)
				}
				return s.Send(req)
			}

			granted := send("granted", "POST", "/oauth2/token?x="+canary, agent, harness.OwnForm(service.Identifier, hops[0]+":use"))
			_, claims := claimsOf(t, granted.String("access_token"))
			entry := s.LastEntry()
			e := log.one(t, "granted")
			for name, want := range map[string]any{
				"level": "INFO", "msg": "request", "method": "POST", "route": "/oauth2/token", "status": 200.0, "ip": "127.0.0.1",
				"bytes": float64(len(granted.Body)), "action": policies.IssueClientCredentials, "outcome": "granted", "reason": nil,
				"decision_id": entry.ID, "client_id": agent.ID, "claimed": nil, "resource": service.ID, "jti": claims["jti"],
			} {
				require.Equal(t, want, e[name], name)
			}
			require.Positive(t, e["ms"])
			require.Positive(t, e["epoch"])

			again := send("again", "POST", "/oauth2/token", agent, harness.OwnForm(service.Identifier, hops[0]+":use"))
			require.Equal(t, true, log.one(t, "again")["reused"], "the same question, once more")
			require.Equal(t, again.Status, granted.Status)

			exchanged := send("exchanged", "POST", "/oauth2/token", c.agents[0], harness.ExchangeForm(c.tokens[0], c.services[1].Identifier, hops[1]+":use"))
			require.Equal(t, 200, exchanged.Status, exchanged.Body)
			_, parent := claimsOf(t, c.tokens[0])
			require.Equal(t, parent["jti"], log.one(t, "exchanged")["parent_jti"])

			refused := send("refused", "POST", "/oauth2/token", agent, harness.OwnForm(service.Identifier, canary))
			e = log.one(t, "refused")
			require.Equal(t, []any{"refused", "scope_unknown", refused.String("decision_id"), agent.ID},
				[]any{e["outcome"], e["reason"], e["decision_id"], e["client_id"]})

			stranger := send("stranger", "POST", "/oauth2/token", &harness.Client{Client: agent.Client, Secret: canary}, harness.OwnForm(service.Identifier, "x"))
			e = log.one(t, "stranger")
			require.Equal(t, []any{"refused", "bad_credentials", stranger.String("decision_id"), nil, agent.ID},
				[]any{e["outcome"], e["reason"], e["decision_id"], e["client_id"], e["claimed"]}, "who proved nothing only claims")

			send("shapeless", "POST", "/oauth2/token", nil, url.Values{"grant_type": {"client_credentials"}, "client_id": {canary}, "client_secret": {canary}})
			require.Nil(t, log.one(t, "shapeless")["claimed"], "what is no client id is not repeated")

			send("admin", "GET", "/api/v1/clients/"+canary, nil, nil)
			e = log.one(t, "admin")
			require.Equal(t, []any{"/api/v1/clients/:id", policies.AdminPrefix + "getClient", "bearer_missing", 401.0},
				[]any{e["route"], e["action"], e["reason"], e["status"]})

			send("lost", "BREW"+canary, "/"+canary, nil, nil)
			e = log.one(t, "lost")
			require.Equal(t, []any{"unmatched", "OTHER", 404.0, nil}, []any{e["route"], e["method"], e["status"], e["action"]})

			send("health", "GET", "/healthz", nil, nil)
			require.Equal(t, "DEBUG", log.one(t, "health")["level"])

			require.Equal(t, 200, send("introspected", "POST", "/oauth2/introspect", agent, url.Values{"token": {c.tokens[0]}}).Status)
			require.NoError(t, s.Store.Close())
			require.Equal(t, 503, send("outage", "POST", "/oauth2/token", agent, harness.OwnForm(service.Identifier, hops[0]+":use")).Status)
			e = log.one(t, "outage")
			require.Equal(t, []any{"ERROR", "failed", "unavailable", agent.ID, nil}, []any{e["level"], e["outcome"], e["reason"], e["claimed"], e["client_id"]})
			require.NotEmpty(t, e["error"], "the cause is for the log")

			all := log.String()
			secrets := append([]string{canary, granted.String("access_token"), exchanged.String("access_token"), agent.Secret}, c.tokens...)
			for _, secret := range secrets {
				require.NotContains(t, all, secret)
				if _, signature, ok := strings.Cut(secret, "."); ok {
					require.NotContains(t, all, signature[strings.LastIndex(signature, ".")+1:], "nor the part of a token that proves it")
				}
			}
		})
	}
}
