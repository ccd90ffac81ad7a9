package tests

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/harness"
)

// twoPersons is the example of docs/policies.md: one person runs an agent, and another
// approves what it pays.
var twoPersons = fstest.MapFS{
	"house/issue/issue.rego": {Data: []byte(`package house.issue

import rego.v1

require contains "approval" if {
	some detail in input.granted_details
	detail.type == "payment"
}
`)},
	"house/authorize/authorize.rego": {Data: []byte(`package house.authorize

import rego.v1

deny contains {"code": "needs_another_person"} if {
	input.action.name in {"approval:ask", "approval:answer"}
	some detail in input.request.details
	detail.type == "payment"
	input.subject.id == input.client.owner.id
}
`)},
	"house/authorize/authorize_test.rego": {Data: []byte(`package house.authorize_test

import rego.v1

import data.house.authorize

_asked := {
	"action": {"name": "approval:answer"},
	"client": {"id": "agt_1", "owner": {"id": "usr_owner"}},
	"subject": {"id": "usr_colleague"},
	"request": {"details": [{"type": "payment", "amount": "5"}]},
}

test_another_person_approves_a_payment if authorize.deny == set() with input as _asked

test_whoever_runs_the_agent_does_not if {
	every action in ["approval:ask", "approval:answer"] {
		own := object.union(_asked, {"action": {"name": action}, "subject": {"id": "usr_owner"}})
		authorize.deny == {{"code": "needs_another_person"}} with input as own
	}
}

test_they_may_look_and_approve_what_is_no_payment if {
	own := object.union(_asked, {"subject": {"id": "usr_owner"}})
	authorize.deny == set() with input as object.union(own, {"action": {"name": "approval:show"}})
	authorize.deny == set() with input as object.union(own, {"request": {"details": []}})
}
`)},
}

// The rules of the example do what they say.
func TestTwoPersonRuleIsTested(t *testing.T) {
	t.Parallel()
	report, err := bundles.Test(context.Background(), twoPersons, "house/authorize")
	require.NoError(t, err)
	require.Empty(t, report.Failed)
	require.Equal(t, 3, report.Passed)
	require.InDelta(t, 100, report.Coverage, 0.01, "%v", report.Missing)
}

// A payment needs one person who runs the agent and another who approves, each in their
// own browser: what was a rule of the house's is so over HTTP.
func TestRequired_TwoPersonsForAPayment(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newByItself(t, dialect, "its own", twoPersons)
			modelstest.DetailType(t, s.Store, modelstest.Payment(s.service.ID, "work:do"))
			require.Equal(t, http.StatusOK, s.token(s.form).Status, "what is no payment needs nobody")
			s.form.Set("authorization_details", `[{"type":"payment","amount":"5.00","currency":"EUR","payee":"Bob"}]`)
			require.Equal(t, "access_denied", s.token(s.form).String("error"))

			own := s.Form("/oauth2/bc-authorize", s.agent, s.plea())
			require.Equal(t, []any{http.StatusForbidden, "access_denied"}, []any{own.Status, own.String("error")}, own.Body)
			require.Contains(t, own.String("error_description"), "needs_another_person")

			colleague := s.Person("colleague")
			s.approver = colleague
			require.Equal(t, "unknown_user_id", s.Form("/oauth2/bc-authorize", s.agent, s.plea()).String("error"), "nobody let the agent ask them")
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.Acquaint(ctx, by, s.agent.ID, colleague.ID)
			})
			secret, approval := s.AskUser(s.agent, s.plea())

			b := s.Browser()
			require.Equal(t, http.StatusSeeOther, b.SignIn("colleague", harness.Password).Status)
			page := b.Get("/approvals/" + approval.ID)
			require.Contains(t, page.Body, "asks to do something by itself")
			require.Contains(t, page.Body, "in its own name")
			require.NotContains(t, page.Body, "act for you")
			require.Regexp(t, `Pay .*5\.00.*EUR.* to .*Bob`, page.Body)
			until := regexp.MustCompile(`name="until" value="([0-9]+)"`).FindStringSubmatch(page.Body)
			require.NotNil(t, until, page.Body)

			// Were the agent theirs by now, they could not approve it any more.
			owner := *s.agent.OwnerID
			s.owns(colleague.ID)
			yes := url.Values{"answer": {"allow"}, "until": {until[1]}, "scope": {s.service.ID + " work:do"}, "detail": {s.service.ID + " 0"}}
			require.NotContains(t, b.Post("/approvals/"+approval.ID, yes).Body, "You approved this")
			row, err := s.Store.Approval(context.Background(), approval.ID)
			require.NoError(t, err)
			require.Equal(t, models.ApprovalPending, row.State)
			s.owns(owner)

			done := b.Post("/approvals/"+approval.ID, yes)
			require.Contains(t, done.Body, "You approved this")
			require.Contains(t, done.Body, "one token")
			a := s.token(s.with(secret))
			require.Equal(t, http.StatusOK, a.Status, a.Body)
			require.Contains(t, a.Body, `"payee":"Bob"`)
			require.Contains(t, b.Get("/approvals/"+approval.ID).Body, "It has got the one token")
			require.Contains(t, b.Get("/approvals").Body, "Approved")
			require.Equal(t, "access_denied", s.token(s.form).String("error"), "the next payment is asked anew")
		})
	}
}

// owns gives the agent another owner.
func (s *byItself) owns(userID string) {
	s.TB.Helper()
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(m *models.Client) { m.OwnerID = &userID })
		return err
	})
}

// What a machine would be told, and how it would get somebody's approval, is explained
// before it asks; so is what an approval that it has is worth.
func TestExplainTellsHowAMachineIsApproved(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newByItself(t, dialect, "its own", wantsApproval)
			admin := explainer(s.Server)
			question := object{"client_id": s.agent.ID, "grant_type": "client_credentials", "resources": []string{s.service.Identifier}, "scopes": []string{"work:do"}}
			x := explain(s.Server, admin, question)
			require.False(t, x.Granted)
			require.Equal(t, "approval_required", x.Missing[0].Reason)
			require.Contains(t, x.Missing[0].Message, "approve=client_credentials and login_hint="+s.owner.ID)

			_, approval := s.approved()
			question["approval_id"] = approval.ID
			for range 2 {
				require.True(t, explain(s.Server, admin, question).Granted, "to ask about it uses nothing up")
			}
			question["scopes"] = []string{"work:do", "work:undo"}
			require.Equal(t, "approval_exceeded", explain(s.Server, admin, question).Missing[0].Reason)
			question["scopes"] = []string{"work:do"}
			s.Clock.Advance(61 * time.Minute)
			x = explain(s.Server, admin, question)
			require.False(t, x.Granted)
			require.Contains(t, []string{"approval_over", "lifetime_exhausted"}, x.Missing[0].Reason)
		})
	}
}
