package tests

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// What a user was asked is named by its id: whether its client would get a token now,
// and if not, what is missing and by whom. Nobody is told that somebody asked.
func TestExplainTellsWhatAnApprovalIsWorth(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		admin := explainer(s.Server)
		secret, approval := s.ask()
		ask := func() explanation {
			return explain(s.Server, admin, object{"client_id": s.agent.ID, "grant_type": models.GrantCIBA, "approval_id": approval.ID})
		}
		for range 2 {
			x := ask()
			require.False(t, x.Granted)
			require.Equal(t, "authorization_pending", x.Error, "and never slow_down")
			require.Equal(t, []string{"approval_pending", "approval", "approval"}, []string{x.Missing[0].Reason, x.Missing[0].Party, x.Missing[0].Lacks})
			require.Equal(t, approval.ID, x.Missing[0].ID)
			require.Equal(t, []string{"subject"}, kindsOf(x.Missing[0]))
		}
		device := explain(s.Server, admin, object{"client_id": s.agent.ID, "grant_type": models.GrantDevice, "approval_id": approval.ID})
		require.Equal(t, "approval_foreign", device.Missing[0].Reason, "it was not asked from a device")

		s.Approve(s.person, approval.ID, s.service, "work:do")
		for range 2 {
			x := ask()
			require.True(t, x.Granted)
			require.Equal(t, []string{"work:do"}, x.Decision.Scopes)
			require.Equal(t, []string{s.user.ID, s.agent.ID}, append([]string{x.Decision.Subject}, x.Decision.Chain...))
		}
		a := s.token(harness.PollForm(secret))
		require.Equal(t, "work:do", a.String("scope"), "to ask about it used nothing up")
		require.Equal(t, "authorization_used", ask().Missing[0].Reason)
		require.Equal(t, "invalid_grant", ask().Error)
	})
}

// Whether a client may ask somebody who is elsewhere is told before it does, with who
// could let it. Nothing is asked.
func TestExplainTellsWhomAClientMayAsk(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		admin := explainer(s.Server)
		stranger := s.User("stranger")
		ask := func(user *models.User) explanation {
			return explain(s.Server, admin, object{"client_id": s.agent.ID, "grant_type": models.GrantCIBA, "user_id": user.ID,
				"resources": []string{s.service.Identifier}, "scopes": workScopes})
		}
		x := ask(s.user)
		require.True(t, x.Granted, "%+v", x.Missing)
		require.Equal(t, []string{"offered work:do", "offered work:undo"}, x.offered())
		require.NotEmpty(t, x.Decision.Until)

		x = ask(stranger)
		require.Equal(t, "unknown_user_id", x.Error)
		reasons := map[string]lack{}
		for _, l := range x.Missing {
			reasons[l.Reason] = l
		}
		require.Contains(t, reasons, "user_unknown")
		require.Contains(t, kindsOf(reasons["user_unknown"]), "administrator")
		require.Equal(t, "stranger", reasons["user_unknown"].Name)
		refused := s.Form("/oauth2/bc-authorize", s.agent, harness.AskForm(stranger, s.service, "work:do"))
		require.Equal(t, "unknown_user_id", refused.String("error"), refused.Body)
		recorded := explainDecision(s.Server, admin, refused.String("decision_id"))
		require.Equal(t, "unknown_user_id", recorded.Error)
		require.Contains(t, codesOf(recorded), "user_unknown")

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.Acquaint(ctx, by, s.agent.ID, stranger.ID)
		})
		require.NotContains(t, codesOf(ask(stranger)), "user_unknown")
		rows, _, err := s.Store.Approvals(context.Background(), models.ApprovalFilter{}, models.Page{})
		require.NoError(t, err)
		require.Empty(t, rows)

		for field, body := range map[string]object{
			"user_id":      {"client_id": s.agent.ID, "grant_type": own, "user_id": s.user.ID},
			"approval_id":  {"client_id": s.agent.ID, "grant_type": "refresh_token", "approval_id": "apr_1"},
			"redirect_uri": {"client_id": s.agent.ID, "grant_type": models.GrantCIBA, "user_id": s.user.ID, "redirect_uri": "https://a.example"},
		} {
			requireBlamed(t, s.Server, admin, body, field)
		}
		requireBlamed(t, s.Server, admin, object{"client_id": s.agent.ID, "grant_type": models.GrantCIBA}, "approval_id")
		requireBlamed(t, s.Server, admin, object{"client_id": s.agent.ID, "grant_type": models.GrantDevice}, "approval_id")
	})
}

// requireBlamed asks for an explanation that cannot be given.
func requireBlamed(t *testing.T, s *harness.Server, as *harness.Client, body object, field string) {
	t.Helper()
	a := api(s, s.Own(as, s.URL+"/api/v1", explaining), "POST", "/explain", body)
	require.Equal(t, 422, a.Status, a.Body)
	require.Equal(t, field, a.String("field"), a.Body)
}

func codesOf(x explanation) (codes []string) {
	for _, l := range x.Missing {
		codes = append(codes, l.Reason)
	}
	return codes
}

func kindsOf(l lack) (kinds []string) {
	for _, c := range l.Who {
		kinds = append(kinds, c.Kind)
	}
	return kinds
}

// Whatever is so, the explanation says what the client then hears.
func TestExplainSaysWhatTheBackchannelSays(t *testing.T) {
	for name, happens := range map[string]func(t *testing.T, s *elsewhere){
		"nothing": func(*testing.T, *elsewhere) {},
		"no such grant type": func(_ *testing.T, s *elsewhere) {
			s.edit(func(c *models.Client) { c.GrantTypes = []string{own} })
		},
		"agent suspended": func(t *testing.T, s *elsewhere) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendClient(ctx, by, s.agent.ID)
				return err
			})
		},
		"user suspended": func(_ *testing.T, s *elsewhere) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, s.user.ID)
				return err
			})
		},
		"unlisted": func(_ *testing.T, s *elsewhere) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.Estrange(ctx, by, s.agent.ID, s.user.ID)
			})
		},
		"three wait": func(_ *testing.T, s *elsewhere) {
			for range 3 {
				s.ask()
			}
		},
		"denied just now": func(t *testing.T, s *elsewhere) {
			_, approval := s.ask()
			_, err := s.Endpoint.AnswerApproval(t.Context(), grants.Call{}, approval.ID, s.person, nil, false)
			require.NoError(t, err)
		},
		"reported": func(t *testing.T, s *elsewhere) {
			_, approval := s.ask()
			_, err := s.Endpoint.AnswerApproval(t.Context(), grants.Call{}, approval.ID, s.person, nil, true)
			require.NoError(t, err)
			s.Clock.Advance(48 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachElsewhere(t, func(t *testing.T, s *elsewhere) {
				admin := explainer(s.Server)
				happens(t, s)
				x := explain(s.Server, admin, object{"client_id": s.agent.ID, "grant_type": models.GrantCIBA, "user_id": s.user.ID,
					"resources": []string{s.service.Identifier}, "scopes": workScopes})
				a := s.Form("/oauth2/bc-authorize", s.agent, harness.AskForm(s.user, s.service, "work:do work:undo"))
				require.Equal(t, a.String("error"), x.Error, a.Body)
				require.Equal(t, a.Status == http.StatusOK, x.Granted, a.Body)
			})
		})
	}
}

// edit changes the agent.
func (s *elsewhere) edit(change func(*models.Client)) {
	s.TB.Helper()
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, change)
		return err
	})
}
