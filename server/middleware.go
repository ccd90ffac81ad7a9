package server

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

const requestIDKey = "request_id"

// requestIDShape is what a caller may choose as a request id; it goes into logs
// and the ledger.
var requestIDShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identified names the request and logs it once it is over.
func (s *Server) identified(c *gin.Context) {
	id := c.GetHeader("X-Request-ID")
	if !requestIDShape.MatchString(id) {
		id = uuid.NewString()
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-ID", id)
	begin := time.Now()
	c.Next()
	s.Log.Debug("request", "request_id", id, "method", c.Request.Method, "route", c.FullPath(),
		"status", c.Writer.Status(), "ms", time.Since(begin).Milliseconds(), "ip", c.ClientIP())
}

// recovered turns a panic into a server_error; what was being made is not sent.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("panic", "alarm", true, "path", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail(c, oauth.Errorf(oauth.ServerError, "Something went wrong here."))
		}
	}()
	c.Next()
}

// answerTimeout bounds the work on one request. Whoever waits for a database that
// hangs is told to come back, while the connection still takes an answer.
const answerTimeout = 10 * time.Second

// bounded gives the request a deadline.
func bounded(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), answerTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// hardened sets what every response carries.
func hardened(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	c.Next()
}

// anyOrigin lets scripts of any origin read the answer. No cookie is involved.
func anyOrigin(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, X-Request-ID")
	c.Next()
}

func preflight(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version, X-Request-ID")
	h.Set("Access-Control-Max-Age", "600")
	c.Status(http.StatusNoContent)
}

// call says where a request came from.
func call(c *gin.Context) grants.Call {
	return grants.Call{RequestID: c.GetString(requestIDKey), IP: c.ClientIP(), UserAgent: c.Request.UserAgent()}
}
