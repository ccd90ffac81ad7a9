package bundles

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/deputyauth/deputy/policies"
)

// decode reads an answer strictly: a field Go does not know, or one of another
// type than it should be, is a policy error, not something to ignore.
func decode(answer ast.Value) (policies.Decision, error) {
	var d policies.Decision
	o, ok := answer.(ast.Object)
	if !ok {
		return d, fmt.Errorf("decode decision: %s is no object", ast.ValueName(answer))
	}
	r := reader{}
	o.Foreach(func(key, value *ast.Term) {
		name, _ := key.Value.(ast.String)
		r.field(&d, string(name), value.Value)
	})
	if r.err != nil {
		return policies.Decision{}, fmt.Errorf("decode decision: %w", r.err)
	}
	if d.Allow != (len(d.Reasons) == 0) {
		return policies.Decision{}, fmt.Errorf("decode decision: allow is %t with %d reasons", d.Allow, len(d.Reasons))
	}
	return d, nil
}

// reader turns Rego values into Go's. It keeps the first thing that was wrong.
type reader struct{ err error }

func (r *reader) field(d *policies.Decision, name string, v ast.Value) {
	switch name {
	case "allow":
		d.Allow = r.boolean(name, v)
	case "reasons":
		d.Reasons = r.reasons(name, v)
	case "scopes":
		d.Scopes = r.texts(name, v)
	case "resource":
		d.Resource = r.text(name, v)
	case "audience":
		d.Audience = r.text(name, v)
	case "ttl":
		d.TTL = r.number(name, v)
	case "ends":
		d.Ends = r.number(name, v)
	case "subject":
		d.Subject = r.text(name, v)
	case "chain":
		d.Chain = r.texts(name, v)
	case "claims":
		d.Claims = r.object(name, v)
	case "removed":
		d.Removed = r.reasons(name, v)
	case "refreshable":
		d.Refreshable = r.boolean(name, v)
	case "id_token":
		d.IDToken = r.idToken(name, v)
	case "details":
		d.Details = r.details(name, v)
	case "detail_offers":
		d.DetailOffers = r.detailOffers(name, v)
	case "detail_grants":
		d.DetailGrants = r.detailGrants(name, v)
	case "release":
		d.Release = r.texts(name, v)
	case "services":
		d.Services = r.texts(name, v)
	case "ask":
		d.Ask = r.text(name, v)
	case "sign_in":
		d.SignIn = r.texts(name, v)
	case "offers":
		d.Offers = r.offers(name, v)
	case "grants":
		d.Grants = r.grants(name, v)
	case "once":
		d.Once = r.texts(name, v)
	case "until":
		d.Until = r.number(name, v)
	case "valid_until":
		d.ValidUntil = r.number(name, v)
	default:
		r.fail(name, v, "known")
	}
}

func (r *reader) fail(name string, v ast.Value, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s is %s, not %s", name, ast.ValueName(v), want)
	}
}

func (r *reader) boolean(name string, v ast.Value) bool {
	b, ok := v.(ast.Boolean)
	if !ok {
		r.fail(name, v, "a boolean")
	}
	return bool(b)
}

func (r *reader) text(name string, v ast.Value) string {
	s, ok := v.(ast.String)
	if !ok {
		r.fail(name, v, "a string")
	}
	return string(s)
}

func (r *reader) number(name string, v ast.Value) int64 {
	n, ok := v.(ast.Number)
	i, whole := n.Int64()
	if !ok || !whole {
		r.fail(name, v, "a whole number")
	}
	return i
}

// each calls fn for the members of a set, in order, or of an array.
func (r *reader) each(name string, v ast.Value, size func(int), fn func(ast.Value)) {
	switch v := v.(type) {
	case ast.Set:
		size(v.Len())
		for _, t := range v.Slice() {
			fn(t.Value)
		}
	case *ast.Array:
		size(v.Len())
		v.Foreach(func(t *ast.Term) { fn(t.Value) })
	default:
		r.fail(name, v, "a set or an array")
	}
}

func (r *reader) texts(name string, v ast.Value) (out []string) {
	r.each(name, v, func(n int) { out = make([]string, 0, n) }, func(v ast.Value) { out = append(out, r.text(name, v)) })
	return out
}

func (r *reader) reasons(name string, v ast.Value) (out []policies.Reason) {
	r.each(name, v, func(n int) { out = make([]policies.Reason, 0, n) }, func(v ast.Value) {
		o, ok := v.(ast.Object)
		if !ok {
			r.fail(name, v, "an object")
			return
		}
		var reason policies.Reason
		o.Foreach(func(key, value *ast.Term) {
			field, _ := key.Value.(ast.String)
			r.reasonField(&reason, string(field), value.Value)
		})
		out = append(out, reason)
	})
	return out
}

func (r *reader) grants(name string, v ast.Value) (out []policies.Grants) {
	r.each(name, v, func(n int) { out = make([]policies.Grants, 0, n) }, func(v ast.Value) {
		o, ok := v.(ast.Object)
		if !ok || o.Len() != 2 {
			r.fail(name, v, "an object of resource and scope")
			return
		}
		out = append(out, policies.Grants{Resource: r.text("resource", lookup(o, "resource")), Scope: r.text("scope", lookup(o, "scope"))})
	})
	return out
}

func (r *reader) offers(name string, v ast.Value) (out []policies.Offer) {
	r.each(name, v, func(n int) { out = make([]policies.Offer, 0, n) }, func(v ast.Value) {
		o, ok := v.(ast.Object)
		if !ok || o.Len() != 5 {
			r.fail(name, v, "an offer")
			return
		}
		out = append(out, policies.Offer{
			Resource: r.text("resource", lookup(o, "resource")), Scope: r.text("scope", lookup(o, "scope")), Risk: r.text("risk", lookup(o, "risk")),
			State: r.text("state", lookup(o, "state")), Reasons: r.reasons("reasons", lookup(o, "reasons")),
		})
	})
	return out
}

// idToken is nil for an empty object: none goes with the access token.
func (r *reader) idToken(name string, v ast.Value) *policies.IDToken {
	o, ok := v.(ast.Object)
	switch {
	case ok && o.Len() == 0:
		return nil
	case !ok || o.Len() != 2:
		r.fail(name, v, "an object of claims and ttl")
		return nil
	}
	return &policies.IDToken{Claims: r.texts("claims", lookup(o, "claims")), TTL: r.number("ttl", lookup(o, "ttl"))}
}

func (r *reader) reasonField(to *policies.Reason, name string, v ast.Value) {
	switch name {
	case "code":
		to.Code = r.text(name, v)
	case "party":
		to.Party = r.text(name, v)
	case "id":
		to.ID = r.text(name, v)
	case "scope":
		to.Scope = r.text(name, v)
	case "value":
		to.Value = r.text(name, v)
	default:
		r.fail(name, v, "known")
	}
}

// object reads what house policy may shape as it likes.
func (r *reader) object(name string, v ast.Value) map[string]any {
	if o, ok := v.(ast.Object); ok && o.Len() == 0 {
		return nil
	}
	native, err := ast.JSON(v)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	m, ok := native.(map[string]any)
	if !ok {
		r.fail(name, v, "an object")
	}
	return m
}
