package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// revoke gives up a token; RFC 7009 has one answer for whatever becomes of it.
func (s *sitting) revoke(as *harness.Client, form url.Values) {
	s.TB.Helper()
	a := s.Form("/oauth2/revoke", as, form)
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	require.Empty(s.TB, a.Body)
	require.Equal(s.TB, "no-store", a.Header.Get("Cache-Control"))
}

// below exchanges a token of the agent's for one at a service of another agent's.
func (s *sitting) below(access string) (holder *harness.Client, token string) {
	s.TB.Helper()
	far := s.Agent("far", s.User("far-owner"))
	service := s.Service("far", far, "far:go")
	s.Scope(s.service, "work:do", models.ScopeRef{ResourceID: service.ID, Name: "far:go"})
	for _, id := range []string{s.agent.ID, s.user.ID} {
		s.Allow(id, service, "far:go")
	}
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.GrantTypes = append(c.GrantTypes, harness.ExchangeGrant) })
		return err
	})
	return far, s.Exchange(s.agent, access, service.Identifier, "far:go")
}

func TestWithARefreshTokenEndsAllThatWasGranted(t *testing.T) {
	for name, pick := range map[string]func(code, used, next string) string{
		"the code, used":            func(code, _, _ string) string { return code },
		"a refresh token, used":     func(_, used, _ string) string { return used },
		"the refresh token, unused": func(_, _, next string) string { return next },
	} {
		t.Run(name, func(t *testing.T) {
			eachSitting(t, func(t *testing.T, s *sitting) {
				other, _ := s.must(s.token(harness.CodeForm(s.grants().Code)))
				g := s.grants()
				first, used := s.must(s.token(harness.CodeForm(g.Code)))
				far, handedOn := s.below(first)
				second, next := s.must(s.token(harness.RefreshForm(used)))
				require.True(t, s.Active(far, handedOn))

				s.revoke(s.agent, url.Values{"token": {pick(g.Code, used, next)}, "token_type_hint": {"access_token"}})
				require.False(t, s.Active(s.agent, first))
				require.False(t, s.Active(s.agent, second))
				require.False(t, s.Active(far, handedOn), "what was handed on ends too")
				s.mustNot(s.token(harness.RefreshForm(next)), "authorization_ended")
				require.True(t, s.Active(s.agent, other), "what was granted another time stays")

				ends, _, err := s.Store.Entries(context.Background(), models.EntryFilter{GrantID: g.Grant.ID, Action: "revokeGrant"}, -1, 10)
				require.NoError(t, err)
				require.Len(t, ends, 1)
				require.Equal(t, s.agent.ID, ends[0].ClientID)
				seq := s.LastEntry().Seq
				s.revoke(s.agent, url.Values{"token": {next}})
				require.Equal(t, seq+1, s.LastEntry().Seq, "a second time is decided, and changes nothing")
			})
		})
	}
}

func TestACodeThatIsGivenUpIsNotRedeemed(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		g := s.grants()
		s.revoke(s.agent, url.Values{"token": {g.Code}, "token_type_hint": {"unheard_of"}})
		s.mustNot(s.token(harness.CodeForm(g.Code)), "authorization_ended")
		require.Zero(t, s.Tokens())
	})
}

func TestAnExpiredRefreshTokenIsStillGivenUp(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		g := s.grants()
		_, refresh := s.must(s.token(harness.CodeForm(g.Code)))
		s.Clock.Advance(31 * 24 * time.Hour)
		s.revoke(s.agent, url.Values{"token": {refresh}})
		row, err := s.Store.Grant(context.Background(), g.Grant.ID)
		require.NoError(t, err)
		require.NotZero(t, row.RevokedAt)
	})
}

// What is nobody's, or another's, ends nothing, and the answer does not tell which.
func TestWhatIsNotOnesOwnEndsNothing(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		waiting := s.grants().Code
		access, refresh := s.must(s.token(harness.CodeForm(s.grants().Code)))
		thief, public := s.ForPeople(s.Agent("thief", s.User("thief-owner"))), s.Public("app")
		for name, c := range map[string]struct {
			as    *harness.Client
			token string
			why   string
		}{
			"refresh token of another":          {thief, refresh, "authorization_foreign"},
			"code of another":                   {thief, waiting, "authorization_foreign"},
			"access token of another":           {thief, access, "token_not_own"},
			"refresh token, by a public client": {public, refresh, "authorization_foreign"},
			"access token, by a public client":  {public, access, "token_not_own"},
			"refresh token that is none":        {s.agent, "dpt_rft_guessed", "token_unusable"},
			"code that is none":                 {s.agent, "dpt_cod_guessed", "token_unusable"},
			"another spelling":                  {s.agent, strings.ToUpper(refresh), "token_unusable"},
			"refresh token under a code's name": {s.agent, strings.Replace(refresh, "dpt_rft_", "dpt_cod_", 1), "token_unusable"},
			"garbage, by a public client":       {public, "%\x00", "token_unusable"},
		} {
			s.revoke(c.as, url.Values{"token": {c.token}})
			e := s.LastEntry()
			require.Equal(t, models.OutcomeRefused, e.Outcome, name)
			require.Contains(t, reasonsOf(t, e), c.why, name)
			require.NotContains(t, e.Detail, c.token, name)
		}
		require.True(t, s.Active(s.agent, access))
		s.must(s.token(harness.RefreshForm(refresh)))
		s.must(s.token(harness.CodeForm(waiting)))
	})
}

func TestWhoProvesNothingGivesUpNothingOfOthers(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		access, refresh := s.must(s.token(harness.CodeForm(s.grants().Code)))
		for _, token := range []string{access, refresh} {
			for _, form := range []url.Values{{"token": {token}}, {"token": {token}, "client_id": {s.agent.ID}}} {
				require.Equal(t, "invalid_client", s.Form("/oauth2/revoke", nil, form).String("error"), "a client that has a secret must show it")
			}
		}
		require.True(t, s.Active(s.agent, access))
	})
}

// A public client names itself, and what it presents says the rest.
func TestAPublicClientGivesUpItsOwn(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		app := s.Public("app")
		s.Allow(app.ID, s.service, workScopes...)
		code := s.Grant(s.user, app, map[string][]string{s.service.ID: workScopes}, nil).Code
		access, refresh := s.must(s.Form("/oauth2/token", app, harness.CodeForm(code)))
		named := func(token string) url.Values { return url.Values{"client_id": {app.ID}, "token": {token}} }

		s.revoke(nil, named(access))
		require.False(t, s.Active(s.agent, access))
		access, refresh = s.must(s.Form("/oauth2/token", app, harness.RefreshForm(refresh)))
		require.True(t, s.Active(s.agent, access), "only the token was given up")

		s.revoke(nil, named(refresh))
		require.False(t, s.Active(s.agent, access))
		s.mustNot(s.Form("/oauth2/token", app, harness.RefreshForm(refresh)), "authorization_ended")
	})
}

// Introspection looks into access tokens only, whoever asks.
func TestARefreshTokenIsNotLookedInto(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		waiting := s.grants().Code
		_, refresh := s.must(s.token(harness.CodeForm(s.grants().Code)))
		for _, token := range []string{refresh, waiting} {
			for _, hint := range []string{"", "refresh_token"} {
				a := s.Form("/oauth2/introspect", s.agent, url.Values{"token": {token}, "token_type_hint": {hint}})
				require.Equal(t, map[string]any{"active": false}, a.JSON, a.Body)
			}
		}
	})
}
