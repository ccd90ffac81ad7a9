package bundles

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/deputyauth/deputy/policies"
)

// Facts become terms once, and are shared between decisions. A term is what the
// fact's JSON would be parsed to, without the garbage of parsing; a test holds
// the two together.

// terms are the terms of facts, null for one that is missing.
func terms[T any](facts []*policies.Fact[T], of func(T) any) []*ast.Term {
	out := make([]*ast.Term, len(facts))
	for i, f := range facts {
		if f == nil {
			out[i] = ast.NullTerm()
			continue
		}
		out[i] = f.Prepared(of).(*ast.Term)
	}
	return out
}

func principalTerm(p policies.Principal) any {
	pairs := append(make([][2]*ast.Term, 0, 12),
		pair("id", ast.StringTerm(p.ID)), pair("kind", ast.InternedTerm(p.Kind)), pair("name", ast.StringTerm(p.Name)),
		pair("status", ast.InternedTerm(p.Status)), pair("expires_at", numberTerm(p.ExpiresAt)),
		pair("labels", objectTerm(p.Labels, ast.StringTerm)), pair("scopes", objectTerm(p.Scopes, heldTerm)),
	)
	owner := ast.NullTerm()
	if o := p.Owner; o != nil {
		owner = ast.ObjectTerm(
			pair("id", ast.StringTerm(o.ID)), pair("status", ast.InternedTerm(o.Status)), pair("expires_at", numberTerm(o.ExpiresAt)),
		)
	}
	pairs = append(pairs, pair("owner", owner))
	if len(p.GrantTypes) > 0 {
		pairs = append(pairs, pair("grant_types", stringsTerm(p.GrantTypes)))
	}
	if len(p.Defaults) > 0 {
		pairs = append(pairs, pair("defaults", objectTerm(p.Defaults, stringsTerm)))
	}
	if p.MaxTTL != 0 {
		pairs = append(pairs, pair("max_ttl", numberTerm(p.MaxTTL)))
	}
	if p.Public {
		pairs = append(pairs, pair("public", ast.BooleanTerm(true)))
	}
	return ast.ObjectTerm(pairs...)
}

func resourceTerm(r policies.Resource) any {
	pairs := append(make([][2]*ast.Term, 0, 9),
		pair("id", ast.StringTerm(r.ID)), pair("identifier", ast.StringTerm(r.Identifier)), pair("name", ast.StringTerm(r.Name)),
		pair("status", ast.InternedTerm(r.Status)), pair("operator", ast.StringTerm(r.Operator)),
		pair("token_ttl", numberTerm(r.TokenTTL)), pair("max_depth", numberTerm(int64(r.MaxDepth))),
		pair("scopes", objectTerm(r.Scopes, func(s policies.Scope) *ast.Term {
			return ast.ObjectTerm(pair("risk", ast.InternedTerm(s.Risk)))
		})),
	)
	if len(r.Types) > 0 {
		pairs = append(pairs, pair("types", objectTerm(r.Types, func(d policies.DetailType) *ast.Term {
			return ast.ObjectTerm(
				pair("scope", ast.StringTerm(d.Scope)), pair("risk", ast.InternedTerm(d.Risk)), pair("narrow", objectTerm(d.Narrow, ast.StringTerm)),
			)
		})))
	}
	return ast.ObjectTerm(pairs...)
}

// alike are scopes held at one service, as policy sees them. Many hold the same
// by the same roles, and what they hold is most of a fact.
var alike = policies.NewRecent[string, *ast.Term](4096)

func heldTerm(scopes map[string][]string) *ast.Term {
	if scopes == nil {
		return ast.NullTerm()
	}
	name := policies.Alike(scopes)
	if known, ok := alike.Get(name); ok {
		return known
	}
	t := objectTerm(scopes, stringsTerm)
	alike.Put(name, t)
	return t
}
