package tests

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
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
		require.Equal(t, []string{"revokeSession", g.user.ID}, []string{e.Action, e.SubjectID})
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
