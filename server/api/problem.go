package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// problems are the kinds of problem there are, by code.
var problems = map[string]struct {
	status int
	title  string
}{
	"invalid_request":        {http.StatusBadRequest, "The request cannot be understood"},
	"invalid_token":          {http.StatusUnauthorized, "No usable token"},
	"insufficient_scope":     {http.StatusForbidden, "Not allowed"},
	"not_found":              {http.StatusNotFound, "Not found"},
	"method_not_allowed":     {http.StatusMethodNotAllowed, "Method not allowed"},
	"conflict":               {http.StatusConflict, "Already exists"},
	"version_mismatch":       {http.StatusPreconditionFailed, "Changed since it was read"},
	"content_too_large":      {http.StatusRequestEntityTooLarge, "Too large"},
	"unsupported_media_type": {http.StatusUnsupportedMediaType, "Unsupported media type"},
	"invalid_value":          {http.StatusUnprocessableEntity, "Invalid value"},
	"too_many_requests":      {http.StatusTooManyRequests, "Too many requests"},
	"internal":               {http.StatusInternalServerError, "Internal error"},
	"unavailable":            {http.StatusServiceUnavailable, "Unavailable"},
}

// mistake is an error that tells its own problem.
type mistake struct{ code, field, detail string }

func (m *mistake) Error() string { return m.code + ": " + m.field + ": " + m.detail }

// fault is a problem of the request, with the part of it to blame.
func fault(code, field, format string, args ...any) error {
	return &mistake{code, field, fmt.Sprintf(format, args...)}
}

// malformed is a request that cannot be understood.
func malformed(field, format string, args ...any) error {
	return fault("invalid_request", field, format, args...)
}

// unreadable is malformed with whatever a decoder had to say.
func unreadable(err error) error {
	var known *mistake
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &mistyped):
		return malformed(mistyped.Field, "Must not be %s.", mistyped.Value)
	}
	return malformed("", "%s", err)
}

// problemOf tells an error to the caller. What is not known to be fit for them
// is not shown.
func problemOf(err error) Problem {
	var m *mistake
	var refusal *oauth.Error
	var invalid *models.Invalid
	p := Problem{Type: "internal", Detail: "Something went wrong on our side; it has been logged."}
	switch {
	case errors.As(err, &m):
		p = Problem{Type: m.code, Field: m.field, Detail: m.detail}
	case errors.As(err, &refusal):
		p = refused(refusal)
	case errors.As(err, &invalid):
		p = Problem{Type: "invalid_value", Field: invalid.Field, Detail: invalid.Error()}
	case errors.Is(err, models.ErrNotFound):
		p = Problem{Type: "not_found", Detail: "There is no such object."}
	case errors.Is(err, models.ErrConflict):
		p = Problem{Type: "conflict", Detail: "There is one already: names, identifiers and assignments are unique."}
	case errors.Is(err, models.ErrVersion):
		p = Problem{Type: "version_mismatch", Detail: "The object changed since it was read; read it again."}
	case errors.Is(err, models.ErrUnavailable):
		p = Problem{Type: "unavailable", Detail: "Try again in a moment."}
	}
	kind := problems[p.Type]
	p.Type, p.Title, p.Status = "urn:deputy:problem:"+p.Type, kind.title, kind.status
	return p
}

// refused tells what policy, or the way to it, had against a call.
func refused(e *oauth.Error) Problem {
	p := Problem{Type: e.Code, Detail: e.Description, DecisionID: e.DecisionID}
	switch e.Code {
	case oauth.InvalidToken, oauth.InsufficientScope:
	case oauth.TemporarilyUnavailable:
		p.Type = "unavailable"
		if e.Status() == http.StatusTooManyRequests {
			p.Type = "too_many_requests"
		}
	default:
		p.Type = "internal"
	}
	return p
}

// fail is the one writer of problems (RFC 9457). It ends the request.
func (s *server) fail(c *gin.Context, err error) {
	p := problemOf(err)
	if p.DecisionID == "" {
		p.DecisionID = by(c.Request.Context()).DecisionID
	}
	if p.Status >= 500 { // the request's event goes to the log
		call, _ := c.Request.Context().Value(callKey{}).(grants.Call)
		call.Event.Because(err)
	}
	s.tell(c, p, err)
}

// tell writes a problem without a word to the log.
func (s *server) tell(c *gin.Context, p Problem, err error) {
	wait := 0
	if refusal := (*oauth.Error)(nil); errors.As(err, &refusal) {
		wait = refusal.RetryAfter
	}
	if p.Status == http.StatusServiceUnavailable {
		wait = max(wait, 1)
	}
	if wait > 0 {
		c.Header("Retry-After", strconv.Itoa(wait))
	}
	body, _ := json.Marshal(p) // strings and an integer cannot fail
	c.Abort()
	c.Data(p.Status, "application/problem+json", body)
}
