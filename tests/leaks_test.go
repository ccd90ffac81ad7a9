package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/tests/harness"
)

// report sends findings as a scanner does, and returns what it is told of each.
func report(t *testing.T, s *harness.Server, found ...string) []string {
	t.Helper()
	leaks := []map[string]string{}
	for _, secret := range found {
		leaks = append(leaks, map[string]string{"token": secret, "type": "deputy", "url": "https://code.example/a", "source": "content"})
	}
	body, err := json.Marshal(leaks)
	require.NoError(t, err)
	status, answer := reportRaw(t, s, "application/json", string(body))
	require.Equal(t, http.StatusOK, status, answer)
	var verdicts []oauth.LeakVerdict
	require.NoError(t, json.Unmarshal([]byte(answer), &verdicts))
	var labels []string
	for _, v := range verdicts {
		require.Equal(t, "deputy", v.Type)
		require.Len(t, v.Hash, 44)
		labels = append(labels, v.Label)
	}
	return labels
}

func reportRaw(t *testing.T, s *harness.Server, kind, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(s.URL+"/oauth2/leaked", kind, strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

// Whatever is found in the open opens nothing from then on, and nobody else notices.
func TestLeakedSecretsAreDead(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		own := func(as *harness.Client) int {
			return s.Form("/oauth2/token", as, harness.OwnForm(s.service.Identifier, "work:do")).Status
		}
		other := s.Agent("other", s.User("somebody"))
		s.Allow(other.ID, s.service, "work:do")
		token, kept := s.Own(s.agent, s.service.Identifier, "work:do"), s.Own(other, s.service.Identifier, "work:do")
		require.True(t, s.Active(s.agent, token))

		require.True(t, models.Genuine(s.agent.Secret), s.agent.Secret)
		require.Equal(t, []string{"true_positive"}, report(t, s.Server, token))
		require.False(t, s.Active(s.agent, token))
		require.True(t, s.Active(s.agent, kept), "nobody else notices")
		require.Equal(t, []string{"true_positive"}, report(t, s.Server, s.agent.Secret))
		decision, change := s.Last("leaked"), s.Last("revokeCredential")
		require.Equal(t, models.OutcomeGranted, decision.Outcome)
		require.Contains(t, change.Detail, decision.ID, "the change names what it follows from")
		require.Contains(t, change.Detail, "leak report")
		require.Equal(t, http.StatusUnauthorized, own(s.agent))
		require.Equal(t, http.StatusOK, own(other))
		require.Equal(t, []string{"false_positive", "false_positive"}, report(t, s.Server, token, s.agent.Secret), "they are dead already")
	})
}

// A refresh token takes all with it that was granted with it.
func TestALeakedRefreshTokenEndsTheGrant(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		for _, which := range []string{"code", "refresh token"} {
			g := s.grants()
			access, refresh := s.must(s.token(harness.CodeForm(g.Code)))
			leaked := map[string]string{"code": g.Code, "refresh token": refresh}[which]
			require.True(t, models.Genuine(leaked), which)
			require.Equal(t, []string{"true_positive"}, report(t, s.Server, leaked), which)
			require.False(t, s.Active(s.agent, access), which)
			s.mustNot(s.token(harness.RefreshForm(refresh)), "authorization_ended")
			require.Equal(t, []string{"false_positive"}, report(t, s.Server, leaked), which)
		}
	})
}

// A session, a link and a request that waits end as well, by what their secrets open.
func TestWhateverASecretOpensEnds(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		ctx, by := t.Context(), models.By{System: "test"}
		now := s.Clock.Now().Unix()
		session, row, err := s.Store.BeginSession(ctx, by, models.SignIn{Session: models.Session{UserID: s.user.ID, AuthTime: now, ACR: "1", AMR: []string{"pwd"}, ExpiresAt: now + harness.Month}})
		require.NoError(t, err)
		link, err := s.Store.CreateLink(ctx, by, &models.Link{Purpose: models.LinkRecover, UserID: &s.user.ID, ExpiresAt: now + 600})
		require.NoError(t, err)
		pending, waits := s.ask()
		secret, approved := s.ask()
		s.Approve(s.person, approved.ID, s.service, workScopes...)
		access, _ := s.must(s.token(harness.PollForm(secret)))

		all := []string{session, link, pending, secret}
		for _, leaked := range all {
			require.True(t, models.Genuine(leaked), leaked)
		}
		require.Equal(t, []string{"true_positive", "true_positive", "true_positive", "true_positive"}, report(t, s.Server, all...))
		_, err = s.Store.LiveSession(ctx, session, 3600)
		require.ErrorIs(t, err, models.ErrNotFound, row.ID)
		_, err = s.Store.Link(ctx, link, models.LinkRecover)
		require.ErrorIs(t, err, models.ErrNotFound)
		asked, err := s.Store.Approval(ctx, waits.ID)
		require.NoError(t, err)
		require.Equal(t, models.ApprovalCancelled, asked.State)
		require.False(t, s.Active(s.agent, access), "what came of a request ends with it")
		require.Equal(t, []string{"false_positive", "false_positive", "false_positive", "false_positive"}, report(t, s.Server, all...), "they are over")
		denied, answered := s.ask()
		s.deny(answered.ID)
		require.Equal(t, []string{"false_positive"}, report(t, s.Server, denied))

		for range 3 { // to whom, by which channel; the mails; and one more look
			require.NoError(t, s.Endpoint.Notify(ctx))
		}
		told := map[string]string{}
		for _, m := range s.Mailbox.Mails() {
			if strings.HasPrefix(m.To.Address, s.user.Username+"@") {
				told[m.Subject] = strings.TrimPrefix(m.Link, s.URL)
			}
			for _, leaked := range all {
				require.NotContains(t, m.Text+m.HTML, leaked)
			}
		}
		for subject, link := range map[string]string{"A session of yours was found in the open": "/account/sessions", "A link into your account was found in the open": "/account"} {
			require.Equal(t, link, told[subject], "%s: %v", subject, told)
		}
	})
}

// Junk costs no look into the database, and a report has its bounds.
func TestLeakReportsAreBounded(t *testing.T) {
	shipped := limits.Defaults()
	s := harness.New(t, "sqlite", harness.Options{Limits: &shipped})
	owner := s.User("owner")
	agent := s.Agent("agent", owner)
	wrong := agent.Secret[:len(agent.Secret)-1] + "!"
	require.Equal(t, []string{"false_positive", "false_positive", "false_positive", "false_positive"}, report(t, s, "", wrong, "a.b.c", models.Marked("dpt_xyz_")))
	for body, kind := range map[string]string{
		"[]":             "text/plain",
		`{"token": "x"}`: "application/json",
		"[" + strings.Repeat(`{"token":"x"},`, 100) + `{"token":"x"}]`: "application/json",
		`["` + strings.Repeat("x", 70_000) + `"]`:                      "application/json",
	} {
		status, answer := reportRaw(t, s, kind, body)
		require.Equal(t, http.StatusBadRequest, status, answer)
	}
	last := 0
	for range 300 {
		if last, _ = reportRaw(t, s, "application/json", "[]"); last == http.StatusTooManyRequests {
			break
		}
	}
	require.Equal(t, http.StatusTooManyRequests, last)
}
