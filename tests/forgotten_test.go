package tests

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// tended is what housekeeping does in a quarter of an hour, after which it believes
// the clock.
func (s *sitting) tended() {
	s.TB.Helper()
	for range 61 {
		require.NoError(s.TB, s.Endpoint.Tend(s.TB.Context()))
	}
}

// What is in use stays whole, so that a replay is seen however old what is replayed;
// what nobody came back for is forgotten.
func TestOldRefreshTokensShowAReplayWhileTheirFamilyLives(t *testing.T) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		left := s.grants()
		_, abandoned := s.must(s.token(harness.CodeForm(left.Code)))
		used := s.grants()
		_, first := s.must(s.token(harness.CodeForm(used.Code)))
		latest := first
		for range 2 {
			s.Clock.Advance(20 * 24 * time.Hour)
			s.tended()
			_, latest = s.must(s.token(harness.RefreshForm(latest)))
		}
		s.mustNot(s.token(harness.RefreshForm(abandoned)), "authorization_unusable")
		s.mustNot(s.token(harness.CodeForm(left.Code)), "authorization_unusable")
		require.NotZero(t, s.Tokens(), "what was done stays on record")

		s.Clock.Advance(time.Minute)
		s.mustNot(s.token(harness.RefreshForm(first)), "authorization_used")
		s.mustNot(s.token(harness.RefreshForm(latest)), "authorization_ended")
	})
}

// What was asked is remembered for as long as policy looks back: who reported an agent
// is not asked by it a month later. After that only what was allowed stays.
func TestApprovalsAreForgottenWhenNothingHangsFromThem(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		_, allowed := s.ask()
		require.Equal(t, models.ApprovalApproved, s.Approve(s.person, allowed.ID, s.service, "work:do").State)
		_, late := s.ask()
		_, reported := s.ask()
		_, err := s.Endpoint.AnswerApproval(t.Context(), grants.Call{}, reported.ID, s.person, nil, true)
		require.NoError(t, err)
		left := func() (ids []string) {
			rows, _, err := s.Store.Approvals(t.Context(), models.ApprovalFilter{}, models.Page{})
			require.NoError(t, err)
			for _, a := range rows {
				ids = append(ids, a.ID)
			}
			return ids
		}
		s.Clock.Advance(29 * 24 * time.Hour)
		s.tended()
		require.Equal(t, []string{allowed.ID, late.ID, reported.ID}, left())
		no := s.Form("/oauth2/bc-authorize", s.agent, harness.AskForm(s.user, s.service, "work:do"))
		require.Equal(t, http.StatusForbidden, no.Status, no.Body)
		s.Clock.Advance(3 * 24 * time.Hour)
		s.tended()
		require.Equal(t, []string{allowed.ID}, left())
		s.ask()
	})
}
