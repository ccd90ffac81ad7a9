package tests

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

// phone is where somebody who has signed in reads and answers.
func (s *elsewhere) phone() *harness.Browser {
	s.TB.Helper()
	b := s.Browser()
	require.Equal(s.TB, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
	return b
}

func eachInbox(t *testing.T, test func(t *testing.T, s *elsewhere)) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newSitting(t, dialect, harness.Options{})
			s.HasPassword(s.user)
			s.Asks(s.agent, s.user)
			test(t, &elsewhere{sitting: s})
		})
	}
}

// yes ticks scopes of the service, for the first end that a page offers.
func (s *elsewhere) yes(page string, scopes ...string) url.Values {
	s.TB.Helper()
	until := regexp.MustCompile(`name="until" value="([0-9]+)"`).FindStringSubmatch(page)
	require.NotNil(s.TB, until, page)
	form := url.Values{"answer": {"allow"}, "until": {until[1]}}
	for _, scope := range scopes {
		form.Add("scope", s.service.ID+" "+scope)
	}
	return form
}

// From the inbox to the token: what was ticked, once, and until when.
func TestInbox_ApproveLess(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		b := s.phone()
		require.Contains(t, b.Get("/approvals").Body, "Nothing waits for you")
		secret, approval := s.ask()
		inbox := b.Get("/approvals")
		require.Contains(t, inbox.Body, "/approvals/"+approval.ID)
		page := b.Get("/approvals/" + approval.ID)
		require.Contains(t, page.Body, approval.CompareCode)
		require.Equal(t, http.StatusUnprocessableEntity, b.Post("/approvals/"+approval.ID, s.yes(page.Body)).Status, "nothing is ticked")
		require.Equal(t, http.StatusUnprocessableEntity, b.Post("/approvals/"+approval.ID, s.yes(page.Body, "work:do", "work:else")).Status, "more than was offered")
		require.Contains(t, s.token(harness.PollForm(secret)).Body, "authorization_pending")
		done := b.Post("/approvals/"+approval.ID, s.yes(page.Body, "work:do"))
		require.Equal(t, http.StatusOK, done.Status, done.Body)
		require.Contains(t, done.Body, "You approved this")
		token := s.token(harness.PollForm(secret))
		require.Equal(t, "work:do", token.String("scope"), token.Body)
		late := b.Post("/approvals/"+approval.ID, url.Values{"answer": {"deny"}})
		require.Equal(t, http.StatusConflict, late.Status)
		require.Contains(t, late.Body, "It was answered before")
		require.True(t, s.Active(s.agent, token.String("access_token")))

		require.Equal(t, http.StatusOK, b.Post("/account/agents/"+s.agent.ID+"/revoke", nil).Status)
		require.False(t, s.Active(s.agent, token.String("access_token")))
		require.Contains(t, b.Get("/approvals/"+approval.ID).Body, "has ended since")
	})
}

// Nobody else sees a request, nor answers it; nor does another site's form.
func TestInbox_Foreign(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		s.Person("mallory")
		secret, approval := s.ask()
		path := "/approvals/" + approval.ID
		nobody := s.Browser()
		require.Equal(t, "/login?return="+approval.ID, nobody.Get(path).Header.Get("Location"))
		require.Equal(t, "/login?return="+approval.ID, nobody.Post(path, url.Values{"answer": {"deny"}}).Header.Get("Location"))
		require.Equal(t, http.StatusUnauthorized, nobody.Get("/approvals/waiting").Status)
		mallory := s.Browser()
		require.Equal(t, http.StatusSeeOther, mallory.SignIn("mallory", harness.Password).Status)
		require.Equal(t, http.StatusNotFound, mallory.Get(path).Status)
		require.Contains(t, mallory.Get("/approvals/waiting").Body, `"waiting":[]`)
		for _, answer := range []string{"deny", "report"} {
			require.Equal(t, http.StatusNotFound, mallory.Post(path, url.Values{"answer": {answer}}).Status)
		}
		alice := s.phone()
		page := alice.Get(path)
		require.Equal(t, http.StatusNotFound, mallory.Post(path, s.yes(page.Body, "work:do")).Status)
		alice.Header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
		require.Equal(t, http.StatusForbidden, alice.Post(path, s.yes(page.Body, "work:do")).Status)
		require.Contains(t, s.token(harness.PollForm(secret)).Body, "authorization_pending")
	})
}

// Who denies leaves nothing behind, and who reports is not asked by that agent again.
func TestInbox_DenyAndReport(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		b := s.phone()
		secret, approval := s.ask()
		require.Contains(t, b.Post("/approvals/"+approval.ID, url.Values{"answer": {"report"}}).Body, "Denied and reported")
		require.Contains(t, s.token(harness.PollForm(secret)).Body, "access_denied")
		require.Zero(t, s.Tokens())
		again := s.Form("/oauth2/bc-authorize", s.agent, harness.AskForm(s.user, s.service, "work:do"))
		require.Equal(t, http.StatusForbidden, again.Status, again.Body)
	})
}

// What nobody answers in time is over, on every page.
func TestInbox_Expires(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		s.Clock.Stop()
		b := s.phone()
		_, approval := s.ask()
		page := b.Get("/approvals/" + approval.ID)
		before := b.Get("/approvals/waiting")
		s.Clock.Advance(10 * time.Minute)
		after := b.Get("/approvals/waiting")
		require.NotEqual(t, before.Header.Get("ETag"), after.Header.Get("ETag"))
		late := b.Post("/approvals/"+approval.ID, s.yes(page.Body, "work:do"))
		require.Equal(t, http.StatusConflict, late.Status)
		require.Contains(t, late.Body, "This request has expired")
		require.NotContains(t, late.Body, "You approved this")
	})
}

// The page that watches keeps nobody signed in.
func TestInbox_WatchingIsNoPresence(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		s.Clock.Stop()
		b := s.phone()
		for range 60 {
			s.Clock.Advance(12 * time.Hour)
			if b.Get("/approvals/waiting").Status == http.StatusUnauthorized {
				return
			}
		}
		t.Error("still signed in, though only a script was there")
	})
}

// A device: its code is typed by whoever sees it, and claimed by no look at the form.
func TestInbox_Device(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		asked := s.Form("/oauth2/device_authorization", s.agent, url.Values{"resource": {s.service.Identifier}, "scope": {"work:do"}})
		require.Equal(t, http.StatusOK, asked.Status, asked.Body)
		code := asked.String("user_code")
		require.Equal(t, "/login?return=device."+code, s.Browser().Get("/device?user_code="+code).Header.Get("Location"))
		b := s.phone()
		require.Contains(t, b.Get("/device?user_code="+code).Body, `value="`+code+`"`)
		require.Contains(t, b.Get("/approvals").Body, "Nothing waits for you", "to look at the form claims nothing")
		to := b.Post("/device", url.Values{"user_code": {code}}).Header.Get("Location")
		page := b.Get(to)
		require.Contains(t, page.Body, "Did you start this yourself")
		require.Contains(t, b.Post(to, s.yes(page.Body, "work:do")).Body, "Go back to your device")
		token := s.token(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {asked.String("device_code")}})
		require.Equal(t, "work:do", token.String("scope"), token.Body)
	})
}

// Whoever guesses at codes is stopped, and told to wait.
func TestInbox_DeviceCodesAreNotGuessed(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			config := limits.Defaults()
			s := newSitting(t, dialect, harness.Options{Limits: &config})
			s.Clock.Stop()
			s.HasPassword(s.user)
			b := (&elsewhere{sitting: s}).phone()
			for i := 0; ; i++ {
				a := b.Post("/device", url.Values{"user_code": {"BBBB-BBBB"}})
				if a.Status == http.StatusTooManyRequests {
					require.NotEmpty(t, a.Header.Get("Retry-After"))
					return
				}
				require.Equal(t, http.StatusUnprocessableEntity, a.Status, a.Body)
				require.Less(t, i, 100, "codes can be guessed for ever")
			}
		})
	}
}

// What is of high risk is allowed only by who has just shown who they are: the page
// leads to that and back, with nothing answered in between. To deny takes no more.
func TestInbox_RiskTakesAFreshSignIn(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		s.Clock.Stop()
		_, err := s.Store.PutScope(context.Background(), models.By{System: "test"}, &models.Scope{ResourceID: s.service.ID, Name: "work:do", Risk: models.RiskHigh})
		require.NoError(t, err)
		b := s.phone()
		s.Clock.Advance(10 * time.Minute)
		secret, approval := s.ask()
		path := "/approvals/" + approval.ID
		page := b.Get(path)
		require.Contains(t, page.Body, "high risk is not ticked for you")
		page = b.Post(path, s.yes(page.Body, "work:do", "work:undo"))
		require.Contains(t, page.Body, "First, show that it is you")
		require.NotContains(t, page.Body, `value="allow"`)
		require.NotContains(t, page.Body, `id="problems"`)
		require.Contains(t, page.Body, `href="`+strings.TrimPrefix(s.URL, s.Host)+`/login?return=`+approval.ID)
		require.Contains(t, s.token(harness.PollForm(secret)).Body, "authorization_pending")

		require.Contains(t, b.Get("/login?return="+approval.ID).Body, "Please sign in again")
		back := b.Post("/login", url.Values{"username": {"alice"}, "password": {harness.Password}, "return": {approval.ID}})
		require.Equal(t, path, strings.TrimPrefix(back.Header.Get("Location"), strings.TrimPrefix(s.URL, s.Host)))
		require.Contains(t, b.Post(path, s.yes(b.Get(path).Body, "work:do", "work:undo")).Body, "You approved this")
		require.Equal(t, "work:do work:undo", s.token(harness.PollForm(secret)).String("scope"))

		s.Clock.Advance(10 * time.Minute)
		_, approval = s.ask()
		require.Contains(t, b.Post("/approvals/"+approval.ID, url.Values{"answer": {"deny"}}).Body, "You denied this")
	})
}

// Whom somebody does not tell their code, they are not asked by.
func TestInbox_UserCode(t *testing.T) {
	eachInbox(t, func(t *testing.T, s *elsewhere) {
		s.Clock.Stop()
		b := s.phone()
		ask := func(code string) string {
			form := harness.AskForm(s.user, s.service, "work:do")
			if code != "" {
				form.Set("user_code", code)
			}
			return s.Form("/oauth2/bc-authorize", s.agent, form).String("error")
		}
		for _, wrong := range []string{"", "123", "one two", strings.Repeat("9", 65)} {
			require.Equal(t, http.StatusUnprocessableEntity, b.Post("/account/word/code", url.Values{"user_code": {wrong}}).Status, wrong)
		}
		require.Empty(t, ask(""))
		set := b.Post("/account/word/code", url.Values{"user_code": {"plum-42"}})
		require.Contains(t, set.Body, "only agents that know your code")
		require.NotContains(t, set.Body, "plum-42", "it is not shown again")
		require.Equal(t, []string{"missing_user_code", "invalid_user_code", ""}, []string{ask(""), ask("plum-43"), ask("plum-42")})

		s.Clock.Advance(20 * time.Minute)
		late := b.Post("/account/word/code/remove", nil)
		require.Contains(t, late.Header.Get("Location"), "/login?return=word", "that takes a recent sign-in")
		require.Equal(t, "missing_user_code", ask(""))
		b.Post("/login", url.Values{"username": {"alice"}, "password": {harness.Password}, "return": {"word"}})
		require.Contains(t, b.Post("/account/word/code/remove", nil).Body, "need no code")
		require.Empty(t, ask(""))
	})
}
