package bundles

import (
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

func TestShippedPolicies(t *testing.T) {
	for _, root := range []string{"floor", "compose", "house"} {
		t.Run(root, func(t *testing.T) {
			t.Parallel()
			report, err := Test(context.Background(), policies.FS, root)
			require.NoError(t, err)
			require.Empty(t, report.Failed)
			require.Empty(t, report.Missing, "lines no test reaches")
			require.InDelta(t, 100, report.Coverage, 0)
			require.NotZero(t, report.Passed)
			t.Logf("%d tests", report.Passed)

			unformatted, err := Unformatted(policies.FS, root)
			require.NoError(t, err)
			require.Empty(t, unformatted)
		})
	}
}

func TestReportNamesWhatFails(t *testing.T) {
	house := rules(`deny contains "never" if input.v == 2`)
	house["issue_test.rego"] = moduleFile("package house.issue_test\n\ntest_wrong if false\n")
	report, err := Test(context.Background(), house, ".")
	require.NoError(t, err)
	require.Equal(t, []string{"issue_test.rego:3: data.house.issue_test.test_wrong"}, report.Failed)
	require.Equal(t, []string{"issue.rego:3-3"}, report.Missing)
}

func TestTestsSeeBaseData(t *testing.T) {
	house := rules("deny contains \"closed\" if input.client.id in data.house.closed")
	house["data.json"] = moduleFile(`{"house": {"closed": ["agt_a"]}}`)
	house["issue_test.rego"] = moduleFile("package house.issue_test\n\nimport data.house.issue\n\n" +
		"test_closed if \"closed\" in issue.deny with input.client.id as \"agt_a\"\n")
	report, err := Test(context.Background(), house, ".")
	require.NoError(t, err)
	require.Empty(t, report.Failed)
	require.Equal(t, 1, report.Passed)
}

func TestUnformattedNamesFiles(t *testing.T) {
	house := rules(`deny   contains "x" if input.v == 2`)
	unformatted, err := Unformatted(house, ".")
	require.NoError(t, err)
	require.Equal(t, []string{"issue.rego"}, unformatted)
}

func TestTestsOfAHouseReachOutNoMoreThanItsRules(t *testing.T) {
	house := silent()
	house["issue_test.rego"] = moduleFile("package house.issue_test\n\ntest_out if http.send({\"method\": \"get\", \"url\": \"http://localhost\"})\n")
	_, err := Test(context.Background(), house, ".")
	require.ErrorContains(t, err, "undefined function http.send")
}

func TestStarterHouseStandsOnItsOwn(t *testing.T) {
	house, err := fs.Sub(policies.FS, "house")
	require.NoError(t, err)
	report, err := Test(context.Background(), house, ".")
	require.NoError(t, err)
	require.Empty(t, report.Failed)
	require.InDelta(t, 100, report.Coverage, 0)
}
