package tests

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// asking is a request for who somebody is, and no more.
func (g *guest) asking(more url.Values) url.Values {
	q := url.Values{"scope": {"openid"}, "resource": nil}
	for name, values := range more {
		q[name] = values
	}
	return g.query(q)
}

// signsIn signs somebody in where a browser is asked to.
func (g *guest) signsIn(b *harness.Browser, a harness.Answer, username string) harness.Answer {
	g.TB.Helper()
	to := a.Header.Get("Location")
	require.Contains(g.TB, to, "/login?return=")
	a = b.Post("/login", url.Values{"username": {username}, "password": {harness.Password}, "return": {to[strings.Index(to, "atz_"):]}})
	require.Equal(g.TB, http.StatusSeeOther, a.Status, a.Body)
	return b.Follow(a)
}

// oidcc-id-token-hint: a client that means somebody is answered for nobody else.
func TestOIDC_AHintIsAnsweredForNobodyElse(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		hint := url.Values{"id_token_hint": {g.hint}}
		silent := url.Values{"id_token_hint": {g.hint}, "prompt": {"none"}}
		g.Clock.Advance(30 * time.Minute) // the ID token has expired
		require.NotEmpty(t, g.b.Back(g.b.Authorize(g.asking(silent))).Get("code"))
		require.NotEmpty(t, g.b.Back(g.b.Authorize(g.asking(hint))).Get("code"))
		require.Equal(t, "login_required", g.Browser().Back(g.Browser().Authorize(g.asking(silent))).Get("error"))

		g.Person("bob")
		other := g.Browser()
		other.SignIn("bob", harness.Password)
		back := other.Back(other.Authorize(g.asking(silent)))
		require.Equal(t, []string{"login_required", "", "state-1"}, []string{back.Get("error"), back.Get("code"), back.Get("state")})
		g.Clock.Advance(time.Second)
		asked := other.Authorize(g.asking(hint))
		page := other.Follow(asked)
		require.NotContains(t, page.Body, `value="bob"`, "it is somebody else who is meant")
		require.NotContains(t, page.Body, `value="alice"`, "whom this ID token does not name")
		g.Clock.Advance(time.Second)
		back = other.Back(g.signsIn(other, asked, "bob"))
		require.Equal(t, []string{"login_required", ""}, []string{back.Get("error"), back.Get("code")}, "bob again")
		g.Clock.Advance(time.Second)
		asked = other.Authorize(g.asking(hint))
		g.Clock.Advance(time.Second)
		code := other.Back(g.signsIn(other, asked, "alice")).Get("code")
		_, claims := (&identified{sitting: g.sitting}).verified(g.token(harness.CodeForm(code)))
		require.Equal(t, g.user.ID, claims["sub"])
	})
}

// What is no ID token of this client's is told to it, at once.
func TestOIDC_HintsThatAreNone(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		own := g.token(harness.OwnForm(g.service.Identifier, "work:do")).String("access_token")
		changed := g.hint[:strings.LastIndex(g.hint, ".")] + ".AAAA"
		for name, hint := range map[string]string{"words": "alice", "an access token": own, "unsigned": changed} {
			back := g.b.Back(g.b.Authorize(g.asking(url.Values{"id_token_hint": {hint}})))
			require.Equal(t, []string{"invalid_request", "", "state-1"}, []string{back.Get("error"), back.Get("code"), back.Get("state")}, name)
		}
		other := g.ForPeople(g.Agent("other", g.User("other-owner")))
		q := g.asking(url.Values{"id_token_hint": {g.hint}, "client_id": {other.ID}})
		require.Equal(t, "invalid_request", g.b.Back(g.b.Authorize(q)).Get("error"), "another client's")
		require.Contains(t, g.LastEntry().Detail, "client_mismatch")
		nowhere := g.b.Authorize(g.asking(url.Values{"id_token_hint": {"alice"}, "redirect_uri": {"https://evil.example/"}}))
		require.Equal(t, http.StatusBadRequest, nowhere.Status)
		require.Empty(t, nowhere.Header.Get("Location"))
	})
}

// A request that is pushed names whom it means as any other does.
func TestOIDC_AHintIsPushed(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *guest) {
		push := func(hint string) harness.Answer {
			q := g.asking(url.Values{"id_token_hint": {hint}, "prompt": {"none"}})
			q.Del("client_id")
			return g.Form("/oauth2/par", g.agent, q)
		}
		bad := push("alice")
		require.Equal(t, []any{http.StatusBadRequest, "invalid_request"}, []any{bad.Status, bad.String("error")}, bad.Body)
		g.Person("bob")
		other := g.Browser()
		other.SignIn("bob", harness.Password)
		for b, want := range map[*harness.Browser]string{other: "login_required", g.b: ""} {
			q := url.Values{"client_id": {g.agent.ID}, "request_uri": {push(g.hint).String("request_uri")}}
			back := b.Back(b.Authorize(q))
			require.Equal(t, want, back.Get("error"))
			require.Equal(t, want == "", back.Get("code") != "")
		}
	})
}

// The name is filled in for whoever is meant where the client's ID token told it.
func TestOIDC_AHintFillsInTheNameItHolds(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, _ := s.signsIn([]string{"openid", "profile"}, nil, nil)
		v := &visit{s.sitting, s.Browser()}
		asked := v.b.Authorize(v.query(url.Values{"scope": {"openid"}, "resource": nil, "id_token_hint": {a.String("id_token")}}))
		require.Contains(t, v.b.Follow(asked).Body, `value="alice"`)
	})
}
