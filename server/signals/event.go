// Package signals is how Deputy is watched from outside: one log event per
// request, Prometheus metrics, OpenTelemetry traces. It imports nothing of ours,
// decides nothing, and is the only package that knows those libraries.
//
// Everything here works as "off" when it is nil, and then costs next to nothing.
package signals

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"time"
)

// Outcomes of a question, in events and metrics.
const (
	Granted = "granted"
	Refused = "refused" // the caller may not have it, or did not ask for it properly
	Failed  = "failed"  // the fault is Deputy's
)

// Event is what the log will say of one request. It is filled while the request
// is worked on, by the goroutine that works on it, and written once. It holds
// ids and codes, never a token, a secret or a query string.
type Event struct {
	RequestID string
	Method    string // one of HTTP's own, or OTHER
	Route     string // as registered, never as sent
	IP        string
	Status    int
	Bytes     int
	TraceID   string

	// Of the last question that was put to policy.
	Action     string
	Outcome    string // Granted, Refused or Failed
	Reason     string // code, "" if granted
	DecisionID string // names the ledger entry
	ClientID   string // that proved who it is
	Claimed    string // client id that somebody only claimed to have
	ResourceID string
	TokenID    string // jti of the token issued or presented
	ParentID   string // jti of the token that was exchanged
	Epoch      int64  // of the facts that were decided on
	Reused     bool   // the decision was taken before, on the same facts
	Retries    int    // how often it was decided again because facts changed

	Limit string // that turned the request away
	Err   error  // what went wrong on our side
}

// Limited notes the limit that turned the request away.
func (e *Event) Limited(limit string) {
	if e != nil {
		e.Limit = limit
	}
}

// Because keeps what went wrong for the log.
func (e *Event) Because(err error) {
	if e != nil {
		e.Err = err
	}
}

// methods are those that are told as they are: a caller may make up any other.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
	http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
}

// Method is the method as events and metrics name it.
func Method(sent string) string {
	if methods[sent] {
		return sent
	}
	return "OTHER"
}

// Level is how loud the event is: what only asks for Deputy's health is quiet,
// what failed for a reason of ours is loud. Too much to do is no such reason,
// and neither is a caller who hung up.
func (e *Event) Level(quiet, gone bool) slog.Level {
	switch {
	case e.Status >= http.StatusInternalServerError && e.Err != nil && !quiet && !gone:
		return slog.LevelError
	case quiet:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// lines are reused: the attributes of one event are many.
var lines = sync.Pool{New: func() any { return new([24]slog.Attr) }}

// Write logs the event. took is how long the request was worked on.
func (e *Event) Write(ctx context.Context, log *slog.Logger, level slog.Level, took time.Duration) {
	if log == nil || !log.Enabled(ctx, level) {
		return
	}
	line := lines.Get().(*[24]slog.Attr)
	attrs := e.attrs(line[:0], took)
	// One group without a name is written as if its attributes stood alone, and
	// does not make the logger copy them.
	record := slog.NewRecord(time.Now(), level, "request", 0) // nobody needs to know this line of code
	record.AddAttrs(slog.Attr{Value: slog.GroupValue(attrs...)})
	_ = log.Handler().Handle(ctx, record)
	clear(line[:])
	lines.Put(line)
}

func (e *Event) attrs(to []slog.Attr, took time.Duration) []slog.Attr {
	to = append(to,
		slog.String("request_id", e.RequestID), slog.String("method", e.Method), slog.String("route", e.Route),
		slog.Int("status", e.Status), slog.Float64("ms", milliseconds(took)), slog.String("ip", e.IP), slog.Int("bytes", e.Bytes))
	for _, a := range [...]struct{ key, value string }{
		{"action", e.Action}, {"outcome", e.Outcome}, {"reason", e.Reason}, {"decision_id", e.DecisionID},
		{"client_id", e.ClientID}, {"claimed", e.Claimed}, {"resource", e.ResourceID}, {"jti", e.TokenID},
		{"parent_jti", e.ParentID}, {"limit", e.Limit}, {"trace_id", e.TraceID},
	} {
		if a.value != "" {
			to = append(to, slog.String(a.key, a.value))
		}
	}
	if e.Epoch != 0 {
		to = append(to, slog.Int64("epoch", e.Epoch))
	}
	if e.Reused {
		to = append(to, slog.Bool("reused", true))
	}
	if e.Retries > 0 {
		to = append(to, slog.Int("retries", e.Retries))
	}
	if e.Err != nil {
		to = append(to, slog.Any("error", e.Err))
	}
	return to
}

// milliseconds to a thousandth.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d.Microseconds())) / 1000
}
