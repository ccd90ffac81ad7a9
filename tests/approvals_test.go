package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// elsewhere is an agent that asks a user who is not at a page of its.
type elsewhere struct {
	*sitting
	person grants.Person
}

func eachElsewhere(t *testing.T, test func(t *testing.T, s *elsewhere)) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		s.Asks(s.agent, s.user)
		test(t, &elsewhere{s, s.SignedIn(s.user)})
	})
}

// eitherElsewhere runs one row of a table on one of the databases, chosen by its name:
// rows differ in what is asked, and each database sees its share of them.
func eitherElsewhere(t *testing.T, test func(t *testing.T, s *elsewhere)) {
	t.Parallel()
	dialect := harness.Dialects[len(t.Name())%len(harness.Dialects)]
	s := newSitting(t, dialect, harness.Options{})
	s.Asks(s.agent, s.user)
	test(t, &elsewhere{s, s.SignedIn(s.user)})
}

// ask has the agent ask for all there is.
func (s *elsewhere) ask() (authReqID string, approval models.Approval) {
	s.TB.Helper()
	return s.AskUser(s.agent, harness.AskForm(s.user, s.service, "work:do work:undo"))
}

// deny has the user say no.
func (s *elsewhere) deny(id string) {
	s.TB.Helper()
	out, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, id, s.person, nil, false)
	require.NoError(s.TB, err)
	require.Equal(s.TB, models.ApprovalDenied, out.State)
}

// code has the user choose one without which they are not asked.
func (s *elsewhere) code(chosen string) {
	s.TB.Helper()
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.SetUserCode(ctx, by, s.user.ID, s.Keys.UserCode(s.user.ID, chosen))
	})
}

// approvals counts what was ever asked.
func (s *elsewhere) approvals() int {
	s.TB.Helper()
	rows, _, err := s.Store.Approvals(context.Background(), models.ApprovalFilter{}, models.Page{Limit: 200})
	require.NoError(s.TB, err)
	return len(rows)
}

func TestApprovedTokenCarriesWhatWasTicked(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		secret, approval := s.ask()
		pending := s.token(harness.PollForm(secret))
		require.Equal(t, http.StatusBadRequest, pending.Status, pending.Body)
		require.Equal(t, "authorization_pending", pending.String("error"), pending.Body)

		out := s.Approve(s.person, approval.ID, s.service, "work:do")
		require.Equal(t, models.ApprovalApproved, out.State, "%+v", out)
		a := s.token(harness.PollForm(secret))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.Equal(t, "work:do", a.String("scope"))

		again := s.token(harness.PollForm(secret))
		require.Equal(t, "invalid_grant", again.String("error"), again.Body)
		require.True(t, s.Active(s.agent, a.String("access_token")), "to poll twice is no theft")
	})
}

func TestADenyIsADeny(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		secret, approval := s.ask()
		s.deny(approval.ID)
		a := s.token(harness.PollForm(secret))
		require.Equal(t, "access_denied", a.String("error"), a.Body)
		require.Zero(t, s.Tokens())
	})
}
