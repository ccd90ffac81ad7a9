package bundles

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func moduleFile(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// with adds a file to a house of one harmless rule.
func with(name, text string) fstest.MapFS {
	house := rules(`deny contains "closed" if input.client.labels.closed == "true"`)
	house[name] = moduleFile(text)
	return house
}

// refusal is a house that must not serve, and what the error must say: where the
// trouble is, and what it is.
type refusal struct {
	house fstest.MapFS
	says  []string
}

// outside: modules, data and references outside the house.
func outside() map[string]refusal {
	return map[string]refusal{
		"adds to the floor":           {with("floor.rego", "package floor.scope\n\ngranted contains \"root\"\n"), []string{"floor.rego:1", "package must be house or below it, not floor.scope"}},
		"replaces the floor":          {with("floor.rego", "package floor\n\nissue := {\"decision\": {\"allow\": true}}\n"), []string{"floor.rego:1", "not floor"}},
		"replaces the composition":    {with("a.rego", "package compose.issue\n\ndecision := {\"allow\": true}\n"), []string{"a.rego:1", "not compose.issue"}},
		"package that begins alike":   {with("a.rego", "package household\n\nx := 1\n"), []string{"a.rego:1", "not household"}},
		"head that names the floor":   {rules(`floor.granted contains "root"`), []string{"issue.rego:3", "floor has no effect in house.issue"}},
		"base data in the floor":      {with("data.json", `{"floor": {"scope": {"granted": ["root"]}}}`), []string{"data.json", `"floor"`}},
		"base data in place of rules": {with("data.json", `{"house": {"issue": {"deny": []}}}`), []string{"issue.rego:3", "conflicting rule for data path house/issue/deny"}},
		"base data below":             {with("lib/data.json", `{"house": {}}`), []string{"lib/data.json", "at the top"}},
		"base data that is no object": {with("data.json", `[]`), []string{"data.json", "cannot unmarshal"}},
		"asks the floor":              {rules(`deny contains "x" if not data.floor.issue.decision.allow`), []string{"issue.rego:3", "data.floor.issue.decision.allow", "only to input and data.house"}},
		"imports the floor":           {rules("import data.floor.scope\n\ndeny contains \"x\" if scope.granted"), []string{"issue.rego:3", "data.floor.scope"}},
		"asks all data":               {rules(`deny contains "x" if data[input.client.id]`), []string{"issue.rego:3", "only to input and data.house"}},
	}
}

// misspelt: facts that there are not: the rule would never fire.
func misspelt() map[string]refusal {
	return map[string]refusal{
		"misspelt fact":             {rules(`deny contains "x" if input.agnet.status == "suspended"`), []string{"issue.rego:3", "input.agnet", `"client"`}},
		"misspelt label":            {rules(`deny contains "x" if input.client.labls.frozen == "true"`), []string{"issue.rego:3", "labls", `"labels"`}},
		"misspelt scopes":           {rules(`deny contains "x" if input.resource.scopez.read`), []string{"issue.rego:3", "scopez"}},
		"misspelt fact of a scope":  {rules("max_ttl := 300 if {\n\tsome s in input.granted\n\tinput.resource.scopes[s].risc == \"high\"\n}"), []string{"issue.rego:5", `undefined field "risc"`}},
		"misspelt fact negated":     {rules(`deny contains "x" if not input.client.owner.statsu == "active"`), []string{"issue.rego:3", "statsu"}},
		"misspelt fact in a helper": {with("lib.rego", "package house.lib\n\nbad if input.agnet.status == \"suspended\"\n"), []string{"lib.rego:3", "input.agnet"}},
		"fact of another type":      {rules(`deny contains "x" if input.client.status == 3`), []string{"issue.rego:3", "match error"}},
	}
}

// misshapen: contributions of a shape that nobody reads.
func misshapen() map[string]refusal {
	return map[string]refusal{
		"deny is a name":              {rules(`deny := "everything"`), []string{"issue.rego:3", "deny must be a set", "contains", "not string"}},
		"deny is a truth":             {rules(`deny if input.client.labels.closed == "true"`), []string{"issue.rego:3", "deny must be a set", "not boolean"}},
		"deny is true":                {rules(`deny := true`), []string{"issue.rego:3", "deny must be a set"}},
		"deny is an array":            {rules(`deny := ["x"]`), []string{"issue.rego:3", "deny must be a set"}},
		"deny is a function":          {rules(`deny(x) := x`), []string{"issue.rego:3", "deny must not be a function"}},
		"deny holds numbers":          {rules(`deny contains 1 if input.v == 2`), []string{"issue.rego:3", "deny must hold strings or objects", "not number"}},
		"deny is hidden by a package": {fstest.MapFS{"a.rego": moduleFile("package house.issue.deny\n\nx := 1\n"), "b.rego": moduleFile("package house.issue\n\n_x := 1\n")}, []string{"a.rego:3", "in the place of the rule deny"}},
		"remove is an array":          {rules(`remove := ["read"]`), []string{"issue.rego:3", "remove must be a set"}},
		"max_ttl is a name":           {rules(`max_ttl := "5m"`), []string{"issue.rego:3", "max_ttl must be a number of seconds, not string"}},
		"max_ttl may be a name":       {rules("max_ttl := 5 if input.v == 1\n\nmax_ttl := \"5m\" if input.v == 2"), []string{"issue.rego:5", "not any<number, string>"}},
		"max_ttl is negative":         {rules(`max_ttl := -5`), []string{"issue.rego:3", "max_ttl has a value that cannot be used"}},
		"max_ttl has two values":      {rules("max_ttl := 5\n\nmax_ttl := 6"), []string{"issue.rego:5", "conflict"}},
		"claims is a set":             {rules(`claims contains "x"`), []string{"issue.rego:3", "claims must be an object"}},
		"claim of the token":          {rules(`claims := {"sub": "usr_admin"}`), []string{"issue.rego:3", "claims has a value that cannot be used"}},
		"require of nothing known":    {rules(`require contains "luck"`), []string{"issue.rego:3", "require has a value that cannot be used"}},
	}
}

// unread: rules and packages in which nobody reads them.
func unread() map[string]refusal {
	return map[string]refusal{
		"allow":                         {rules(`allow if input.client.id == "agt_a"`), []string{"issue.rego:3", "allow has no effect in house.issue"}},
		"denied":                        {rules(`denied contains "x"`), []string{"issue.rego:3", "denied has no effect", "deny, remove"}},
		"remove where only deny counts": {with("admin.rego", "package house.admin\n\nremove contains \"x\"\n"), []string{"admin.rego:3", "remove has no effect in house.admin"}},
		"deny in a package misspelt":    {with("admn.rego", "package house.admn\n\ndeny contains \"x\"\n"), []string{"admn.rego:3", "deny has no effect here", "house.admin"}},
		"deny of revocation":            {with("revoke.rego", "package house.revoke\n\ndeny contains \"x\"\n"), []string{"revoke.rego:3", "deny has no effect here"}},
		"no package house.issue":        {fstest.MapFS{"a.rego": moduleFile("package house.admin\n\ndeny contains \"x\" if input.v == 2\n")}, []string{"no package house.issue"}},
		"house.issue in tests only":     {fstest.MapFS{"a_test.rego": moduleFile("package house.issue_test\n\ntest_x if true\n")}, []string{"no package house.issue"}},
		"deny in a test file":           {with("load_test.rego", "# Load.\npackage house.issue\n\ndeny contains \"x\"\n"), []string{"load_test.rego:2", "package must end in _test, not house.issue"}},
		"deny of a kind in tests only":  {with("admin_test.rego", "package house.admin\n\ndeny contains \"x\"\n"), []string{"admin_test.rego:1", "not house.admin"}},
		"nothing but a test file":       {fstest.MapFS{"a_test.rego": moduleFile("package house.issue\n\ndeny contains \"x\"\n")}, []string{"a_test.rego:1", "not house.issue"}},
		"test package above house":      {with("a_test.rego", "package house_test.issue\n\ntest_x if true\n"), []string{"a_test.rego:1", "not house_test.issue"}},
	}
}

// leadNowhere: rules and base data that there are not: the rule would never fire.
func leadNowhere() map[string]refusal {
	blocked := `deny contains "x" if input.client.name in data.house.blocked`
	data := func(body, rule string) fstest.MapFS {
		house := rules(rule)
		house["data.json"] = moduleFile(body)
		return house
	}
	nowhere := func(path string) []string {
		return []string{"issue.rego:3", "house_contract_error: " + path + " is neither a rule of this policy nor in its data.json"}
	}
	return map[string]refusal{
		"no data.json":              {rules(blocked), nowhere("data.house.blocked")},
		"data.json without it":      {data(`{"house": {"allowed": []}}`, blocked), nowhere("data.house.blocked")},
		"data.json misspelt":        {data(`{"house": {"blockd": ["A"]}}`, blocked), nowhere("data.house.blocked")},
		"empty data.json":           {data(`{}`, blocked), nowhere("data.house.blocked")},
		"no such key below":         {data(`{"house": {"blocked": {}}}`, `deny contains "x" if input.client.name in data.house.blocked.names`), nowhere("data.house.blocked.names")},
		"below what is no object":   {data(`{"house": {"blocked": []}}`, `deny contains "x" if input.client.name in data.house.blocked.names`), nowhere("data.house.blocked.names")},
		"before a variable":         {rules(`deny contains "x" if data.house.blocked[input.client.name]`), nowhere("data.house.blocked")},
		"before a nested reference": {data(`{"house": {"names": {}}}`, `deny contains "x" if data.house.names[data.house.blocked].x`), nowhere("data.house.blocked")},
		"in brackets":               {rules(`deny contains "x" if input.client.name in data["house"]["blocked"]`), nowhere("data.house.blocked")},
		"negated":                   {rules(`deny contains "x" if not input.client.name in data.house.allowed`), nowhere("data.house.allowed")},
		"in a comprehension":        {rules(`max_ttl := count([1 | some x in data.house.blocked; x == input.client.name])`), nowhere("data.house.blocked")},
		"in an otherwise":           {rules("_a if input.v == 2\n\nelse := data.house.blocked\n\ndeny contains \"x\" if _a"), []string{"issue.rego:5", "data.house.blocked is neither"}},
		"of a replacement":          {rules(`deny contains "x" if _x with data.house.blocked as ["A"]` + "\n\n_x if input.v == 2"), nowhere("data.house.blocked")},
		"imported":                  {rules("import data.house.blocked\n\ndeny contains \"x\" if input.client.name in blocked"), []string{"issue.rego:5", "data.house.blocked is neither"}},
		"imported from a package": {
			with("lib.rego", "package house.lib\n\nimport data.house.lists\n\nbad if input.client.name in lists.blocked\n"),
			[]string{"lib.rego:5", "data.house.lists.blocked is neither"},
		},
		"no such rule": {
			fstest.MapFS{
				"lib.rego":   moduleFile("package house.lib\n\nblocked contains \"A\"\n"),
				"issue.rego": moduleFile("package house.issue\n\ndeny contains \"x\" if input.client.name in data.house.lib.blockd\n"),
			}, nowhere("data.house.lib.blockd"),
		},
		"no such package": {rules(`deny contains "x" if data.house.lbi.blocked`), nowhere("data.house.lbi.blocked")},
		"rule of a test": {
			fstest.MapFS{
				"lib_test.rego": moduleFile("package house.lib_test\n\nblocked contains \"A\"\n"),
				"issue.rego":    moduleFile("package house.issue\n\ndeny contains \"x\" if input.client.name in data.house.lib_test.blocked\n"),
			}, nowhere("data.house.lib_test.blocked"),
		},
	}
}

func TestLoadAcceptsReferencesThatLeadSomewhere(t *testing.T) {
	e := newEngine(t, silent())
	for name, body := range map[string]string{
		"base data":               `deny contains "x" if input.client.name in data.house.blocked`,
		"base data that is empty": `deny contains "x" if input.client.name in data.house.none`,
		"base data that is false": `deny contains "x" if data.house.closed`,
		"place in an array":       `deny contains "x" if data.house.blocked[0] == input.client.name`,
		"key of an object":        `deny contains "x" if input.client.name in data.house.teams.blue`,
		"through a variable":      `deny contains "x" if input.client.name in data.house.teams[input.client.labels.team]`,
		"beyond a variable":       `deny contains "x" if data.house.teams[_].nothing`,
		"rule":                    `deny contains "x" if data.house.lib.bad`,
		"default":                 `deny contains "x" if data.house.lib.open`,
		"function":                `deny contains "x" if data.house.lib.same(input.client.name, "B")`,
		"member of a rule":        `deny contains "x" if data.house.lib.names.B`,
		"rule of several steps":   `deny contains "x" if data.house.lib.by.team.blue`,
		"variable in a head":      `deny contains "x" if data.house.lib.of.anybody.names`,
		"package":                 `deny contains "x" if data.house.lib[input.client.name]`,
		"import":                  "import data.house.lib as l\n\ndeny contains \"x\" if l.bad",
	} {
		t.Run(name, func(t *testing.T) {
			house := rules(body)
			house["data.json"] = moduleFile(`{"house": {"blocked": ["B"], "none": [], "closed": false, "teams": {"blue": ["B"]}}}`)
			house["lib.rego"] = moduleFile("package house.lib\n\nbad if input.v == 2\n\ndefault open := false\n\nsame(a, b) if a == b\n\n" +
				"names contains \"C\"\n\nnames contains input.client.id\n\nby.team.blue if input.v == 2\n\nof[id].names := [] if id := input.client.id\n")
			require.NoError(t, e.Load(house))
		})
	}
}

// broken: what is no policy, or not one that can be answered by.
func broken() map[string]refusal {
	many := rules(`deny contains "x" if input.v == 2`)
	for i := range maxModules {
		many[fmt.Sprintf("lib/%03d.rego", i)] = moduleFile(fmt.Sprintf("package house.lib%d\n", i))
	}
	return map[string]refusal{
		"syntax error":       {rules("deny contains \"x\" if {"), []string{"issue.rego:4", "rego_parse_error"}},
		"unused variable":    {rules("deny contains \"x\" if {\n\ty := input.v\n}"), []string{"issue.rego:4", "unused"}},
		"error at all times": {rules(`deny contains "x" if to_number(input.action.name) > 3`), []string{"issue.rego:3", "to_number"}},
		"recursion":          {rules("_a if _b\n\n_b if _a"), []string{"issue.rego:3", "recursive"}},
		"module too large":   {rules(strings.Repeat("# x\n", maxModuleSize/4)), []string{"issue.rego", "larger than"}},
		"too many modules":   {many, []string{"more than 500 modules"}},
		"no module":          {fstest.MapFS{"README": moduleFile("")}, []string{"no .rego file"}},
	}
}

func TestLoadRefusesAndTheOldPolicyServes(t *testing.T) {
	e := newEngine(t, rules(`deny contains "closed" if input.client.labels.closed == "true"`))
	closed, old := ask(t, map[string]string{"closed": "true"}, "read"), e.Status()
	refusals := map[string]refusal{}
	for _, group := range []map[string]refusal{outside(), misspelt(), misshapen(), unread(), leadNowhere(), broken()} {
		maps.Copy(refusals, group)
	}
	for name, refusal := range refusals {
		t.Run(name, func(t *testing.T) {
			err := e.Load(refusal.house)
			require.Error(t, err)
			for _, part := range refusal.says {
				require.ErrorContains(t, err, part)
			}
			require.Equal(t, err.Error(), e.Status().LastError)
			require.Equal(t, old.House, e.Status().House)
			require.Equal(t, old.LoadedAt, e.Status().LoadedAt)
			d := decide(t, e, closed)
			require.Equal(t, []string{"closed"}, answer(d).Codes)
			require.Equal(t, old.House, d.Revision.House)
		})
	}
}

func TestLoadRefusesBuiltinsThatReachOut(t *testing.T) {
	e := newEngine(t, silent())
	for call, builtin := range map[string]string{
		`http.send({"method": "get", "url": "http://localhost"})`: "http.send",
		`opa.runtime()`:                   "opa.runtime",
		`net.lookup_ip_addr("localhost")`: "net.lookup_ip_addr",
		`graph.reachable_paths({}, [])`:   "graph.reachable_paths",
		`rand.intn("x", 3)`:               "rand.intn",
		`uuid.rfc4122("x")`:               "uuid.rfc4122",
		`time.now_ns()`:                   "time.now_ns",
		`walk(input)`:                     "walk",
		`trace("x")`:                      "trace",
		`io.jwt.decode("x")`:              "io.jwt.decode",
		`bits.lsh(1, 8)`:                  "bits.lsh",
		`product([1])`:                    "product",
		`strings.render_template("{{.x}}", {"x": 1})`:         "strings.render_template",
		`net.cidr_contains_matches("10.0.0.0/8", "10.0.0.1")`: "net.cidr_contains_matches",
		`json.match_schema({}, {})`:                           "json.match_schema",
		`json.verify_schema({})`:                              "json.verify_schema",
	} {
		t.Run(builtin, func(t *testing.T) {
			err := e.Load(rules(`deny contains "x" if ` + call))
			require.ErrorContains(t, err, "issue.rego:3")
			require.ErrorContains(t, err, "undefined function "+builtin)
		})
	}
}

func TestLoadAcceptsAndForgetsTheError(t *testing.T) {
	e := newEngine(t, silent())
	for name, house := range map[string]fstest.MapFS{
		"names":              rules("deny contains \"closed\" if input.client.labels.closed\n\nremove contains \"write\" if input.client.labels.closed"),
		"objects":            rules("deny contains {\"code\": \"closed\"} if input.v == 2\n\nremove contains {\"scope\": \"write\"} if input.v == 2"),
		"computed number":    rules(`max_ttl := count(input.granted) * 60`),
		"type left open":     rules(`max_ttl := json.unmarshal("60")`),
		"default":            rules("default max_ttl := 300\n\nmax_ttl := 60 if input.client.labels.short"),
		"claims":             rules(`claims := {"https://acme.example/team": input.client.labels.team}`),
		"helpers":            rules("deny contains \"closed\" if _closed(input.client)\n\n_closed(client) if client.labels.closed == \"true\""),
		"helper package":     with("lib/lib.rego", "package house.lib\n\nopen if input.v == 1\n"),
		"base data":          with("data.json", `{"house": {"closed": ["agt_a"]}}`),
		"other decisions":    with("admin.rego", "package house.admin\n\ndeny contains \"closed\" if input.client.labels.closed\n"),
		"files that are not": with("README.md", "nothing"),
		"denial of all":      rules(`deny contains "closed"`),
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, e.Load(rules(`deny := true`)))
			require.NoError(t, e.Load(house))
			require.Empty(t, e.Status().LastError)
		})
	}
}

func TestCheckSaysWhatLoadWould(t *testing.T) {
	require.NoError(t, Check(silent()))
	require.ErrorContains(t, Check(rules(`deny := true`)), "issue.rego:3")
}
