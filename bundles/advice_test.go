package bundles

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// words for who could change something, beside the scopes of Deputy's own API.
var words = []string{
	policies.WhoRequester, policies.WhoOwner, policies.WhoOperator, policies.WhoSubject, policies.WhoAuthor, policies.WhoHost,
}

// Every rule of floor and compose that gives a reason says who is concerned, what
// they lack, what would help, and who could do it; and its place is where it stands.
func TestEveryReasonHasItsAdviceAndItsPlace(t *testing.T) {
	e := newEngine(t, nil)
	seen := map[string]bool{}
	for _, l := range []*layer{e.floor, e.compose} {
		for kind, rules := range l.rules {
			for key, places := range rules {
				for _, one := range places {
					label := kind + " " + key.code + "/" + key.party
					require.NotEmpty(t, key.party+one.advice.Party, label)
					require.NotEmpty(t, one.advice.Lacks, label)
					require.Regexp(t, `^[A-Z].*\.$`, one.advice.Remedy, label)
					require.NotEmpty(t, one.advice.Who, label)
					for _, who := range one.advice.Who {
						if !strings.Contains(who, ":") {
							require.Contains(t, words, who, label)
						}
					}
					require.Contains(t, lineAt(t, policies.FS, one.at), `"code": "`+key.code+`"`, one.at)
					seen[one.at] = true
				}
			}
		}
	}
	require.Equal(t, reasonsWritten(t), len(seen), "every rule that gives a reason was looked at")
}

// reasonsWritten counts the rules of floor and compose whose heads write a code out.
func reasonsWritten(t *testing.T) (count int) {
	t.Helper()
	for _, root := range []string{"floor", "compose"} {
		src, err := read(policies.FS, root)
		require.NoError(t, err)
		for name, m := range src.modules {
			for _, r := range m.Rules {
				if r.Head.Key == nil || isTest(name) {
					continue
				}
				if head, ok := r.Head.Key.Value.(ast.Object); ok && lookup(head, "code") != nil && isString(lookup(head, "code")) {
					count++
				}
			}
		}
	}
	return count
}

// lineAt is the line that file:line names.
func lineAt(t *testing.T, fsys fs.FS, at string) string {
	t.Helper()
	file, row, ok := strings.Cut(at, ":")
	require.True(t, ok, at)
	body, err := fs.ReadFile(fsys, file)
	require.NoError(t, err)
	n, err := strconv.Atoi(row)
	require.NoError(t, err)
	return strings.Split(string(body), "\n")[n-1]
}

// The right of several rules with one code is told by what the reason holds.
func TestPlaceIsThatOfTheRuleThatGaveTheReason(t *testing.T) {
	e := newEngine(t, nil)
	for _, c := range []struct {
		reason policies.Reason
		says   string
	}{
		{policies.Reason{Code: "scope_unknown", Party: "resource", ID: "rsv_1", Scope: "x"}, `"id": audience.id, "scope": s`},
		{policies.Reason{Code: "scope_unknown", Party: "resource", Scope: "x"}, `"party": "resource", "scope": s`},
		{policies.Reason{Code: "resource_unknown", Party: "resource", Value: "https://x"}, `"value": uri`},
		{policies.Reason{Code: "resource_unknown", Party: "resource"}, `"party": "resource"} if`},
		{policies.Reason{Code: "client_unknown", Party: "parent", ID: "agt_1"}, `"id": holder_id`},
	} {
		at, advice := e.find(policies.KindIssue, c.reason, e.serving.Load().layer)
		require.Contains(t, lineAt(t, policies.FS, at), c.says)
		require.Equal(t, policies.LayerFloor, advice.Layer)
	}
}

// What a house takes away is found in the house, however its author wrote it.
func TestHouseReasonsAreFoundInTheHouse(t *testing.T) {
	text := []string{ // the first stands in line 3
		`deny contains "closed" if "closed" in input.request.scopes`,
		`deny contains reason if some reason in _made`,
		`_made contains sprintf("made_%s", ["up"]) if input.client.labels.made == "up"`,
		`# METADATA
# title: Exports are for analysts
# custom: {lacks: training, remedy: Take the course., who: [the training team, clients:write]}
deny contains {"code": "untrained", "value": input.client.id} if input.client.labels.trained == "no"`,
		`remove contains "write" if input.client.labels.reader == "yes"`,
		`remove contains "read" if input.client.labels.writer == "yes"`,
		`require contains "approval" if input.client.labels.watched == "yes"`,
		`max_ttl := 0 if input.client.labels.short == "yes"`,
	}
	house := rules(strings.Join(text, "\n\n"))
	e := newEngine(t, house)
	for name, c := range map[string]struct {
		labels map[string]string
		code   string
		says   string
		remedy string
		who    []string
	}{
		"object":   {map[string]string{"trained": "no"}, "untrained", `"code": "untrained"`, "Take the course.", []string{"the training team", "clients:write"}},
		"computed": {map[string]string{"made": "up"}, "made_up", "deny contains reason", "", nil},
		"remove":   {map[string]string{"reader": "yes"}, "scope_removed", `remove contains "write"`, "Change the rule, or what it looks at.", []string{"author"}},
		"other":    {map[string]string{"writer": "yes"}, "scope_removed", `remove contains "read"`, "Change the rule, or what it looks at.", []string{"author"}},
		"require":  {map[string]string{"watched": "yes"}, "approval_required", `require contains "approval"`, "Have a person approve the request and bring that; or use a grant in which they are asked.", []string{"requester", "subject", "author"}},
		"broken":   {map[string]string{"short": "yes"}, "policy_error", "max_ttl :=", "Mend the rule: its value has a shape that nobody reads.", []string{"author"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := ask(t, c.labels, "read", "write")
			d, err := e.Decide(context.Background(), in)
			require.NoError(t, err)
			require.Len(t, d.Reasons, 1, "%+v", d.Reasons)
			r := d.Reasons[0]
			require.Equal(t, c.code, r.Code)
			file, ok := strings.CutPrefix(r.Rule, "house/")
			require.True(t, ok, r.Rule)
			require.Contains(t, lineAt(t, house, file), c.says)
			advice := e.Advice(in.Action, r)
			require.Equal(t, policies.LayerHouse, advice.Layer)
			require.Equal(t, c.remedy, advice.Remedy)
			require.Equal(t, c.who, advice.Who)
		})
	}
	require.Equal(t, "Exports are for analysts", e.Advice(policies.IssueClientCredentials, policies.Reason{Code: "untrained", Party: "house", Value: "agt_a"}).Description)
	require.Zero(t, e.Advice(policies.IssueClientCredentials, policies.Reason{Code: "nobody_gives_this"}))
}
