package bundles

import (
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// claim is what a service says in the place of a token.
func (o *oracle) claim() *policies.Token {
	asked := o.in.Request.Asked
	if o.in.Token != nil || o.in.Parent != nil || asked == nil || asked.Chain == nil || o.in.Request.TokenProblem != "" {
		return o.token
	}
	return &policies.Token{Subject: asked.Subject, Client: asked.Subject, Chain: asked.Chain}
}

// access says what somebody may do at a service.
func (o *oracle) access() verdict {
	in, t := o.in, o.in.Token
	o.token = o.claim()
	o.standing()
	at := o.audience()
	server := ""
	if at != nil {
		server = at.ID
	}
	if o.byToken() {
		said := o.token
		o.token = t
		o.live()
		o.token = said
	}
	asked := in.Request.Asked
	o.refuse("caller_not_operator", at == nil || o.client == nil || at.Operator != o.client.ID)
	o.refuse("resource_unknown", asked == nil || asked.ResourceType != "resource_server")
	o.refuse("resource_required", len(in.Request.Resources) != 1)
	o.refuse("audience_mismatch", t != nil && (at == nil || t.Audience.ID != at.ID))
	o.refuse("subject_mismatch", asked == nil || o.subject == nil || o.subject.ID != asked.Subject || o.subject.Kind != asked.Type)
	named := asked != nil && asked.Chain != nil
	o.refuse("actors_mismatch", t != nil && named && (t.Chain == nil || !slices.Equal(t.Chain, asked.Chain)))
	chain := o.acting()
	once := slices.Compact(slices.Sorted(slices.Values(chain)))
	o.refuse("chain_circular", len(once) < len(chain))
	o.refuse("chain_too_deep", at != nil && chain != nil && len(chain) > at.MaxDepth)
	o.refuse("scope_required", len(in.Request.Scopes) != 1)
	for _, s := range in.Request.Scopes {
		o.accessTo(at, server, s)
	}
	o.accessInDetail(at, server)
	if len(o.codes) > 0 {
		return verdict{Resource: server}
	}
	return verdict{Resource: server, Scopes: in.Request.Scopes}
}

func (o *oracle) byToken() bool { return o.in.Token != nil || o.in.Request.TokenProblem != "" }

func (o *oracle) acting() []string {
	if o.token == nil {
		return nil
	}
	return o.token.Chain
}

// byThemselves: a user is there, and nobody acts for them.
func (o *oracle) byThemselves() bool {
	return !o.byToken() && o.acting() != nil && len(o.acting()) == 0
}

// accessTo names everyone who lacks a scope.
func (o *oracle) accessTo(at *policies.Resource, server, s string) {
	o.refuse("scope_unknown", at == nil || !defines(at, s))
	o.refuse("scope_not_held", o.subject == nil || !holds(o.subject.Scopes, server, s))
	for i := range o.acting() {
		p := o.actor(i)
		o.refuse("scope_not_held", p == nil || !holds(p.Scopes, server, s))
	}
	o.refuse("insufficient_scope", o.in.Token != nil && !slices.Contains(o.in.Token.Own, s))
	agreed := o.agreed(server, s) || o.byThemselves()
	for _, c := range o.agreements() {
		first := len(o.acting()) == 1
		agreed = agreed || first && c.Resource == server && c.Scopes[s] || !first && holds(c.Reach, server, s)
	}
	o.refuse("scope_not_consented", !agreed)
	o.refuse("approval_required", !o.ofNoPerson() && at != nil && at.Scopes[s].Risk == "high" && !o.approved(server, s))
}

// agreements are what the user agreed to for whoever began.
func (o *oracle) agreements() (out []*policies.Consent) {
	chain := o.acting()
	if o.byToken() || len(chain) == 0 || o.subject == nil {
		return nil
	}
	for _, c := range o.in.Consents {
		if !c.Revoked && o.ahead(c.ExpiresAt) && c.RedirectsOK && c.Subject == o.subject.ID && c.Client == chain[len(chain)-1] {
			out = append(out, c)
		}
	}
	return out
}

// accessInDetail bounds what is to be done by what the token says of it, or a consent.
func (o *oracle) accessInDetail(at *policies.Resource, server string) {
	types := map[string]policies.DetailType{}
	if at != nil {
		types = at.Types
	}
	within := func(d policies.Detail, bounds []policies.Detail) bool {
		kind, known := types[kindOf(d)]
		return known && slices.ContainsFunc(bounds, func(by policies.Detail) bool { return covered(kind.Narrow, d, by) })
	}
	var carried, agreed []policies.Detail
	if t := o.in.Token; t != nil && at != nil && t.Audience.ID == at.ID {
		carried = t.Details
	}
	for _, c := range o.agreements() {
		if c.Resource == server {
			carried, agreed = append(carried, c.Details...), append(agreed, c.Details...)
		}
	}
	if c := o.in.Consent; at != nil && o.liveConsent(server) {
		agreed = append(agreed, c.Details...)
	}
	named := o.in.Request.Details
	for _, d := range append(slices.Clone(named), carried...) {
		o.refuse("details_type_unknown", !slices.Contains([]string{"low", "medium", "high"}, types[kindOf(d)].Risk))
	}
	for _, d := range named {
		kind, known := types[kindOf(d)]
		o.refuse("details_scope_missing", known && !slices.Contains(o.in.Request.Scopes, kind.Scope))
		o.refuse("details_not_covered", o.in.Token != nil && !within(d, carried))
		o.refuse("details_not_covered", !o.ofNoPerson() && !o.byThemselves() && !within(d, agreed))
		o.refuse("approval_required", !o.ofNoPerson() && kind.Risk == "high" && !o.approved(server, kind.Scope))
	}
	for _, d := range carried {
		kind, known := types[kindOf(d)]
		o.refuse("details_missing", len(named) == 0 && known && slices.Contains(o.in.Request.Scopes, kind.Scope))
	}
}
