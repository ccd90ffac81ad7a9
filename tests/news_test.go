package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/word"
	"github.com/deputyauth/deputy/tests/harness"
)

// aDay is how far the clock is moved at once.
const aDay = 24 * time.Hour

// tended is a server whose housekeeping is done when the test says so.
type tended struct {
	*sitting
	hooked []map[string]any // what the operator's webhook got
}

func eachTended(t *testing.T, test func(t *testing.T, s *tended)) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		v := &tended{sitting: s}
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got := map[string]any{"webhook-id": r.Header.Get("webhook-id")}
			_ = json.Unmarshal(body, &got)
			v.hooked = append(v.hooked, got)
		}))
		t.Cleanup(hook.Close)
		channel, err := word.NewWebhook(hook.URL, "0123456789abcdef", outbound.New(outbound.Reach{Loopback: true}), s.Clock.Now)
		require.NoError(t, err)
		s.Word.Channels = append(s.Word.Channels, channel)
		test(t, v)
	})
}

// tend lets time pass, and everything happen that then happens by itself.
func (s *tended) tend(d time.Duration) {
	s.TB.Helper()
	s.Clock.Advance(d)
	require.NoError(s.TB, s.Endpoint.Tend(s.TB.Context()))
	for range 3 { // what is to be told; to whom, and by which channel; and one more look
		require.NoError(s.TB, s.Endpoint.Notify(s.TB.Context()))
	}
}

// mails are those that came since the last look, by who got them.
func (s *tended) mails() map[string]word.Envelope {
	s.TB.Helper()
	out := map[string]word.Envelope{}
	for _, m := range s.Mailbox.Mails() {
		who, _, _ := strings.Cut(m.To.Address, "@")
		require.NotContains(s.TB, out, who, "told twice")
		out[who] = m
		for _, text := range []string{m.Subject, m.Text, m.HTML} {
			for _, secret := range []string{s.agent.Secret, models.SecretPrefix, models.RefreshPrefix, "eyJ"} {
				require.NotContains(s.TB, text, secret)
			}
		}
	}
	*s.Mailbox = word.Mailbox{}
	return out
}

func (s *tended) owner() string { return *s.client().OwnerID }

func (s *tended) client() *models.Client {
	s.TB.Helper()
	c, err := s.Store.Client(s.TB.Context(), s.agent.ID)
	require.NoError(s.TB, err)
	return c
}

func TestNews_WhoAnswersForAnAgentIsToldInTimeThatItEnds(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		ends := s.client().ExpiresAt
		s.tend(59 * aDay)
		require.Empty(t, s.mails())
		s.tend(25 * time.Hour)
		told := s.mails()
		require.Len(t, told, 1)
		m := told["owner"]
		require.Equal(t, "assistant ends soon", m.Subject)
		require.Equal(t, s.URL+"/account/agents/"+s.agent.ID, m.Link)
		for _, said := range []string{"\n" + m.Link + "\n", "assistant ends on " + time.Unix(ends, 0).UTC().Format("2 January 2006, 15:04 UTC"), "\n    deputy agent set assistant --lifetime 90\n", "because you answer for the agent"} {
			require.Contains(t, m.Text, said)
		}
		require.Contains(t, m.HTML, `<a href="`+m.Link+`">`)
		require.Equal(t, "tellReminder", s.LastEntry().Action)
		require.Len(t, s.hooked, 1)
		require.NotEmpty(t, s.hooked[0]["webhook-id"])
		for name, want := range map[string]any{
			"type": "client.ends", "thing": s.agent.ID, "told_as": "owner", "unanswered": false, "expires_at": float64(ends),
			"client": map[string]any{"id": s.agent.ID, "name": "assistant"}, "link": m.Link,
		} {
			require.Equal(t, want, s.hooked[0][name], name)
		}

		s.tend(2 * time.Hour)
		require.Empty(t, s.mails(), "once")
		require.NoError(t, s.Store.SetWord(t.Context(), models.By{SubjectID: s.owner()}, models.WordSettings{UserID: s.owner(), Lang: "de"}))
		s.tend(23 * aDay)
		m = s.mails()["owner"]
		require.Equal(t, "assistant endet bald", m.Subject)
		require.Contains(t, m.Text, "weil Sie für den Agenten einstehen")
	})
}

// It is looked for once an hour: Tend is called every fifteen seconds.
func TestNews_WhatEndsIsLookedForOnceAnHour(t *testing.T) {
	s := &tended{sitting: newSitting(t, "sqlite", harness.Options{})}
	s.tend(40 * aDay)
	give := func(days int64) {
		_, err := s.Store.UpdateClient(t.Context(), models.By{System: "test"}, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.ExpiresAt = s.Store.Now() + days*86400 })
		require.NoError(t, err)
	}
	give(20)
	s.tend(59 * time.Minute)
	require.Empty(t, s.mails())
	s.tend(2 * time.Minute)
	require.Len(t, s.mails(), 1)
	give(19)
	s.tend(-10 * time.Minute) // the clock was set back
	require.Len(t, s.mails(), 1)
}

func TestNews_OfAnAgentThatNobodyAnswersForAdministratorsAreTold(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		ann := s.User("ann")
		_, err := s.Store.SuspendUser(t.Context(), models.By{System: "test"}, s.owner())
		require.NoError(t, err)
		require.NoError(t, s.Store.CreateAssignment(t.Context(), models.By{System: "test"}, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: ann.ID}))
		s.tend(61 * aDay)
		told := s.mails()
		require.Len(t, told, 1, "not whoever left")
		require.Contains(t, told["ann"].Text, "Nobody answers for the agent: it has no owner, or its owner has left. You are told this because you may change it.")
		require.Equal(t, s.URL+"/account", told["ann"].Link)
		require.Len(t, s.hooked, 1, "once, however many administrators there are")
		require.Equal(t, []any{"client.ends", "operator", true}, []any{s.hooked[0]["type"], s.hooked[0]["told_as"], s.hooked[0]["unanswered"]})
		require.NotContains(t, s.hooked[0], "user")
	})
}

// What they are told is asked for by the rights by which policy lets them read it.
func TestNews_TellAdministratorsWhatTheyCanRead(t *testing.T) {
	floor, err := os.ReadFile("../policies/floor/admin/admin.rego")
	require.NoError(t, err)
	for operation, right := range map[string]string{
		"getClient": "clients:read", "listCredentials": "clients:read", "updateClient": "clients:write", "getToken": "tokens:read", "getGrant": "tokens:read",
	} {
		require.Contains(t, string(floor), `"`+operation+`": "`+right+`"`, "models.Administrators relies on it")
	}
}

func TestNews_ThatIsOverIsNotTold(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		s.Clock.Advance(61 * aDay)
		require.NoError(t, s.Endpoint.Tend(t.Context()))
		_, err := s.Store.UpdateClient(t.Context(), models.By{System: "test"}, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.ExpiresAt += 365 * 86400 })
		require.NoError(t, err)
		s.tend(0)
		require.Empty(t, s.mails())
		require.Equal(t, "giveUpReminder", s.LastEntry().Action)
		require.Contains(t, s.LastEntry().Detail, "it does not end then")
	})
}

func TestNews_WhoCannotBeReachedIsGivenUp(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		s.Word.Channels = s.Word.Channels[1:2] // notes in browsers, of which nobody has one
		s.tend(61 * aDay)
		require.Equal(t, "giveUpReminder", s.LastEntry().Action)
		require.Contains(t, s.LastEntry().Detail, "nobody can be reached")
	})
}

func TestNews_OfTheLastCredential(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		held, _, err := s.Store.Credentials(t.Context(), s.agent.ID, models.Page{})
		require.NoError(t, err)
		soon := &models.Credential{ClientID: s.agent.ID, Kind: models.CredentialSecret, Name: "of the\nautumn", ExpiresAt: s.Store.Now() + 40*86400}
		_, err = s.Store.CreateCredential(t.Context(), models.By{System: "test"}, soon)
		require.NoError(t, err)
		for _, row := range held {
			require.NoError(t, s.Store.RevokeCredential(t.Context(), models.By{System: "test"}, s.agent.ID, row.ID))
		}
		s.tend(27 * aDay)
		m := s.mails()["owner"]
		require.Equal(t, "assistant will soon have no credential", m.Subject)
		require.Contains(t, m.Text, "The credential of the autumn of assistant ends on ")
		require.Contains(t, m.Text, "\n    deputy agent rotate assistant\n")
		require.Equal(t, []any{"credential.ends", soon.ID}, []any{s.hooked[0]["type"], s.hooked[0]["thing"]})
		_, _, err = s.Store.RotateCredential(t.Context(), models.By{System: "test"}, s.agent.ID, soon.ID, 30*86400, 0)
		require.NoError(t, err)
		s.tend(11 * aDay)
		require.Empty(t, s.mails(), "it was replaced")
	})
}

func TestNews_OfALeakReachWhomItConcerns(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		_, refresh := s.must(s.token(harness.CodeForm(s.grants().Code)))
		own := s.Own(s.agent, s.service.Identifier, "work:do")
		require.Equal(t, []string{"true_positive"}, report(t, s.Server, refresh))
		s.tend(0)
		told := s.mails()
		require.Len(t, told, 2)
		require.Equal(t, "A code or refresh token of assistant was found in the open", told["alice"].Subject)
		require.Contains(t, told["alice"].Text, "You need not do anything, and your password is not concerned.")
		require.Contains(t, told["alice"].Text, "because the agent held it for you")
		require.NotContains(t, told["alice"].Text, "deputy agent", "it is not theirs to do")
		require.Contains(t, told["owner"].Text, "\n    deputy agent rotate assistant\n")

		require.Equal(t, []string{"true_positive"}, report(t, s.Server, own))
		s.tend(0)
		told = s.mails()
		require.Len(t, told, 1, "it was nobody else's")
		require.Equal(t, "A token of assistant was found in the open", told["owner"].Subject)

		s.hooked = nil
		require.Equal(t, []string{"true_positive"}, report(t, s.Server, s.agent.Secret))
		require.Equal(t, []string{"false_positive"}, report(t, s.Server, s.agent.Secret))
		s.tend(0)
		m := s.mails()["owner"]
		require.Equal(t, "A secret of assistant was found in the open", m.Subject)
		require.Contains(t, m.Text, "opens nothing any more")
		require.Len(t, s.hooked, 1)
		require.Equal(t, "credential.leaked", s.hooked[0]["type"])
		require.NotZero(t, s.hooked[0]["ended_at"])
		require.NotContains(t, s.hooked[0], "expires_at")
		require.Equal(t, "tellLeak", s.LastEntry().Action)
	})
}

// The letter leads to a page that its reader can see, though the agent holds nothing of
// theirs.
func TestNews_LeadToAPageOfTheAgent(t *testing.T) {
	eachTended(t, func(t *testing.T, s *tended) {
		bob := s.Person("bob")
		_, err := s.Store.UpdateClient(t.Context(), models.By{System: "test"}, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.OwnerID = &bob.ID })
		require.NoError(t, err)
		s.tend(61 * aDay)
		b, link := s.Browser(), strings.TrimPrefix(s.mails()["bob"].Link, s.URL)
		b.SignIn("bob", harness.Password)
		page := b.Get(link)
		require.Equal(t, http.StatusOK, page.Status, page.Body)
		require.Contains(t, page.Body, "assistant")
		s.Person("eve")
		eve := s.Browser()
		eve.SignIn("eve", harness.Password)
		require.Equal(t, http.StatusNotFound, eve.Get(link).Status, "of others they are not told that they exist")
	})
}

// What asks nothing need not wake anybody, and is worth knowing tomorrow, too.
func TestNews_ABrowserThatIsAwayShowsThemLater(t *testing.T) {
	eachTold(t, func(t *testing.T, v *visit) {
		p := newPushed(t)
		require.Equal(t, http.StatusOK, v.b.PostJSON("/account/word/push", p.subscription("/sub/1")).Status)
		news := &grants.News{Kind: grants.NewsCredentialEnds, Thing: "crd_1", Name: "first", As: models.ToldOwner, At: 1796400000, Do: "deputy agent rotate assistant"}
		require.NoError(t, v.Word.Send(t.Context(), "push", v.user.ID, grants.Message{Client: "assistant", ClientID: v.agent.ID, News: news}))
		require.Equal(t, []map[string]string{{
			"title": "assistant will soon have no credential", "link": v.URL + "/account/agents/" + v.agent.ID, "tag": "crd_1",
			"body": "The credential first of assistant ends on 4 December 2026, 16:00 UTC, and the agent has none that lives longer. Without one it cannot prove who it is, and gets no tokens.",
		}}, p.notes)
		require.Equal(t, []string{"86400", "normal"}, []string{p.header.Get("TTL"), p.header.Get("Urgency")})
	})
}
