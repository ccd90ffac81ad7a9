package tests

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/tests/harness"
)

// What others got wrong between a client's request and the user's answer.
// docs/traps.md lists every lesson.

// No page and no address on the way to the answer holds a code, or anything that
// becomes one: there is none before the person has answered.
func TestTrap_NoCodeComesBeforeTheAnswer(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		require.NotContains(t, q.Body, models.CodePrefix)
		none := func() {
			t.Helper()
			grants, _, err := v.Store.Grants(context.Background(), "", v.user.ID, models.Page{})
			require.NoError(t, err)
			require.Empty(t, grants, "every code begins one")
		}
		none()
		stranger := v.Browser()
		for _, a := range []harness.Answer{stranger.Get("/oauth2/authorize/" + q.ID), stranger.Post("/consent", q.Form("allow", q.Scopes...))} {
			require.Equal(t, http.StatusSeeOther, a.Status)
			require.Equal(t, "/login?return="+q.ID, a.Header.Get("Location"))
		}
		none()
		v.b.Back(v.b.Post("/consent", q.Form("deny")))
		none()
	})
}

// A program on the person's machine learns its port when it starts. Nothing else of
// the address may differ.
func TestTrap_OnlyALoopbacksPortVaries(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		registered := []string{"http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost/cb?a=1", "https://client.example:8443/cb"}
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, v.agent.ID, models.AnyVersion, func(c *models.Client) { c.RedirectURIs = registered })
			return err
		})
		v.b.SignIn("alice", harness.Password)
		known := func(uri string) bool {
			a := v.b.Authorize(v.query(url.Values{"redirect_uri": {uri}}))
			require.Contains(t, []int{http.StatusSeeOther, http.StatusBadRequest}, a.Status, uri)
			return a.Status == http.StatusSeeOther
		}
		for _, uri := range []string{"http://127.0.0.1:4711/cb", "http://127.0.0.1/cb", "http://[::1]:65535/cb", "http://localhost:1/cb?a=1", "https://client.example:8443/cb"} {
			require.True(t, known(uri), uri)
		}
		for _, uri := range []string{
			"http://127.0.0.1:4711/cb/", "http://127.0.0.2:4711/cb", "https://127.0.0.1:4711/cb", "http://localhost:1/cb", "http://127.0.0.1.evil.example:1/cb", "http://127.0.0.1:1@evil.example/cb",
			"http://evil.example#@127.0.0.1/cb", "http://127.0.0.1:01/cb", "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:1\\@evil.example/cb", "http://LOCALHOST:1/cb?a=1",
			"https://client.example:8444/cb", "https://client.example/cb", "http://2130706433/cb", "http://localhost.:1/cb?a=1",
		} {
			require.False(t, known(uri), uri)
		}
	})
}

// There is one response type, and no record of a client brings back another.
func TestTrap_NoTokenComesByRedirect(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.b.SignIn("alice", harness.Password)
		for _, kind := range []string{"token", "id_token", "code token", "code id_token", "id_token token", "none", "CODE"} {
			back := v.b.Back(v.b.Authorize(v.query(url.Values{"response_type": {kind}})))
			require.Equal(t, oauth.UnsupportedResponseType, back.Get("error"), kind)
			require.Empty(t, back["code"])
			require.Empty(t, back["access_token"])
		}
	})
}

// What was pushed is what counts, whatever the address in the browser says.
func TestTrap_PushedParametersStayOnTheServer(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		pushed := v.query(url.Values{"scope": {"work:do"}})
		a := v.Form("/oauth2/par", v.agent, pushed)
		require.Equal(t, http.StatusCreated, a.Status, a.Body)
		v.b.SignIn("alice", harness.Password)
		there := v.b.Authorize(url.Values{
			"client_id": {v.agent.ID}, "request_uri": {a.String("request_uri")}, "scope": {"work:do work:undo"}, "redirect_uri": {"https://evil.example/"},
			"state": {"other"}, "code_challenge": {harness.Challenge("another")}, "prompt": {"none"}, "response_type": {"token"},
		})
		require.Equal(t, http.StatusSeeOther, there.Status)
		require.NotContains(t, there.Header.Get("Location"), "work", "nor does anything of it come back to the browser")
		q := v.b.Question(v.b.Follow(there))
		require.Equal(t, []string{v.pair("work:do")}, q.Scopes)
		back := v.b.Back(v.b.Post("/consent", q.Form("allow", q.Scopes...)))
		require.Equal(t, "state-1", back.Get("state"))
		v.must(v.token(harness.CodeForm(back.Get("code"))))
	})
}

// A consent is for the client that was named, and for where it sent people then.
func TestTrap_AConsentIsNobodyElses(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		v.b.Back(v.b.Post("/consent", q.Form("allow", q.Scopes...)))
		require.NotEmpty(t, v.b.Back(v.b.Authorize(v.query(nil))).Get("code"), "who was allowed is not asked about again")

		twin := v.ForPeople(v.Agent("twin", v.User("twins-owner")))
		v.Allow(twin.ID, v.service, workScopes...)
		v.b.Question(v.b.Follow(v.b.Authorize(v.query(url.Values{"client_id": {twin.ID}}))))
		bob := v.Person("bob")
		v.Allow(bob.ID, v.service, workScopes...)
		other := v.Browser()
		other.SignIn("bob", harness.Password)
		other.Question(other.Follow(other.Authorize(v.query(nil))))

		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, v.agent.ID, models.AnyVersion, func(c *models.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://new.example/") })
			return err
		})
		v.b.Question(v.b.Follow(v.b.Authorize(v.query(nil))))
	})
}

// A person suspended after they agreed is spoken for by nobody.
func TestTrap_WhoIsSuspendedMeanwhileIsNotSpokenFor(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		code := v.b.Back(v.b.Post("/consent", q.Form("allow", q.Scopes...))).Get("code")
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, v.user.ID)
			return err
		})
		v.mustNot(v.token(harness.CodeForm(code)), "subject_inactive")
	})
}

// The page that asks is framed by nobody, and sends its form nowhere else.
func TestTrap_ThePageThatAsksIsNotFramed(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		require.Equal(t, "DENY", q.Header.Get("X-Frame-Options"))
		require.Contains(t, q.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		require.Contains(t, q.Header.Get("Content-Security-Policy"), "form-action 'self'")
		require.Empty(t, q.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "no-store", q.Header.Get("Cache-Control"))
	})
}

// Every form of people's pages is in crossSite, and so refused from elsewhere.
func TestTrap_EveryFormIsTried(t *testing.T) {
	files, err := filepath.Glob("../server/pages/*.go")
	require.NoError(t, err)
	found := 0
	for _, name := range files {
		body, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\.POST\("([^"]+)"`).FindAllStringSubmatch(string(body), -1) {
			path := regexp.MustCompile(`:\w+`).ReplaceAllString(m[1], "x")
			if path == "/oauth2/authorize" || path == "/oauth2/logout" { // other sites' forms are what it is for
				continue
			}
			require.Contains(t, crossSite, path)
			found++
		}
	}
	require.Greater(t, found, 15)
	require.False(t, strings.Contains(strings.Join(crossSite, " "), ":"))
}
