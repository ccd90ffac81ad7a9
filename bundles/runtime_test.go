package bundles

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// Each of these loads, because nothing is wrong until a client wears the label.
func TestWhatGoesWrongWhileServingRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"values that conflict":      "max_ttl := 5 if input.client.labels.trip\n\nmax_ttl := 6 if input.client.labels.trip",
		"builtin that errs":         `deny contains "x" if to_number(input.client.labels.trip) > 3`,
		"negative max_ttl":          `max_ttl := -5 if input.client.labels.trip`,
		"fraction of a second":      `max_ttl := 0.5 if input.client.labels.trip`,
		"max_ttl of another type":   `max_ttl := json.unmarshal("\"5m\"") if input.client.labels.trip`,
		"false max_ttl":             `max_ttl := json.unmarshal("false") if input.client.labels.trip`,
		"claim of the token":        `claims := {"sub": "usr_admin"} if input.client.labels.trip`,
		"claims of another type":    `claims := json.unmarshal("[]") if input.client.labels.trip`,
		"denial by a number":        `deny contains json.unmarshal("1") if input.client.labels.trip`,
		"denial without code":       `deny contains {"value": "x"} if input.client.labels.trip`,
		"denial with unknown facts": `deny contains {"code": "x", "oops": 1} if input.client.labels.trip`,
		"removal by a number":       `remove contains json.unmarshal("1") if input.client.labels.trip`,
		"removal without scope":     `remove contains {"code": "x"} if input.client.labels.trip`,
		"requirement nobody knows":  `require contains "luck" if input.client.labels.trip`,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, rules(body))
			require.True(t, decide(t, e, ask(t, nil, "read")).Allow)

			d, _ := e.Decide(context.Background(), ask(t, map[string]string{"trip": "yes"}, "read"))
			require.False(t, d.Allow)
			require.Equal(t, []string{policies.CodePolicyError}, answer(d).Codes)
			require.Equal(t, e.Status().House, d.Revision.House)
		})
	}
}

// What a builtin could not take is not repeated in the error, which is logged:
// it may be a fact about somebody, or a secret of the house. Where it was, is.
func TestErrorsDoNotQuoteValues(t *testing.T) {
	house := rules("deny contains \"x\" if {\n\tinput.client.labels.trip\n\tto_number(data.house.code) > 3\n}")
	house["data.json"] = moduleFile(`{"house": {"code": "hidden"}}`)
	_, err := newEngine(t, house).Decide(context.Background(), ask(t, map[string]string{"trip": "yes"}, "read"))
	require.ErrorContains(t, err, "issue.rego:5: eval_builtin_error: to_number cannot take the value")
	require.NotContains(t, err.Error(), "hidden")
}

func TestPolicyThatTakesTooLongRefuses(t *testing.T) {
	endless := rules("deny contains \"x\" if {\n\tinput.client.labels.trip\n" +
		"\tcount([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i * j < 0]) > 0\n}")
	e, err := New(Options{House: endless, Deadline: 100 * time.Millisecond})
	require.NoError(t, err)

	start := time.Now()
	d, err := e.Decide(context.Background(), ask(t, map[string]string{"trip": "yes"}, "read"))
	require.ErrorContains(t, err, "cancel")
	require.False(t, d.Allow)
	require.Equal(t, []string{policies.CodePolicyError}, answer(d).Codes)
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestCallerThatGaveUpIsRefused(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d, err := newEngine(t, silent()).Decide(ctx, ask(t, nil, "read"))
	require.Error(t, err)
	require.False(t, d.Allow)
}

func TestHouseNarrows(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"deny by name":       {`deny contains "closed"`, []string{"closed"}},
		"deny by object":     {`deny contains {"code": "closed", "value": input.client.id}`, []string{"closed"}},
		"remove by name":     {`remove contains "read"`, []string{"scope_removed"}},
		"remove by object":   {`remove contains {"scope": "read", "code": "withheld"}`, []string{"withheld"}},
		"require approval":   {`require contains "approval"`, []string{"approval_required"}},
		"require step-up":    {`require contains "step_up"`, []string{"step_up_required"}},
		"require consent":    {`require contains "consent"`, []string{"consent_required"}},
		"deny by an absence": {`deny contains "unlabelled" if not input.client.labels.team in {"blue", "red"}`, []string{"unlabelled"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(t, newEngine(t, rules(c.body)), ask(t, nil, "read", "write"))
			require.False(t, d.Allow)
			require.Equal(t, c.want, answer(d).Codes)
			require.Equal(t, "house", d.Reasons[0].Party)
		})
	}
}

func TestHouseShortensLives(t *testing.T) {
	d := decide(t, newEngine(t, rules(`max_ttl := 60`)), ask(t, nil, "read"))
	require.True(t, d.Allow)
	require.EqualValues(t, 60, d.TTL)
}

func TestHouseAddsClaimsOfItsOwn(t *testing.T) {
	house := rules(`claims := {"https://acme.example/team": input.client.labels.team}`)
	d := decide(t, newEngine(t, house), ask(t, map[string]string{"team": "blue"}, "read"))
	require.Equal(t, map[string]any{"https://acme.example/team": "blue"}, d.Claims)
}

func TestHouseNeverEnlarges(t *testing.T) {
	plain := answer(decide(t, newEngine(t, silent()), ask(t, nil, "read")))
	for name, body := range map[string]string{
		"remove what was not granted": `remove contains "write"`,
		"remove what does not exist":  `remove contains {"scope": "root", "code": "x"}`,
		"ask for a longer life":       `max_ttl := 86400`,
		"pretend to hold more":        "remove contains \"x\" if \"write\" in input.granted with input.client.scopes as {\"rsv_1\": {\"root\": [\"rol_1\"]}}",
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, plain, answer(decide(t, newEngine(t, rules(body)), ask(t, nil, "read"))))
		})
	}
}

func TestHouseIsToldWhatTheFloorChose(t *testing.T) {
	house := rules(`deny contains {"code": "told", "value": concat(" ", [input.resource.id, input.granted[0]])} if count(input.granted) == 1`)
	d := decide(t, newEngine(t, house), ask(t, nil, "write"))
	require.Equal(t, "rsv_1 write", d.Reasons[0].Value)
}

func TestHouseCannotOverturnARefusal(t *testing.T) {
	d := decide(t, newEngine(t, rules(`deny contains "asked"`)), ask(t, nil, "ghost"))
	require.Equal(t, []string{"scope_not_held", "scope_unknown"}, answer(d).Codes, "the house is not asked about a refusal")
}

func TestHouseSpeaksOfOtherDecisionsOnlyWhereItMay(t *testing.T) {
	house := fstest.MapFS{
		"issue.rego":      moduleFile("package house.issue\n\n_nothing := true\n"),
		"introspect.rego": moduleFile("package house.introspect\n\ndeny contains \"dark\" if input.client.labels.dark\n"),
	}
	e := newEngine(t, house)
	client, err := policies.NewFact(policies.Principal{ID: "agt_a", Labels: map[string]string{"dark": "yes"}})
	require.NoError(t, err)
	revoke := policies.Input{Action: policies.Revoke, Now: worldNow, Client: client, Token: &policies.Token{ID: "tok_1", Client: "agt_a"}}
	require.True(t, decide(t, e, revoke).Allow)
}
