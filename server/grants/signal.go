package grants

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// timed is policy, watched.
type timed struct {
	Decider
	metrics *signals.Metrics
}

// Decide is Decider.
func (t timed) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	span, begin := signals.Start(ctx, "decide"), time.Now()
	defer span.End()
	d, err := t.Decider.Decide(ctx, in)
	t.metrics.Decided(time.Since(begin), d.Reused)
	return d, err
}

// settle is the one way from a question to an answer that leaves; see settled.
func (e *Endpoint) settle(ctx context.Context, call Call, action, clientID string, ask func(*facts) (*matter, error)) error {
	err := e.settled(ctx, call, action, clientID, ask)
	e.told(call, action, clientID, err)
	return err
}

// Refuse records a request that never came to a question; see refuse.
func (e *Endpoint) Refuse(ctx context.Context, call Call, action, clientID string, err error) *oauth.Error {
	problem := e.refuse(ctx, call, action, clientID, err)
	e.told(call, action, clientID, problem)
	return problem
}

// append waits for a record to be durable.
func (e *Endpoint) append(ctx context.Context, r *models.Record) error {
	span, begin := signals.Start(ctx, "record"), time.Now()
	defer span.End()
	err := e.store.Append(ctx, r)
	e.metrics.Waited(time.Since(begin))
	return err
}

// told counts how a question was answered and notes it in the request's event.
func (e *Endpoint) told(call Call, action, clientID string, err error) {
	outcome, reason := signals.Granted, ""
	var problem *oauth.Error
	switch {
	case errors.As(err, &problem) && problem.Status() < http.StatusInternalServerError:
		outcome, reason = signals.Refused, reasonOf(problem)
	case err != nil:
		outcome, reason = signals.Failed, reasonOf(problem)
	}
	e.metrics.Answered(action, outcome, reason)
	ev := call.Event
	if ev == nil {
		return
	}
	ev.Action, ev.Outcome, ev.Reason = action, outcome, reason
	if problem != nil && problem.Status() == http.StatusTooManyRequests {
		ev.Limited(reason)
	}
	if err == nil {
		return
	}
	if problem != nil {
		ev.DecisionID = problem.DecisionID
	}
	if ev.ClientID == "" && clientIDShape.MatchString(clientID) {
		ev.Claimed = clientID
	}
}

// reasonOf is the code of a refusal, for events and metrics. House policy may
// make up codes without end, so they are all one.
func reasonOf(problem *oauth.Error) string {
	switch {
	case problem == nil:
		return "unavailable"
	case problem.Reason == "" && problem.Status() == http.StatusTooManyRequests:
		return "failures" // too many: what this one was is for the ledger
	case problem.Reason == "" && problem.Code == oauth.TemporarilyUnavailable:
		return "unavailable"
	case problem.Reason == "":
		return "house"
	}
	return problem.Reason
}

// noted tells the request's event what the ledger now says.
func noted(call Call, m *matter, r *models.Record, retries int) {
	ev := call.Event
	if ev == nil {
		return
	}
	ev.DecisionID, ev.ClientID, ev.ResourceID = r.Entry.ID, r.Entry.ClientID, r.Entry.ResourceID
	ev.TokenID, ev.ParentID, ev.Retries, ev.Reused = r.Entry.TokenID, r.Entry.ParentID, retries, m.reused
	if r.View != nil {
		ev.Epoch = r.View.Epoch
	}
}
