package grants

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// refuse records a request that never came to a question: it could not be read,
// or nobody knows who sent it. It returns what the client is told. If not even
// the refusal can be recorded, that is what the client hears. Whoever fails too
// often is told to wait instead of what was wrong.
func (e *Endpoint) refuse(ctx context.Context, call Call, action, clientID string, err error) *oauth.Error {
	var problem *oauth.Error
	if !errors.As(err, &problem) {
		return unavailable(err)
	}
	if problem.Claimed != "" {
		clientID = problem.Claimed
	}
	if !clientIDShape.MatchString(clientID) {
		clientID = ""
	}
	told := *problem
	if status := problem.Status(); status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		if wait := e.limits.Failed(limits.SourceOf(call.IP), clientID); wait > 0 {
			told = *oauth.TooMany(wait)
		}
	}
	k := kind{action: action, code: problem.Code, reason: problem.Reason, client: clientID, source: limits.SourceOf(call.IP)}
	id, err := e.failures.note(ctx, call, k, told.Status() == http.StatusTooManyRequests)
	if err != nil {
		return unavailable(err)
	}
	told.DecisionID = id
	return &told
}

// Failure is one of somebody at a page, who is no client.
type Failure struct {
	Action  string
	Reason  string
	User    string // id of the user they claimed to be, "" if there is no such user
	About   string // tells apart what is otherwise alike, such as names that do not exist; never written
	Limited bool   // the answer is "too many"
}

// NoteFailure records a failure at a page, or counts it, as it does those of
// clients. If that cannot be done, it is what the caller hears.
func (e *Endpoint) NoteFailure(ctx context.Context, call Call, f Failure) error {
	k := kind{action: f.Action, code: oauth.AccessDenied, reason: f.Reason, user: f.User, about: f.About, source: limits.SourceOf(call.IP)}
	id, err := e.failures.note(ctx, call, k, f.Limited)
	if err != nil {
		return err
	}
	e.metrics.Answered(f.Action, signals.Refused, f.Reason)
	if ev := call.Event; ev != nil {
		ev.Action, ev.Outcome, ev.Reason, ev.DecisionID = f.Action, signals.Refused, f.Reason, id
		if f.Limited {
			ev.Limited(f.Reason)
		}
	}
	return nil
}

// CountFailures writes what was counted in a window that is over. It is called
// every second or so.
func (e *Endpoint) CountFailures(ctx context.Context) error { return e.failures.write(ctx, false) }

// Finish writes everything that was counted. It is called once nobody asks any more.
func (e *Endpoint) Finish(ctx context.Context) error { return e.failures.write(ctx, true) }

// clientIDShape is what a client id can look like; anything else a stranger
// sent as one is not written into the ledger.
var clientIDShape = regexp.MustCompile(`^(agt|app)_[0-9a-z]{1,40}$`)

// kind is what makes failures alike. The client is the one that was claimed,
// known or not: were only known ones told apart, answers would tell which are.
type kind struct {
	action, code, reason, client string
	user, about                  string // of failures at pages
	source                       limits.Source
}

// others is the kind of what is too manifold to be told apart.
func others(action string) kind { return kind{action: action, code: "others", reason: "others"} }

// failures keeps strangers from filling the ledger. Of each kind, the first
// failure in a window is one row, durable before the answer; the others are
// counted and become one row at the window's end. The number of kinds is
// bounded, so the number of rows is, whatever callers vary.
type failures struct {
	bounds limits.Config
	append func(context.Context, *models.Record) error
	now    func() time.Time

	writing sync.Mutex // held by whoever writes counts

	mu     sync.Mutex
	begun  time.Time // of the window; its first failure
	kinds  map[kind]*tally
	from   map[limits.Source]int // kinds by source
	toldOf int                   // kinds that are not others
	due    []*tally              // of windows that are over
}

// tally is how often a kind of failure was seen after its first.
type tally struct {
	kind    kind
	first   string        // id of the ledger's row
	written chan struct{} // closed once that row is durable, or err is set
	err     error

	count, limited int64
	since, until   time.Time
	sources        map[limits.Source]bool // of others
}

// maxSources bounds how exactly the sources of others are counted.
const maxSources = 1000

func newFailures(bounds limits.Config, write func(context.Context, *models.Record) error, now func() time.Time) *failures {
	return &failures{bounds: bounds, append: write, now: now, kinds: map[kind]*tally{}, from: map[limits.Source]int{}}
}

// note records or counts a failure and returns the id of the row that stands
// for it. limited tells that the caller hears no more than "too many".
func (f *failures) note(ctx context.Context, call Call, k kind, limited bool) (string, error) {
	t, counted := f.tally(k, limited)
	if !counted {
		err := f.append(ctx, f.firstRow(call, k, t, limited))
		f.settle(t, err)
		return t.first, err
	}
	select {
	case <-t.written:
		return t.first, t.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// tally finds the tally of a kind and counts the failure in it. counted is
// false for the first, whose caller must write the row and call settle.
func (f *failures) tally(k kind, limited bool) (t *tally, counted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, source := f.now(), k.source
	if len(f.kinds) == 0 {
		f.begun = now
	}
	if f.kinds[k] == nil && (f.toldOf >= f.bounds.MaxKinds || f.from[source] >= f.bounds.MaxKindsPerSource) {
		k = others(k.action)
	}
	t = f.kinds[k]
	if t == nil {
		t = &tally{kind: k, first: models.NewID(models.PrefixDecision), written: make(chan struct{}), since: now, until: now}
		if k == others(k.action) {
			t.sources = map[limits.Source]bool{}
		}
		f.add(t)
		return t, false
	}
	t.count++
	t.until = now
	if limited {
		t.limited++
	}
	if t.sources != nil && len(t.sources) < maxSources {
		t.sources[source] = true
	}
	return t, true
}

func (f *failures) add(t *tally) {
	f.kinds[t.kind] = t
	if t.sources == nil {
		f.from[t.kind.source]++
		f.toldOf++
	}
}

// settle tells those who wait for a first row how it went. If it could not be
// written, the kind is as good as never seen.
func (f *failures) settle(t *tally, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.err = err; err != nil {
		delete(f.kinds, t.kind)
		if t.sources == nil {
			f.toldOf--
			if f.from[t.kind.source]--; f.from[t.kind.source] == 0 {
				delete(f.from, t.kind.source)
			}
		}
	}
	close(t.written)
}

// write writes the counts of windows that are over, or of all. What could not
// be written is kept for the next time, and no other window is closed before.
func (f *failures) write(ctx context.Context, all bool) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.close(all)
	for len(f.due) > 0 {
		if err := f.append(ctx, f.countRow(f.due[0])); err != nil {
			return err
		}
		f.due = f.due[1:]
	}
	return nil
}

// close ends the window if it is time. A kind whose first row is still being
// written goes over into the next.
func (f *failures) close(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.due) > 0 || len(f.kinds) == 0 || (!all && f.now().Sub(f.begun) < f.bounds.FailureWindow) {
		return
	}
	over := f.kinds
	f.kinds, f.from, f.toldOf, f.begun = map[kind]*tally{}, map[limits.Source]int{}, 0, f.now()
	for _, t := range over {
		select {
		case <-t.written:
			if t.count > 0 {
				f.due = append(f.due, t)
			}
		default:
			f.add(t)
		}
	}
}

// failureDetail is what the ledger keeps of failures beyond its columns.
type failureDetail struct {
	Call    callDetail `json:"call"`
	Error   string     `json:"error"`
	Reason  string     `json:"reason"`
	Claimed string     `json:"claimed_client,omitempty"` // unproven, so not the row's client
	User    string     `json:"claimed_user,omitempty"`   // likewise
	Limited bool       `json:"limited,omitempty"`        // the answer was 429
	Counted *counted   `json:"counted,omitempty"`
}

// counted is what a row says that stands for several failures.
type counted struct {
	Count   int64  `json:"count"`   // without the first
	First   string `json:"first"`   // the row of the first, which callers were told
	Since   int64  `json:"since"`   // of the first, unix milliseconds
	Until   int64  `json:"until"`   // of the last
	Limited int64  `json:"limited"` // of Count: answered 429
	Sources int    `json:"sources,omitempty"`
}

func (f *failures) firstRow(call Call, k kind, t *tally, limited bool) *models.Record {
	return f.row(t.first, k.action, failureDetail{Call: seen(call), Error: k.code, Reason: k.reason, Claimed: k.client, User: k.user, Limited: limited})
}

func (f *failures) countRow(t *tally) *models.Record {
	k := t.kind
	return f.row(models.NewID(models.PrefixDecision), k.action, failureDetail{
		Call: callDetail{IP: k.source.String()}, Error: k.code, Reason: k.reason, Claimed: k.client, User: k.user,
		Counted: &counted{t.count, t.first, t.since.UnixMilli(), t.until.UnixMilli(), t.limited, len(t.sources)},
	})
}

func (f *failures) row(id, action string, d failureDetail) *models.Record {
	body, _ := json.Marshal(d) // strings and numbers cannot fail
	return &models.Record{Entry: models.Entry{
		ID: id, At: f.now().UnixMilli(), Kind: models.KindFailure, Action: action, Outcome: models.OutcomeRefused, Detail: string(body),
	}}
}
