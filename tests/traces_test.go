package tests

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

// traced is a collector of traces: OTLP over HTTP, as much of it as a test needs.
type traced struct {
	mu    sync.Mutex
	spans []*tracepb.Span
	raw   bytes.Buffer // everything that was sent, as it was sent
}

func (c *traced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var got collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &got) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	for _, resource := range got.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// trace waits for the trace whose request has ended, and returns its spans.
func (c *traced) trace(t *testing.T, id string) (root *tracepb.Span, parts map[string]*tracepb.Span) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		root, parts = nil, map[string]*tracepb.Span{}
		for _, s := range c.spans {
			switch {
			case hex.EncodeToString(s.TraceId) != id:
			case s.Kind == tracepb.Span_SPAN_KIND_SERVER:
				root = s
			default:
				parts[s.Name] = s
			}
		}
		return root != nil
	}, 20*time.Second, 10*time.Millisecond, "no trace %s", id)
	return root, parts
}

// A trace shows each part of a request below the caller's own span, and its id
// leads from the caller's tools to the log and the ledger.
func TestATraceShowsThePartsOfARequest(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // milliseconds
	out := &traced{}
	web := httptest.NewServer(out)
	defer web.Close()
	log := &logged{}
	s := harness.New(t, "sqlite", harness.Options{OTLP: web.URL, Log: log})
	c := newChain(s)
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

	req, err := http.NewRequest(http.MethodPost, s.URL+"/oauth2/token",
		strings.NewReader(harness.ExchangeForm(c.tokens[0], c.services[1].Identifier, hops[1]+":use").Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Traceparent", "00-"+id+"-"+span+"-01")
	req.Header.Set("X-Request-ID", "traced")
	req.SetBasicAuth(c.agents[0].ID, c.agents[0].Secret)
	a := s.Send(req)
	require.Equal(t, http.StatusOK, a.Status, a.Body)

	root, parts := out.trace(t, id)
	require.Equal(t, span, hex.EncodeToString(root.ParentSpanId))
	require.Equal(t, "POST /oauth2/token", root.Name)
	attributes := map[string]string{}
	for _, kv := range root.Attributes {
		attributes[kv.Key] = kv.Value.GetStringValue()
	}
	entry := s.LastEntry()
	for name, want := range map[string]string{
		"http.route": "/oauth2/token", "deputy.action": policies.IssueTokenExchange, "deputy.outcome": "granted",
		"deputy.client_id": c.agents[0].ID, "deputy.decision_id": entry.ID, "deputy.token_id": entry.TokenID, "deputy.request_id": "traced",
	} {
		require.Equal(t, want, attributes[name], name)
	}
	last := root.StartTimeUnixNano
	for _, name := range []string{"authenticate", "facts", "decide", "mint", "record"} {
		part := parts[name]
		require.NotNil(t, part, "no span %s in %v", name, parts)
		require.Equal(t, root.SpanId, part.ParentSpanId, name)
		require.LessOrEqual(t, last, part.StartTimeUnixNano, "%s begins when what is before it has ended", name)
		require.LessOrEqual(t, part.EndTimeUnixNano, root.EndTimeUnixNano, name)
		last = part.EndTimeUnixNano
	}
	require.Len(t, parts, 5)
	require.Equal(t, id, log.one(t, "traced")["trace_id"])
	var detail struct {
		Call struct {
			TraceID string `json:"trace_id"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(entry.Detail), &detail))
	require.Equal(t, id, detail.Call.TraceID)

	out.mu.Lock()
	defer out.mu.Unlock()
	for _, secret := range append([]string{c.agents[0].Secret, a.String("access_token")}, c.tokens...) {
		require.False(t, bytes.Contains(out.raw.Bytes(), []byte(secret)), "a secret is in a trace")
	}
}

// A caller that has no trace begins one, and one who asks not to be recorded is
// not; a traceparent that is none is no reason to refuse anything.
func TestTracesBeginWithTheCaller(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	out := &traced{}
	web := httptest.NewServer(out)
	defer web.Close()
	log := &logged{}
	s := harness.New(t, "sqlite", harness.Options{OTLP: web.URL, Log: log})
	for id, parent := range map[string]string{
		"none": "", "garbage": "00-zz-zz-01", "unsampled": "00-11111111111111111111111111111111-2222222222222222-00",
	} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+"/oauth2/jwks", nil)
		require.NoError(t, err)
		req.Header.Set("X-Request-ID", id)
		if parent != "" {
			req.Header.Set("Traceparent", parent)
		}
		require.Equal(t, http.StatusOK, s.Send(req).Status)
	}
	for _, id := range []string{"none", "garbage"} {
		root, parts := out.trace(t, log.one(t, id)["trace_id"].(string))
		require.Empty(t, root.ParentSpanId)
		require.Empty(t, parts)
	}
	require.Equal(t, strings.Repeat("1", 32), log.one(t, "unsampled")["trace_id"])
	out.mu.Lock()
	defer out.mu.Unlock()
	require.Len(t, out.spans, 2)
}

// A collector that is gone takes nothing with it.
func TestRequestsDoNotWaitForTheCollector(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	log := &logged{}
	s := harness.New(t, "sqlite", harness.Options{OTLP: web.URL, Log: log})
	for range 20 {
		require.Equal(t, http.StatusOK, get(t, s, "/oauth2/jwks").Status)
	}
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "traces were dropped") }, 20*time.Second, 10*time.Millisecond)
}
