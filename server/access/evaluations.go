package access

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// maxEvaluations is how many questions one request may hold.
const maxEvaluations = 50

// Evaluations is the Access Evaluations API (AuthZEN 1.0 section 7). Without questions
// of its own the request is one question.
func (a *API) Evaluations(c *gin.Context) {
	client, body, problem := read(c.Request)
	if problem != nil {
		a.refuse(c, client, problem)
		return
	}
	several, problem := questions(body)
	switch {
	case problem != nil:
		a.refuse(c, client, problem)
		return
	case len(several.Each) == 0:
		a.single(c, client, body)
		return
	}
	answers, err := a.Endpoint.EvaluateAll(c.Request.Context(), a.Call(c), client, several)
	if err != nil {
		a.Fail(c, err)
		return
	}
	out := struct {
		Evaluations []decision `json:"evaluations"`
	}{make([]decision, len(answers))}
	for i, answer := range answers {
		out.Evaluations[i] = decisionOf(answer)
	}
	say(c, out)
}

// questions reads several. Each has what it does not say itself from the top, whole.
func questions(body object) (out grants.Questions, problem *oauth.Error) {
	if out.Until, problem = semantic(body); problem != nil {
		return out, problem
	}
	if absent(body["evaluations"]) {
		return out, nil
	}
	var items []json.RawMessage
	if json.Unmarshal(body["evaluations"], &items) != nil {
		return out, bad("member_mistyped", "evaluations must be a list.")
	}
	if len(items) > maxEvaluations {
		return out, bad("too_large", "More than %d evaluations.", maxEvaluations)
	}
	for _, raw := range items {
		var one grants.Question
		if item, ok := objectIn(raw); ok {
			one.Evaluation, one.Problem = question(inherited(body, item))
		} else {
			one.Problem = bad("member_mistyped", "An evaluation must be an object.")
		}
		out.Each = append(out.Each, one)
	}
	return out, nil
}

// inherited is an item with what it leaves to the top.
func inherited(top, item object) object {
	for _, name := range []string{"subject", "action", "resource", "context"} {
		if absent(item[name]) {
			item[name] = top[name]
		}
	}
	return item
}

// semantic reads options.evaluations_semantic: until which answer is asked.
func semantic(body object) (until *bool, problem *oauth.Error) {
	options, problem := optional(body, "", "options")
	if problem != nil || absent(options["evaluations_semantic"]) {
		return nil, problem
	}
	word, problem := text(options, "options", "evaluations_semantic", maxText)
	if problem != nil {
		return nil, problem
	}
	switch word {
	case "execute_all":
		return nil, nil
	case "deny_on_first_deny":
		return new(false), nil
	case "permit_on_first_permit":
		return new(true), nil
	default:
		return nil, bad("member_mistyped", "options.evaluations_semantic is none of execute_all, deny_on_first_deny, permit_on_first_permit.")
	}
}
