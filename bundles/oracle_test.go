package bundles

import (
	"maps"
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// oracle says in plain Go what the floor must answer. It reads facts and
// nothing else, and is written from the design, not from the Rego.
type oracle struct {
	in      policies.Input
	client  *policies.Principal
	subject *policies.Principal
	chain   []*policies.Principal // beside token.Chain, nil where unknown
	token   *policies.Token       // the one presented, nil if none
	alone   bool                  // an agent asking for itself
	codes   map[string]bool
}

// verdict is what an answer is compared with.
type verdict struct {
	Codes    []string
	Scopes   []string
	Resource string
	Audience string
	TTL      int64
	Ends     int64
	Subject  string
	Chain    []string
}

func value[T any](f *policies.Fact[T]) *T {
	if f == nil {
		return nil
	}
	return &f.Value
}

func judge(in policies.Input) verdict {
	o := &oracle{
		in: in, client: value(in.Client), subject: value(in.Subject), token: in.Parent,
		alone: in.Action == policies.IssueClientCredentials, codes: map[string]bool{},
	}
	if in.Token != nil {
		o.token = in.Token
	}
	for _, f := range in.Chain {
		o.chain = append(o.chain, value(f))
	}
	var v verdict
	switch policies.Kind(in.Action) {
	case policies.KindIssue:
		v = o.issue()
	case policies.KindIntrospect:
		v = o.introspect()
	case policies.KindAdmin:
		o.admin()
	case policies.KindRevoke:
		o.revoke()
	}
	v.Codes = slices.Sorted(maps.Keys(o.codes))
	return v
}

func (o *oracle) refuse(code string, when bool) {
	if when {
		o.codes[code] = true
	}
}

func (o *oracle) issue() verdict {
	types := map[string]string{
		policies.IssueClientCredentials: "client_credentials",
		policies.IssueTokenExchange:     "urn:ietf:params:oauth:grant-type:token-exchange",
	}
	grantType, known := types[o.in.Action]
	o.refuse("action_unknown", !known)
	o.refuse("grant_type_not_allowed", o.client == nil || !slices.Contains(o.client.GrantTypes, grantType))
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	o.refuse("credential_unknown", o.in.Credential.ID == "" || !slices.Contains(methods, o.in.Credential.Method))
	o.refuse("token_unexpected", o.alone && o.token != nil)

	o.standing()
	if !o.alone {
		o.live()
	}
	audience := o.audience()
	v := verdict{Scopes: o.scopes(audience)}
	v.TTL, v.Ends = o.lifetime(audience)
	v.Subject, v.Chain = o.delegation(audience)
	if audience != nil {
		v.Resource, v.Audience = audience.ID, audience.Identifier
	}
	return v
}

// audience finds the one server the token is for, nil if there is none.
func (o *oracle) audience() *policies.Resource {
	var found *policies.Resource
	switch named := o.in.Request.Resources; {
	case named == nil:
		o.refuse("resource_required", true)
	case len(named) > 1:
		o.refuse("resource_several", true)
	case len(named) == 1:
		for _, f := range o.in.Resources {
			if r := value(f); r != nil && r.Identifier == named[0] {
				found = r
			}
		}
		o.refuse("resource_unknown", found == nil)
	default:
		found = o.onlyFit()
	}
	o.refuse("resource_inactive", found != nil && found.Status != "active")
	return found
}

func (o *oracle) onlyFit() *policies.Resource {
	var fitting []*policies.Resource
	for _, f := range o.in.Resources {
		if r := value(f); r != nil && o.fits(r) {
			fitting = append(fitting, r)
		}
	}
	var found *policies.Resource
	switch {
	case len(fitting) == 1:
		found = fitting[0]
	case len(fitting) == 0 && len(o.in.Resources) == 1:
		found = value(o.in.Resources[0])
	}
	o.refuse("resource_ambiguous", len(fitting) > 1)
	o.refuse("resource_required", found == nil && len(fitting) < 2)
	return found
}

func (o *oracle) fits(r *policies.Resource) bool {
	asked := o.in.Request.Scopes
	if asked == nil || o.client == nil {
		return false
	}
	if len(asked) == 0 {
		return len(o.client.Defaults[r.ID]) > 0
	}
	for _, s := range asked {
		if !defines(r, s) || !holds(o.client.Scopes, r.ID, s) {
			return false
		}
	}
	return true
}

func defines(r *policies.Resource, scope string) bool {
	return slices.Contains([]string{"low", "medium", "high"}, r.Scopes[scope].Risk)
}

func holds(reach map[string]map[string][]string, server, scope string) bool {
	return len(reach[server][scope]) > 0
}

// scopes is the intersection; on the way it names everyone who lacks something.
func (o *oracle) scopes(at *policies.Resource) []string {
	asked := o.in.Request.Scopes
	if asked != nil && len(asked) == 0 && at != nil && o.client != nil {
		asked = o.client.Defaults[at.ID]
	}
	o.refuse("scope_required", len(asked) == 0)
	granted := map[string]bool{}
	for _, s := range asked {
		lacking := len(o.lacking(at, s))
		for _, code := range o.lacking(at, s) {
			o.refuse(code, true)
		}
		if lacking == 0 {
			granted[s] = true
		}
	}
	return slices.Sorted(maps.Keys(granted))
}

func (o *oracle) lacking(at *policies.Resource, scope string) []string {
	if at == nil {
		return []string{"scope_unknown"}
	}
	var codes []string
	lack := func(code string, when bool) {
		if when {
			codes = append(codes, code)
		}
	}
	lack("scope_unknown", !defines(at, scope))
	lack("scope_not_held", o.client == nil || !holds(o.client.Scopes, at.ID, scope))
	if !o.alone {
		lack("scope_not_held", o.subject == nil || !holds(o.subject.Scopes, at.ID, scope))
		lack("scope_not_in_parent", o.in.Parent == nil || !holds(o.in.Parent.Scopes, at.ID, scope))
		noPerson := o.subject != nil && (o.subject.Kind == "agent" || o.subject.Kind == "application")
		lack("scope_not_consented", !noPerson && !o.consented(at, scope))
	}
	if o.in.Parent != nil {
		for i := range o.in.Parent.Chain {
			p := o.actor(i)
			lack("scope_not_held", p == nil || !holds(p.Scopes, at.ID, scope))
		}
	}
	return codes
}

func (o *oracle) consented(at *policies.Resource, scope string) bool {
	c := o.in.Consent
	return c != nil && !c.Revoked && o.ahead(c.ExpiresAt) && c.Scopes[scope] && c.Resource == at.ID &&
		o.subject != nil && c.Subject == o.subject.ID && o.client != nil && c.Client == o.client.ID
}

// delegation says who acts for whom in the new token.
func (o *oracle) delegation(at *policies.Resource) (subject string, chain []string) {
	defer func() {
		deep := at != nil && chain != nil && (len(chain) > at.MaxDepth || len(chain) > policies.Ceiling)
		o.refuse("chain_too_deep", deep)
	}()
	o.refuse("actor_token_foreign", !o.ownActorToken())
	if o.alone {
		if o.client != nil {
			subject = o.client.ID
		}
		return subject, []string{}
	}
	parent := o.in.Parent
	o.refuse("not_entitled", !o.entitled())
	if parent == nil || parent.Chain == nil || o.client == nil {
		o.refuse("chain_unknown", true)
		return "", nil
	}
	chain = parent.Chain
	if len(chain) == 0 || chain[0] != o.client.ID {
		chain = append([]string{o.client.ID}, chain...)
	}
	distinct := map[string]bool{}
	for _, id := range chain {
		distinct[id] = true
	}
	o.refuse("chain_circular", len(distinct) < len(chain))
	return parent.Subject, chain
}

func (o *oracle) entitled() bool {
	p := o.in.Parent
	return p != nil && o.client != nil && (p.Client == o.client.ID || p.Audience.Operator == o.client.ID)
}

func (o *oracle) ownActorToken() bool {
	t := o.in.Request.ActorToken
	if t == nil {
		return true
	}
	return o.client != nil && t.Subject == o.client.ID && t.Client == o.client.ID && t.Problem == "" &&
		t.Chain != nil && len(t.Chain) == 0 && !t.Revoked && o.ahead(t.Expires)
}

// lifetime is the least of everything the token hangs from, and when it ends if
// somebody or something ends before the token has had all it may have.
func (o *oracle) lifetime(at *policies.Resource) (ttl, ends int64) {
	// 0 is how Go leaves out what a client was never given.
	unknown := at == nil || o.client == nil || o.client.MaxTTL == 0 ||
		!o.alone && (o.in.Parent == nil || o.subject == nil)
	o.refuse("lifetime_unknown", unknown)
	if unknown {
		return 0, 0
	}
	left := func(moment int64) int64 { return moment - o.in.Now }
	bounds := []int64{at.TokenTTL, o.client.MaxTTL}
	if asked := o.in.Request.RequestedTTL; asked != 0 {
		bounds = append(bounds, asked)
	}
	most := slices.Min(bounds)
	if o.in.Parent != nil {
		bounds = append(bounds, left(o.in.Parent.Expires), left(o.in.Parent.Grant.ExpiresAt))
	}
	if o.in.Consent != nil {
		bounds = append(bounds, left(o.in.Consent.ExpiresAt))
	}
	for _, p := range slices.Concat(o.chain, []*policies.Principal{o.client, o.subject}) {
		if p == nil {
			continue
		}
		bounds = append(bounds, left(p.ExpiresAt))
		if p.Owner != nil {
			bounds = append(bounds, left(p.Owner.ExpiresAt))
		}
	}
	ttl = slices.Min(bounds)
	o.refuse("lifetime_exhausted", ttl < 1)
	if ttl < most {
		ends = o.in.Now + ttl
	}
	return ttl, ends
}

func (o *oracle) ahead(moment int64) bool { return moment > o.in.Now }
