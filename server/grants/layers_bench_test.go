//go:build unix

package grants_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/tests/harness"
)

// BenchmarkLayers measures the steps of a token request one by one, and then
// whole requests through the router, without a network. cpu-ns/op is what this
// process took of all cores: the steps' add up to the whole, and the sum is told
// at the end. Postgres' own share is not in it.
func BenchmarkLayers(b *testing.B) {
	for _, dialect := range harness.Dialects {
		s := harness.New(b, dialect, harness.Options{})
		own, hop := stage(s)
		for _, r := range []*request{own, hop} {
			b.Run(dialect+"/"+r.name, func(b *testing.B) { layers(b, s, r) })
		}
	}
}

// request is one that can be put again and again.
type request struct {
	name string
	body string
}

func (r *request) http() *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(r.body))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// stage sets up a line of five agents who hold twenty scopes each besides those
// of the line, and returns an agent's own request and the exchange that is the
// fourth hop.
func stage(s *harness.Server) (own, hop *request) {
	const line = 5
	owner, orders := s.User("owner"), s.Service("orders", nil)
	var agents []*harness.Client
	var services []*models.ResourceServer
	for i := range line {
		agents = append(agents, s.Agent(fmt.Sprintf("agent-%d", i), owner))
		services = append(services, s.Service(fmt.Sprintf("service-%d", i), agents[i], fmt.Sprintf("step:%d", i)))
	}
	for i := range line - 1 {
		s.Scope(services[i], fmt.Sprintf("step:%d", i), models.ScopeRef{ResourceID: services[i+1].ID, Name: fmt.Sprintf("step:%d", i+1)})
	}
	for k := range 20 {
		s.Scope(orders, fmt.Sprintf("item-%d:read", k))
	}
	for _, agent := range agents {
		for k := 0; k < 20; k += 5 {
			s.Allow(agent.ID, orders, fmt.Sprintf("item-%d:read", k), fmt.Sprintf("item-%d:read", k+1), fmt.Sprintf("item-%d:read", k+2),
				fmt.Sprintf("item-%d:read", k+3), fmt.Sprintf("item-%d:read", k+4))
		}
		for i, service := range services {
			s.Allow(agent.ID, service, fmt.Sprintf("step:%d", i))
		}
	}
	token := s.Own(agents[0], services[0].Identifier, "step:0")
	for i := range 3 {
		token = s.Exchange(agents[i], token, services[i+1].Identifier, fmt.Sprintf("step:%d", i+1))
	}
	form := func(as *harness.Client, v url.Values) string {
		v.Set("client_id", as.ID)
		v.Set("client_secret", as.Secret)
		return v.Encode()
	}
	return &request{"client_credentials", form(agents[0], harness.OwnForm(orders.Identifier, "item-0:read item-1:read"))},
		&request{"exchange_4th_hop", form(agents[3], harness.ExchangeForm(token, services[4].Identifier, "step:4"))}
}

// layers measures the steps and then the whole of a request, and tells both.
func layers(b *testing.B, s *harness.Server, r *request) {
	sum, walked := 0.0, walk(b, s, r)
	for _, step := range walked.steps() {
		sum += measure(b, step.name, step.do)
	}
	measure(b, "decide-evaluated", walked.evaluated(b)) // not in the sum: the whole has its answer already
	whole := measure(b, "whole", func() error {
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r.http())
		if w.Code != http.StatusOK {
			return fmt.Errorf("status %d: %s", w.Code, w.Body)
		}
		return nil
	})
	if sum > 0 && whole > 0 {
		fmt.Printf("%s: steps %.1f us + the rest %.1f us = whole %.1f us of CPU a request\n", b.Name(), sum/1e3, (whole-sum)/1e3, whole/1e3)
	}
}

// walked is a request that has gone the whole way once, and what each step of it
// left for the next.
type walked struct {
	*request
	server   *harness.Server
	parsed   oauth.TokenRequest
	proof    *grants.Proof
	facts    *grants.Facts
	matter   *grants.Matter
	decision policies.Decision
	record   *models.Record
}

func walk(b *testing.B, s *harness.Server, r *request) *walked {
	ctx, e, w := context.Background(), s.Endpoint, &walked{request: r, server: s}
	var problem *oauth.Error
	w.parsed, problem = oauth.ParseTokenRequest(r.http())
	require.Nil(b, problem)
	var err error
	w.facts, err = e.Look(ctx)
	require.NoError(b, err)
	w.proof, err = e.Authenticate(ctx, w.facts, w.parsed.Client)
	require.NoError(b, err)
	w.matter, err = e.Pose(ctx, w.facts, w.proof, w.parsed)
	require.NoError(b, err)
	w.decision, err = e.Decide(ctx, w.matter)
	require.NoError(b, err)
	require.True(b, w.decision.Allow, w.decision.Reasons)
	w.record = e.Record(w.facts, w.matter, w.decision)
	_, err = e.Mint(w.matter, w.decision, w.record)
	require.NoError(b, err)
	return w
}

type step struct {
	name string
	do   func() error
}

// steps are those of a request in their order. The first is a request that asks
// nothing: routing, headers, an answer.
func (w *walked) steps() []step {
	ctx, e := context.Background(), w.server.Endpoint
	looking := func(do func(f *grants.Facts) error) func() error {
		return func() error {
			f, err := e.Look(ctx)
			if err != nil {
				return err
			}
			return do(f)
		}
	}
	return []step{
		{"route", func() error {
			w.server.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/healthz", nil))
			return nil
		}},
		{"parse", func() error {
			if _, problem := oauth.ParseTokenRequest(w.http()); problem != nil {
				return problem
			}
			return nil
		}},
		{"authenticate", looking(func(f *grants.Facts) error { _, err := e.Authenticate(ctx, f, w.parsed.Client); return err })},
		{"facts", looking(func(f *grants.Facts) error { _, err := e.Pose(ctx, f, w.proof, w.parsed); return err })},
		{"decide", func() error { _, err := e.Decide(ctx, w.matter); return err }},
		{"record", func() error { e.Record(w.facts, w.matter, w.decision); return nil }},
		{"mint", func() error { _, err := e.Mint(w.matter, w.decision, &models.Record{}); return err }},
		{"append", func() error { return w.server.Store.Append(ctx, renamed(w.record)) }},
	}
}

// evaluated is the question put to an engine that reuses no answer.
func (w *walked) evaluated(b *testing.B) func() error {
	engine, err := bundles.New(bundles.Options{NoReuse: true, Deadline: time.Minute}) // this is about cost, on a machine that may be busy
	require.NoError(b, err)
	return func() error {
		_, err := engine.Decide(context.Background(), w.matter.Input())
		return err
	}
}

// renamed is the same record for another token.
func renamed(r *models.Record) *models.Record {
	next, token := *r, *r.Token
	token.ID, next.Entry.ID = models.NewID(models.PrefixToken), models.NewID(models.PrefixDecision)
	next.Entry.TokenID, next.Token = token.ID, &token
	return &next
}

// measure runs a step from 32 callers at once, as requests come, and returns the
// CPU it took in nanoseconds.
func measure(b *testing.B, name string, do func() error) (cpu float64) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		before := spent()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
		cpu = float64(spent()-before) / float64(b.N)
		b.ReportMetric(cpu, "cpu-ns/op")
	})
	return cpu
}

// spent is the CPU this process has taken.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
