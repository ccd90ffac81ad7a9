package tests

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/signals"
	"github.com/deputyauth/deputy/tests/harness"
)

// scraper reads a server's metrics from a listener of their own.
type scraper struct {
	t   *testing.T
	url string
}

func scrapes(t *testing.T, s *harness.Server) scraper {
	t.Helper()
	l, err := signals.Listen(context.Background(), "127.0.0.1:0", s.Registry, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return scraper{t, "http://" + l.Addr()}
}

// read returns every series with its value.
func (m scraper) read() map[string]float64 {
	m.t.Helper()
	resp, err := http.Get(m.url + "/metrics")
	require.NoError(m.t, err)
	defer resp.Body.Close()
	require.Equal(m.t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	out := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, "#") || !ok {
			continue
		}
		if i := strings.LastIndex(line, "} "); i >= 0 {
			series, value = line[:i+1], strings.TrimSpace(line[i+2:])
		}
		n, err := strconv.ParseFloat(value, 64)
		require.NoError(m.t, err, line)
		out[series] = n
	}
	return out
}

// ours are the series of Deputy's own metrics.
func ours(read map[string]float64) []string {
	var out []string
	for series := range read {
		if strings.HasPrefix(series, "deputy_") {
			out = append(out, series)
		}
	}
	slices.Sort(out)
	return out
}

func decisions(action, outcome, reason string) string {
	return fmt.Sprintf(`deputy_decisions_total{action=%q,outcome=%q,reason=%q}`, action, outcome, reason)
}

// After n requests of each kind the metrics say n, no more and no less.
func TestMetricsCountExactlyWhatHappened(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", agent, "read", "write")
		s.Allow(agent.ID, service, "read")
		wrong := &harness.Client{Client: agent.Client, Secret: "wrong"}
		m := scrapes(t, s)
		token := ""
		for range 5 {
			token = s.Own(agent, service.Identifier, "read")
		}
		for range 4 {
			require.True(t, s.Active(agent, token))
		}
		require.False(t, s.Active(agent, "garbage"))
		for range 3 {
			require.Equal(t, 400, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "write")).Status)
		}
		for range 2 {
			require.Equal(t, 401, s.Form("/oauth2/token", wrong, harness.OwnForm(service.Identifier, "read")).Status)
		}
		require.Equal(t, 400, s.Form("/oauth2/token", agent, url.Values{"grant_type": {"guess"}}).Status)
		require.Equal(t, 401, get(t, s, "/api/v1/clients").Status)
		require.Equal(t, 404, get(t, s, "/nothing/here").Status)

		got := m.read()
		for series, want := range map[string]float64{
			decisions(policies.IssueClientCredentials, "granted", ""):                    5,
			decisions(policies.IssueClientCredentials, "refused", "scope_not_held"):      3,
			decisions(policies.IssueClientCredentials, "refused", "bad_credentials"):     2,
			decisions(policies.Introspect, "granted", ""):                                4,
			decisions(policies.Introspect, "refused", "token_unusable"):                  1,
			decisions("token", "refused", "unsupported_grant_type"):                      1,
			decisions(policies.AdminPrefix+"listClients", "refused", "bearer_missing"):   1,
			`deputy_http_request_seconds_count{route="/oauth2/token",status="2xx"}`:      5,
			`deputy_http_request_seconds_count{route="/oauth2/token",status="4xx"}`:      6,
			`deputy_http_request_seconds_count{route="/oauth2/introspect",status="2xx"}`: 5,
			`deputy_http_request_seconds_count{route="/api/v1/clients",status="4xx"}`:    1,
			`deputy_http_request_seconds_count{route="unmatched",status="4xx"}`:          1,
			`deputy_decision_seconds_count`:                                              5 + 3 + 4 + 1,             // policy was not asked about the others
			`deputy_ledger_wait_seconds_count`:                                           5 + 4 + 1 + 3 + 1 + 1 + 1, // of failures that are alike, the first
			`deputy_ledger_batch_records_sum`:                                            16,
			`deputy_ledger_commit_failures_total`:                                        0,
			`deputy_http_requests_in_flight`:                                             0,
			`deputy_stale_retries_total`:                                                 0,
			`deputy_alarms_total{kind="seat_belt"}`:                                      0,
		} {
			require.Equal(t, want, got[series], series)
		}
		reused := got[`deputy_decision_reuse_total{result="hit"}`] + got[`deputy_decision_reuse_total{result="miss"}`]
		require.EqualValues(t, 13, reused, "each decision was either evaluated or reused")
		require.Positive(t, got[`deputy_decision_reuse_total{result="hit"}`])
		require.Positive(t, got["deputy_facts_cache_hits_total"])
		require.Positive(t, got["deputy_facts_cache_misses_total"])
		require.Positive(t, got["go_goroutines"])
		require.Positive(t, got["process_open_fds"])
	})
}

func TestMetricsAreNotOnTheMainListener(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	require.Equal(t, http.StatusNotFound, get(t, s, "/metrics").Status)
	m := scrapes(t, s)
	resp, err := http.Get(m.url + "/readyz")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "and nothing else is on theirs")
}

// The documentation names every metric there is, and no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	r := signals.NewRegistry()
	m := signals.NewMetrics(r)
	signals.Watch(r, signals.Sources{
		Queue: func() int { return 0 }, Epoch: func() int64 { return 0 }, Dropped: func() int64 { return 0 },
		FactsAge: func() time.Duration { return 0 }, HeadAge: func() time.Duration { return 0 }, Deaf: func() time.Duration { return 0 }, Policy: func() signals.Policy { return signals.Policy{} },
		Failing: func() map[string]time.Time { return map[string]time.Time{"a": {}} },
	})
	m.Arrived()
	m.Answered("a", "b", "c")
	m.Limited("a")
	m.Left("/", 200, 0)
	families, err := r.Gather()
	require.NoError(t, err)
	have := map[string]bool{}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "deputy_") {
			have[name] = true
			require.Regexp(t, `^[A-Z1].{20,}\.$`, f.GetHelp(), "%s: a full sentence", name)
		}
	}
	doc, err := os.ReadFile("../docs/signals.md")
	require.NoError(t, err)
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `deputy_.*$").FindAllString(string(doc), -1) {
		for _, name := range regexp.MustCompile("deputy_[a-z_]+").FindAllString(strings.Split(row, "|")[1], -1) {
			told[name] = true
		}
	}
	require.Equal(t, have, told)
}

// Alarms and retries are counted where they happen.
func TestMetricsOfWhatShouldNeverHappen(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{House: fstest.MapFS{"house/issue/issue.rego": &fstest.MapFile{Data: []byte(
		"package house.issue\n\nimport rego.v2\n\nmax_ttl := 60 if input.client.labels.a == \"1\"\n\nmax_ttl := 70 if input.client.labels.b == \"1\"\n")}}})
	agent := s.Agent("agent", s.User("owner"))
	service := s.Service("service", agent, "read")
	s.Allow(agent.ID, service, "read")
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, agent.ID, 0, func(c *models.Client) { c.Labels = models.Labels{"a": "1", "b": "1"} })
		return err
	})
	m := scrapes(t, s)
	require.Equal(t, http.StatusInternalServerError, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read")).Status)
	got := m.read()
	require.EqualValues(t, 1, got[`deputy_alarms_total{kind="policy_error"}`])
	require.EqualValues(t, 1, got[decisions(policies.IssueClientCredentials, "failed", "policy_error")])
	require.EqualValues(t, 1, got[`deputy_http_request_seconds_count{route="/oauth2/token",status="5xx"}`])
}

// Whoever is turned away by a limit is counted under its name.
func TestLimitsAreCounted(t *testing.T) {
	bounds := limits.Defaults()
	bounds.FailureBurst, bounds.ClientRate = 4, 1
	log := &logged{}
	s := harness.New(t, "sqlite", harness.Options{Limits: &bounds, Log: log})
	agent := s.Agent("agent", s.User("owner"))
	service := s.Service("service", agent, "read")
	s.Allow(agent.ID, service, "read")
	m := scrapes(t, s)
	limited, last := map[string]float64{}, ""
	for i, as := range []*harness.Client{agent, {Client: agent.Client, Secret: "wrong"}} {
		for range 30 {
			if a := s.Form("/oauth2/token", as, harness.OwnForm(service.Identifier, "read")); a.Status == http.StatusTooManyRequests {
				limited[[]string{"rate_limited", "failures"}[i]]++
				last = a.Header.Get("X-Request-ID")
			}
		}
	}
	require.Len(t, limited, 2)
	got := m.read()
	for limit, n := range limited {
		require.Equal(t, n, got[fmt.Sprintf("deputy_limited_total{limit=%q}", limit)], limit)
		require.Equal(t, n, got[decisions(policies.IssueClientCredentials, "refused", limit)], limit)
	}
	require.Equal(t, []any{"failures", "INFO"}, []any{log.one(t, last)["limit"], log.one(t, last)["level"]})
}

// interrupted has something change while policy thinks, once.
type interrupted struct {
	grants.Decider
	change func()
}

func (i *interrupted) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	if change := i.change; change != nil {
		i.change = nil
		change()
	}
	return i.Decider.Decide(ctx, in)
}

// A decision that was taken anew is one answer, one event and one retry.
func TestRetriesAreCountedAsRetries(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			log, slow := &logged{}, &interrupted{}
			s := harness.New(t, dialect, harness.Options{Log: log, Wrap: func(d grants.Decider) grants.Decider {
				slow.Decider = d
				return slow
			}})
			agent := s.Agent("agent", s.User("owner"))
			service := s.Service("service", agent, "read")
			s.Allow(agent.ID, service, "read")
			slow.change = func() { s.Allow(agent.ID, s.Service("other", nil, "read"), "read") }
			m := scrapes(t, s)
			a := s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read"))
			require.Equal(t, http.StatusOK, a.Status, a.Body)
			got := m.read()
			require.EqualValues(t, 1, got["deputy_stale_retries_total"])
			require.EqualValues(t, 1, got[decisions(policies.IssueClientCredentials, "granted", "")])
			require.EqualValues(t, 2, got["deputy_decision_seconds_count"])
			require.EqualValues(t, 1, log.one(t, a.Header.Get("X-Request-ID"))["retries"])
		})
	}
}

// However much an attacker varies, the series stay as they are.
func TestAttackersCannotMakeSeries(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{House: fstest.MapFS{"house/issue/issue.rego": &fstest.MapFile{Data: []byte(
		"package house.issue\n\nimport rego.v2\n\ndeny contains {\"code\": code} if {\n\tcode := input.request.scopes[0]\n}\n")}}})
	agent := s.Agent("agent", s.User("owner"))
	service := s.Service("service", agent, "one", "two")
	s.Allow(agent.ID, service, "one", "two")
	m := scrapes(t, s)
	attack := func(i int) { hostile(t, s, agent, service, i) }
	for i := range 2 * hostileKinds {
		attack(i)
	}
	before := ours(m.read())

	const attacks = 10_000
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < attacks; i += 8 {
				attack(i)
			}
		})
	}
	wg.Wait()
	after := m.read()
	require.Equal(t, before, ours(after))
	total := 0.0
	for series, n := range after {
		if strings.HasPrefix(series, "deputy_http_request_seconds_count") {
			total += n
		}
	}
	require.EqualValues(t, attacks+2*hostileKinds, total)
	t.Logf("%d hostile requests, %d series before and after", attacks, len(before))
}

const hostileKinds = 6

// hostile sends one request that is unlike any before.
func hostile(t *testing.T, s *harness.Server, agent *harness.Client, service *models.ResourceServer, i int) {
	odd := fmt.Sprintf("odd-%d-%d", i, rand.Int64())
	var req *http.Request
	post := func(form url.Values) *http.Request {
		r, err := http.NewRequest(http.MethodPost, s.URL+"/oauth2/token", strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	switch i % hostileKinds {
	case 0:
		req = post(harness.OwnForm(service.Identifier, "one"))
		req.SetBasicAuth("agt_"+odd, odd)
	case 1:
		req = post(url.Values{"grant_type": {odd}, "client_id": {odd}, "client_secret": {odd}})
	case 2:
		req = post(url.Values{odd: {odd, odd}})
	case 3: // the house makes up a code
		req = post(harness.OwnForm(service.Identifier, []string{"one", "two", "one two"}[i%3]))
		req.SetBasicAuth(agent.ID, agent.Secret)
	case 4:
		req, _ = http.NewRequest(http.MethodGet, s.URL+"/"+odd, nil)
	case 5:
		req, _ = http.NewRequest("X"+strings.ReplaceAll(odd, "-", ""), s.URL+"/api/v1/clients/"+odd+"?"+odd, nil)
		req.Header.Set("Authorization", "Bearer "+odd)
	}
	req.Header.Set("X-Request-ID", odd)
	req.Header.Set("User-Agent", odd)
	require.GreaterOrEqual(t, s.Send(req).Status, 400)
}
