package tests

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// What docs/openid.md names and no other test shows.

// agrees has alice say yes to everything about who she is.
func (g *guest) agrees() {
	g.TB.Helper()
	q := g.b.Question(g.b.Follow(g.b.Authorize(g.asking(url.Values{"scope": {strings.Join(everything, " ")}}))))
	var all []string
	for _, s := range everything {
		all = append(all, models.OpenIDID+" "+s)
	}
	require.NotEmpty(g.TB, g.b.Back(g.b.Post("/consent", q.Form("allow", all...))).Get("code"))
}

// told is what the client gets for a request that nobody is asked about.
func (g *guest) told(more url.Values) (harness.Answer, map[string]any) {
	g.TB.Helper()
	back := g.b.Back(g.b.Authorize(g.asking(more)))
	require.Equal(g.TB, []string{"", "state-1"}, []string{back.Get("error"), back.Get("state")}, more)
	return g.redeemed(back.Get("code"))
}

func (g *guest) redeemed(code string) (harness.Answer, map[string]any) {
	g.TB.Helper()
	a := g.token(harness.CodeForm(code))
	_, claims := (&identified{sitting: g.sitting}).verified(a)
	require.Equal(g.TB, g.user.ID, claims["sub"])
	return a, claims
}

// Beside openid, what is not understood is not looked at (OpenID Connect Core section
// 3.1.2.1), and what is understood means the same in any order.
func TestOIDC_WhatIsNotUnderstoodChangesNothing(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		g.agrees()
		for name, row := range map[string]struct {
			more  url.Values
			scope string
		}{
			"oidcc-scope-address":                                       {url.Values{"scope": {"openid address"}}, "openid"},
			"oidcc-scope-phone":                                         {url.Values{"scope": {"openid phone"}}, "openid"},
			"oidcc-scope-all":                                           {url.Values{"scope": {"openid profile email address phone"}}, "email openid profile"},
			"oidcc-ensure-other-scope-order-succeeds":                   {url.Values{"scope": {"email openid"}}, "email openid"},
			"oidcc-display-page":                                        {url.Values{"display": {"page"}}, "openid"},
			"oidcc-display-popup":                                       {url.Values{"display": {"popup"}}, "openid"},
			"oidcc-ui-locales":                                          {url.Values{"ui_locales": {"se de"}}, "openid"},
			"oidcc-claims-locales":                                      {url.Values{"claims_locales": {"se"}}, "openid"},
			"oidcc-claims-essential":                                    {url.Values{"claims": {`{"userinfo":{"name":{"essential":true}}}`}}, "openid"},
			"oidcc-login-hint":                                          {url.Values{"login_hint": {"bob@example.com"}}, "openid"},
			"oidcc-ensure-request-with-acr-values-succeeds":             {url.Values{"acr_values": {"1 2"}}, "openid"},
			"oidcc-ensure-request-with-unknown-parameter-succeeds":      {url.Values{"extra": {"foobar"}}, "openid"},
			"oidcc-ensure-request-without-nonce-succeeds-for-code-flow": {nil, "openid"},
			"work that nobody defines":                                  {url.Values{"scope": {"openid unheard:of"}, "resource": {g.service.Identifier}}, "openid"},
		} {
			a, claims := g.told(row.more)
			require.Equal(t, row.scope, a.String("scope"), name)
			require.NotContains(t, claims, "nonce", name)
			require.Equal(t, "1", claims["acr"], name)
			info := (&identified{sitting: g.sitting}).userinfo(a.String("access_token"))
			require.Equal(t, g.user.ID, info.String("sub"), name+info.Body)
			require.Equal(t, strings.Contains(row.scope, "profile"), info.JSON["preferred_username"] != nil, name)
			require.NotContains(t, info.JSON, "address", name)
		}
		_, claims := g.told(url.Values{"nonce": {"n-1"}})
		require.Equal(t, "n-1", claims["nonce"])
		back := g.b.Back(g.b.Authorize(g.query(url.Values{"scope": {"work:do unheard:of"}})))
		require.Equal(t, "invalid_scope", back.Get("error"), "without openid it is refused")
	})
}

// What is not understood is not on the page either.
func TestOIDC_WhatIsNotUnderstoodIsNotAsked(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		q := g.b.Question(g.b.Follow(g.b.Authorize(g.query(url.Values{"scope": {"openid work:do unheard:of phone"}}))))
		require.NotContains(t, q.Body, "unheard:of")
		require.NotContains(t, q.Body, "phone")
		back := g.b.Back(g.b.Post("/consent", q.Form("allow", models.OpenIDID+" openid", g.pair("work:do"))))
		a, _ := g.redeemed(back.Get("code"))
		require.Equal(t, "work:do", a.String("scope"))
	})
}

// oidcc-max-age-1, -max-age-10000, -prompt-login, -prompt-none-logged-in: auth_time
// is when they signed in, and moves only if they do so anew.
func TestOIDC_AuthTimeIsWhenTheySignedIn(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		_, first := g.told(nil)
		g.Clock.Advance(10 * time.Second)
		for _, more := range []url.Values{{"max_age": {"10000"}}, {"prompt": {"none"}}, {"prompt": {"none"}, "id_token_hint": {g.hint}}} {
			_, claims := g.told(more)
			require.Equal(t, []any{first["auth_time"], first["sub"], first["sid"]}, []any{claims["auth_time"], claims["sub"], claims["sid"]}, more)
		}
		last := first["auth_time"].(float64)
		for _, more := range []url.Values{{"max_age": {"1"}}, {"prompt": {"login"}}} {
			g.Clock.Advance(10 * time.Second)
			asked := g.b.Authorize(g.asking(more))
			g.Clock.Advance(time.Second)
			_, claims := g.redeemed(g.b.Back(g.signsIn(g.b, asked, "alice")).Get("code"))
			require.Greater(t, claims["auth_time"], last, more)
			last = claims["auth_time"].(float64)
		}
	})
}

// oidcc-server-client-secret-post
func TestOIDC_ClientsMaySendTheirSecretInTheForm(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		code := g.b.Back(g.b.Authorize(g.asking(nil))).Get("code")
		form := maps.Clone(harness.CodeForm(code))
		form.Set("client_id", g.agent.ID)
		for _, secret := range []string{"dpt_sec_wrong", g.agent.Secret} {
			form.Set("client_secret", secret)
			req, err := http.NewRequest(http.MethodPost, g.URL+"/oauth2/token", strings.NewReader(form.Encode()))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			a := g.Send(req)
			require.Equal(t, secret == g.agent.Secret, a.Status == http.StatusOK, a.Body)
			require.Equal(t, secret == g.agent.Secret, a.JSON["id_token"] != nil)
		}
	})
}

// oidcc-codereuse-30seconds: late, too, a code that comes again ends what it issued.
func TestOIDC_ACodeThatComesAgainLater(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		code := g.b.Back(g.b.Authorize(g.asking(nil))).Get("code")
		a, _ := g.redeemed(code)
		who := &identified{sitting: g.sitting}
		require.Equal(t, http.StatusOK, who.userinfo(a.String("access_token")).Status)
		g.Clock.Advance(31 * time.Second)
		g.mustNot(g.token(harness.CodeForm(code)), "authorization_used")
		require.Equal(t, http.StatusUnauthorized, who.userinfo(a.String("access_token")).Status)
	})
}

// oidcc-discovery-endpoint-verification: what must be there is, and every address is
// below the issuer.
func TestOIDC_DiscoveryHoldsWhatMustBeThere(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	doc := get(t, s, "/.well-known/openid-configuration").JSON
	for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} {
		require.True(t, strings.HasPrefix(doc[name].(string), s.URL), name)
	}
	require.Equal(t, []any{"code"}, doc["response_types_supported"])
	require.Contains(t, doc["scopes_supported"], "openid")
	for _, name := range []string{"subject_types_supported", "id_token_signing_alg_values_supported", "grant_types_supported", "claims_supported"} {
		require.NotEmpty(t, doc[name], name)
	}
	require.Equal(t, false, doc["request_uri_parameter_supported"], "which is true where nothing is said")
	for _, name := range []string{"claims_parameter_supported", "request_parameter_supported", "display_values_supported", "registration_endpoint"} {
		require.NotContains(t, doc, name, "which is false, or none, where nothing is said")
	}
	keys := getURL(t, s, doc["jwks_uri"].(string)).JSON["keys"].([]any)
	require.NotEmpty(t, keys)
	for _, key := range keys {
		k := key.(map[string]any)
		require.Equal(t, []any{"EC", "P-256", "ES256", "sig"}, []any{k["kty"], k["crv"], k["alg"], k["use"]})
		require.Subset(t, []string{"kty", "crv", "alg", "use", "kid", "x", "y"}, slices.Collect(maps.Keys(k)), "and nothing private")
	}
}
