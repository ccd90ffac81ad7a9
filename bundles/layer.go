package bundles

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// layer is one compiled policy: its entrypoints, revision, and where its
// reasons are given.
type layer struct {
	compiler *ast.Compiler
	store    storage.Store
	txn      storage.Transaction // one read transaction for good: nothing writes to the store
	entries  map[string]*query   // by kind
	revision string
	rules    map[string]map[ruleKey][]rule // by kind
	timely   bool                          // its answers may depend on the time
}

// query is an entrypoint that is ready to be asked.
type query struct {
	body     ast.Body
	compiler ast.QueryCompiler
}

// answerVar is what an entrypoint's value is bound to.
const answerVar = ast.Var("answer")

// errUndefined: policy gave no answer, or more than one.
var errUndefined = errors.New("no single answer")

func prepare(c *ast.Compiler, src *source, kinds []string, entrypoint func(kind string) string) (*layer, error) {
	l := &layer{
		compiler: c, store: src.store(), entries: map[string]*query{},
		revision: src.revision(), rules: map[string]map[ruleKey][]rule{}, timely: readsClock(c),
	}
	var err error
	if l.txn, err = l.store.NewTransaction(context.Background()); err != nil {
		return nil, fmt.Errorf("base data: %w", err)
	}
	for _, kind := range kinds {
		body, err := ast.ParseBodyWithOpts(fmt.Sprintf("%s = %s", answerVar, entrypoint(kind)), parserOptions())
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", kind, err)
		}
		q := &query{compiler: c.QueryCompiler()}
		if q.body, err = q.compiler.Compile(body); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", kind, err)
		}
		l.entries[kind], l.rules[kind] = q, src.rules(kind)
	}
	return l, nil
}

// ask evaluates an entrypoint. It wants exactly one answer. Any error of a
// builtin is an error of the whole, for a rule that fails in silence may be one
// that was to refuse.
func (l *layer) ask(ctx context.Context, stop topdown.Cancel, kind string, input ast.Value) (ast.Value, error) {
	q := l.entries[kind]
	if q == nil {
		return nil, fmt.Errorf("no entrypoint for %q", kind)
	}
	var answers []*ast.Term
	err := topdown.NewQuery(q.body).
		WithQueryCompiler(q.compiler).WithCompiler(l.compiler).WithStore(l.store).WithTransaction(l.txn).
		WithInput(ast.NewTerm(input)).WithCancel(stop).WithStrictBuiltinErrors(true).WithMetrics(metrics.NoOp()).
		Iter(ctx, func(qr topdown.QueryResult) error {
			answers = append(answers, qr[answerVar])
			return nil
		})
	if err != nil {
		return nil, quiet(err)
	}
	if len(answers) != 1 || answers[0] == nil {
		return nil, errUndefined
	}
	return answers[0].Value, nil
}

// readsClock tells whether a policy can see the time: it refers to input.now, or
// to the input in a way that leaves open what of it.
func readsClock(c *ast.Compiler) bool {
	found := false
	for _, m := range c.Modules {
		ast.WalkRefs(m, func(r ast.Ref) bool {
			if !r.HasPrefix(ast.InputRootRef) {
				return false
			}
			if len(r) == 1 {
				found = true
				return false
			}
			field, known := r[1].Value.(ast.String)
			found = found || !known || field == "now"
			return false
		})
	}
	return found
}
