package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
