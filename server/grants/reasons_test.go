package grants

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Every reason the policies can give has its sentence and its OAuth code, and
// the table knows no reason that policy does not.
func TestEveryReasonIsTold(t *testing.T) {
	engine, err := bundles.New(bundles.Options{})
	require.NoError(t, err)
	codes := engine.Codes()
	require.Greater(t, len(codes), 30)
	for _, code := range codes {
		_, rank := find(policies.Reason{Code: code})
		require.Less(t, rank, len(answers), "reason %s has no answer", code)
	}
	for _, a := range answers {
		require.Contains(t, codes, a.reason, "no policy gives this reason")
	}
}

func TestSentencesSayWhatIsMissingInThePermittedCharacters(t *testing.T) {
	client, err := policies.NewFact(policies.Principal{ID: "agt_1", Name: "reporter"})
	require.NoError(t, err)
	in := policies.Input{Action: policies.IssueTokenExchange, Client: client}
	for _, a := range answers {
		e := refusal(in, policies.Decision{Reasons: []policies.Reason{
			{Code: a.reason, Party: "client", ID: "agt_1", Scope: "sales:read", Value: `quo"te\` + "\n"},
		}}, "dec_1")
		require.NotEmpty(t, e.Description, a.reason)
		require.Equal(t, oauth.Clean(e.Description), e.Description, a.reason)
		require.Equal(t, a.code, e.Code)
		require.Equal(t, "dec_1", e.DecisionID)
		require.NotContains(t, e.Description, "%!", a.reason)
	}
}

// A token that could not be read is told as that, and not as all that follows.
func TestConsequencesAreNotTold(t *testing.T) {
	e := refusal(policies.Input{Action: policies.AdminPrefix + "listClients"}, policies.Decision{Reasons: []policies.Reason{
		{Code: "client_unknown", Party: "client"}, {Code: "subject_expired"}, {Code: "token_unusable", Value: "malformed"},
	}}, "dec_1")
	require.Equal(t, oauth.InvalidToken, e.Code)
	require.Equal(t, "The presented token cannot be used (malformed). It must be an access token of this server.", e.Description)
}

// A stranger to a token is told that, and not what became of it.
func TestStrangersLearnNothingOfAToken(t *testing.T) {
	e := refusal(policies.Input{Action: policies.IssueTokenExchange}, policies.Decision{Reasons: []policies.Reason{
		{Code: "token_revoked"}, {Code: "subject_inactive", ID: "agt_victim"}, {Code: "not_entitled", ID: "agt_stranger"},
	}}, "dec_1")
	require.NotContains(t, e.Description, "revoked")
	require.NotContains(t, e.Description, "victim")
}

// What is wrong with what a person granted is told as an invalid grant, so that the
// client asks them again; where it asks in silence it is told what it would take.
func TestPeoplesReasonsAreTold(t *testing.T) {
	for _, action := range []string{policies.IssueAuthorizationCode, policies.IssueRefreshToken} {
		for _, code := range []string{"authorization_used", "authorization_unusable", "subject_inactive", "pkce_failed", "nothing_left", "lifetime_exhausted"} {
			e := refusal(policies.Input{Action: action}, policies.Decision{Reasons: []policies.Reason{{Code: code, ID: "usr_1"}}}, "dec_1")
			require.Equal(t, oauth.InvalidGrant, e.Code, code)
			require.NotContains(t, e.Description, "presented token", code)
		}
		e := refusal(policies.Input{Action: action}, policies.Decision{Reasons: []policies.Reason{{Code: "scope_not_consented", Scope: "x"}}}, "dec_1")
		require.Equal(t, oauth.InvalidScope, e.Code, "the client holds on to what it has")
	}
	for code, want := range map[string]string{
		"login_required": "login_required", "consent_required": "consent_required", "acr_unmet": "unmet_authentication_requirements",
		"redirect_unknown": "invalid_request", "pkce_required": "invalid_request", "nothing_to_offer": "access_denied", "scope_unknown": "invalid_scope",
	} {
		e := refusal(policies.Input{Action: policies.Authorize}, policies.Decision{Reasons: []policies.Reason{{Code: code, Party: "subject"}}}, "dec_1")
		require.Equal(t, want, e.Code)
	}
}

// What only house policy knows is told as its own, and a scope it keeps back as
// a scope.
func TestHouseReasonsAreTold(t *testing.T) {
	e := refusal(policies.Input{}, policies.Decision{Reasons: []policies.Reason{{Code: "frozen", Party: "house"}}}, "dec_1")
	require.Equal(t, oauth.AccessDenied, e.Code)
	require.Equal(t, "House policy refuses: frozen.", e.Description)
	e = refusal(policies.Input{}, policies.Decision{Reasons: []policies.Reason{{Code: "withheld", Party: "house", Scope: "x"}}}, "dec_1")
	require.Equal(t, oauth.InvalidScope, e.Code)
}

// Faults of ours never make a client throw away what it holds (RFC 6749: those
// codes are for the client's own faults).
func TestFaultsAreNotBlamedOnClients(t *testing.T) {
	for _, code := range []string{policies.CodePolicyError, policies.CodeSeatBelt, "version_unknown", "action_unknown", "operation_unknown"} {
		a, _ := find(policies.Reason{Code: code})
		require.Equal(t, oauth.ServerError, a.code)
		require.Equal(t, oauth.ServerError, a.bearer)
	}
	require.False(t, slices.Contains([]string{oauth.InvalidClient, oauth.InvalidGrant}, unavailable(nil).Code))
}
