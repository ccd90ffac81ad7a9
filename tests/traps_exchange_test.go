package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// What other authorization servers got wrong in token exchange and delegation.
// docs/traps.md lists every lesson, with the tests elsewhere that show it.

// refused checks that a request got an error and no token, and gives the error.
func refused(t *testing.T, a harness.Answer) string {
	t.Helper()
	require.GreaterOrEqual(t, a.Status, 400, a.Body)
	require.Less(t, a.Status, 500, a.Body)
	require.NotContains(t, a.JSON, "access_token")
	return a.String("error")
}

// KC CVE-2026-9704: a subject_token that the server did not expect was dropped,
// and the client got a token of its own rights instead.
func TestTrap_SubjectTokenIsNeverSilentlyIgnored(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		before := s.Tokens()
		for _, name := range []string{"subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "requested_subject"} {
			form := harness.OwnForm(c.services[1].Identifier, "search:use")
			form.Set(name, c.tokens[1])
			require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", c.agents[1], form)), name)
		}
		form := harness.ExchangeForm(c.tokens[1], c.services[1].Identifier, "search:use")
		for _, without := range []string{"subject_token_type", "subject_token", "grant_type"} {
			spoilt := url.Values{}
			for k, v := range form {
				spoilt[k] = v
			}
			spoilt.Del(without)
			require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", c.agents[1], spoilt)), without)
		}
		for _, spoilt := range []string{" ", c.tokens[1] + " ", "\n" + c.tokens[1], c.tokens[1] + "\x00", "null", "Bearer " + c.tokens[1]} {
			form.Set("subject_token", spoilt)
			require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", c.agents[1], form)), "%q", spoilt)
		}
		require.Equal(t, before, s.Tokens())
	})
}

// KC #52691: a delegated token, exchanged once more, came out without its actor,
// and outlived the actor's suspension.
func TestTrap_AnActorNeverComesOff(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		var exchanged []string
		for name, edit := range map[string]func(url.Values){
			"plain":       func(url.Values) {},
			"as a JWT":    func(f url.Values) { f.Set("requested_token_type", "urn:ietf:params:oauth:token-type:jwt") },
			"by audience": func(f url.Values) { f.Set("audience", f.Get("resource")); f.Del("resource") },
			"no resource": func(f url.Values) { f.Del("resource") },
			"no scope":    func(f url.Values) { f.Set("scope", "notes:use ") },
			"actor's form": func(f url.Values) {
				f.Set("actor_token", s.Own(c.agents[2], c.services[2].Identifier, "summarize:use"))
				f.Set("actor_token_type", harness.TokenType)
			},
		} {
			form := harness.ExchangeForm(c.tokens[2], c.services[3].Identifier, "notes:use")
			edit(form)
			a := s.Form("/oauth2/token", c.agents[2], form)
			require.Equal(t, http.StatusOK, a.Status, "%s: %s", name, a.Body)
			token := a.String("access_token")
			_, claims := claimsOf(t, token)
			require.Equal(t, []string{c.agents[2].ID, c.agents[1].ID, c.agents[0].ID}, actorsOf(claims["act"]), name)
			exchanged = append(exchanged, token)
		}
		// Neither a holder that exchanges its own token makes itself the only actor.
		_, claims := claimsOf(t, s.Exchange(c.agents[2], exchanged[0], c.services[3].Identifier, "notes:use"))
		require.Equal(t, []string{c.agents[2].ID, c.agents[1].ID, c.agents[0].ID}, actorsOf(claims["act"]))

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, c.agents[1].ID)
			return err
		})
		for _, token := range exchanged {
			require.False(t, s.Active(c.agents[3], token), "its actor was suspended")
			require.NotEmpty(t, refused(t, s.Form("/oauth2/token", c.agents[2], harness.ExchangeForm(token, c.services[3].Identifier, "notes:use"))))
		}
	})
}

// actorsOf unnests an act claim, outermost first.
func actorsOf(act any) []string {
	var out []string
	for m, ok := act.(map[string]any); ok; m, ok = m["act"].(map[string]any) {
		sub, _ := m["sub"].(string)
		out = append(out, sub)
	}
	return out
}

// ZI CVE-2026-56668, and the union of scopes seen in several servers: what one
// party may do was added to what the other may do.
func TestTrap_PrivilegesAreNeverAddedUp(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		user, agent := s.Agent("narrow", s.User("alice")), s.Agent("broad", s.User("bob"))
		till := s.Service("till", nil, "read", "write", "refund")
		desk := s.Service("desk", agent)
		to := func(name string) models.ScopeRef { return models.ScopeRef{ResourceID: till.ID, Name: name} }
		s.Scope(desk, "desk:use", to("read"), to("write"), to("refund"))
		s.Allow(user.ID, desk, "desk:use")
		s.Allow(user.ID, till, "read", "refund") // the one holds read and refund,
		s.Allow(agent.ID, till, "read", "write") // the other read and write
		subject := s.Own(user, desk.Identifier, "desk:use")
		for scope, granted := range map[string]bool{
			"read": true, "write": false, "refund": false, "read write": false, "read refund": false, "write refund": false, "read write refund": false,
		} {
			a := s.Form("/oauth2/token", agent, harness.ExchangeForm(subject, till.Identifier, scope))
			if granted {
				require.Equal(t, scope, a.String("scope"), a.Body)
				continue
			}
			require.Equal(t, "invalid_scope", refused(t, a), scope)
		}
	})
}

// Entra CVE-2025-55241: actor tokens were believed without signature and without
// a look at who issued them.
func TestTrap_ActorTokensAreHeldToEveryCheck(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		own := s.Own(c.agents[1], c.services[1].Identifier, "search:use")
		kid, key := s.SigningKey()
		forged := func(edit func(header, claims map[string]any)) string {
			claims := jwt.MapClaims{}
			_, _, err := jwt.NewParser().ParseUnverified(own, claims)
			require.NoError(t, err)
			token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
			token.Header["typ"], token.Header["kid"] = "at+jwt", kid
			edit(token.Header, claims)
			raw, err := token.SignedString(key)
			require.NoError(t, err)
			return raw
		}
		form := harness.ExchangeForm(c.tokens[1], c.services[2].Identifier, "summarize:use")
		form.Set("actor_token_type", harness.TokenType)
		form.Set("actor_token", forged(func(_, _ map[string]any) {}))
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", c.agents[1], form).Status, "the client's own is fine, and adds nothing")
		for name, raw := range map[string]string{
			"unsigned":       unsigned(t, own),
			"foreign issuer": forged(func(_, c map[string]any) { c["iss"] = "https://other.example" }),
			"an ID token":    forged(func(h, _ map[string]any) { h["typ"] = "JWT" }),
			"no jti":         forged(func(_, c map[string]any) { delete(c, "jti") }),
			"never issued":   forged(func(_, c map[string]any) { c["jti"] = "tok_never" }),
			"the subject's":  c.tokens[1],
			"somebody's":     s.Own(c.agents[2], c.services[2].Identifier, "summarize:use"),
		} {
			form.Set("actor_token", raw)
			require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", c.agents[1], form)), name)
			require.Contains(t, reasonsOf(t, s.LastEntry()), "actor_token_foreign", name)
		}
		form.Set("actor_token", own)
		require.Equal(t, http.StatusOK, s.Form("/oauth2/revoke", c.agents[1], url.Values{"token": {own}}).Status)
		require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", c.agents[1], form)), "revoked")
	})
}

// unsigned is the token with alg none and no signature.
func unsigned(t *testing.T, raw string) string {
	t.Helper()
	header, claims := claimsOf(t, raw)
	token := jwt.NewWithClaims(jwt.SigningMethodNone, claims)
	token.Header["typ"], token.Header["kid"] = header["typ"], header["kid"]
	out, err := token.SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	return out
}

// Casdoor CVE-2026-9094 and KC #48104: a token of another organisation, or of
// another server, was taken for one's own.
func TestTrap_ATokenOfAnotherDeputyIsNotOurs(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		other := harness.New(t, "sqlite", harness.Options{})
		foreign, c := newChain(other), newChain(s)
		for i, token := range foreign.tokens {
			require.False(t, s.Active(c.agents[i], token))
			a := s.Form("/oauth2/token", c.agents[i], harness.ExchangeForm(token, c.services[i].Identifier, hops[i]+":use"))
			require.Equal(t, "invalid_request", refused(t, a))
		}
		require.Equal(t, http.StatusUnauthorized, api(s, foreign.tokens[0], http.MethodGet, "/clients", nil).Status)
		require.Equal(t, http.StatusOK, s.Form("/oauth2/revoke", c.agents[0], url.Values{"token": {foreign.tokens[0]}}).Status)
		require.True(t, other.Active(foreign.agents[0], foreign.tokens[0]), "and nobody ends it here")
	})
}

// KC CVE-2022-1245 and CVE-2026-18211, at resources: identifiers were compared by
// prefix, by pattern, or after "repair".
func TestTrap_ResourcesAreComparedExactly(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", nil, "read")
		s.Allow(agent.ID, service, "read")
		for _, near := range []string{
			"https://service.example.attacker.example", "https://service.example@attacker.example", "https://attacker.example/https://service.example",
			"https://serviceXexample", "https://*.example", "https://service.example/*", "https://service.example/..;/", "https://service.example/../",
			"https://service.example//", "https://service.example?x", "https://service.example/%2e%2e/", "https://service.example:444",
			"http://service.example", "https://service.example.", "https://SERVICE.example/A", "https://service.example#", "javascript:alert(1)",
			"https://service.example%00", "https://service.example ", "service.example", strings.Repeat("https://service.example/", 100),
		} {
			require.Equal(t, "invalid_target", refused(t, s.Form("/oauth2/token", agent, harness.OwnForm(near, "read"))), near)
		}
		require.NotEmpty(t, s.Own(agent, "HTTPS://Service.Example:443/", "read"))
	})
}

// KC #51312: a revocation and a use of what is revoked crossed, and what came
// out of the use lived on.
func TestTrap_WhatIsExchangedDuringARevocationDiesWithIt(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		c := newChain(s)
		var callers sync.WaitGroup
		var revoked atomic.Bool
		var count sync.Mutex
		var children []string
		begun := make(chan struct{}, 4)
		for range cap(begun) {
			callers.Go(func() {
				for after := 0; after < 3; { // each goes on until it was refused for good
					a := s.Form("/oauth2/token", c.agents[2], harness.ExchangeForm(c.tokens[2], c.services[3].Identifier, "notes:use"))
					if a.Status == http.StatusOK {
						count.Lock()
						children = append(children, a.String("access_token"))
						count.Unlock()
						select {
						case begun <- struct{}{}:
						default:
						}
					}
					if revoked.Load() {
						after++
					}
				}
			})
		}
		<-begun
		require.Equal(t, http.StatusOK, s.Form("/oauth2/revoke", c.agents[0], url.Values{"token": {c.tokens[1]}}).Status)
		revoked.Store(true)
		callers.Wait()
		require.NotEmpty(t, children)
		for _, child := range children {
			require.False(t, s.Active(c.agents[3], child), "an ancestor was revoked")
		}
		require.NotEmpty(t, refused(t, s.Form("/oauth2/token", c.agents[2], harness.ExchangeForm(c.tokens[2], c.services[3].Identifier, "notes:use"))))
	})
}
