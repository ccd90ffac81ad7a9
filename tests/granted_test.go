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
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// sitting is a user who grants an assistant something at a service.
type sitting struct {
	*harness.Server
	user    *models.User
	agent   *harness.Client
	service *models.ResourceServer
}

var workScopes = []string{"work:do", "work:undo"}

// eachSitting runs a test on both databases.
func eachSitting(t *testing.T, test func(t *testing.T, s *sitting)) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			test(t, newSitting(t, dialect, harness.Options{}))
		})
	}
}

func newSitting(t *testing.T, dialect string, o harness.Options) *sitting {
	s := &sitting{Server: harness.New(t, dialect, o)}
	s.user = s.User("alice")
	s.agent = s.ForPeople(s.Agent("assistant", s.User("owner")))
	s.service = s.Service("service", s.agent, workScopes...)
	s.Allow(s.agent.ID, s.service, workScopes...)
	s.Allow(s.user.ID, s.service, workScopes...)
	return s
}

// grants has the user grant all there is.
func (s *sitting) grants() harness.Granted {
	s.TB.Helper()
	return s.Grant(s.user, s.agent, map[string][]string{s.service.ID: workScopes}, nil)
}

func (s *sitting) token(form url.Values) harness.Answer {
	s.TB.Helper()
	return s.Form("/oauth2/token", s.agent, form)
}

// must is an answer that must be a token.
func (s *sitting) must(a harness.Answer) (access, refresh string) {
	s.TB.Helper()
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	return a.String("access_token"), a.String("refresh_token")
}

// mustNot is an answer that must refuse with invalid_grant and a reason.
func (s *sitting) mustNot(a harness.Answer, reason string) {
	s.TB.Helper()
	require.Equal(s.TB, http.StatusBadRequest, a.Status, a.Body)
	require.Equal(s.TB, "invalid_grant", a.String("error"), a.Body)
	e, err := s.Store.EntryByID(context.Background(), a.String("decision_id"))
	require.NoError(s.TB, err)
	require.Contains(s.TB, reasonsOf(s.TB, *e), reason)
}

func TestACodeBecomesATokenForTheUser(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		g := s.grants()
		a := s.token(harness.CodeForm(g.Code))
		access, refresh := s.must(a)
		require.Equal(t, "work:do work:undo", a.String("scope"), "all that was granted, where nothing is named")
		require.True(t, strings.HasPrefix(g.Code, "dpt_cod_") && strings.HasPrefix(refresh, "dpt_rft_"), "scanners find them")
		row := s.Form("/oauth2/introspect", s.agent, url.Values{"token": {access}})
		require.Equal(t, true, row.JSON["active"], row.Body)
		require.Equal(t, s.user.ID, row.String("sub"))
		require.Equal(t, s.agent.ID, row.JSON["act"].(map[string]any)["sub"])
		require.Equal(t, g.Grant.ID, row.String("gid"))
		e, err := s.Store.EntryByID(context.Background(), s.mustToken(row.String("jti")).DecisionID)
		require.NoError(t, err)
		require.Equal(t, []string{g.Grant.ID, s.user.ID, s.agent.ID}, []string{e.GrantID, e.SubjectID, e.ClientID})
		require.Contains(t, e.Detail, g.Consents[s.service.ID], "the ledger leads to the consent")
		for _, secret := range []string{g.Code, refresh, harness.Verifier} {
			require.NotContains(t, e.Detail, secret)
		}

		form := harness.RefreshForm(refresh)
		form.Set("scope", "work:undo work:unheard")
		narrowed := s.token(form)
		_, next := s.must(narrowed)
		require.Equal(t, "work:undo", narrowed.String("scope"))
		wide := s.token(harness.RefreshForm(next))
		s.must(wide)
		require.Equal(t, "work:do work:undo", wide.String("scope"), "what was granted stays granted (RFC 6749 section 6)")
	})
}

func (s *sitting) mustToken(id string) *models.Token {
	s.TB.Helper()
	row, err := s.Store.Token(context.Background(), id)
	require.NoError(s.TB, err)
	return row
}

// together sends n requests at once.
func (s *sitting) together(n int, form url.Values) []harness.Answer {
	s.TB.Helper()
	return harness.Parallel(n, func(int) harness.Answer { return s.token(form) })
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		var access, refresh string
		for _, a := range s.together(10, harness.CodeForm(s.grants().Code)) {
			if a.Status == http.StatusOK {
				require.Empty(t, access, "two tokens from one code")
				access, refresh = s.must(a)
				continue
			}
			require.Equal(t, "invalid_grant", a.String("error"), a.Body)
		}
		require.NotEmpty(t, access)
		require.Equal(t, 1, s.Tokens())
		require.False(t, s.Active(s.agent, access), "a code that comes twice ends what it issued")
		s.mustNot(s.token(harness.RefreshForm(refresh)), "authorization_ended")
	})
}

func TestRefreshingAtOnceLogsNobodyOut(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		s.Clock.Stop() // a busy machine must not add a second to the 29
		_, first := s.must(s.token(harness.CodeForm(s.grants().Code)))
		next, access := map[string]bool{}, map[string]bool{}
		for _, a := range s.together(10, harness.RefreshForm(first)) {
			token, refresh := s.must(a)
			next[refresh], access[token] = true, true
		}
		require.Len(t, next, 1, "one successor")
		require.Len(t, access, 10, "each has a token and a decision of its own")
		s.Clock.Advance(29 * time.Second)
		_, again := s.must(s.token(harness.RefreshForm(first)))
		require.True(t, next[again])
		_, third := s.must(s.token(harness.RefreshForm(again)))
		require.NotEqual(t, again, third)
	})
}

func TestAfterTheWindowTheFamilyDies(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		g := s.grants()
		_, first := s.must(s.token(harness.CodeForm(g.Code)))
		access, second := s.must(s.token(harness.RefreshForm(first)))
		s.Clock.Advance(30 * time.Second)

		thief := s.ForPeople(s.Agent("thief", s.User("thief-owner")))
		s.mustNot(s.Form("/oauth2/token", thief, harness.RefreshForm(first)), "authorization_foreign")
		require.True(t, s.Active(s.agent, access), "somebody else's request ends nothing")

		a := s.token(harness.RefreshForm(first))
		s.mustNot(a, "authorization_used")
		require.False(t, s.Active(s.agent, access))
		s.mustNot(s.token(harness.RefreshForm(second)), "authorization_ended")
		ends, _, err := s.Store.Entries(context.Background(), models.EntryFilter{GrantID: g.Grant.ID, Action: "revokeGrant"}, -1, 10)
		require.NoError(t, err)
		require.Len(t, ends, 1)
		require.Contains(t, ends[0].Detail, a.String("decision_id"), "the ledger says why")
	})
}

func TestARefreshIsDecidedAnew(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		g := s.grants()
		access, refresh := s.must(s.token(harness.CodeForm(g.Code)))
		s.Clock.Advance(-time.Minute) // a replica's clock is behind
		_, refresh = s.must(s.token(harness.RefreshForm(refresh)))
		s.Clock.Advance(2 * time.Minute)

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			rows, _, err := st.Assignments(ctx, "", s.user.ID, models.Page{})
			if err != nil {
				return err
			}
			return st.DeleteAssignment(ctx, by, rows[0].ID)
		})
		s.Allow(s.user.ID, s.service, "work:do")
		a := s.token(harness.RefreshForm(refresh))
		_, refresh = s.must(a)
		require.Equal(t, "work:do", a.String("scope"), "the user's role went, and what it gave with it")

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeConsent(ctx, by, g.Consents[s.service.ID], "")
		})
		require.False(t, s.Active(s.agent, access), "all at once")
		s.mustNot(s.token(harness.RefreshForm(refresh)), "nothing_left")
	})
}

// A public client has nothing to prove itself by but the verifier.
func TestAPublicClient(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		app := s.Public("app")
		s.Allow(app.ID, s.service, workScopes...)
		code := s.Grant(s.user, app, map[string][]string{s.service.ID: workScopes}, nil).Code
		named := func(form url.Values) url.Values {
			form.Set("client_id", app.ID)
			return form
		}
		stolen := named(harness.CodeForm(code))
		stolen.Set("code_verifier", strings.Repeat("guess", 10))
		require.Equal(t, http.StatusBadRequest, s.Form("/oauth2/token", nil, stolen).Status, "whoever has the code has not the verifier")

		// A library that does not know puts the name where a secret would go with it.
		access, refresh := s.must(s.Form("/oauth2/token", app, harness.CodeForm(code)))
		require.True(t, s.Active(s.agent, access))
		_, refresh = s.must(s.Form("/oauth2/token", nil, named(harness.RefreshForm(refresh))))
		require.NotEmpty(t, refresh)

		for path, form := range map[string]url.Values{
			"/oauth2/introspect": {"token": {access}}, "/oauth2/token": harness.OwnForm(s.service.Identifier, "work:do"),
		} {
			a := s.Form(path, nil, named(form))
			require.GreaterOrEqual(t, a.Status, 400, a.Body)
			require.NotContains(t, a.JSON, "active")
			require.NotContains(t, a.JSON, "access_token")
		}
		require.Equal(t, "invalid_grant", s.Form("/oauth2/token", nil, named(harness.RefreshForm("dpt_rft_guessed"))).String("error"))
		other := url.Values{"client_id": {s.agent.ID}}
		for name, values := range harness.CodeForm(s.grants().Code) {
			other[name] = values
		}
		require.Equal(t, "invalid_client", s.Form("/oauth2/token", nil, other).String("error"), "a client that has a secret must show it")
	})
}

// A refused redemption leaves the code as it was: clients try one way to
// authenticate, then another, with the same code.
func TestARefusedRedemptionSpendsNothing(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		code := s.grants().Code
		wrong := *s.agent
		wrong.Secret = "wrong"
		require.Equal(t, "invalid_client", s.Form("/oauth2/token", &wrong, harness.CodeForm(code)).String("error"))
		form := harness.CodeForm(code)
		form.Set("client_id", s.agent.ID)
		form.Set("client_secret", s.agent.Secret)
		s.must(s.Form("/oauth2/token", nil, form))
	})
}

// An operator may choose how long either lasts; nothing outlasts what was granted.
func TestTimesOfRefreshTokensAreTheOperators(t *testing.T) {
	s := newSitting(t, "sqlite", harness.Options{Refreshes: &grants.Refreshes{Grace: 0, Life: 100}})
	_, first := s.must(s.token(harness.CodeForm(s.grants().Code)))
	s.Clock.Advance(98 * time.Second)
	_, next := s.must(s.token(harness.RefreshForm(first)))
	s.mustNot(s.token(harness.RefreshForm(first)), "authorization_used")
	s.mustNot(s.token(harness.RefreshForm(next)), "authorization_ended")

	_, first = s.must(s.token(harness.CodeForm(s.grants().Code)))
	s.Clock.Advance(101 * time.Second)
	s.mustNot(s.token(harness.RefreshForm(first)), "authorization_expired")
}

func TestOnlyWhoMayRefreshGetsARefreshToken(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.GrantTypes = []string{"authorization_code"} })
			return err
		})
		_, refresh := s.must(s.token(harness.CodeForm(s.grants().Code)))
		require.Empty(t, refresh)
	})
}
