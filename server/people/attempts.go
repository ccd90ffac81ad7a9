package people

import (
	"context"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
)

// attempt is one guess at something a person knows, a password or a code.
type attempt struct {
	people *People
	call   grants.Call
	action string
	name   string       // of the account as it was typed, whether it exists or not
	user   *models.User // nil: there is none
	source limits.Source
	known  bool // somebody signed in to this account here before
}

func (p *People) attempt(call grants.Call, b Browser, action, name string, user *models.User) *attempt {
	a := &attempt{people: p, call: call, action: action, name: "user:" + name, user: user, source: limits.SourceOf(call.IP)}
	if nonce, ok := p.knownDevice(b.Device, a.userID()); ok {
		a.source, a.known = nonce, true
	}
	return a
}

func (a *attempt) userID() string {
	if a.user == nil {
		return ""
	}
	return a.user.ID
}

// look runs check, which is costly, if it may be run now. Of sources that failed
// too often, and at accounts at which too many guesses were made, nothing is
// looked at for a while: a right password must not be told from a wrong one by
// those who try many. A device that is known has only its own failures against it.
func (a *attempt) look(ctx context.Context, check func() (ok bool, err error)) (bool, error) {
	p := a.people
	if p.limits.Spent(a.source, a.name) {
		return false, a.tooMany(ctx, "too_many", max(time.Second, p.limits.Failed(a.source, a.name)))
	}
	if !a.known && p.backoff != nil {
		wait, err := p.backoff.Take(ctx, a.name)
		if err != nil {
			return false, err
		}
		if wait > 0 {
			return false, a.tooMany(ctx, "too_many", wait)
		}
	}
	done, free := p.limits.Turn(ctx)
	if !free {
		return false, a.tooMany(ctx, "busy", time.Second)
	}
	defer done()
	return check()
}

func (a *attempt) tooMany(ctx context.Context, reason string, wait time.Duration) error {
	f := grants.Failure{Action: a.action, Reason: reason, User: a.userID(), About: about(a.name), Limited: true}
	return a.people.refuse(ctx, a.call, f, &Problem{Reason: reason, Wait: wait})
}

// failed records that it was wrong. reason is for the ledger, told for the person.
func (a *attempt) failed(ctx context.Context, reason string, told *Problem) error {
	a.people.limits.Failed(a.source, a.name)
	return a.people.refuse(ctx, a.call, grants.Failure{Action: a.action, Reason: reason, User: a.userID(), About: about(a.name)}, told)
}

// succeeded takes back that it counted as a failure.
func (a *attempt) succeeded(ctx context.Context) error {
	if a.known || a.people.backoff == nil {
		return nil
	}
	return a.people.backoff.Clear(ctx, a.name)
}
