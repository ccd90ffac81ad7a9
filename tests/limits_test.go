package tests

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

// guarded is a server with the limits that deputy serve has, where time stands
// still, and callers at addresses of their own: this machine is the trusted proxy.
type guarded struct {
	*harness.Server
	agent   *harness.Client
	service *models.ResourceServer
}

func newGuarded(t *testing.T, dialect string, edit func(*limits.Config)) *guarded {
	config := limits.Defaults()
	if edit != nil {
		edit(&config)
	}
	s := harness.New(t, dialect, harness.Options{Limits: &config, TrustedProxies: []string{"127.0.0.1"}})
	s.Clock.Stop()
	g := &guarded{Server: s, agent: s.Agent("agent", s.User("owner")), service: s.Service("service", nil, "read")}
	s.Allow(g.agent.ID, g.service, "read")
	return g
}

func guardedEach(t *testing.T, test func(t *testing.T, g *guarded)) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) { test(t, newGuarded(t, dialect, nil)) })
	}
}

// from posts a form from an address, with a secret if there is one.
func (g *guarded) from(ip, path, id, secret string, form url.Values) harness.Answer {
	g.TB.Helper()
	req, err := http.NewRequest(http.MethodPost, g.URL+path, strings.NewReader(form.Encode()))
	require.NoError(g.TB, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-For", ip)
	if id != "" {
		req.SetBasicAuth(id, secret)
	}
	return g.Send(req)
}

func (g *guarded) token(ip string, as *harness.Client) harness.Answer {
	g.TB.Helper()
	return g.from(ip, "/oauth2/token", as.ID, as.Secret, harness.OwnForm(g.service.Identifier, "read"))
}

// guess asks as a client with a wrong secret.
func (g *guarded) guess(ip, id string) harness.Answer {
	g.TB.Helper()
	return g.from(ip, "/oauth2/token", id, "wrong", harness.OwnForm(g.service.Identifier, "read"))
}

func (g *guarded) bearer(ip, token string) harness.Answer {
	g.TB.Helper()
	req, err := http.NewRequest(http.MethodGet, g.URL+"/api/v1/clients", nil)
	require.NoError(g.TB, err)
	req.Header.Set("X-Forwarded-For", ip)
	req.Header.Set("Authorization", "Bearer "+token)
	return g.Send(req)
}

// limited holds an answer to what "too many" looks like.
func (g *guarded) limited(a harness.Answer) {
	g.TB.Helper()
	require.Equal(g.TB, http.StatusTooManyRequests, a.Status, a.Body)
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	require.NoError(g.TB, err)
	require.GreaterOrEqual(g.TB, wait, 1)
	require.LessOrEqual(g.TB, wait, 5)
	require.Equal(g.TB, "no-store", a.Header.Get("Cache-Control"))
	if strings.Contains(a.Header.Get("Content-Type"), "problem") {
		require.Equal(g.TB, "urn:deputy:problem:too_many_requests", a.String("type"))
	} else {
		require.Equal(g.TB, "temporarily_unavailable", a.String("error"))
	}
	require.NotEmpty(g.TB, a.String("decision_id"))
}

// crowd runs n requests, 32 at a time.
func crowd(n int, do func(i int)) {
	var workers sync.WaitGroup
	for w := range 32 {
		workers.Go(func() {
			for i := w; i < n; i += 32 {
				do(i)
			}
		})
	}
	workers.Wait()
}

// Ten thousand failures, of every kind, of unknown and known clients, from one
// address and from thousands: the ledger holds a bounded number of rows that
// stand for all of them, and nobody with a right credential was refused,
// wherever they are.
func TestAFloodOfFailures(t *testing.T) {
	const flood = 10_000
	const flooded = "192.0.2.66"
	guardedEach(t, func(t *testing.T, g *guarded) {
		neighbour := g.Agent("neighbour", g.User("n")) // at the flooded address; its secret is not in memory
		g.Allow(neighbour.ID, g.service, "read")
		var mu sync.Mutex
		statuses, granted := map[int]int{}, map[int]int{}
		note := func(m map[int]int, status int) {
			mu.Lock()
			defer mu.Unlock()
			m[status]++
		}
		crowd(flood, func(i int) {
			address := flooded
			switch i % 5 {
			case 1:
				address = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			case 2:
				address = fmt.Sprintf("2001:db8:%x::1", i)
			}
			switch i % 4 {
			case 0:
				note(statuses, g.guess(address, g.agent.ID).Status)
			case 1:
				note(statuses, g.guess(address, "agt_"+strconv.Itoa(i)).Status)
			case 2:
				note(statuses, g.from(address, "/oauth2/introspect", "", "", url.Values{"token": {strconv.Itoa(i)}}).Status)
			case 3:
				note(statuses, g.bearer(address, "nonsense"+strconv.Itoa(i)).Status)
			}
			if i%100 == 0 {
				note(granted, g.token("198.51.100.1", g.agent).Status)
				note(granted, g.token(flooded, g.agent).Status)
				note(granted, g.token(flooded, neighbour).Status)
			}
		})
		require.Equal(t, map[int]int{http.StatusOK: 3 * flood / 100}, granted, "refused: 0")
		require.Equal(t, flood, statuses[http.StatusUnauthorized]+statuses[http.StatusTooManyRequests], "%v", statuses)

		first, _ := g.failed()
		require.NoError(t, g.Endpoint.CountFailures(context.Background()))
		require.NoError(t, g.Endpoint.Finish(context.Background()))
		rows, failures := g.failed()
		t.Logf("%d failures: %d rows (%d of firsts, %d of counts) that stand for %d; answers %v; refused with a right secret: 0 of %d",
			flood, rows, first, rows-first, failures, statuses, granted[http.StatusOK])
		require.Equal(t, flood, failures)
		require.LessOrEqual(t, rows, 2*(200+4), "200 kinds and the others of four actions, each with its first and its count")
	})
}

// A source is told what was wrong twenty times, ten times about one client, and
// then to wait; a right secret is taken all the same.
func TestWhoFailsTooOftenWaits(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		const here, elsewhere = "192.0.2.1", "192.0.2.2"
		keyed := g.WithKey(g.Agent("keyed", g.User("k")))
		g.Allow(keyed.ID, g.service, "read")
		for range 10 {
			require.Equal(t, http.StatusUnauthorized, g.guess(here, g.agent.ID).Status)
		}
		g.limited(g.guess(here, g.agent.ID))
		require.Equal(t, http.StatusUnauthorized, g.guess(here, keyed.ID).Status, "another client")
		require.Equal(t, http.StatusUnauthorized, g.guess(elsewhere, g.agent.ID).Status, "another address")
		for range 30 {
			g.guess(here, keyed.ID)
		}
		garbage := url.Values{"grant_type": {"client_credentials"}, "scope": {`"`}}
		for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} { // one budget for every endpoint
			g.limited(g.from(here, path, "", "", garbage))
			g.limited(g.from(here, path, "agt_nobody", "x", url.Values{"token": {"x"}, "grant_type": {"client_credentials"}}))
		}
		g.limited(g.bearer(here, "nonsense"))
		g.limited(g.bearer(here, ""))

		require.Equal(t, http.StatusOK, g.token(here, g.agent).Status, "the right secret")
		form := harness.OwnForm(g.service.Identifier, "read")
		form.Set("client_assertion_type", harness.AssertionType)
		form.Set("client_assertion", g.Assertion(keyed, nil))
		require.Equal(t, http.StatusOK, g.from(here, "/oauth2/token", "", "", form).Status, "the right key")
		g.limited(g.from(here, "/oauth2/token", "", "", form)) // replayed

		g.Clock.Advance(2 * time.Second)
		require.Equal(t, http.StatusUnauthorized, g.from(here, "/oauth2/revoke", "", "", url.Values{"token": {"x"}}).Status, "one a second comes back")
		g.Clock.Advance(time.Minute)
		require.Equal(t, http.StatusUnauthorized, g.guess(here, g.agent.ID).Status)
	})
}

// However crowded it is where failures come from, a right secret that is in
// memory needs no turn. What has to be read, or verified, does.
func TestARightSecretNeedsNoTurn(t *testing.T) {
	g := newGuarded(t, "sqlite", nil)
	const here = "192.0.2.1"
	unseen := g.Agent("unseen", g.User("u"))
	g.Allow(unseen.ID, g.service, "read")
	require.Equal(t, http.StatusOK, g.token(here, g.agent).Status)
	for range 30 {
		g.from(here, "/oauth2/revoke", "", "", url.Values{"token": {"x"}})
	}
	for taken := true; taken; { // every turn, for good
		patience, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, taken = g.Limits.Turn(patience)
		cancel()
	}
	require.Equal(t, http.StatusOK, g.token(here, g.agent).Status)
	g.limited(g.token(here, unseen))
	g.limited(g.bearer(here, "nonsense"))
	require.Equal(t, http.StatusOK, g.token("192.0.2.2", unseen).Status, "another address has no turns to wait for")
}

// Successes are no failures, and no refusal of policy is: only who cannot be
// known, and what cannot be read.
func TestRefusalsByPolicyAreNoFailures(t *testing.T) {
	g := newGuarded(t, "sqlite", nil)
	const here = "192.0.2.1"
	for range 50 {
		require.Equal(t, http.StatusOK, g.token(here, g.agent).Status)
		a := g.from(here, "/oauth2/token", g.agent.ID, g.agent.Secret, harness.OwnForm(g.service.Identifier, "write"))
		require.Equal(t, "invalid_scope", a.String("error"))
		require.Equal(t, models.KindDecision, g.LastEntry().Kind)
	}
	require.Equal(t, http.StatusUnauthorized, g.guess(here, g.agent.ID).Status)
}

// Who is at the other end of a connection says nothing of where they are,
// unless they are a trusted proxy.
func TestForwardedForOfAStrangerIsNotBelieved(t *testing.T) {
	config := limits.Defaults()
	g := &guarded{Server: harness.New(t, "sqlite", harness.Options{Limits: &config})}
	g.Clock.Stop()
	last := 0
	for i := range 100 {
		last = g.from(fmt.Sprintf("192.0.2.%d", i), "/oauth2/revoke", "", "", url.Values{"token": {"x"}}).Status
	}
	require.Equal(t, http.StatusTooManyRequests, last)
}

// The answers to guesses do not tell which clients there are.
func TestGuessesTellNothingOfWhoThereIs(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		answers := func(ip, id string) (out []string) {
			ids := map[string]int{}
			for range 15 {
				a := g.guess(ip, id)
				if _, seen := ids[a.String("decision_id")]; !seen {
					ids[a.String("decision_id")] = len(ids)
				}
				out = append(out, fmt.Sprint(a.Status, a.String("error"), a.String("error_description"), a.Header.Get("Retry-After"), ids[a.String("decision_id")]))
			}
			return out
		}
		known, unknown := answers("192.0.2.1", g.agent.ID), answers("192.0.2.2", "agt_00000000000000000000000000")
		require.Equal(t, known, unknown)
		require.Contains(t, known[14], "429")
	})
}

// A client that asks too often waits; nobody else does, and introspection is
// not counted.
func TestRateOfAClient(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			g := newGuarded(t, dialect, func(c *limits.Config) { c.ClientRate = 1 }) // two at once
			other := g.Agent("other", g.User("o"))
			g.Allow(other.ID, g.service, "read")
			require.Equal(t, http.StatusOK, g.token("192.0.2.1", g.agent).Status)
			token := g.token("192.0.2.1", g.agent).String("access_token")
			before := g.Tokens()
			for range 30 { // more than a source may fail
				g.limited(g.token("192.0.2.1", g.agent))
			}
			require.Equal(t, before, g.Tokens())
			require.Equal(t, http.StatusOK, g.token("192.0.2.1", other).Status, "another client")
			for range 30 {
				a := g.from("192.0.2.1", "/oauth2/introspect", g.agent.ID, g.agent.Secret, url.Values{"token": {token}})
				require.Equal(t, http.StatusOK, a.Status, a.Body)
			}
			g.limited(g.from("192.0.2.1", "/oauth2/revoke", g.agent.ID, g.agent.Secret, url.Values{"token": {token}}))
			require.Equal(t, http.StatusUnauthorized, g.guess("192.0.2.1", "agt_nobody").Status, "asking too often is no failure")
			g.Clock.Advance(time.Second)
			require.Equal(t, http.StatusOK, g.token("192.0.2.1", g.agent).Status)
			require.NoError(t, g.Endpoint.Finish(context.Background()))
			rows, failures := g.failed()
			require.Equal(t, []int{4, 32}, []int{rows, failures}, "30 and a revocation too many, and one failure, in two counts")
		})
	}
}

// Whoever has a token of an administrator's can use up what that token may ask,
// and nothing of the administrator's own.
func TestRateOfABearerToken(t *testing.T) {
	g := newGuarded(t, "sqlite", func(c *limits.Config) { c.ClientRate = 2 })
	g.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: g.agent.ID})
	})
	stolen, kept := g.Own(g.agent, g.URL+"/api/v1", "clients:read"), g.Own(g.agent, g.URL+"/api/v1", "clients:read")
	for range 4 {
		require.Equal(t, http.StatusOK, g.bearer("192.0.2.1", stolen).Status)
	}
	g.limited(g.bearer("192.0.2.1", stolen))
	require.Equal(t, http.StatusOK, g.bearer("192.0.2.1", kept).Status)
	require.Equal(t, http.StatusOK, g.token("192.0.2.1", g.agent).Status)
}

// stuck is a policy that answers when it is told to.
type stuck struct {
	grants.Decider
	open chan struct{}
}

func (s *stuck) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	<-s.open
	return s.Decider.Decide(ctx, in)
}

// As many requests are worked on as there are places; the others are told at
// once. The admin API and the health checks have places of their own.
func TestRequestsInFlight(t *testing.T) {
	config := limits.Defaults()
	config.MaxInFlight = 4
	hold := &stuck{open: make(chan struct{})}
	s := harness.New(t, "sqlite", harness.Options{Limits: &config, Wrap: func(d grants.Decider) grants.Decider {
		hold.Decider = d
		return hold
	}})
	g := &guarded{Server: s, agent: s.Agent("agent", s.User("owner")), service: s.Service("service", nil, "read")}
	s.Allow(g.agent.ID, g.service, "read")
	answers := make(chan int, 4)
	for range 4 {
		go func() { answers <- g.token("", g.agent).Status }()
	}
	require.Eventually(t, func() bool { return s.Limits.OAuth.Inside() == 4 }, 10*time.Second, time.Millisecond)
	for range 10 {
		a := g.token("", g.agent)
		require.Equal(t, http.StatusServiceUnavailable, a.Status)
		require.Equal(t, "temporarily_unavailable", a.String("error"))
		require.Equal(t, "1", a.Header.Get("Retry-After"))
	}
	get := func(path string) int {
		resp, err := http.Get(s.Host + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, []int{200, 200, 200}, []int{get("/healthz"), get("/readyz"), get("/oauth2/jwks")})

	go func() { answers <- g.bearer("", "nonsense").Status }() // waits for policy, in the one place of the admin API
	require.Eventually(t, func() bool { return s.Limits.Admin.Inside() == 1 }, 10*time.Second, time.Millisecond)
	a := g.bearer("", "nonsense")
	require.Equal(t, []string{"503", "urn:deputy:problem:unavailable", "1"}, []string{strconv.Itoa(a.Status), a.String("type"), a.Header.Get("Retry-After")})

	close(hold.open)
	count := map[int]int{}
	for range 5 {
		count[<-answers]++
	}
	require.Equal(t, map[int]int{http.StatusOK: 4, http.StatusUnauthorized: 1}, count)
	require.Equal(t, http.StatusOK, g.token("", g.agent).Status)
	require.Zero(t, s.Limits.OAuth.Inside())
}
