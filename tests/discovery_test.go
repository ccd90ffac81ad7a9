package tests

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

func get(t *testing.T, s *harness.Server, path string) harness.Answer {
	t.Helper()
	return getURL(t, s, s.URL+path)
}

func getURL(t *testing.T, s *harness.Server, url string) harness.Answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	return s.Send(req)
}

func TestMetadataIsWhereClientsLook(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		a := get(t, s, path)
		require.Equal(t, http.StatusOK, a.Status, path)
		require.Equal(t, s.URL, a.JSON["issuer"], "byte for byte")
		require.Equal(t, s.URL+"/oauth2/token", a.JSON["token_endpoint"])
		require.Equal(t, s.URL+"/oauth2/jwks", a.JSON["jwks_uri"])
		var types []any
		for _, g := range grants.All() {
			types = append(types, g.Type())
		}
		require.ElementsMatch(t, types, a.JSON["grant_types_supported"], "all there are, and no others")
		proofs := []any{"client_secret_basic", "client_secret_post", "private_key_jwt"}
		require.Equal(t, append(proofs, "none"), a.JSON["token_endpoint_auth_methods_supported"])
		require.Equal(t, append(proofs, "none"), a.JSON["revocation_endpoint_auth_methods_supported"])
		require.Equal(t, proofs, a.JSON["introspection_endpoint_auth_methods_supported"], "who asks about tokens proves who they are")
		require.Contains(t, a.JSON, "response_types_supported")
		require.NotContains(t, a.Body, "null")
		require.NotContains(t, a.Body, "offline_access")
		require.Equal(t, "*", a.Header.Get("Access-Control-Allow-Origin"))
	}
	require.Contains(t, get(t, s, "/.well-known/openid-configuration").JSON, "id_token_signing_alg_values_supported")
	require.Equal(t, http.StatusNotFound, get(t, s, "/.well-known/oauth-authorization-server/nobody").Status, "unknown is 404, never 401")
	require.Equal(t, http.StatusNotFound, get(t, s, "/.well-known/oauth-authorization-server/").Status, "and never a redirect")

	a := get(t, s, "/.well-known/oauth-protected-resource/api/v1")
	require.Equal(t, s.URL+"/api/v1", a.JSON["resource"])
	require.Equal(t, []any{s.URL}, a.JSON["authorization_servers"])
}

// An issuer with a path is found by both rules: inserted before the path (RFC
// 8414) and appended to it (OpenID Connect Discovery).
func TestIssuerWithAPath(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{Path: "/tenants/t1"})
	for _, url := range []string{
		s.Host + "/.well-known/oauth-authorization-server/tenants/t1",
		s.Host + "/.well-known/openid-configuration/tenants/t1",
		s.URL + "/.well-known/openid-configuration",
	} {
		a := getURL(t, s, url)
		require.Equal(t, http.StatusOK, a.Status, url)
		require.Equal(t, s.URL, a.JSON["issuer"])
		require.Equal(t, s.URL+"/oauth2/token", a.JSON["token_endpoint"])
	}
	require.Equal(t, http.StatusNotFound, getURL(t, s, s.Host+"/.well-known/oauth-authorization-server").Status)
	require.Equal(t, s.URL+"/api/v1", getURL(t, s, s.Host+"/.well-known/oauth-protected-resource/tenants/t1/api/v1").JSON["resource"])

	c := newChain(s)
	require.True(t, s.Active(c.agents[3], c.tokens[3]))
	a := get(t, s, "/api/v1/clients")
	require.Equal(t, http.StatusUnauthorized, a.Status)
	require.Contains(t, a.Header.Get("WWW-Authenticate"), `resource_metadata="`+s.Host+`/.well-known/oauth-protected-resource/tenants/t1/api/v1"`)
	require.Contains(t, get(t, s, "/").Body, `href="/.well-known/oauth-authorization-server/tenants/t1"`)
}

func TestIndexPageIsSafeToShow(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	a := get(t, s, "/")
	require.Equal(t, http.StatusOK, a.Status)
	require.Contains(t, a.Body, s.URL)
	require.NotContains(t, a.Body, "<script")
	require.Contains(t, a.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "DENY", a.Header.Get("X-Frame-Options"))
	require.Equal(t, http.StatusOK, get(t, s, "/pages.css").Status)
	require.Equal(t, http.StatusNotFound, get(t, s, "/nothing").Status)
}

func TestPreflightIsAnswered(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	for _, path := range []string{"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/introspect", "/.well-known/oauth-authorization-server"} {
		req, err := http.NewRequest(http.MethodOptions, s.URL+path, nil)
		require.NoError(t, err)
		req.Header.Set("Origin", "https://app.example")
		req.Header.Set("Access-Control-Request-Method", "POST")
		a := s.Send(req)
		require.Equal(t, http.StatusNoContent, a.Status, path)
		require.Equal(t, "*", a.Header.Get("Access-Control-Allow-Origin"), path)
		require.Empty(t, a.Header.Get("Access-Control-Allow-Credentials"), path)
		require.Contains(t, a.Header.Get("Access-Control-Allow-Methods"), "POST", path)
		require.Contains(t, a.Header.Get("Access-Control-Allow-Headers"), "MCP-Protocol-Version", path)
	}
}

func jwks(t *testing.T, s *harness.Server) (kids []string) {
	t.Helper()
	a := get(t, s, "/oauth2/jwks")
	require.NotContains(t, a.Body, `"d"`, "no private part")
	var set struct{ Keys []struct{ Kid, Alg string } }
	require.NoError(t, json.Unmarshal([]byte(a.Body), &set))
	for _, k := range set.Keys {
		require.Equal(t, "ES256", k.Alg)
		kids = append(kids, k.Kid)
	}
	return kids
}

// A key is published before it signs, and stays until its last token is over.
func TestKeysRotateWithOverlap(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", agent, "read")
		s.Allow(agent.ID, service, "read")
		kidOf := func(token string) any {
			header, _ := claimsOf(t, token)
			return header["kid"]
		}
		old := s.Own(agent, service.Identifier, "read")
		next, err := s.Keys.Rotate(context.Background(), models.By{System: "test"}, 300)
		require.NoError(t, err)
		require.Len(t, jwks(t, s), 2, "the next key is published at once")
		require.Equal(t, kidOf(old), kidOf(s.Own(agent, service.Identifier, "read")), "but does not sign yet")
		s.Clock.Advance(301 * time.Second)
		fresh := s.Own(agent, service.Identifier, "read")
		require.Equal(t, next.ID, kidOf(fresh))
		require.True(t, s.Active(agent, old), "what the old key signed is still good")
		s.Clock.Advance(25 * time.Hour)
		require.NoError(t, s.Keys.Reload(context.Background()))
		require.Equal(t, []string{next.ID}, jwks(t, s), "the old key is gone with the last of its tokens")
	})
}

// Private keys are sealed: neither they nor any secret can be read in the database.
func TestKeysAreSealedAtRest(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	keys, err := s.Store.SigningKeys(context.Background())
	require.NoError(t, err)
	_, private := s.SigningKey()
	raw, err := private.Bytes()
	require.NoError(t, err)
	for _, k := range keys {
		require.NotContains(t, string(k.Sealed), string(raw))
		require.False(t, strings.Contains(string(k.Sealed), "PRIVATE+KEY"))
	}
}
