package grants

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Questions are several of one service (AuthZEN 1.0 section 7), each decided and
// recorded as one by itself.
type Questions struct {
	Each  []Question
	Until *bool // the answer after which no other is looked for; nil: all of them are
}

// Question is one of several, or why it cannot be asked.
type Question struct {
	Evaluation
	Problem *oauth.Error
}

// EvaluateAll answers them in order. The service proves itself once: an assertion is
// used up by the first decision. What cannot be asked is answered no; when the fault is
// Deputy's, or the service may not ask, there is no answer at all.
func (e *Endpoint) EvaluateAll(ctx context.Context, call Call, client oauth.ClientAuth, q Questions) ([]*Evaluated, error) {
	shown, err := e.shownBefore(ctx, call, client)
	if err != nil {
		return nil, err
	}
	var out []*Evaluated
	for _, one := range q.Each {
		answer := &Evaluated{Problem: one.Problem}
		if one.Problem == nil {
			if answer, err = e.evaluateOne(ctx, call, shown, one.Evaluation); err != nil {
				return nil, err
			}
		}
		out = append(out, answer)
		if q.Until != nil && answer.Decision == *q.Until {
			break
		}
	}
	return out, nil
}

// evaluateOne answers one of several. What is wrong with that one alone is an answer.
func (e *Endpoint) evaluateOne(ctx context.Context, call Call, shown *proof, q Evaluation) (*Evaluated, error) {
	answer, err := e.evaluate(ctx, call, shown.clientID, q, func(f *facts) (*proof, error) {
		still, err := e.stillProven(ctx, f, shown)
		if err == nil {
			still.once = shown.once
		}
		return still, err
	})
	if err == nil {
		shown.once = nil
	}
	var problem *oauth.Error
	if errors.As(err, &problem) && problem.Code == oauth.InvalidAuthorizationDetails {
		return &Evaluated{ID: problem.DecisionID, Problem: problem}, nil
	}
	return answer, err
}

// shownBefore is who asks several questions. It is looked at before any of them.
func (e *Endpoint) shownBefore(ctx context.Context, call Call, client oauth.ClientAuth) (*proof, error) {
	view, err := e.store.View(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	shown, err := e.identified(ctx, &facts{view: view, keys: e.keys, now: e.now().Unix()}, call, client)
	if err != nil {
		return nil, e.Refuse(ctx, call, policies.Evaluate, client.ID, err)
	}
	return shown, nil
}
