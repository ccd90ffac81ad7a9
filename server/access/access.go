// Package access is the decision API as services see it: the JSON of AuthZEN 1.0 over
// HTTP. What is decided, and how, is for grants and policy.
package access

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// Paths below the issuer.
const (
	EvaluationPath  = "/access/v1/evaluation"
	EvaluationsPath = "/access/v1/evaluations"
)

// API answers services. Every field is required.
type API struct {
	Issuer   string
	Endpoint *grants.Endpoint
	Call     func(*gin.Context) grants.Call
	Fail     func(*gin.Context, error) // the one writer of errors
}

// Evaluation is the Access Evaluation API (AuthZEN 1.0 section 6).
func (a *API) Evaluation(c *gin.Context) {
	client, body, problem := read(c.Request)
	if problem != nil {
		a.refuse(c, client, problem)
		return
	}
	a.single(c, client, body)
}

func (a *API) single(c *gin.Context, client oauth.ClientAuth, body object) {
	q, problem := question(body)
	if problem != nil {
		a.refuse(c, client, problem)
		return
	}
	answer, err := a.Endpoint.Evaluate(c.Request.Context(), a.Call(c), client, q)
	if err != nil {
		a.Fail(c, err)
		return
	}
	say(c, decisionOf(answer))
}

// refuse records what could not be asked. Decisions, and what is said of them, are in
// no cache.
func (a *API) refuse(c *gin.Context, client oauth.ClientAuth, problem *oauth.Error) {
	a.Fail(c, a.Endpoint.Refuse(c.Request.Context(), a.Call(c), policies.Evaluate, client.ID, problem))
}

func say(c *gin.Context, answer any) {
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
	c.JSON(http.StatusOK, answer)
}

// decision is an answer (AuthZEN 1.0 section 5.5).
type decision struct {
	Decision bool    `json:"decision"`
	Context  context `json:"context"`
}

type context struct {
	ID      string   `json:"evaluation_id,omitempty"` // names the ledger entry
	Reasons []reason `json:"reasons,omitempty"`
	Error   *failure `json:"error,omitempty"`
}

type reason struct {
	Code    string   `json:"code"`
	Party   string   `json:"party"`
	ID      string   `json:"id,omitempty"`
	Scope   string   `json:"scope,omitempty"`
	Value   string   `json:"value,omitempty"`
	Message string   `json:"message"`
	Remedy  string   `json:"remedy,omitempty"`
	Who     []string `json:"who,omitempty"`
}

// failure says why one of several questions could not be asked.
type failure struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

func decisionOf(e *grants.Evaluated) decision {
	d := decision{Decision: e.Decision, Context: context{ID: e.ID}}
	if e.Problem != nil {
		d.Context.Error = &failure{Status: e.Problem.Status(), Message: e.Problem.Description}
	}
	for _, h := range e.Reasons {
		d.Context.Reasons = append(d.Context.Reasons, reason(h))
	}
	return d
}
