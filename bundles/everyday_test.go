package bundles

import (
	"errors"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// The everyday answer is a shorter way to the same answer, or none at all.
func TestEverydayAnswerIsTheThoroughOne(t *testing.T) {
	src, err := read(policies.FS, "floor")
	require.NoError(t, err)
	c, err := compiler(src)
	require.NoError(t, err)
	both, err := prepare(c, src, []string{"everyday", "thorough", "seen", "looked"}, func(kind string) string {
		return map[string]string{
			"everyday": "data.floor.everyday.answer", "thorough": "data.floor.issue.thorough",
			"seen": "data.floor.everyday.seen", "looked": "data.floor.introspect.thorough",
		}[kind]
	})
	require.NoError(t, err)
	for _, pair := range []struct{ short, long, kind string }{
		{"everyday", "thorough", policies.KindIssue}, {"seen", "looked", policies.KindIntrospect},
	} {
		held, asked := 0, 0
		for seed := range 1500 {
			in := issueWorlds().Example(seed)
			switch {
			case pair.kind == policies.KindIntrospect:
				in = otherWorlds().Example(seed)
			case seed%5 == 0:
				in = endingSoon(t, seed)
			}
			if policies.Kind(in.Action) != pair.kind {
				continue
			}
			asked++
			doc := bind(in)
			short, err := both.ask(t.Context(), topdown.NewCancel(), pair.short, doc.value())
			if errors.Is(err, errUndefined) {
				continue
			}
			require.NoError(t, err)
			held++
			long, err := both.ask(t.Context(), topdown.NewCancel(), pair.long, doc.value())
			require.NoError(t, err)
			require.Zero(t, timeless(short).Compare(timeless(long)), "everyday %s\nthorough %s\nasked %s", short, long, doc.value())
		}
		t.Logf("%s: %d of %d questions are everyday ones", pair.kind, held, asked)
		require.GreaterOrEqual(t, 40*held, asked, "too few for the comparison to mean much")
	}
}

// timeless is an answer without what it says of the time for which it holds.
func timeless(v ast.Value) ast.Value {
	out := ast.NewObject()
	v.(ast.Object).Foreach(func(key, value *ast.Term) {
		if key.Value.Compare(ast.String("valid_until")) != 0 {
			out.Insert(key, value)
		}
	})
	return out
}

func TestHouseThatReadsTheClockIsFoundOut(t *testing.T) {
	for body, timely := range map[string]bool{
		`deny contains "x" if input.now > 5`:                                       true,
		`deny contains "x" if input["now"] > 5`:                                    true,
		"deny contains \"x\" if {\n\tsome key in [\"now\"]\n\tinput[key] > 5\n}":   true,
		"deny contains \"x\" if _late(input)\n\n_late(all) if all.now > 5":         true,
		"deny contains \"x\" if {\n\tall := input\n\tall.now > 5\n}":               true,
		"deny contains \"x\" if object.get(input, \"now\", 0) > 5":                 true,
		`deny contains "x" if input.client.labels.now`:                             false,
		"deny contains \"x\" if {\n\tclient := input.client\n\tclient.id == \"\"}": false,
	} {
		e := newEngine(t, rules(body))
		require.Equal(t, timely, e.serving.Load().timely, body)
	}
}

func TestNewHouseForgetsOldAnswers(t *testing.T) {
	e := newEngine(t, nil)
	in := everydayAsk(t)
	require.False(t, decide(t, e, in).Reused)
	require.True(t, decide(t, e, in).Reused)
	require.NoError(t, e.Load(rules(`deny contains "closed" if input.client.id`)))
	require.False(t, decide(t, e, in).Allow)
}

func TestRefusalsAreNotReused(t *testing.T) {
	e := newEngine(t, rules(`deny contains "closed" if input.client.id`))
	in := everydayAsk(t)
	require.False(t, decide(t, e, in).Allow)
	require.False(t, decide(t, e, in).Reused)
}

func TestMemoryOfAnswersIsBounded(t *testing.T) {
	a := newAnswers()
	for i := range 5 * maxAnswers {
		q := question{byte(i), byte(i >> 8), byte(i >> 16)}
		a.keep(q, 0, policies.Decision{Allow: true, ValidUntil: 10})
		_, ok := a.recall(question{}, 5)
		require.True(t, ok, "what is asked for is not forgotten, after %d", i)
	}
	require.LessOrEqual(t, len(a.recent)+len(a.old), 2*maxAnswers)
}

// everydayAsk is a question in its most usual form.
func everydayAsk(t *testing.T) policies.Input {
	in := ask(t, nil, "read")
	in.Request.GrantType = "client_credentials"
	return in
}
