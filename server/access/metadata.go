package access

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// MetadataPath is where a policy decision point describes itself (AuthZEN 1.0 section
// 9.2.1); the path of the issuer comes after it.
const MetadataPath = "/.well-known/authzen-configuration"

// metadata names the endpoints there are. There are none to search.
type metadata struct {
	DecisionPoint string `json:"policy_decision_point"`
	Evaluation    string `json:"access_evaluation_endpoint"`
	Evaluations   string `json:"access_evaluations_endpoint"`
}

// Metadata is the same to everybody.
func (a *API) Metadata(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=300")
	c.JSON(http.StatusOK, metadata{DecisionPoint: a.Issuer, Evaluation: a.Issuer + EvaluationPath, Evaluations: a.Issuer + EvaluationsPath})
}
