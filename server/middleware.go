package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

const eventKey = "event"

// requestIDShape is what a caller may choose as a request id; it goes into logs
// and the ledger.
var requestIDShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identified names the request, and tells log, metrics and trace of it once it
// is over. It stands outside of everything that may answer.
func (s *Server) identified(c *gin.Context) {
	begin := time.Now()
	id := c.GetHeader("X-Request-ID")
	if !requestIDShape.MatchString(id) {
		id = uuid.NewString()
	}
	ev := &signals.Event{RequestID: id, Method: signals.Method(c.Request.Method), Route: c.FullPath(), IP: c.ClientIP()}
	if ev.Route == "" {
		ev.Route = "unmatched"
	}
	c.Set(eventKey, ev)
	c.Header("X-Request-ID", id)
	var span signals.Span
	c.Request, span, ev.TraceID = s.Traces.Request(c.Request, ev.Route)
	s.Metrics.Arrived()
	caller := c.Request.Context()
	c.Next()
	ev.Status, ev.Bytes = c.Writer.Status(), max(0, c.Writer.Size())
	took := time.Since(begin)
	if ev.Limit != "" {
		s.Metrics.Limited(ev.Limit)
	}
	s.Metrics.Left(ev.Route, ev.Status, took)
	span.Close(ev)
	s.write(caller, ev, took)
}

// write logs the request. What failed goes to the log at once, whether or not
// there is an access log, unless the caller has hung up.
func (s *Server) write(caller context.Context, ev *signals.Event, took time.Duration) {
	level, log := ev.Level(ev.Route == "/healthz" || ev.Route == "/readyz", caller.Err() != nil), s.Access
	if level >= slog.LevelError {
		log = s.Log
	}
	ev.Write(caller, log, level, took)
}

// event is what the log will say of the request.
func event(c *gin.Context) *signals.Event {
	ev, _ := c.Value(eventKey).(*signals.Event)
	return ev
}

// recovered turns a panic into a server_error; what was being made is not sent.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.Metrics.Alarm(signals.AlarmPanic)
			s.Log.Error("panic", "alarm", true, "path", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail(c, oauth.Errorf(oauth.ServerError, "Something went wrong here."))
		}
	}()
	c.Next()
}

// answerTimeout bounds the work on one request. Whoever waits for a database that
// hangs is told to come back, while the connection still takes an answer.
const answerTimeout = 10 * time.Second

// bounded gives the request a deadline, unless it is to last.
func bounded(c *gin.Context) {
	if strings.HasSuffix(c.FullPath(), EventsPath) && c.Request.Method != http.MethodOptions {
		c.Next()
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), answerTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// constant is a header that is the same in every answer. Its value is shared.
type constant struct {
	name  string // in canonical form
	value []string
}

func (k constant) set(h http.Header) { h[k.name] = k.value }

var (
	hardening = []constant{
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"X-Frame-Options", []string{"DENY"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"Content-Security-Policy", []string{"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}},
	}
	crossOrigin = []constant{
		{"Access-Control-Allow-Origin", []string{"*"}},
		{"Access-Control-Expose-Headers", []string{"WWW-Authenticate, X-Request-ID"}},
	}
)

// hardened sets what every response carries.
func hardened(c *gin.Context) {
	for _, k := range hardening {
		k.set(c.Writer.Header())
	}
	c.Next()
}

// anyOrigin lets scripts of any origin read the answer. No cookie is involved.
func anyOrigin(c *gin.Context) {
	for _, k := range crossOrigin {
		k.set(c.Writer.Header())
	}
	c.Next()
}

func preflight(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, X-Request-ID")
	h.Set("Access-Control-Max-Age", "600")
	c.Status(http.StatusNoContent)
}

// call says where a request came from.
func call(c *gin.Context) grants.Call {
	ev := event(c)
	return grants.Call{RequestID: ev.RequestID, IP: ev.IP, UserAgent: c.Request.UserAgent(), TraceID: ev.TraceID, Event: ev}
}
