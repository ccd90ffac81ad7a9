package bundles

import (
	"context"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

func TestDecideGrantsWhatIsHeld(t *testing.T) {
	e := newEngine(t, nil)
	d := decide(t, e, ask(t, nil, "read"))
	require.Equal(t, policies.Decision{
		Allow: true, Reasons: []policies.Reason{}, Removed: []policies.Reason{}, Chain: []string{},
		Scopes: []string{"read"}, Resource: "rsv_1", Audience: "https://one", TTL: 300, Subject: "agt_a", ValidUntil: worldNow,
		Revision: policies.Revision{Floor: e.Status().Floor, House: e.Status().House},
	}, d)
}

func TestReasonNamesTheRuleOfTheFloor(t *testing.T) {
	d := decide(t, newEngine(t, nil), ask(t, nil, "ghost"))
	require.Len(t, d.Reasons, 2)
	for _, r := range d.Reasons {
		require.Regexp(t, `^floor/scope/scope\.rego:\d+$`, r.Rule)
		require.Equal(t, "ghost", r.Scope)
	}
}

func TestReasonNamesTheRuleOfTheHouse(t *testing.T) {
	d := decide(t, newEngine(t, nil), ask(t, map[string]string{"frozen": "true"}, "read"))
	require.Len(t, d.Reasons, 1)
	require.Regexp(t, `^house/issue/issue\.rego:\d+$`, d.Reasons[0].Rule)
	require.Equal(t, policies.Reason{Code: "client_frozen", Party: "house", Value: "agt_a", Rule: d.Reasons[0].Rule}, d.Reasons[0])
}

func TestReasonNamesTheRuleOfABareDenial(t *testing.T) {
	d := decide(t, newEngine(t, rules("deny contains \"closed\"\n\nremove contains {\"scope\": \"read\", \"code\": \"withheld\"}")), ask(t, nil, "read"))
	places := map[string]string{}
	for _, r := range slices.Concat(d.Reasons, d.Removed) {
		places[r.Code] = r.Rule
	}
	require.Equal(t, map[string]string{"closed": "house/issue.rego:3", "withheld": "house/issue.rego:5"}, places)
}

func TestEveryReasonHasAPlace(t *testing.T) {
	e := newEngine(t, nil)
	place := regexp.MustCompile(`^floor/\w+/\w+\.rego:\d+$`)
	for seed := range 300 {
		for _, in := range []policies.Input{issueWorlds().Example(seed), otherWorlds().Example(seed)} {
			d, err := e.Decide(context.Background(), in)
			require.NoError(t, err)
			for _, r := range d.Reasons {
				require.Regexp(t, place, r.Rule, "%+v", r)
			}
		}
	}
}

func TestCodesListsAllThatIsEverGiven(t *testing.T) {
	e := newEngine(t, silent())
	codes := e.Codes()
	require.True(t, slices.IsSorted(codes))
	require.Subset(t, codes, []string{
		policies.CodePolicyError, policies.CodeSeatBelt, "scope_removed",
		"consent_required", "approval_required", "step_up_required",
	})
	given := map[string]bool{}
	for seed := range 1500 {
		for _, in := range []policies.Input{issueWorlds().Example(seed), otherWorlds().Example(seed)} {
			for _, code := range judge(in).Codes {
				given[code] = true
			}
		}
	}
	for code := range given {
		require.Contains(t, codes, code)
	}
	t.Logf("%d codes, %d of them met", len(codes), len(given))
}

func TestUnknownActionIsRefused(t *testing.T) {
	for _, action := range []string{"", "issue:", "issue", "launch", "admin:"} {
		in := ask(t, nil, "read")
		in.Action = action
		d, _ := newEngine(t, silent()).Decide(context.Background(), in)
		require.False(t, d.Allow, action)
		require.NotEmpty(t, d.Reasons, action)
	}
}

func TestNoFactsAreRefusedNotUnanswered(t *testing.T) {
	e := newEngine(t, silent())
	for _, action := range []string{policies.IssueClientCredentials, policies.IssueTokenExchange, policies.Introspect, policies.Revoke, "admin:listClients"} {
		d := decide(t, e, policies.Input{Action: action})
		require.False(t, d.Allow, action)
		require.NotContains(t, answer(d).Codes, policies.CodePolicyError, action)
	}
}

func TestRevisionFollowsContentNotTests(t *testing.T) {
	house := rules(`deny contains "x" if input.v == 2`)
	first := newEngine(t, house).Status().House
	house["issue_test.rego"] = moduleFile("package house.issue_test\n\ntest_x if true\n")
	require.Equal(t, first, newEngine(t, house).Status().House)
	house["data.json"] = moduleFile(`{"house": {"x": 1}}`)
	require.NotEqual(t, first, newEngine(t, house).Status().House)
}

func TestServerWithoutPolicyDoesNotStart(t *testing.T) {
	_, err := New(Options{House: rules(`deny := true`)})
	require.ErrorContains(t, err, "house: ")
	_, err = New(Options{Floor: silent()})
	require.ErrorContains(t, err, "floor: ")
}

func TestSamplesAreAllowed(t *testing.T) {
	questions, err := samples()
	require.NoError(t, err)
	e := newEngine(t, nil)
	kinds := map[string]bool{}
	for _, in := range questions {
		require.True(t, decide(t, e, in).Allow, in.Action)
		kinds[policies.Kind(in.Action)] = true
	}
	require.Len(t, kinds, len(composedKinds()), "one for every kind a house has a say in")
}
