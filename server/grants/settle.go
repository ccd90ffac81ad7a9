package grants

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// matter is one question with what is to be done about the answer.
type matter struct {
	in         policies.Input
	once       *models.Once
	credential string // id of the credential that was used
	payer      string // whose rate the request counts against; "" if none's
	polled     string // id of what the client asks the answer to, while there is none
	stranger   bool   // nobody knows who asks: a refusal is a failed authentication
	reused     bool   // the decision was taken before
	// carryOut does what an allowing decision says and adds it to the record.
	// Nothing it makes leaves before the record is durable.
	carryOut func(policies.Decision, *models.Record) error
	// refused does what follows from a refusal that is on record; nil: nothing.
	refused func(d policies.Decision, decisionID string) error
}

func (m *matter) clientID() string {
	if m.in.Client == nil {
		return ""
	}
	return m.in.Client.Value.ID
}

// maxAttempts bounds how often one request is decided again because its facts
// changed while it was being answered.
const maxAttempts = 5

// settled is the one way from a question to an answer that leaves: facts,
// decision, seat belt, carrying out, record. ask is called again, on fresh
// facts, whenever what it had seen was changed before the record was written.
func (e *Endpoint) settled(ctx context.Context, call Call, action, clientID string, ask func(*facts) (*matter, error)) error {
	for attempt := range maxAttempts {
		view, err := e.store.View(ctx)
		if err != nil {
			return unavailable(err)
		}
		m, err := ask(&facts{view: view, keys: e.keys, now: e.now().Unix(), grace: e.refreshes.Grace})
		if err != nil {
			return e.refuse(ctx, call, action, clientID, err)
		}
		if attempt == 0 {
			if wait := e.limits.Client(m.payer); wait > 0 {
				return e.refuse(ctx, call, action, m.clientID(), oauth.TooMany(wait).Named("rate_limited"))
			}
			if interval := e.polledTooSoon(m); interval > 0 {
				return e.refuse(ctx, call, action, m.clientID(), oauth.TooSoon(interval))
			}
		}
		record, d, refusal, err := e.answer(ctx, call, m, view)
		if err != nil {
			return e.refuse(ctx, call, action, m.clientID(), err)
		}
		if refusal != nil && m.stranger {
			return e.refuse(ctx, call, action, clientID, refusal)
		}
		err = e.append(ctx, record)
		if err == nil {
			noted(call, m, record, attempt)
		}
		switch {
		case err == nil && refusal == nil:
			e.used.note(m.credential, m.in.Now)
			return nil
		case err == nil && m.refused != nil:
			if err := m.refused(d, record.Entry.ID); err != nil {
				return unavailable(err)
			}
			return refusal
		case err == nil:
			return refusal
		case errors.Is(err, models.ErrUsed):
			return e.refuse(ctx, call, action, m.clientID(), oauth.BadClient("assertion_replayed"))
		case !errors.Is(err, models.ErrStale):
			return unavailable(err)
		}
		e.metrics.Stale()
		if err := e.store.Refresh(ctx); err != nil {
			return unavailable(err)
		}
	}
	return unavailable(models.ErrStale)
}

// answer decides and carries out. What it returns, token or refusal, may be told
// once the record is durable.
func (e *Endpoint) answer(ctx context.Context, call Call, m *matter, view *models.View) (*models.Record, policies.Decision, *oauth.Error, error) {
	d, err := e.verdict(ctx, m.in)
	m.reused = d.Reused
	if err != nil {
		return nil, d, nil, err
	}
	record := e.record(call, m, d, view)
	if !d.Allow {
		return record, d, refusal(m.in, d, record.Entry.ID), nil
	}
	if err := m.carryOut(d, record); err != nil {
		if problem := (*oauth.Error)(nil); errors.As(err, &problem) {
			return nil, d, nil, problem
		}
		return nil, d, nil, oauth.Errorf(oauth.ServerError, "What was granted could not be carried out.").Because(err).Named("not_carried_out")
	}
	return record, d, nil, nil
}

// verdict is the one way to a decision: policy's answer, unless it is an
// impossible one.
func (e *Endpoint) verdict(ctx context.Context, in policies.Input) (policies.Decision, error) {
	d, err := e.policy.Decide(ctx, in)
	if ctx.Err() != nil { // the caller hung up: no fault of policy's, and nobody to answer
		return policies.Decision{}, unavailable(ctx.Err())
	}
	if err != nil {
		e.alarm(signals.AlarmPolicy, "policy did not answer", in.Action, err)
	}
	if err := seatBelt(in, d); err != nil {
		e.alarm(signals.AlarmSeatBelt, "seat belt: policy granted more than a party has", in.Action, err)
		d = policies.Decision{Revision: d.Revision, Reasons: []policies.Reason{{Code: policies.CodeSeatBelt, Value: err.Error()}}}
	}
	return d, nil
}

func (e *Endpoint) alarm(kind, what, action string, err error) {
	e.alarms.Add(1)
	e.metrics.Alarm(kind)
	e.log.Error(what, "alarm", true, "action", action, "error", err)
}

// unavailable is a fault on our side. It is never reported as anything that
// makes a client throw its credentials or tokens away.
func unavailable(err error) *oauth.Error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "Try again in a moment.").Because(err)
}
