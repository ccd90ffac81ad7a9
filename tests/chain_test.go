package tests

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

func each(t *testing.T, test func(t *testing.T, s *harness.Server)) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) { test(t, harness.New(t, dialect, harness.Options{})) })
	}
}

// chain is four agents in a row, each operating a service, each service's scope
// leading to the next one's.
type chain struct {
	agents   []*harness.Client
	services []*models.ResourceServer
	tokens   []string // tokens[i] was sent to agents[i]; tokens[0] is agents[0]'s own
}

var hops = []string{"orchestrator", "search", "summarize", "notes"}

func newChain(s *harness.Server) *chain {
	c := &chain{}
	owner := s.User("owner")
	for _, name := range hops {
		agent := s.Agent(name, owner)
		c.agents = append(c.agents, agent)
		c.services = append(c.services, s.Service(name, agent, name+":use"))
	}
	for i, r := range c.services {
		if i+1 < len(c.services) {
			s.Scope(r, hops[i]+":use", models.ScopeRef{ResourceID: c.services[i+1].ID, Name: hops[i+1] + ":use"})
		}
		for j := 0; j <= i; j++ { // an agent holds what it does and all that follows
			s.Allow(c.agents[j].ID, r, hops[i]+":use")
		}
	}
	c.tokens = []string{s.Own(c.agents[0], c.services[0].Identifier, hops[0]+":use")}
	for i := 1; i < len(hops); i++ {
		c.tokens = append(c.tokens, s.Exchange(c.agents[i-1], c.tokens[i-1], c.services[i].Identifier, hops[i]+":use"))
	}
	return c
}

func claimsOf(t *testing.T, raw string) (header map[string]any, claims jwt.MapClaims) {
	t.Helper()
	claims = jwt.MapClaims{}
	token, _, err := jwt.NewParser().ParseUnverified(raw, claims)
	require.NoError(t, err)
	return token.Header, claims
}

func TestTokensOfAChainSayWhoAndWhereAndWhat(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		header, claims := claimsOf(t, c.tokens[3])
		require.Equal(t, "at+jwt", header["typ"])
		require.Equal(t, "ES256", header["alg"])
		actor := func(i int, inner any) map[string]any {
			a := map[string]any{"sub": c.agents[i].ID, "sub_profile": "ai_agent"}
			if inner != nil {
				a["act"] = inner
			}
			return a
		}
		require.Equal(t, actor(2, actor(1, actor(0, nil))), claims["act"])
		_, root := claimsOf(t, c.tokens[0])
		for name, want := range map[string]any{
			"iss": s.URL, "sub": c.agents[0].ID, "sub_profile": "ai_agent", "client_id": c.agents[2].ID, "client_profile": "ai_agent",
			"aud": "https://notes.example", "scope": "notes:use", "txn": root["jti"], "gid": c.agents[0].SelfGrantID,
		} {
			require.Equal(t, want, claims[name], name)
		}
		require.NotContains(t, root, "act", "an agent's own token has no actor")
		require.LessOrEqual(t, claims["exp"], root["exp"], "no token outlives its parent")
	})
}

func TestIntrospectionShowsTheChainToTheAudienceOnly(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		a := s.Form("/oauth2/introspect", c.agents[2], url.Values{"token": {c.tokens[2]}})
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		require.Equal(t, true, a.JSON["active"])
		require.Equal(t, "summarize:use", a.String("scope"))
		require.Equal(t, c.agents[1].ID, a.JSON["act"].(map[string]any)["sub"])
		for i, other := range c.agents {
			if i == 2 {
				continue
			}
			a := s.Form("/oauth2/introspect", other, url.Values{"token": {c.tokens[2]}})
			require.Equal(t, `{"active":false}`, strings.TrimSpace(a.Body), "%s is not the audience", other.Name)
			require.Contains(t, reasonsOf(t, s.LastEntry()), "caller_not_audience")
		}
		require.False(t, s.Active(c.agents[2], "garbage"))
		require.Equal(t, http.StatusUnauthorized, s.Form("/oauth2/introspect", nil, url.Values{"token": {c.tokens[2]}}).Status)
		require.Equal(t, http.StatusBadRequest, s.Form("/oauth2/introspect", c.agents[2], url.Values{}).Status)
	})
}

func TestRevokingATokenEndsWhatWasExchangedFromIt(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		revoke := func(as *harness.Client, token string) int {
			return s.Form("/oauth2/revoke", as, url.Values{"token": {token}}).Status
		}
		require.Equal(t, http.StatusOK, revoke(c.agents[3], c.tokens[2]), "somebody else's token is answered alike")
		require.Equal(t, http.StatusOK, revoke(c.agents[3], "garbage"))
		require.True(t, s.Active(c.agents[2], c.tokens[2]), "and lives on")
		require.Equal(t, http.StatusOK, revoke(c.agents[0], c.tokens[1]))
		for i, alive := range []bool{true, false, false, false} {
			require.Equal(t, alive, s.Active(c.agents[i], c.tokens[i]), "token %d", i)
		}
		require.Equal(t, http.StatusOK, revoke(c.agents[0], c.tokens[1]), "revoking twice is no error")
		require.Equal(t, http.StatusUnauthorized, s.Form("/oauth2/revoke", nil, url.Values{"token": {c.tokens[0]}}).Status)
	})
}

func TestStoppingAnyoneSilencesWhatHangsFromThem(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		stop := func(fn func(ctx context.Context, st *models.Store, by models.By) error) { s.Do(fn) }
		stop(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, c.agents[1].ID)
			return err
		})
		require.False(t, s.Active(c.agents[2], c.tokens[2]), "search-agent stands in its chain")
		require.False(t, s.Active(c.agents[3], c.tokens[3]))
		require.True(t, s.Active(c.agents[0], c.tokens[0]), "it was never in this one")
		stop(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.RestoreClient(ctx, by, c.agents[1].ID)
			return err
		})
		require.True(t, s.Active(c.agents[3], c.tokens[3]))

		stop(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeGrant(ctx, by, c.agents[0].SelfGrantID)
		})
		for i := range c.tokens {
			require.False(t, s.Active(c.agents[i], c.tokens[i]), "everything hung from the grant")
		}
		require.NotEmpty(t, s.Own(c.agents[0], c.services[0].Identifier, "orchestrator:use"), "the client may ask anew")
	})
}

func TestIntrospectionShowsWhatIsStillHeld(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		desk := s.Agent("desk", s.User("desk-owner"))
		service := s.Service("service", desk, "read", "write")
		s.Allow(agent.ID, service, "read")
		writer := s.Allow(agent.ID, service, "write")
		token := s.Own(agent, service.Identifier, "read write")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.DeleteRole(ctx, by, writer.ID, models.AnyVersion)
		})
		a := s.Form("/oauth2/introspect", desk, url.Values{"token": {token}})
		require.Equal(t, "read", a.String("scope"))
	})
}

func TestHolderMayNarrowItsOwnToken(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", nil, "read", "write")
		s.Allow(agent.ID, service, "read", "write")
		wide := s.Own(agent, service.Identifier, "read write")
		narrow := s.Exchange(agent, wide, service.Identifier, "read")
		_, claims := claimsOf(t, narrow)
		require.Equal(t, "read", claims["scope"])
		require.Equal(t, agent.ID, claims["act"].(map[string]any)["sub"])
		again := s.Exchange(agent, narrow, service.Identifier, "read")
		_, claims = claimsOf(t, again)
		require.NotContains(t, claims["act"], "act", "the holder is the current actor already: nobody appears twice")
		a := s.Form("/oauth2/token", agent, harness.ExchangeForm(narrow, service.Identifier, "read write"))
		require.Equal(t, "invalid_scope", a.String("error"), "scopes do not grow back")
	})
}

func TestDefaultsAndTheOnlyResourceThatFits(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", nil, "read", "write")
		s.Allow(agent.ID, service, "read", "write")
		a := s.Form("/oauth2/token", agent, url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}})
		require.Equal(t, "read", a.String("scope"), a.Body)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, agent.ID, models.AnyVersion, func(c *models.Client) {
				c.DefaultScopes = []models.ScopeRef{{ResourceID: service.ID, Name: "read"}}
			})
			return err
		})
		a = s.Form("/oauth2/token", agent, url.Values{"grant_type": {"client_credentials"}})
		require.Equal(t, "read", a.String("scope"), "the default, never everything")
		a = s.Form("/oauth2/token", agent, url.Values{"grant_type": {"client_credentials"}, "resource": {"HTTPS://SERVICE.example:443/"}, "scope": {"read"}})
		require.Equal(t, http.StatusOK, a.Status, "compared as RFC 8707 and 3986 say: "+a.Body)
	})
}

func TestSecretsRotateWithOverlap(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", nil, "read")
		s.Allow(agent.ID, service, "read")
		_, secret, err := s.Store.RotateCredential(context.Background(), models.By{System: "test"}, agent.ID, agent.CredentialID, 3600, 0)
		require.NoError(t, err)
		next := &harness.Client{Client: agent.Client, Secret: secret}
		s.Own(agent, service.Identifier, "read")
		s.Own(next, service.Identifier, "read")
		s.Clock.Advance(time.Hour + time.Second)
		s.Own(next, service.Identifier, "read")
		require.Equal(t, http.StatusUnauthorized, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read")).Status)
	})
}

func TestUnknownClientAndWrongSecretAnswerTheSame(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		answer := func(id, secret string) (string, http.Header) {
			a := s.Form("/oauth2/token", &harness.Client{Client: &models.Client{Meta: models.Meta{ID: id}}, Secret: secret}, harness.OwnForm("https://x.example", "x"))
			require.Equal(t, http.StatusUnauthorized, a.Status)
			a.Header.Del("Date")
			a.Header.Del("X-Request-Id")
			return strings.ReplaceAll(a.Body, a.String("decision_id"), "dec"), a.Header
		}
		unknown, h1 := answer("agt_nobody", "wrong")
		wrong, h2 := answer(agent.ID, "wrong")
		require.Equal(t, unknown, wrong)
		require.Equal(t, h1, h2)
	})
}

// A token of more bytes than Deputy reads could never be revoked: it is not made.
func TestTokensStaySmallEnoughToBeReadBack(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	agent := s.Agent("agent", s.User("owner"))
	var scopes []string
	for i := range 120 {
		scopes = append(scopes, fmt.Sprintf("%s%d", strings.Repeat("s", 120), i))
	}
	service := s.Service("service", agent, scopes...)
	s.Allow(agent.ID, service, scopes...)
	a := s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, strings.Join(scopes, " ")))
	require.Equal(t, http.StatusBadRequest, a.Status)
	require.Equal(t, "invalid_scope", a.String("error"))
	require.Contains(t, a.String("error_description"), "too large")
	require.Zero(t, s.Tokens())
	require.True(t, s.Active(agent, s.Own(agent, service.Identifier, strings.Join(scopes[:60], " "))))
}

// A service that is registered anew under an old identifier is another service:
// what was issued for the old one is dead.
func TestTokensDieWithTheirResourceServer(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", agent, "read")
		s.Allow(agent.ID, service, "read")
		token := s.Own(agent, service.Identifier, "read")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.DeleteResourceServer(ctx, by, service.ID, models.AnyVersion)
		})
		heir := s.Agent("heir", s.User("heir-owner"))
		again := s.Service("service", heir, "read")
		s.Allow(agent.ID, again, "read")
		require.False(t, s.Active(heir, token))
		require.True(t, s.Active(heir, s.Own(agent, again.Identifier, "read")))
	})
}
