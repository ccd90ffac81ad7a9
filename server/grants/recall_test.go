package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// What was refused without asking policy is explained by what kind of fault it was.
func TestRefusalsBeforeAnyQuestionAreExplained(t *testing.T) {
	for _, c := range []struct {
		kept         recalled
		party, lacks string
		who          []string
	}{
		{recalled{Error: oauth.InvalidClient, Reason: "bad_credentials"}, "client", "credential", []string{policies.WhoRequester, whoAdministrator}},
		{recalled{Error: oauth.InvalidRequest, Reason: "duplicate_parameter"}, "client", "request", []string{policies.WhoRequester}},
		{recalled{Error: oauth.InvalidToken, Reason: "bearer_missing"}, "parent_token", "token", []string{policies.WhoRequester}},
		{recalled{Error: oauth.ServerError, Reason: "not_carried_out"}, "deputy", "answer", []string{policies.WhoHost}},
		{recalled{Error: oauth.TemporarilyUnavailable, Reason: "rate_limited"}, "client", "room", []string{policies.WhoRequester, policies.WhoHost}},
		{recalled{Error: oauth.InvalidClient, Reason: "bad_credentials", Limited: true}, "client", "room", []string{policies.WhoRequester, policies.WhoHost}},
	} {
		x := unasked(&models.Entry{ID: "dec_1"}, &c.kept)
		require.False(t, x.Granted)
		require.Len(t, x.Missing, 1)
		l := x.Missing[0]
		require.Equal(t, []string{c.party, c.lacks, c.kept.Reason, policies.LayerServer}, []string{l.Party, l.Lacks, l.Reason, l.Layer})
		require.NotEmpty(t, l.Message)
		require.NotEmpty(t, l.Remedy)
		kinds := []string{}
		for _, w := range l.Who {
			kinds = append(kinds, w.Kind)
		}
		require.Equal(t, c.who, kinds)
		require.Equal(t, "dec_1", x.Told.DecisionID)
	}
}
