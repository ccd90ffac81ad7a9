package access

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/grants"
)

func TestObjectsAreReadInOneWay(t *testing.T) {
	for _, raw := range []string{"", "null", "[]", `"x"`, "1", "{", "{}{}", "{} x", `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1]`, `{"a":1,"a":1}`, `{"a":{},"a":null}`, `{"a":null,"\u0061":{}}`} {
		_, ok := objectIn(json.RawMessage(raw))
		require.False(t, ok, raw)
	}
	o, ok := objectIn(json.RawMessage(" {\"a\": [1, {\"b\": 2}], \"A\": null, \"b\": \"x\"}\n"))
	require.True(t, ok)
	require.Equal(t, object{"a": json.RawMessage(`[1, {"b": 2}]`), "A": json.RawMessage("null"), "b": json.RawMessage(`"x"`)}, o)
	o, ok = objectIn(json.RawMessage("{}"))
	require.True(t, ok)
	require.Empty(t, o)
}

// An actor that is named and taken back in one breath was named.
func TestNoActorIsTakenBack(t *testing.T) {
	ask := func(act string) (grants.Evaluation, bool) {
		o, ok := objectIn(json.RawMessage(`{"subject":{"type":"user","id":"usr_joe","properties":{` + act + `}},
			"action":{"name":"read"},"resource":{"type":"resource_server","id":"https://sales.example"}}`))
		require.True(t, ok)
		q, problem := question(o)
		return q, problem == nil
	}
	q, ok := ask(`"act":{"sub":"agt_a","act":{"sub":"agt_b"}}`)
	require.True(t, ok)
	require.Equal(t, []string{"agt_a", "agt_b"}, q.Actors)
	for _, act := range []string{`"act":{"sub":"agt_a"},"act":null`, `"act":null,"act":{"sub":"agt_a"}`, `"act":{"sub":"agt_a","sub":"agt_b"}`, `"act":{"sub":"agt_a","act":{"sub":"agt_b"},"act":null}`} {
		_, ok := ask(act)
		require.False(t, ok, act)
	}
}
