package oauth

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDetailsComeInOneForm(t *testing.T) {
	t.Parallel()
	got, problem := ParseDetails(`[ {"type": "payment", "amount": "50.00", "to": {"b": [1, true, null], "a": "<x>"}}, {"amount":"50.00","type":"payment"},
		{"type":"payment","amount":"50.00"}, {"type":"n","least":-9007199254740991,"most":9007199254740991} ]`)
	require.Nil(t, problem)
	var text []string
	for _, d := range got {
		text = append(text, string(d))
	}
	require.Equal(t, []string{
		`{"amount":"50.00","to":{"a":"\u003cx\u003e","b":[1,true,null]},"type":"payment"}`,
		`{"amount":"50.00","type":"payment"}`, `{"least":-9007199254740991,"most":9007199254740991,"type":"n"}`,
	}, text)
	got, problem = ParseDetails("")
	require.Nil(t, problem)
	require.Nil(t, got)
}

func TestDetailsThatAreRefused(t *testing.T) {
	t.Parallel()
	of := func(member string) string { return `[{"type":"payment","a":` + member + `}]` }
	for name, raw := range map[string]string{
		"no JSON": `[`, "a string": `"payment"`, "an object": `{"type":"payment"}`, "nothing": `[]`, "null": `null`, "a list of strings": `["payment"]`,
		"no type": `[{}]`, "an empty type": `[{"type":""}]`, "a type that is no string": `[{"type":1}]`, "a long type": `[{"type":"` + strings.Repeat("x", 129) + `"}]`,
		"two lists": `[{"type":"a"}][]`, "something after it": `[{"type":"a"}]x`, "17 objects": "[" + strings.Repeat(`{"type":"a"},`, 16) + `{"type":"a"}]`,
		"too large": of(`"` + strings.Repeat("x", 17<<10) + `"`), "a long text": of(`"` + strings.Repeat("x", 513) + `"`), "a long name": `[{"type":"a","` + strings.Repeat("x", 513) + `":1}]`,
		"a member twice": of(`{"b":1,"b":2}`), "the type twice": `[{"type":"a","type":"b"}]`, "the type twice, escaped": `[{"type":"a","\u0074ype":"b"}]`,
		"too deep": of(strings.Repeat(`[`, 7) + strings.Repeat(`]`, 7)), "not closed": of(`{"b":1`), "a comma": of(`[1,]`), "no colon": of(`{"b" 1}`),
		"a fraction": of(`1.5`), "an exponent": of(`1e2`), "a whole fraction": of(`1.0`), "a large number": of(`9007199254740992`), "a small number": of(`-9007199254740992`),
		"a number without end": of(strings.Repeat("9", 400)), "minus nothing": of(`-0`), "bytes": of("\"\xff\""), "half a character": of(`"\ud800"`),
		"a control character": of(`"a\u0000b"`), "a line break": of(`"a\nb"`), "text that turns round": of(`"a\u202eb"`), "text without room": of(`"a\u200bb"`), "a hidden name": `[{"type":"a","a\u2066":1}]`,
	} {
		got, problem := ParseDetails(raw)
		require.NotNil(t, problem, name)
		require.Nil(t, got, name)
		require.Equal(t, InvalidAuthorizationDetails, problem.Code, name)
		require.Equal(t, "details_malformed", problem.Reason, name)
		require.Equal(t, 400, problem.Status(), name)
	}
	_, problem := ParseDetails(of(`"see dpt_rft_abc"`))
	require.Equal(t, "secret_misplaced", problem.Reason)
	_, problem = ParseDetails(of(strings.Repeat(`[`, 6) + strings.Repeat(`]`, 6)))
	require.Nil(t, problem, "as deep as may be")
}
