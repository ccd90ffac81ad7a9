package bundles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/deputyauth/deputy/policies"
)

// document is the input as OPA sees it, assembled shallowly from facts that
// were converted once and are shared between decisions.
type document struct {
	pairs     [][2]*ast.Term
	resources []*ast.Term
}

func bind(in policies.Input) (*document, error) {
	d := &document{pairs: make([][2]*ast.Term, 0, 14)}
	d.add("v", ast.InternedTerm(policies.Version))
	d.add("now", ast.NumberTerm(json.Number(strconv.FormatInt(in.Now, 10))))
	d.add("action", ast.ObjectTerm([2]*ast.Term{ast.InternedTerm("name"), ast.StringTerm(in.Action)}))
	if err := d.bindRequest(in); err != nil {
		return nil, err
	}
	for key, f := range map[string]*policies.Fact[policies.Principal]{"client": in.Client, "subject": in.Subject} {
		if f == nil {
			continue
		}
		t, err := term(f)
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", key, err)
		}
		d.add(key, t)
	}
	chain, err := terms(in.Chain)
	if err != nil {
		return nil, fmt.Errorf("bind chain: %w", err)
	}
	d.add("chain", ast.ArrayTerm(chain...))
	if d.resources, err = terms(in.Resources); err != nil {
		return nil, fmt.Errorf("bind resources: %w", err)
	}
	d.add("resources", ast.ArrayTerm(d.resources...))
	return d, nil
}

// bindRequest adds what belongs to this question alone.
func (d *document) bindRequest(in policies.Input) error {
	small := map[string]any{"request": in.Request, "credential": in.Credential}
	if in.Consent != nil {
		small["consent"] = in.Consent
	}
	for key, value := range small {
		t, err := marshal(value)
		if err != nil {
			return fmt.Errorf("bind %s: %w", key, err)
		}
		d.add(key, t)
	}
	for key, token := range map[string]*policies.Token{"parent": in.Parent, "token": in.Token} {
		if token == nil {
			continue
		}
		t, err := tokenTerm(*token)
		if err != nil {
			return fmt.Errorf("bind %s: %w", key, err)
		}
		d.add(key, t)
	}
	return nil
}

// tokenTerm spares a token's reach, which may be large, the way through JSON.
func tokenTerm(token policies.Token) (*ast.Term, error) {
	reach := ast.NullTerm()
	if token.Scopes != nil {
		reach = objectTerm(token.Scopes, func(scopes map[string][]string) *ast.Term {
			if scopes == nil {
				return ast.NullTerm()
			}
			return objectTerm(scopes, stringsTerm)
		})
	}
	token.Scopes = nil
	t, err := marshal(token)
	if err != nil {
		return nil, err
	}
	t.Value.(ast.Object).Insert(ast.InternedTerm("scopes"), reach)
	return t, nil
}

func objectTerm[V any](m map[string]V, of func(V) *ast.Term) *ast.Term {
	pairs := make([][2]*ast.Term, 0, len(m))
	for key, value := range m {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(key), of(value)})
	}
	return ast.ObjectTerm(pairs...)
}

func stringsTerm(list []string) *ast.Term {
	if list == nil {
		return ast.NullTerm()
	}
	out := make([]*ast.Term, len(list))
	for i, s := range list {
		out[i] = ast.StringTerm(s)
	}
	return ast.ArrayTerm(out...)
}

func marshal(v any) (*ast.Term, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	t, err := toValue(body)
	if err != nil {
		return nil, err
	}
	return t.(*ast.Term), nil
}

func (d *document) add(key string, t *ast.Term) {
	d.pairs = append(d.pairs, [2]*ast.Term{ast.InternedTerm(key), t})
}

func (d *document) value() ast.Value { return ast.NewObject(d.pairs...) }

// forHouse adds what the floor has chosen: the resource server and the scopes
// it would grant. House authors need not know how the choice was made.
func (d *document) forHouse(floor ast.Value) ast.Value {
	answer, ok := floor.(ast.Object)
	if !ok {
		return d.value()
	}
	if i, ok := lookup(answer, "index").(ast.Number); ok {
		if n, ok := i.Int(); ok && n >= 0 && n < len(d.resources) {
			d.add("resource", d.resources[n])
		}
	}
	if scopes, ok := lookup(answer, "scopes").(ast.Set); ok {
		d.add("granted", ast.ArrayTerm(scopes.Slice()...))
	}
	return d.value()
}

func allowed(answer ast.Value) bool {
	o, ok := answer.(ast.Object)
	return ok && lookup(o, "allow") != nil && lookup(o, "allow").Compare(ast.Boolean(true)) == 0
}

func lookup(o ast.Object, key string) ast.Value {
	if t := o.Get(ast.InternedTerm(key)); t != nil {
		return t.Value
	}
	return nil
}

// toValue parses a fact's JSON. The result is shared and never changed.
func toValue(body []byte) (any, error) {
	v, err := ast.ValueFromReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return ast.NewTerm(v), nil
}

func term[T any](f *policies.Fact[T]) (*ast.Term, error) {
	v, err := f.Prepared(toValue)
	if err != nil {
		return nil, err
	}
	return v.(*ast.Term), nil
}

func terms[T any](facts []*policies.Fact[T]) ([]*ast.Term, error) {
	out := make([]*ast.Term, len(facts))
	for i, f := range facts {
		if f == nil {
			out[i] = ast.NullTerm()
			continue
		}
		t, err := term(f)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

// decode reads an answer strictly: a field Go does not know is a policy error,
// not something to ignore.
func decode(answer ast.Value) (policies.Decision, error) {
	native, err := ast.JSON(answer)
	if err != nil {
		return policies.Decision{}, fmt.Errorf("decode decision: %w", err)
	}
	body, err := json.Marshal(native)
	if err != nil {
		return policies.Decision{}, fmt.Errorf("decode decision: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var d policies.Decision
	if err := dec.Decode(&d); err != nil {
		return policies.Decision{}, fmt.Errorf("decode decision: %w", err)
	}
	if d.Allow != (len(d.Reasons) == 0) {
		return policies.Decision{}, fmt.Errorf("decode decision: allow is %t with %d reasons", d.Allow, len(d.Reasons))
	}
	return d, nil
}
