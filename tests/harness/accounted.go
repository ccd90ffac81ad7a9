package harness

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// account is what the ledger must say of a token, as far as it is looked at here.
type account struct {
	Input struct {
		Consent *struct{ ID string }
	}
	Decision struct {
		Revision struct{ Floor, House string }
	}
}

// everyTokenIsAccountedFor holds, at the end of a test, that the ledger's row of each
// token leads to the decision, the policies that took it, the user, and what that user
// agreed to. A test that took the database away leaves nothing to look at.
func (s *Server) everyTokenIsAccountedFor() {
	s.TB.Helper()
	ctx := context.Background()
	if s.TB.Failed() || s.Store.Ping(ctx) != nil {
		return
	}
	for page := (models.Page{Limit: 200}); ; {
		rows, next, err := s.Store.Tokens(ctx, models.TokenFilter{}, page)
		require.NoError(s.TB, err)
		for _, t := range rows {
			s.accountFor(ctx, t)
		}
		if page.After = next; next == "" {
			return
		}
	}
}

func (s *Server) accountFor(ctx context.Context, t models.Token) {
	s.TB.Helper()
	e, err := s.Store.EntryByID(ctx, t.DecisionID)
	require.NoError(s.TB, err, "token %s hangs from decision %q", t.ID, t.DecisionID)
	require.Equal(s.TB, []string{models.KindDecision, models.OutcomeGranted, t.ID, t.ClientID, t.SubjectID, t.ResourceID, t.GrantID, t.Txn, t.ParentID},
		[]string{e.Kind, e.Outcome, e.TokenID, e.ClientID, e.SubjectID, e.ResourceID, e.GrantID, e.Txn, e.ParentID}, "the row of %s", t.ID)
	require.True(s.TB, strings.HasPrefix(e.Action, "issue:access_token:"), "%s: %s", t.ID, e.Action)
	var a account
	require.NoError(s.TB, json.Unmarshal([]byte(e.Detail), &a))
	require.NotEmpty(s.TB, a.Decision.Revision.Floor, "%s: no floor", t.ID)
	require.NotEmpty(s.TB, e.Policy, "%s: no house policy", t.ID)
	require.Equal(s.TB, e.Policy, a.Decision.Revision.House, "%s: two house policies", t.ID)

	grant, err := s.Store.Grant(ctx, t.GrantID)
	require.NoError(s.TB, err, "grant of %s", t.ID)
	require.Equal(s.TB, grant.SubjectID, t.SubjectID, "%s speaks for somebody who granted nothing", t.ID)
	if !models.HasPrefix(t.SubjectID, models.PrefixUser) {
		return
	}
	require.NotNil(s.TB, a.Input.Consent, "%s speaks for a user, and nobody knows why", t.ID)
	consent, err := s.Store.Consent(ctx, a.Input.Consent.ID)
	if errors.Is(err, models.ErrNotFound) { // it went with its service
		return
	}
	require.NoError(s.TB, err)
	require.Equal(s.TB, []string{t.SubjectID, grant.ClientID}, []string{consent.SubjectID, consent.ClientID}, "the consent of %s is another's", t.ID)
}
