package tests

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// Names after the modules of the OpenID Foundation's RP-Initiated Logout plan, where
// one of them asks for the same.

const bye = "https://client.example/bye?kept=1"

// guest is somebody who signed in to an application through a browser.
type guest struct {
	*visit
	hint string // their ID token
	sid  string
}

func eachGuest(t *testing.T, test func(t *testing.T, g *guest)) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			if _, err := st.UpdateClient(ctx, by, v.agent.ID, models.AnyVersion, func(c *models.Client) { c.PostLogoutURIs = []string{bye} }); err != nil {
				return err
			}
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.OpenIDRoleID, PrincipalID: v.agent.ID})
		})
		q := v.asks(url.Values{"scope": {"openid"}, "resource": nil})
		back := v.b.Back(v.b.Post("/consent", q.Form("allow", models.OpenIDID+" openid")))
		a := v.token(harness.CodeForm(back.Get("code")))
		i := &identified{sitting: v.sitting}
		_, claims := i.verified(a)
		test(t, &guest{v, a.String("id_token"), claims["sid"].(string)})
	})
}

func (g *guest) logout(more url.Values) harness.Answer {
	g.TB.Helper()
	return g.b.Get("/oauth2/logout?" + more.Encode())
}

// oidcc-rp-initiated-logout: with the hint nobody is asked, and the state comes back.
func TestLogout_WithTheSessionsIDTokenIsAtOnce(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		require.True(t, g.b.SignedIn())
		g.Clock.Advance(30 * time.Minute) // the ID token has expired
		a := g.logout(url.Values{"id_token_hint": {g.hint}, "client_id": {g.agent.ID}, "post_logout_redirect_uri": {bye}, "state": {"s 1"}})
		require.Equal(t, http.StatusSeeOther, a.Status, a.Body)
		require.Equal(t, bye+"&state=s+1", a.Header.Get("Location"))
		require.False(t, g.b.SignedIn())
		e := g.LastEntry()
		require.Equal(t, []string{"signOut", g.user.ID}, []string{e.Action, e.SubjectID})
		require.Contains(t, e.Detail, g.sid)

		again := g.logout(url.Values{"id_token_hint": {g.hint}, "post_logout_redirect_uri": {bye}})
		require.Equal(t, bye, again.Header.Get("Location"), "who is signed out is sent back all the same")
	})
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`)

// formOf is what a page's form sends.
func formOf(body string) url.Values {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// oidcc-rp-initiated-logout-no-id-token-hint, -no-params, -only-state: people are asked.
func TestLogout_WithoutHintPeopleAreAsked(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		a := g.logout(url.Values{"client_id": {g.agent.ID}, "post_logout_redirect_uri": {bye}, "state": {`"><s>`}, "ui_locales": {"de"}})
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.Contains(t, a.Body, "Abmelden?")
		require.Contains(t, a.Body, "assistant")
		require.NotContains(t, a.Body, "<s>")
		require.True(t, g.b.SignedIn(), "an address that somebody was sent to ends nothing")
		page := g.b.Post("/logout", formOf(a.Body))
		require.Contains(t, page.Body, html.EscapeString(bye+"&state="+url.QueryEscape(`"><s>`)), "back by a page, as no form may lead elsewhere")
		require.False(t, g.b.SignedIn())

		g.b.SignIn("alice", harness.Password)
		for name, q := range map[string]url.Values{"no-params": {}, "only-state": {"state": {"s1"}}} {
			a := g.logout(q)
			require.Contains(t, a.Body, "Sign out?", name)
		}
		other := g.logout(url.Values{"id_token_hint": {g.hint}, "post_logout_redirect_uri": {bye}})
		require.Contains(t, other.Body, "Sign out?", "the hint is of a session that is over")
		require.Equal(t, g.agent.ID, formOf(other.Body).Get("client_id"))
		page = g.b.Post("/logout", formOf(g.logout(nil).Body))
		require.Contains(t, page.Body, "You are signed out")
		require.Empty(t, page.Header.Get("Location"))
		require.False(t, g.b.SignedIn())
		require.Contains(t, g.logout(nil).Body, "You are signed out", "and there is nobody to ask")
	})
}

// oidcc-rp-initiated-logout-bad-post-logout-redirect-uri, -modified-id-token-hint,
// -query-added-to-post-logout-redirect-uri, -bad-id-token-hint: nothing is ended, and nobody led astray.
func TestLogout_LeadsNobodyAstray(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		thief := g.ForPeople(g.Agent("thief", g.User("thief-owner")))
		access := g.Own(g.agent, g.service.Identifier, "work:do")
		parts := strings.Split(g.hint, ".")
		other := harness.New(t, "sqlite", harness.Options{})
		for name, q := range map[string]url.Values{
			"not registered":        {"id_token_hint": {g.hint}, "post_logout_redirect_uri": {"https://evil.example/"}},
			"query added":           {"id_token_hint": {g.hint}, "post_logout_redirect_uri": {bye + "&x=1"}},
			"query missing":         {"id_token_hint": {g.hint}, "post_logout_redirect_uri": {"https://client.example/bye"}},
			"a redirect_uri":        {"id_token_hint": {g.hint}, "post_logout_redirect_uri": {harness.Redirect}},
			"of no client":          {"post_logout_redirect_uri": {bye}},
			"of an unknown client":  {"client_id": {"app_nobody"}, "post_logout_redirect_uri": {bye}},
			"of another client":     {"client_id": {thief.ID}, "post_logout_redirect_uri": {bye}},
			"hint of another":       {"id_token_hint": {g.hint}, "client_id": {thief.ID}, "post_logout_redirect_uri": {bye}},
			"hint modified":         {"id_token_hint": {parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86)}, "post_logout_redirect_uri": {bye}},
			"hint unsigned":         {"id_token_hint": {parts[0] + "." + parts[1] + "."}, "post_logout_redirect_uri": {bye}},
			"hint garbage":          {"id_token_hint": {"bad"}},
			"hint an access token":  {"id_token_hint": {access}},
			"twice":                 {"client_id": {g.agent.ID, thief.ID}},
			"state too long":        {"state": {strings.Repeat("s", 5000)}},
			"a scheme that scripts": {"client_id": {g.agent.ID}, "post_logout_redirect_uri": {"javascript:alert(1)"}},
		} {
			a := g.logout(q)
			require.Equal(t, http.StatusBadRequest, a.Status, name+a.Body)
			require.Empty(t, a.Header.Get("Location"), name)
			require.True(t, g.b.SignedIn(), name)
			form := url.Values{"client_id": q["client_id"], "post_logout_redirect_uri": q["post_logout_redirect_uri"]}
			if q.Get("post_logout_redirect_uri") != "" && q.Get("id_token_hint") == "" {
				require.Equal(t, http.StatusBadRequest, g.b.Post("/logout", form).Status, "nor by the form: "+name)
			}
		}
		require.Equal(t, http.StatusBadRequest, other.Browser().Get("/oauth2/logout?id_token_hint="+g.hint).Status, "another issuer's")

		g.b.Header.Set("Sec-Fetch-Site", "cross-site")
		g.b.Header.Set("Origin", "https://evil.example")
		require.Equal(t, http.StatusForbidden, g.b.Post("/logout", nil).Status, "another site's form")
		require.Equal(t, http.StatusSeeOther, g.b.Post("/oauth2/logout", url.Values{"id_token_hint": {g.hint}}).Status)
		require.True(t, g.b.SignedIn(), "by POST it goes on with GET, where the cookie is")
	})
}

// A client may not register what browsers and people read differently.
func TestLogout_URIsAreHeldToTheRulesOfRedirects(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		app := s.Application("app")
		for _, uri := range []string{"http://client.example/bye", "javascript:x", "https://u@client.example/", "https://client.example/*", "bye"} {
			_, err := s.Store.UpdateClient(context.Background(), models.By{System: "test"}, app.ID, models.AnyVersion, func(c *models.Client) { c.PostLogoutURIs = []string{uri} })
			var invalid *models.Invalid
			require.ErrorAs(t, err, &invalid, uri)
			require.Equal(t, "post_logout_redirect_uris", invalid.Field)
		}
	})
}

// listener is a client's own endpoint that is told of sessions that ended.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	heard  []map[string]any // claims of logout tokens
}

// listens gives the guest's client one.
func (g *guest) listens() *listener {
	g.TB.Helper()
	l := &listener{status: http.StatusOK}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		header, claims := claimsOf(g.TB.(*testing.T), r.PostFormValue("logout_token"))
		if header["typ"] == "logout+jwt" && r.Method == http.MethodPost {
			l.heard = append(l.heard, claims)
		}
		w.WriteHeader(l.status)
	}))
	g.TB.Cleanup(l.Close)
	g.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, g.agent.ID, models.AnyVersion, func(c *models.Client) { c.BackchannelURI = l.URL + "/gone?x=1" })
		return err
	})
	return l
}

// told lets the server tell what is due, and counts what was heard since.
func (l *listener) told(g *guest) []map[string]any {
	g.TB.Helper()
	require.NoError(g.TB, g.Endpoint.Notify(context.Background()))
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := l.heard
	l.heard = nil
	return heard
}

// oidcc-backchannel-rp-initiated-logout
func TestLogout_ClientsAreToldInTheBackground(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		l := g.listens()
		require.Empty(t, l.told(g))
		g.logout(url.Values{"id_token_hint": {g.hint}})
		heard := l.told(g)
		require.Len(t, heard, 1)
		claims := heard[0]
		iat := claims["iat"].(float64)
		require.InDelta(t, float64(g.Clock.Now().Unix()), iat, 5)
		require.Equal(t, map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, claims["events"])
		require.Equal(t, []any{g.URL, g.user.ID, g.agent.ID, g.sid, iat + 120}, []any{claims["iss"], claims["sub"], claims["aud"], claims["sid"], claims["exp"]})
		require.NotEmpty(t, claims["jti"])
		require.NotContains(t, claims, "nonce")
		e := g.LastEntry()
		require.Equal(t, []string{"tellLogout", g.user.ID}, []string{e.Action, e.SubjectID})
		require.Contains(t, e.Detail, g.sid)
		require.Empty(t, l.told(g), "once")
	})
}

func TestLogout_WhatCannotBeToldIsToldLater(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		l := g.listens()
		l.status = http.StatusInternalServerError
		g.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeSession(ctx, by, g.user.ID, g.sid)
		})
		require.Len(t, l.told(g), 1, "an administrator ended it")
		require.Empty(t, l.told(g), "not again at once")
		g.Clock.Advance(10 * time.Second)
		first := l.told(g)
		require.Len(t, first, 1)
		l.status = http.StatusNoContent
		g.Clock.Advance(20 * time.Second)
		second := l.told(g)
		require.Len(t, second, 1)
		require.NotEqual(t, first[0]["jti"], second[0]["jti"], "a token of its own, signed now")
		require.Equal(t, "tellLogout", g.LastEntry().Action)
		g.Clock.Advance(time.Hour)
		require.Empty(t, l.told(g))
	})
}

func TestLogout_AfterADayItIsGivenUp(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		l := g.listens()
		l.status = http.StatusBadRequest
		g.logout(url.Values{"id_token_hint": {g.hint}})
		tries := 0
		for range 200 {
			tries += len(l.told(g))
			g.Clock.Advance(10 * time.Minute)
		}
		require.InDelta(t, 35, tries, 10, "ever more seldom")
		e := g.LastEntry()
		require.Equal(t, "giveUpLogout", e.Action)
		require.Contains(t, e.Detail, "answered 400")
	})
}

func TestLogout_OnlyWhoSignedThemInIsTold(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		l := g.listens()
		other := g.Browser()
		other.SignIn("alice", harness.Password)
		other.Post("/logout", nil)
		require.Empty(t, l.told(g), "another session")
		a := g.b.Authorize(g.query(url.Values{"scope": {"work:do"}}))
		back := g.b.Back(g.b.Post("/consent", g.b.Question(g.b.Follow(a)).Form("allow", g.pair("work:do"))))
		g.must(g.token(harness.CodeForm(back.Get("code"))))
		g.logout(url.Values{"id_token_hint": {g.hint}})
		heard := 0
		for _, a := range harness.Parallel(4, func(int) harness.Answer { return harness.Answer{Status: len(l.told(g))} }) {
			heard += a.Status
		}
		require.Equal(t, 1, heard, "one client, one notice, from whichever replica")
	})
}
