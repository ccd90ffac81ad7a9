package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// offered are what a user would find on the page, as "state scope reason".
func (x explanation) offered() (out []string) {
	for _, o := range x.Decision.Offers {
		line := o.State + " " + o.Scope
		for _, l := range o.Missing {
			line += " " + l.Party + ":" + l.Reason
		}
		out = append(out, line)
	}
	return out
}

// What a client would ask a user for is told scope by scope, before anybody is asked.
func TestExplainTellsWhatAUserWouldBeAsked(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		admin := explainer(s.Server)
		for _, name := range []string{"work:own", "work:theirs"} {
			s.Scope(s.service, name)
		}
		s.Allow(s.agent.ID, s.service, "work:own")
		s.Allow(s.user.ID, s.service, "work:theirs")
		s.Grant(s.user, s.agent, map[string][]string{s.service.ID: {"work:do"}}, nil)
		body := object{"client_id": s.agent.ID, "grant_type": code, "user_id": s.user.ID, "resources": []string{s.service.Identifier},
			"scopes": []string{"work:do", "work:undo", "work:own", "work:theirs"}}

		x := explain(s.Server, admin, body)
		require.True(t, x.Granted)
		require.Equal(t, "consent", x.Decision.Ask)
		require.NotEmpty(t, x.Decision.Until)
		require.Equal(t, []string{
			"granted work:do", "greyed work:own subject:scope_not_held", "greyed work:theirs client:scope_not_held", "offered work:undo",
		}, x.offered())
		greyed := x.Decision.Offers[1].Missing[0]
		require.Equal(t, "alice", greyed.Name)
		require.Regexp(t, `^floor/offer/offer\.rego:\d+$`, greyed.Rule)
		require.Equal(t, "Subject alice does not hold scope work:own. An administrator can assign a role that has it.", greyed.Message)
		require.Equal(t, "service", x.Names[s.service.ID])

		body["scopes"] = []string{"work:do"}
		x = explain(s.Server, admin, body)
		require.True(t, x.Granted)
		require.Equal(t, "nothing", x.Decision.Ask, "it was agreed to")

		body["scopes"] = []string{"work:own", "work:unheard"}
		x = explain(s.Server, admin, body)
		require.False(t, x.Granted)
		var reasons []string
		for _, l := range x.Missing {
			reasons = append(reasons, l.Reason)
		}
		require.Equal(t, []string{"scope_unknown", "nothing_to_offer"}, reasons)

		body["scopes"], body["redirect_uri"] = []string{"work:do"}, "https://elsewhere.example/"
		x = explain(s.Server, admin, body)
		require.Equal(t, "redirect_unknown", x.Missing[0].Reason)
		require.Equal(t, "invalid_request", x.Error)
	})
}

// A code or refresh token is asked about by what was granted with it. It stays unused,
// and the answer is the one its client gets.
func TestExplainTellsWhatWasGrantedIsWorth(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		admin, g := explainer(s.Server), s.grants()
		ask := func(grant string) explanation {
			return explain(s.Server, admin, object{"client_id": s.agent.ID, "grant_type": grant, "grant_id": g.Grant.ID})
		}
		require.Equal(t, "authorization_unusable", ask(refresh).Missing[0].Reason, "there is none yet")
		for range 2 {
			x := ask(code)
			require.True(t, x.Granted)
			require.Equal(t, workScopes, x.Decision.Scopes)
			require.Equal(t, []string{s.user.ID, s.agent.ID}, append([]string{x.Decision.Subject}, x.Decision.Chain...))
			require.True(t, x.Decision.Refreshable)
		}
		_, first := s.must(s.token(harness.CodeForm(g.Code)))
		_, next := s.must(s.token(harness.RefreshForm(first)))
		x := ask(code)
		require.Equal(t, "authorization_used", x.Missing[0].Reason)
		require.Equal(t, "invalid_grant", x.Error)
		row, err := s.Store.Grant(context.Background(), g.Grant.ID)
		require.NoError(t, err)
		require.Zero(t, row.RevokedAt, "to ask about a used code ends nothing")

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeConsent(ctx, by, g.Consents[s.service.ID], "work:undo")
		})
		x = ask(refresh)
		require.True(t, x.Granted)
		require.Equal(t, []string{"work:do"}, x.Decision.Scopes)
		require.Equal(t, map[string][]string{"work:undo": {"scope_not_consented"}}, x.Decision.Removed)
		a := s.token(harness.RefreshForm(next))
		s.must(a)
		require.Equal(t, "work:do", a.String("scope"))

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeGrant(ctx, by, g.Grant.ID)
		})
		x = ask(refresh)
		require.Equal(t, "authorization_ended", x.Missing[0].Reason)
		require.Equal(t, "grant", x.Missing[0].Party)
	})
}

// A public client has nothing that could be assumed of it but its name.
func TestExplainOfAPublicClient(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		app := s.Public("app")
		s.Allow(app.ID, s.service, workScopes...)
		g := s.Grant(s.user, app, map[string][]string{s.service.ID: workScopes}, nil)
		admin, body := explainer(s.Server), object{"client_id": app.ID, "grant_type": code, "grant_id": g.Grant.ID}
		x := explain(s.Server, admin, body)
		require.True(t, x.Granted)
		require.Equal(t, "none", x.Assumed.Method)
		body["client_id"] = s.agent.ID
		require.Equal(t, "authorization_foreign", explain(s.Server, admin, body).Missing[0].Reason)
	})
}

func TestExplainOfPeopleRefusesWhatItCannotUnderstand(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		admin, g := explainer(s.Server), s.grants()
		for name, c := range map[string]struct {
			body  object
			field string
		}{
			"neither user nor grant":  {object{"grant_type": code}, "grant_id"},
			"no grant to refresh":     {object{"grant_type": refresh}, "grant_id"},
			"both":                    {object{"grant_type": code, "user_id": s.user.ID, "grant_id": g.Grant.ID}, "grant_id"},
			"a user of another grant": {object{"grant_type": own, "user_id": s.user.ID}, "user_id"},
			"a grant of another":      {object{"grant_type": own, "grant_id": g.Grant.ID}, "grant_id"},
			"a code itself":           {object{"grant_type": code, "grant_id": g.Code}, "grant_id"},
			"a client to ask":         {object{"grant_type": code, "user_id": s.agent.ID}, "user_id"},
			"a user who is not":       {object{"grant_type": code, "user_id": "usr_nobody"}, "user_id"},
			"a token with the user":   {object{"grant_type": code, "user_id": s.user.ID, "subject_token": "x"}, "subject_token"},
			"a way back from a token": {object{"grant_type": own, "redirect_uri": harness.Redirect}, "redirect_uri"},
		} {
			c.body["client_id"] = s.agent.ID
			a := api(s.Server, s.Own(admin, s.URL+"/api/v1", explaining), http.MethodPost, "/explain", c.body)
			require.Equal(t, http.StatusUnprocessableEntity, a.Status, name+": "+a.Body)
			require.Equal(t, c.field, a.String("field"), name)
			require.NotContains(t, a.Body, g.Code)
		}
	})
}
