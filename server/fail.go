package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/oauth"
)

// errorBody is RFC 6749 section 5.2; decision_id names the ledger entry.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
	DecisionID  string `json:"decision_id,omitempty"`
}

// fail is the one writer of OAuth errors. What it does not know is a
// server_error, told without its cause.
func (s *Server) fail(c *gin.Context, err error) {
	var e *oauth.Error
	if !errors.As(err, &e) {
		e = oauth.Errorf(oauth.ServerError, "Something went wrong here.").Because(err)
	}
	if e.Status() >= http.StatusInternalServerError {
		event(c).Because(e)
	}
	s.tell(c, e)
}

// tell writes an error without a word to the log.
func (s *Server) tell(c *gin.Context, e *oauth.Error) {
	wait := e.RetryAfter
	if e.Status() == http.StatusServiceUnavailable {
		wait = max(wait, 1)
	}
	if wait > 0 {
		c.Header("Retry-After", strconv.Itoa(wait))
	}
	if e.Code == oauth.InvalidClient {
		c.Header("WWW-Authenticate", fmt.Sprintf(`Basic realm="deputy", error="%s"`, e.Code))
	}
	noStore(c)
	c.AbortWithStatusJSON(e.Status(), errorBody{e.Code, e.Description, e.DecisionID})
}

func (s *Server) notFound(c *gin.Context) {
	c.AbortWithStatusJSON(http.StatusNotFound, errorBody{Error: "not_found", Description: "There is nothing at this address."})
}

func (s *Server) wrongMethod(c *gin.Context) {
	c.AbortWithStatusJSON(http.StatusMethodNotAllowed, errorBody{Error: oauth.InvalidRequest, Description: "This address does not take that method."})
}

// noStore keeps tokens and refusals out of caches (RFC 6749 section 5.1).
func noStore(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
}
