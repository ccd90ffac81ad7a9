package bundles

import (
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

func bind(in policies.Input) *document {
	d := &document{pairs: make([][2]*ast.Term, 0, 16)}
	d.add("v", ast.InternedTerm(policies.Version))
	d.add("now", numberTerm(in.Now))
	d.add("action", ast.ObjectTerm(pair("name", ast.StringTerm(in.Action))))
	d.bindRequest(in)
	d.bindParty("client", in.Client)
	d.bindParty("subject", in.Subject)
	d.bindParty("represented", in.Represented)
	d.add("chain", ast.ArrayTerm(terms(in.Chain, principalTerm)...))
	d.resources = terms(in.Resources, resourceTerm)
	d.add("resources", ast.ArrayTerm(d.resources...))
	return d
}

func (d *document) bindParty(key string, f *policies.Fact[policies.Principal]) {
	if f == nil {
		return
	}
	d.add(key, f.Prepared(principalTerm).(*ast.Term))
}

// bindRequest adds what belongs to this question alone.
func (d *document) bindRequest(in policies.Input) {
	d.add("request", requestTerm(in.Request))
	d.add("credential", ast.ObjectTerm(
		pair("id", ast.StringTerm(in.Credential.ID)), pair("method", ast.StringTerm(in.Credential.Method)),
	))
	if in.Parent != nil {
		d.add("parent", tokenTerm(in.Parent))
	}
	if in.Token != nil {
		d.add("token", tokenTerm(in.Token))
	}
	if in.Consent != nil {
		d.add("consent", consentTerm(in.Consent))
	}
	if in.Authorization != nil {
		d.add("authorization", authorizationTerm(in.Authorization))
	}
	if in.Session != nil {
		d.add("session", ast.ObjectTerm(
			pair("auth_time", numberTerm(in.Session.AuthTime)), pair("acr", ast.StringTerm(in.Session.ACR)), pair("amr", stringsTerm(in.Session.AMR)),
		))
	}
	if in.Consents != nil {
		d.add("consents", arrayTerm(in.Consents, consentTerm))
	}
	if o := in.Object; o != nil {
		d.add("object", ast.ObjectTerm(
			pair("kind", ast.StringTerm(o.Kind)), pair("id", ast.StringTerm(o.ID)),
			pair("owner", ast.StringTerm(o.Owner)), pair("second_factor", ast.BooleanTerm(o.SecondFactor)), pair("offers", numberTerm(o.Offers)),
		))
	}
	if in.Approval != nil {
		d.add("approval", approvalTerm(in.Approval))
	}
	if in.Acquaintance != nil {
		d.add("acquaintance", acquaintanceTerm(in.Acquaintance))
	}
}

func requestTerm(r policies.Request) *ast.Term {
	pairs := append(make([][2]*ast.Term, 0, 6), pair("resources", stringsTerm(r.Resources)), pair("scopes", stringsTerm(r.Scopes)))
	if r.GrantType != "" {
		pairs = append(pairs, pair("grant_type", ast.StringTerm(r.GrantType)))
	}
	if r.RequestedTTL != 0 {
		pairs = append(pairs, pair("requested_ttl", numberTerm(r.RequestedTTL)))
	}
	if len(r.Details) > 0 {
		pairs = append(pairs, pair("details", detailsTerm(r.Details)))
	}
	if r.TokenProblem != "" {
		pairs = append(pairs, pair("token_problem", ast.StringTerm(r.TokenProblem)))
	}
	if r.Renewal != nil {
		pairs = append(pairs, pair("renewal", ast.ObjectTerm(pair("overlap", numberTerm(r.Renewal.Overlap)), pair("life", numberTerm(r.Renewal.Life)))))
	}
	if r.ActorToken != nil {
		pairs = append(pairs, pair("actor_token", actorTokenTerm(r.ActorToken)))
	}
	if r.Approval {
		pairs = append(pairs, pair("approval", ast.BooleanTerm(true)))
	}
	if r.Visit != nil {
		pairs = append(pairs, pair("visit", visitTerm(r.Visit)))
	}
	if r.Answer != nil {
		pairs = append(pairs, pair("answer", answerTerm(r.Answer)))
	}
	if r.Asked != nil {
		pairs = append(pairs, pair("asked", askedTerm(r.Asked)))
	}
	return ast.ObjectTerm(pairs...)
}

func askedTerm(a *policies.Asked) *ast.Term {
	pairs := [][2]*ast.Term{
		pair("type", ast.StringTerm(a.Type)), pair("subject", ast.StringTerm(a.Subject)), pair("resource_type", ast.StringTerm(a.ResourceType)),
	}
	if a.Chain != nil {
		pairs = append(pairs, pair("chain", stringsTerm(a.Chain)))
	}
	return ast.ObjectTerm(pairs...)
}

func actorTokenTerm(a *policies.ActorToken) *ast.Term {
	pairs := [][2]*ast.Term{
		pair("subject", ast.StringTerm(a.Subject)), pair("client", ast.StringTerm(a.Client)), pair("chain", stringsTerm(a.Chain)),
		pair("exp", numberTerm(a.Expires)), pair("revoked", ast.BooleanTerm(a.Revoked)), pair("aud", ast.StringTerm(a.Audience)),
	}
	if a.Problem != "" {
		pairs = append(pairs, pair("problem", ast.StringTerm(a.Problem)))
	}
	return ast.ObjectTerm(pairs...)
}

func tokenTerm(t *policies.Token) *ast.Term {
	pairs := append(make([][2]*ast.Term, 0, 13),
		pair("jti", ast.StringTerm(t.ID)), pair("client", ast.StringTerm(t.Client)), pair("subject", ast.StringTerm(t.Subject)),
		pair("aud", ast.ObjectTerm(
			pair("id", ast.StringTerm(t.Audience.ID)), pair("operator", ast.StringTerm(t.Audience.Operator)),
			pair("status", ast.StringTerm(t.Audience.Status)),
		)),
		pair("chain", stringsTerm(t.Chain)), pair("exp", numberTerm(t.Expires)), pair("iat", numberTerm(t.IssuedAt)),
		pair("revoked", ast.BooleanTerm(t.Revoked)),
		pair("grant", ast.ObjectTerm(
			pair("id", ast.StringTerm(t.Grant.ID)), pair("expires_at", numberTerm(t.Grant.ExpiresAt)),
			pair("revoked", ast.BooleanTerm(t.Grant.Revoked)),
		)),
		pair("txn", ast.StringTerm(t.Txn)), pair("own", stringsTerm(t.Own)),
		pair("scopes", reachTerm(t.Scopes)),
	)
	if len(t.Details) > 0 {
		pairs = append(pairs, pair("details", detailsTerm(t.Details)))
	}
	return ast.ObjectTerm(pairs...)
}

func pair(key string, value *ast.Term) [2]*ast.Term {
	return [2]*ast.Term{ast.InternedTerm(key), value}
}

func numberTerm(n int64) *ast.Term { return ast.NewTerm(ast.Number(strconv.FormatInt(n, 10))) }

// objectTerm and stringsTerm tell absent from empty, as the recorded document does.
func objectTerm[V any](m map[string]V, of func(V) *ast.Term) *ast.Term {
	if m == nil {
		return ast.NullTerm()
	}
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

func (d *document) add(key string, t *ast.Term) {
	d.pairs = append(d.pairs, pair(key, t))
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
	if details, ok := lookup(answer, "details").(ast.Set); ok && details.Len() > 0 {
		d.add("granted_details", ast.ArrayTerm(details.Slice()...))
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
