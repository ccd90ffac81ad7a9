package models_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// What a user did to another's consent, as an administrator, is no deed of theirs.
func TestDeedsAreOfTheUserAlone(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		eve := modelstest.User(t, store, "eve")
		c := s.give([]string{"sales:list"}, "sales:list")
		token := s.grant(c)
		modelstest.Issue(t, store, modelstest.Exchange(token, "agt_next"))
		require.NoError(t, s.RevokeConsent(t.Context(), models.By{SubjectID: eve.ID}, c.ID, ""))

		rows, older, err := s.Deeds(t.Context(), s.user.ID, s.client.ID, -1, 10)
		require.NoError(t, err)
		require.Equal(t, int64(-1), older)
		require.Equal(t, []string{models.ActionRevokeConsent, eve.ID}, []string{rows[0].Action, rows[0].SubjectID}, "what an administrator did about theirs is told")
		for _, row := range rows[1:] {
			require.Equal(t, s.user.ID, row.SubjectID)
		}
		rows, _, err = s.Deeds(t.Context(), eve.ID, s.client.ID, -1, 10)
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// What was agreed in a user's place is told among what they did, in order, page by page.
func TestDeedsTellWhatWasDoneInAUsersPlace(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		admin, other := modelstest.User(t, store, "admin"), modelstest.User(t, store, "other")
		preapprove := func(user string) *models.Consent {
			c := &models.Consent{ClientID: s.client.ID, SubjectID: user, ResourceID: s.sales.ID, Scopes: []string{"sales:list"}, ExpiresAt: s.Now() + 1000}
			require.NoError(t, s.Preapprove(t.Context(), models.By{SubjectID: admin.ID}, c))
			return c
		}
		preapprove(other.ID)
		for range 3 {
			c := preapprove(s.user.ID)
			require.NoError(t, s.RevokeConsent(t.Context(), models.By{SubjectID: s.user.ID}, c.ID, ""))
		}
		last := preapprove(s.user.ID)
		require.NoError(t, s.RevokeConsent(t.Context(), models.By{ClientID: s.client.ID}, last.ID, ""))

		var told []string
		for before := int64(-1); ; {
			rows, older, err := s.Deeds(t.Context(), s.user.ID, s.client.ID, before, 3)
			require.NoError(t, err)
			for _, row := range rows {
				told = append(told, row.Action+" by "+row.SubjectID)
			}
			if before = older; older < 0 {
				break
			}
		}
		again := []string{"revokeConsent by " + s.user.ID, "preapproveConsent by " + admin.ID}
		require.Equal(t, slices.Concat([]string{"revokeConsent by ", again[1]}, again, again, again), told)
	})
}

// An agent altogether: each consent and grant of this user, and of nobody else.
func TestRevokeAgentEndsAllOfAPair(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		token := s.grant(s.give([]string{"sales:list"}, "sales:list"))
		n, err := s.OpenTokens(t.Context(), s.user.ID, s.client.ID, s.of(token).ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		uses, err := s.LastUses(t.Context(), s.user.ID)
		require.NoError(t, err)
		require.Equal(t, []models.Use{{ClientID: s.client.ID, ResourceID: s.sales.ID, At: uses[0].At}}, uses)
		for range 2 {
			require.NoError(t, s.RevokeAgent(t.Context(), models.By{SubjectID: s.user.ID}, s.user.ID, s.client.ID))
		}
		require.True(t, s.of(token).Revoked)
		grant, err := s.Grant(t.Context(), token.GrantID)
		require.NoError(t, err)
		require.NotZero(t, grant.RevokedAt)
		n, err = s.OpenTokens(t.Context(), s.user.ID, s.client.ID, "")
		require.NoError(t, err)
		require.Zero(t, n)
		client, err := s.Client(t.Context(), s.client.ID)
		require.NoError(t, err)
		self, err := s.Grant(t.Context(), client.SelfGrantID)
		require.NoError(t, err)
		require.Zero(t, self.RevokedAt, "what it does for itself goes on")
		rows, _, err := s.Deeds(t.Context(), s.user.ID, s.client.ID, -1, 10)
		require.NoError(t, err)
		require.Equal(t, models.ActionRevokeAgent, rows[0].Action)
	})
}
