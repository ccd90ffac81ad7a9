package bundles

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

// A property test is worth what it can notice. Here every rule of the floor that
// refuses or bounds something is taken out in turn, and so is every condition in
// the body of a rule that it rests on. The comparison with the oracle must see it.

// sabotageWorlds are looked at, of each kind, before a sabotage counts as unnoticed.
const sabotageWorlds = 1500

// unseen are passages whose loss no question from Go can show: Go's types or the
// choice of entrypoint say the same already. Rego tests beside the rules hold them.
var unseen = []string{
	"is_number(", "is_string(", "is_array(", "startswith(", // facts of other types
	"input.v == 1",                      // a document of another version
	"count(input) == 10",                // a question that holds parent and token both
	"count(input.resources) == 1",       // two resource servers under one identifier
	"not identifier",                    // a resource server without identifier
	`input.action.name == "introspect"`, // a question put under another name
	"not standing.visiting",             // the same, of a client that asks for a user
	`input.action.name == "userinfo"`,   // the same, of who asks who a user is
	`input.action.name == "events"`,     // the same, of who follows events
	`name == "access:evaluation"`,       // the same, of what a service asks
	"count(scope.granted) > 0",          // only house policy asks for consent again
	"consent.covers(audience.id, s)",    // the same
}

// cut is one sabotage: a floor that lacks one passage, a rule or a line of it.
type cut struct {
	file       string
	start, end int // in the file's text
}

var (
	adds      = regexp.MustCompile(`(?m)^(reasons|missing|bounds|limits) contains `)
	condition = regexp.MustCompile(`(?m)^\t[^\t\n}].*[^{\n]\n`)
	isTable   = regexp.MustCompile(`(?m)^(decision|thorough|required|effects|_grant_types) := \{`)
)

// cuts lists every rule that adds a reason or a bound, and every condition of
// any rule that has several.
func cuts(floor map[string]string) []cut {
	var out []cut
	for _, file := range slices.Sorted(maps.Keys(floor)) {
		text, start := floor[file], 0
		for _, rule := range strings.SplitAfter(text, "\n\n") {
			if adds.MatchString(rule) {
				out = append(out, cut{file, start, start + len(rule)})
			}
			if !isTable.MatchString(rule) {
				for _, at := range condition.FindAllStringIndex(rule, -1) {
					out = append(out, cut{file, start + at[0], start + at[1]})
				}
			}
			start += len(rule)
		}
	}
	return slices.DeleteFunc(out, func(c cut) bool { return isExempt(floor[c.file][c.start:c.end]) })
}

// isExempt: a passage that only names what the others are about is no condition.
func isExempt(passage string) bool {
	return strings.HasPrefix(passage, "\tsome ") ||
		slices.ContainsFunc(unseen, func(what string) bool { return strings.Contains(passage, what) })
}

func shippedFloor(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, fs.WalkDir(policies.FS, "floor", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.rego") {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		out[name] = string(text)
		return err
	}))
	return out
}

type judged struct {
	in   policies.Input
	want verdict
}

func questions(t *testing.T) []judged {
	var out []judged
	for _, in := range nearlyEveryday(t) {
		out = append(out, judged{in, judge(in)})
	}
	issue, others, detailed := issueWorlds(), otherWorlds(), detailedWorlds()
	for seed := range sabotageWorlds {
		for _, gen := range []*rapid.Generator[policies.Input]{detailed, issue, others} {
			in := gen.Example(seed)
			out = append(out, judged{in, judge(in)})
		}
	}
	return out
}

// Each cut costs a compilation and up to thousands of decisions, so that make test
// makes one in forty-eight of them; make sabotage makes all. Run it after changing the floor.
func TestEverySabotageIsNoticed(t *testing.T) {
	shipped, err := New(Options{House: silent()})
	require.NoError(t, err)
	floor, asked := shippedFloor(t), questions(t)
	every := 48
	if os.Getenv("SABOTAGE") == "all" {
		every = 1
	}
	for i, c := range cuts(floor) {
		if i%every != 0 {
			continue
		}
		line := 1 + strings.Count(floor[c.file][:c.start], "\n")
		t.Run(fmt.Sprintf("%s:%d", c.file, line), func(t *testing.T) {
			t.Parallel()
			layer, err := compileFloor(sabotaged(floor, c))
			if err != nil {
				return // the compiler noticed
			}
			e := &Engine{floor: layer, compose: shipped.compose, deadline: DefaultDeadline}
			e.serving.Store(&serving{layer: shipped.serving.Load().layer, given: newAnswers()})
			at := slices.IndexFunc(asked, func(q judged) bool {
				d, err := e.Decide(context.Background(), q.in)
				return err != nil || differ(answer(d), q.want)
			})
			t.Logf("NOTICED %d", at)
			require.GreaterOrEqual(t, at, 0, "nobody noticed that this is gone:\n%s", floor[c.file][c.start:c.end])
		})
	}
}

// sabotaged is the floor less one passage, and less the imports that only this
// passage used, for which alone the compiler would refuse it.
func sabotaged(floor map[string]string, c cut) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range floor {
		if name == c.file {
			text = withoutUnusedImports(text[:c.start] + text[c.end:])
		}
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

var imports = regexp.MustCompile(`(?m)^import data\.floor\.(\w+)\n`)

func withoutUnusedImports(text string) string {
	used := imports.ReplaceAllString(text, "")
	return imports.ReplaceAllStringFunc(text, func(line string) string {
		name := imports.FindStringSubmatch(line)[1]
		if regexp.MustCompile(`[^.]\b` + name + `\.`).MatchString(used) {
			return line
		}
		return ""
	})
}
