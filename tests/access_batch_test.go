package tests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

const batchPath = "/access/v1/evaluations"

// answers are the decisions of a batch, in order.
func (d *desk) answers(as *harness.Client, batch doc) []doc {
	d.TB.Helper()
	a := d.post(batchPath, as, batch, nil)
	require.Equal(d.TB, http.StatusOK, a.Status, a.Body)
	require.Len(d.TB, a.JSON, 1, a.Body)
	var out []doc
	for _, one := range a.JSON["evaluations"].([]any) {
		out = append(out, one.(doc))
	}
	return out
}

func verdicts(answers []doc) (out []bool) {
	for _, a := range answers {
		out = append(out, a["decision"].(bool))
	}
	return out
}

// Several questions in one request are several decisions, each as it would be alone.
func TestDecisionsInOneRequest(t *testing.T) {
	d := newDesk(t, "sqlite", harness.Options{Path: "/auth"})
	d.consents(d.user, d.agent)
	top := d.about("user", d.user.ID, d.agent.ID)
	read, write := doc{}, doc{"action": doc{"name": "desk:write"}}
	batch := func(word string, items ...any) doc {
		return more(top, doc{"evaluations": items, "options": doc{"evaluations_semantic": word}})
	}

	t.Run("each has from the top what it does not say, whole", func(t *testing.T) {
		decided := d.decisions()
		got := d.answers(d.operator, batch("execute_all", read, write,
			doc{"subject": doc{"type": "user", "id": d.user.ID}, "action": doc{"name": "desk:write"}}, // nobody acts: properties go with the subject
			doc{"subject": doc{"type": "agent", "id": d.agent.ID}},
			doc{"resource": doc{"type": "resource_server", "id": "https://nowhere.example"}},
			doc{"context": doc{"token": "x"}}, doc{"action": nil}))
		require.Equal(t, []bool{true, false, true, true, false, false, true}, verdicts(got))
		require.Equal(t, []string{"scope_not_consented"}, codesIn(got[1]))
		require.Equal(t, []string{"caller_not_operator"}, codesIn(got[4]))
		require.Equal(t, []string{"token_unusable"}, codesIn(got[5]))
		seen := map[any]bool{}
		for _, one := range got {
			seen[one["context"].(doc)["evaluation_id"]] = true
		}
		require.Len(t, seen, 7, "each is a decision of its own")
		require.Equal(t, decided+7, d.decisions())
	})
	t.Run("until one is denied, or permitted", func(t *testing.T) {
		require.Equal(t, []bool{true, false}, verdicts(d.answers(d.operator, batch("deny_on_first_deny", read, write, read))))
		require.Equal(t, []bool{false, true}, verdicts(d.answers(d.operator, batch("permit_on_first_permit", write, read, write))))
		require.Equal(t, []bool{true, false, true}, verdicts(d.answers(d.operator, more(batch("", read, write, read), doc{"options": doc{"unknown": 1}}))))
	})
	t.Run("what cannot be asked is answered no", func(t *testing.T) {
		got := d.answers(d.operator, more(batch("execute_all", read, "x", nil, doc{"action": doc{}}, doc{"subject": []any{}},
			doc{"context": doc{"actors": []any{}}}, doc{"resource": doc{"type": "resource_server", "id": d.service.ID}}), doc{"action": nil}))
		require.Equal(t, []bool{false, false, false, false, false, false, false}, verdicts(got))
		for i, says := range []string{"action is missing", "must be an object", "must be an object", "action.name is missing", "subject must be", "action is missing", "action is missing"} {
			problem := got[i]["context"].(doc)["error"].(doc)
			require.Equal(t, 400.0, problem["status"])
			require.Contains(t, problem["message"], says)
		}
		require.Equal(t, []bool{false}, verdicts(d.answers(d.operator, batch("deny_on_first_deny", doc{"action": "x"}, read))))
	})
	t.Run("none is one question", func(t *testing.T) {
		for _, none := range []any{nil, []any{}} {
			a := d.post(batchPath, d.operator, more(top, doc{"evaluations": none}), nil)
			require.Equal(t, true, a.JSON["decision"], a.Body)
		}
		a := d.post(batchPath, d.operator, doc{"evaluations": []any{}}, nil)
		require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
	})
	t.Run("what is wrong with the whole", func(t *testing.T) {
		for says, whole := range map[string]doc{
			"must be a list":     more(top, doc{"evaluations": doc{}}),
			"More than 50":       batch("execute_all", make([]any, 51)...),
			"is none of":         batch("best_effort", read),
			"must be text":       more(top, doc{"evaluations": []any{read}, "options": doc{"evaluations_semantic": 1}}),
			"options must be an": more(top, doc{"evaluations": []any{read}, "options": []any{}}),
		} {
			a := d.post(batchPath, d.operator, whole, nil)
			require.Equal(t, http.StatusBadRequest, a.Status, "%s: %s", says, a.Body)
			require.Contains(t, a.String("error_description"), says)
		}
		broken := batch("execute_all", "x")
		for _, who := range []*harness.Client{nil, {Client: d.operator.Client, Secret: "wrong"}} {
			a := d.post(batchPath, who, broken, nil)
			require.Equal(t, http.StatusUnauthorized, a.Status, "even if nothing can be asked: %s", a.Body)
		}
	})
	t.Run("an assertion proves the whole, once", func(t *testing.T) {
		signed := doc{"client_assertion": d.Assertion(d.WithKey(d.operator), nil), "client_assertion_type": harness.AssertionType}
		require.Equal(t, []bool{true, true, false}, verdicts(d.answers(nil, more(batch("execute_all", read, read, write), signed))))
		a := d.post(batchPath, nil, more(batch("execute_all", read), signed), nil)
		require.Equal(t, http.StatusUnauthorized, a.Status, a.Body)
		a = d.post("/access/v1/evaluation", nil, more(top, signed), nil)
		require.Equal(t, http.StatusUnauthorized, a.Status, a.Body)
	})
	t.Run("fifty of them", func(t *testing.T) {
		items := make([]any, 50)
		for i := range items {
			items[i] = read
		}
		require.Len(t, d.answers(d.operator, batch("execute_all", items...)), 50)
	})
	d.describesItself()

	_, err := d.Store.SuspendClient(t.Context(), models.By{System: "test"}, d.operator.ID)
	require.NoError(t, err)
	a := d.post(batchPath, d.operator, batch("execute_all", read), nil)
	require.Equal(t, http.StatusForbidden, a.Status, a.Body)
	require.NoError(t, d.Store.Close())
	a = d.post(batchPath, d.operator, batch("execute_all", read), nil)
	require.Equal(t, http.StatusServiceUnavailable, a.Status, a.Body)
}

// decisions counts those that the ledger has.
func (d *desk) decisions() int {
	entries, _, err := d.Store.Entries(d.TB.Context(), models.EntryFilter{Action: policies.Evaluate}, -1, 200)
	require.NoError(d.TB, err)
	return len(entries)
}

// describesItself: what there is, where it is looked for, and nothing else.
func (d *desk) describesItself() {
	a := getURL(d.TB.(*testing.T), d.Server, d.Host+"/.well-known/authzen-configuration/auth")
	require.Equal(d.TB, http.StatusOK, a.Status, a.Body)
	require.Equal(d.TB, doc{
		"policy_decision_point":       d.URL,
		"access_evaluation_endpoint":  d.URL + "/access/v1/evaluation",
		"access_evaluations_endpoint": d.URL + "/access/v1/evaluations",
	}, a.JSON)
	require.Contains(d.TB, a.Header.Get("Content-Type"), "application/json")
	require.Equal(d.TB, http.StatusNotFound, getURL(d.TB.(*testing.T), d.Server, d.Host+"/.well-known/authzen-configuration").Status)
}
