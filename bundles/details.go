package bundles

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/deputyauth/deputy/policies"
)

// Authorization details are the one part of a question that nobody here knows the
// shape of: they are read from their JSON, and written as JSON again.

func detailsTerm(list []policies.Detail) *ast.Term {
	if list == nil {
		return ast.NullTerm()
	}
	out := make([]*ast.Term, len(list))
	for i, d := range list {
		v, err := ast.ValueFromReader(bytes.NewReader(d))
		if err != nil { // which covers nothing, and is covered by nothing
			v = ast.Null{}
		}
		out[i] = ast.NewTerm(v)
	}
	return ast.ArrayTerm(out...)
}

func (r *reader) details(name string, v ast.Value) (out []policies.Detail) {
	r.each(name, v, func(n int) { out = make([]policies.Detail, 0, n) }, func(v ast.Value) {
		native, err := ast.JSON(v)
		if err != nil {
			r.err = fmt.Errorf("%s: %w", name, err)
			return
		}
		if _, ok := native.(map[string]any); !ok {
			r.fail(name, v, "an object")
			return
		}
		body, err := json.Marshal(native) // keys in order, as they came
		if err != nil {
			r.err = fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, body)
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

func (r *reader) detailOffers(name string, v ast.Value) (out []policies.DetailOffer) {
	r.each(name, v, func(n int) { out = make([]policies.DetailOffer, 0, n) }, func(v ast.Value) {
		o, ok := v.(ast.Object)
		if !ok || o.Len() != 7 {
			r.fail(name, v, "an offer of details")
			return
		}
		out = append(out, policies.DetailOffer{
			Resource: r.text("resource", lookup(o, "resource")), Index: int(r.number("index", lookup(o, "index"))), Type: r.text("type", lookup(o, "type")),
			Scope: r.text("scope", lookup(o, "scope")), Risk: r.text("risk", lookup(o, "risk")),
			State: r.text("state", lookup(o, "state")), Reasons: r.reasons("reasons", lookup(o, "reasons")),
		})
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

func (r *reader) detailGrants(name string, v ast.Value) (out []policies.GrantedDetail) {
	r.each(name, v, func(n int) { out = make([]policies.GrantedDetail, 0, n) }, func(v ast.Value) {
		o, ok := v.(ast.Object)
		if !ok || o.Len() != 2 {
			r.fail(name, v, "an object of resource and index")
			return
		}
		out = append(out, policies.GrantedDetail{Resource: r.text("resource", lookup(o, "resource")), Index: int(r.number("index", lookup(o, "index")))})
	})
	if len(out) == 0 {
		return nil
	}
	return out
}
