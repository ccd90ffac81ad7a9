// Package bundles embeds OPA: it compiles the floor, the house policy and their
// composition, and answers questions. It is the only package that imports OPA.
package bundles

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/deputyauth/deputy/policies"
)

// DefaultDeadline bounds one decision. A policy that needs longer refuses.
const DefaultDeadline = time.Second

// Engine answers policy questions on an immutable snapshot, so that loading a
// new house policy never makes a request wait.
type Engine struct {
	floor    *layer
	compose  *layer
	serving  atomic.Pointer[serving]
	deadline time.Duration
	reuse    bool
	log      *slog.Logger

	mu     sync.Mutex // one load at a time
	status Status
	looked string // fingerprint of what the last load was about, fit or not
}

// serving is the house policy that serves, with the answers given since it does.
type serving struct {
	*layer
	given *answers
}

// Status tells which house policy serves and what became of the last attempt.
type Status struct {
	Floor     string    // revision
	House     string    // revision that serves
	LoadedAt  time.Time // when it began to
	LastError string    // why a newer one was refused, "" if none was
}

// Options of an Engine. The zero value is the shipped policy.
type Options struct {
	Floor    fs.FS         // policies.FS if nil; tests put a sabotaged floor here
	House    fs.FS         // the starter bundle if nil
	Deadline time.Duration // DefaultDeadline if 0
	NoReuse  bool          // evaluate every question, even one that was answered before
	Log      *slog.Logger
}

// New compiles floor, composition and house policy. It fails if any of them is
// not fit to serve: a server without policy must not start.
func New(o Options) (*Engine, error) {
	if o.House == nil {
		house, err := fs.Sub(policies.FS, "house")
		if err != nil {
			return nil, fmt.Errorf("starter house policy: %w", err)
		}
		o.House = house
	}
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	compiled := shipped
	if o.Floor != nil {
		compiled = func() (*fixed, error) { return compileFixed(o.Floor) }
	}
	f, err := compiled()
	if err != nil {
		return nil, err
	}
	e := &Engine{floor: f.floor, compose: f.compose, deadline: o.Deadline, reuse: !o.NoReuse, log: o.Log, status: Status{Floor: f.floor.revision}}
	if err := e.Load(o.House); err != nil {
		return nil, fmt.Errorf("house: %w", err)
	}
	return e, nil
}

// fixed is what an engine never changes. Nothing in it is written to, so that engines share it.
type fixed struct{ floor, compose *layer }

// shipped is that of the binary, compiled once.
var shipped = sync.OnceValues(func() (*fixed, error) { return compileFixed(policies.FS) })

func compileFixed(of fs.FS) (*fixed, error) {
	floor, err := compileFloor(of)
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	compose, err := compileCompose(of)
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	return &fixed{floor, compose}, nil
}

// Load checks, compiles and rehearses a house policy and lets it serve from the
// next question on. If it is unfit the error names file, line and reason, and the
// old one keeps serving.
func (e *Engine) Load(house fs.FS) error { return e.load(read(house, houseRoot)) }

func (e *Engine) load(src *source, err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looked = fingerprint(src, err)
	if err != nil {
		e.status.LastError = err.Error()
		return err
	}
	l, err := e.fit(src)
	if err != nil {
		e.status.LastError = err.Error()
		return err
	}
	e.serving.Store(&serving{layer: l, given: newAnswers()})
	e.status.House, e.status.LoadedAt, e.status.LastError = l.revision, time.Now().UTC(), ""
	return nil
}

// known tells whether a fingerprint is of what the last load was about.
func (e *Engine) known(fingerprint string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.looked == fingerprint
}

// Status reports the serving revisions.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Decide answers one question. It always returns a usable decision: if policy
// errs, conflicts, takes too long or gives no answer, that is a refusal with
// reason policy_error, and the error says what happened.
//
// A question that was answered before, by the same policies, on the same facts,
// within the time for which that answer holds, gets the same answer again.
func (e *Engine) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	now := e.serving.Load()
	var asked question
	if e.reuse {
		asked = identify(in)
		if d, ok := now.given.recall(asked, in.Now); ok {
			return d, nil
		}
	}
	d, err := e.evaluate(ctx, in, now.layer)
	if err == nil && e.reuse {
		now.given.keep(asked, in.Now, d)
	}
	return d, err
}

func (e *Engine) evaluate(ctx context.Context, in policies.Input, house *layer) (policies.Decision, error) {
	d, err := e.decide(ctx, in, house, e.deadline)
	if err != nil {
		err = fmt.Errorf("decide %s: %w", in.Action, err)
		d = policies.Decision{Reasons: []policies.Reason{{Code: policies.CodePolicyError}}}
	}
	d.Revision = policies.Revision{Floor: e.floor.revision, House: house.revision}
	lists := [][]policies.Reason{d.Reasons, d.Removed}
	for _, o := range d.Offers {
		lists = append(lists, o.Reasons)
	}
	for _, o := range d.DetailOffers {
		lists = append(lists, o.Reasons)
	}
	for _, reasons := range lists {
		for i := range reasons {
			reasons[i].Rule = e.ruleOf(policies.Kind(in.Action), reasons[i], house)
		}
	}
	return d, err
}

// decide asks floor, house and composition in turn, all within one deadline.
func (e *Engine) decide(ctx context.Context, in policies.Input, house *layer, deadline time.Duration) (policies.Decision, error) {
	if err := ctx.Err(); err != nil { // a quick evaluation might not notice
		return policies.Decision{}, err
	}
	kind := policies.Kind(in.Action)
	doc := bind(in) // large facts are prepared here, once: that is no time of policy's
	stop := topdown.NewCancel()
	defer time.AfterFunc(deadline, stop.Cancel).Stop()
	defer context.AfterFunc(ctx, stop.Cancel)()
	floor, err := e.floor.ask(ctx, stop, kind, doc.value())
	if err != nil {
		return policies.Decision{}, fmt.Errorf("floor: %w", err)
	}
	// Where the house says nothing, or the floor left nothing to narrow and
	// perhaps no resource to show, the house is not asked.
	said := ast.Value(ast.NewObject())
	asked := house.entries[kind] != nil && allowed(floor)
	if asked {
		if said, err = house.ask(ctx, stop, kind, doc.forHouse(floor)); err != nil {
			return policies.Decision{}, fmt.Errorf("house: %w", err)
		}
	}
	d, err := e.composed(ctx, stop, kind, floor, said)
	if asked && house.timely { // what it said may hold for no longer than this second
		d.ValidUntil = min(d.ValidUntil, in.Now)
	}
	return d, err
}

func (e *Engine) composed(ctx context.Context, stop topdown.Cancel, kind string, floor, house ast.Value) (policies.Decision, error) {
	if e.compose.entries[kind] == nil { // a kind the house cannot touch
		return decode(floor)
	}
	input := ast.NewObject(
		[2]*ast.Term{ast.InternedTerm("floor"), ast.NewTerm(floor)},
		[2]*ast.Term{ast.InternedTerm("house"), ast.NewTerm(house)},
	)
	answer, err := e.compose.ask(ctx, stop, kind, input)
	if err != nil {
		return policies.Decision{}, fmt.Errorf("compose: %w", err)
	}
	return decode(answer)
}

// ruleOf finds where a reason was given: file and line of its rule.
func (e *Engine) ruleOf(kind string, r policies.Reason, house *layer) string {
	at, _ := e.find(kind, r, house)
	return at
}

// Codes lists every reason code the floor and composition can give, for the
// test that holds the table of OAuth errors complete.
func (e *Engine) Codes() []string {
	seen := map[string]bool{policies.CodePolicyError: true, policies.CodeSeatBelt: true}
	for _, l := range []*layer{e.floor, e.compose} {
		for _, rules := range l.rules {
			for k := range rules {
				seen[k.code] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
