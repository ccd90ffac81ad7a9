package tests

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/tests/harness"
)

// What other authorization servers got wrong about tokens, keys and client
// assertions. docs/traps.md lists every lesson.

// trap runs a test on both databases, beside the others.
func trap(t *testing.T, test func(t *testing.T, s *harness.Server)) {
	t.Helper()
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			test(t, harness.New(t, dialect, harness.Options{}))
		})
	}
}

// asserting is a request for a token in which the client proves itself by raw.
func asserting(service *models.ResourceServer, raw string) url.Values {
	form := harness.OwnForm(service.Identifier, "read")
	form.Set("client_assertion_type", harness.AssertionType)
	form.Set("client_assertion", raw)
	return form
}

// keyed is a client with a secret and a key that may read at a service it runs.
func keyed(s *harness.Server) (*harness.Client, *models.ResourceServer) {
	agent := s.WithKey(s.Agent("keyed", s.User("keyed-owner")))
	service := s.Service("vault", agent, "read")
	s.Allow(agent.ID, service, "read")
	return agent, service
}

// nowhere checks that a token is good for nothing: not to introspect, not to
// exchange, not at the admin API.
func nowhere(t *testing.T, s *harness.Server, agent *harness.Client, service *models.ResourceServer, raw, name string) {
	t.Helper()
	require.False(t, s.Active(agent, raw), name)
	require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", agent, harness.ExchangeForm(raw, service.Identifier, "read"))), name)
	require.Equal(t, http.StatusUnauthorized, api(s, raw, http.MethodGet, "/clients", nil).Status, name)
}

// KC CVE-2026-11800: the algorithm was taken from the header, so that a public
// key served as a shared secret.
func TestTrap_TheHeaderNeverChoosesTheAlgorithm(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		good := s.Own(agent, service.Identifier, "read")
		require.True(t, s.Active(agent, good))
		header, claims := claimsOf(t, good)
		_, ours := s.SigningKey()
		sign := func(method jwt.SigningMethod, key any) string {
			token := jwt.NewWithClaims(method, claims)
			token.Header["typ"], token.Header["kid"] = header["typ"], header["kid"]
			raw, err := token.SignedString(key)
			require.NoError(t, err)
			return raw
		}
		nowhere(t, s, agent, service, unsigned(t, good), "none")
		for i, public := range publicForms(t, s, ours.Public()) {
			for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS512} {
				nowhere(t, s, agent, service, sign(method, public), method.Alg()+" with form "+string(rune('0'+i))+" of the public key")
			}
		}
		p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		require.NoError(t, err)
		nowhere(t, s, agent, service, sign(jwt.SigningMethodES384, p384), "ES384 under our kid")

		for i, public := range publicForms(t, s, agent.Key.Public()) {
			token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"iss": agent.ID, "sub": agent.ID, "aud": s.URL, "jti": rand.Text(), "iat": s.Clock.Now().Unix(), "exp": s.Clock.Now().Unix() + 60,
			})
			raw, err := token.SignedString(public)
			require.NoError(t, err)
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, raw))), "form %d", i)
		}
	})
}

// publicForms are the ways in which a public key may be taken for bytes.
func publicForms(t *testing.T, s *harness.Server, key any) [][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key})
	require.NoError(t, err)
	return [][]byte{der, jwk, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), []byte(get(t, s, "/oauth2/jwks").Body), {}}
}

// Authlib CVE-2026-27962: a key that came in the token's own header was believed.
func TestTrap_KeysInHeadersAreNotLookedAt(t *testing.T) {
	var fetched atomic.Int64
	bait := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	t.Cleanup(func() { // once both databases are through
		bait.Close()
		require.Zero(t, fetched.Load(), "no address out of a header was visited")
	})
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		mallory, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalPKIXPublicKey(mallory.Public())
		require.NoError(t, err)
		var jwk map[string]any
		body, err := json.Marshal(jose.JSONWebKey{Key: mallory.Public(), KeyID: "k1", Algorithm: "ES256"})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(body, &jwk))
		good := s.Own(agent, service.Identifier, "read")
		header, claims := claimsOf(t, good)
		for name, value := range map[string]any{
			"jwk": jwk, "jku": bait.URL + "/jwks", "x5u": bait.URL + "/cert", "x5c": []string{base64.StdEncoding.EncodeToString(der)},
		} {
			for _, kid := range []any{header["kid"], "k1", "", nil, "../../key", "key_x' or '1'='1"} {
				token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
				token.Header["typ"], token.Header[name] = "at+jwt", value
				if kid != nil {
					token.Header["kid"] = kid
				}
				raw, err := token.SignedString(mallory)
				require.NoError(t, err)
				require.False(t, s.Active(agent, raw), "%s, kid %v", name, kid)
			}
			real := agent.Key
			agent.Key = mallory
			raw := s.Assertion(agent, func(h, _ map[string]any) { h[name] = value })
			agent.Key = real
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, raw))), name)
		}
	})
}

// Authlib CVE-2025-59420: critical extensions that nobody understood were skipped.
func TestTrap_CriticalHeadersAreUnderstoodOrRefused(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		for name, crit := range map[string]any{"unknown": []string{"x"}, "b64": []string{"b64"}, "empty": []string{}, "no list": "x"} {
			raw := s.Assertion(agent, func(h, _ map[string]any) { h["crit"], h["x"], h["b64"] = crit, 1, true })
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, raw))), name)
		}
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", nil, asserting(service, s.Assertion(agent, nil))).Status)
	})
}

// KC CVE-2026-16093: an assertion counted that had its claims, or its header,
// where no signature covers them.
func TestTrap_OnlyWhatIsSignedCounts(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		raw := s.Assertion(agent, nil)
		parts := strings.Split(raw, ".")
		general, err := json.Marshal(map[string]any{"payload": parts[1], "signatures": []any{map[string]any{"protected": parts[0], "signature": parts[2]}}})
		require.NoError(t, err)
		flat, err := json.Marshal(map[string]any{"payload": parts[1], "protected": parts[0], "header": map[string]any{"kid": "k1"}, "signature": parts[2]})
		require.NoError(t, err)
		for name, spoilt := range map[string]string{
			"general JSON": string(general), "flattened JSON": string(flat), "detached": parts[0] + ".." + parts[2],
			"no signature": parts[0] + "." + parts[1] + ".", "two parts": parts[0] + "." + parts[1], "five parts": raw + ".x.y",
			"twice": raw + " " + raw, "padded": parts[0] + "." + parts[1] + "." + parts[2] + "==", "a line more": raw + "\n",
		} {
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, spoilt))), name)
		}
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", nil, asserting(service, raw)).Status)
	})
}

// ZI CVE-2026-27840: a token that had lost its end was still found.
func TestTrap_ATruncatedTokenIsNoToken(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		good := s.Own(agent, service.Identifier, "read")
		for _, cut := range []int{1, 2, 3, 4, 8, 43, 85, 86, 87, len(good) / 2, len(good) - 1} {
			require.False(t, s.Active(agent, good[:len(good)-cut]), "%d bytes short", cut)
			require.False(t, s.Active(agent, good[cut:]), "%d bytes in", cut)
		}
		for _, more := range []string{"A", "\n", "=", " ", ".", "\x00"} {
			require.False(t, s.Active(agent, good+more), "%q more", more)
		}
		for _, secret := range []string{
			agent.Secret[:len(agent.Secret)-1], agent.Secret + "A", agent.Secret[1:], strings.ToLower(agent.Secret), strings.TrimPrefix(agent.Secret, models.SecretPrefix), models.SecretPrefix,
		} {
			thief := &harness.Client{Client: agent.Client, Secret: secret}
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", thief, harness.OwnForm(service.Identifier, "read"))))
		}
		require.True(t, s.Active(agent, good))
	})
}

// jwt-go CVE-2020-26160: an audience given as a list was read as none, and none
// as any. CVE-2025-27370/27371: an assertion for one server was good at another.
func TestTrap_AnAudienceOfAnotherShapeIsNoAudience(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		good := s.Own(agent, service.Identifier, "read")
		_, claims := claimsOf(t, good)
		kid, key := s.SigningKey()
		for _, aud := range []any{[]string{service.Identifier}, []string{}, []any{}, "", nil, 1, map[string]any{}, "https://other.example"} {
			spoilt := jwt.MapClaims{}
			for k, v := range claims {
				spoilt[k] = v
			}
			spoilt["aud"] = aud
			token := jwt.NewWithClaims(jwt.SigningMethodES256, spoilt)
			token.Header["typ"], token.Header["kid"] = "at+jwt", kid
			raw, err := token.SignedString(key)
			require.NoError(t, err)
			require.False(t, s.Active(agent, raw), "%v", aud)
		}
		for _, aud := range []any{
			[]string{}, []string{""}, []string{s.URL, ""}, []string{s.URL, s.URL}, s.URL + "/", strings.ToUpper(s.URL), s.Host + "/other", "https://other.example", "", 1, "*",
		} {
			raw := s.Assertion(agent, func(_, c map[string]any) { c["aud"] = aud })
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, raw))), "%v", aud)
		}
		raw := s.Assertion(agent, func(_, c map[string]any) { c["aud"] = []string{s.URL} })
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", nil, asserting(service, raw)).Status, "one audience may be in a list")
	})
}

// go-jose CVE-2025-27144 and fosite's kin: a token of nothing but separators cost
// memory out of all proportion to its size.
func TestTrap_TokensOfManyPartsCostNothing(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	agent, service := keyed(s)
	begin := time.Now()
	for _, raw := range []string{strings.Repeat(".", 60000), strings.Repeat("a.", 30000), strings.Repeat("e30.", 4000), "." + strings.Repeat("A", 8000) + "."} {
		require.False(t, s.Active(agent, raw))
		require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, raw))))
		require.Equal(t, "invalid_request", refused(t, s.Form("/oauth2/token", agent, harness.ExchangeForm(raw, service.Identifier, "read"))))
	}
	require.Less(t, time.Since(begin), 3*time.Second)
}

// KC CVE-2026-1486: a source of keys that had been switched off was still believed.
func TestTrap_ARevokedKeyProvesNothing(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		waiting := s.Assertion(agent, nil)
		creds, _, err := s.Store.Credentials(context.Background(), agent.ID, models.Page{})
		require.NoError(t, err)
		for _, c := range creds {
			if c.Kind == models.CredentialKey {
				require.NoError(t, s.Store.RevokeCredential(context.Background(), models.By{System: "test"}, agent.ID, c.ID))
			}
		}
		for _, raw := range []string{waiting, s.Assertion(agent, nil)} {
			require.Equal(t, "invalid_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, raw))))
		}
		s.WithKey(agent)
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", nil, asserting(service, s.Assertion(agent, nil))).Status, "another key serves")
	})
}

// Hydra CVE-2020-5300 and KC CVE-2026-9802: an assertion was good a second time,
// at another endpoint or after a restart.
func TestTrap_AnAssertionIsUsedUpEverywhereAndForGood(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		token := s.Own(agent, service.Identifier, "read")
		at := map[string]func(raw string) harness.Answer{
			"token": func(raw string) harness.Answer { return s.Form("/oauth2/token", nil, asserting(service, raw)) },
			"introspect": func(raw string) harness.Answer {
				return s.Form("/oauth2/introspect", nil, url.Values{"token": {token}, "client_assertion_type": {harness.AssertionType}, "client_assertion": {raw}})
			},
			"revoke": func(raw string) harness.Answer {
				return s.Form("/oauth2/revoke", nil, url.Values{"token": {"x"}, "client_assertion_type": {harness.AssertionType}, "client_assertion": {raw}})
			},
		}
		for first, use := range at {
			raw := s.Assertion(agent, nil)
			require.Equal(t, http.StatusOK, use(raw).Status, first)
			for then, again := range at {
				require.Equal(t, "invalid_client", refused(t, again(raw)), "%s, then %s", first, then)
			}
			restarted := grants.New(grants.Config{Issuer: s.URL, Store: s.Store, Policy: s.Engine, Keys: s.Keys, Now: s.Clock.Now, Log: harness.Silent()})
			_, err := restarted.Token(context.Background(), grants.Call{}, oauth.TokenRequest{
				GrantType: oauth.ClientCredentials, Resources: []string{service.Identifier}, Scopes: []string{"read"},
				Client: oauth.ClientAuth{Method: oauth.PrivateKeyJWT, Assertion: raw},
			})
			require.ErrorContains(t, err, "invalid_client", "after a restart")
		}
		// A refusal uses it up as well, and one client's id is not another's.
		refusedOnce := s.Assertion(agent, nil)
		form := asserting(service, refusedOnce)
		form.Set("scope", "write")
		require.Equal(t, "invalid_scope", refused(t, s.Form("/oauth2/token", nil, form)))
		require.Equal(t, "invalid_client", refused(t, at["token"](refusedOnce)))
		other := s.WithKey(s.Agent("other", s.User("other-owner")))
		s.Allow(other.ID, service, "read")
		same := func(_, c map[string]any) { c["jti"] = "the-same" }
		require.Equal(t, http.StatusOK, at["token"](s.Assertion(agent, same)).Status)
		require.Equal(t, http.StatusOK, at["token"](s.Assertion(other, same)).Status)
	})
}
