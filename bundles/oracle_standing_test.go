package bundles

import (
	"maps"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/policies"
)

// standing looks at everyone who takes part.
func (o *oracle) standing() {
	o.refuse("client_unknown", o.client == nil || o.client.ID == "")
	o.party("client", o.client, o.client != nil && o.answeredFor(o.client))
	if !o.alone && (!o.visit || o.subject != nil) {
		person := o.subject != nil && o.subject.Kind == "user"
		o.party("subject", o.subject, person || o.subject != nil && o.answeredFor(o.subject))
		o.refuse("subject_unknown", !o.subjectKnown())
	}
	if !o.alone && !o.person && !o.visit {
		o.refuse("chain_unknown", o.token == nil || o.token.Chain == nil || len(o.token.Chain) != len(o.chain))
		o.refuse("client_unknown", !o.holderKnown())
	}
	if o.token == nil {
		return
	}
	for i, id := range o.token.Chain {
		p := o.actor(i)
		o.refuse("actor_unknown", p == nil || p.ID != id)
		o.party("actor", p, p != nil && o.answeredFor(p))
	}
}

func (o *oracle) party(role string, p *policies.Principal, answered bool) {
	o.refuse(role+"_inactive", p == nil || p.Status != "active")
	o.refuse(role+"_expired", p == nil || !o.ahead(p.ExpiresAt))
	o.refuse(role+"_owner_inactive", !answered)
}

// actor is the principal that was loaded for a place in the token's chain.
func (o *oracle) actor(place int) *policies.Principal {
	if place >= len(o.chain) {
		return nil
	}
	return o.chain[place]
}

func (o *oracle) answeredFor(client *policies.Principal) bool {
	owner := client.Owner
	switch client.Kind {
	case "application":
		return owner == nil || owner.Status == "active" && o.ahead(owner.ExpiresAt)
	case "agent":
		return owner != nil && owner.Status == "active" && o.ahead(owner.ExpiresAt)
	default:
		return false
	}
}

func (o *oracle) subjectKnown() bool {
	if o.visit {
		return o.subject != nil && o.subject.ID != "" && o.subject.Kind == "user"
	}
	if o.person {
		return o.grant != nil && o.grant.Subject != "" && o.subject != nil && o.subject.ID == o.grant.Subject && o.subject.Kind == "user"
	}
	return o.token != nil && o.token.Subject != "" && o.subject != nil && o.subject.ID == o.token.Subject
}

// holderKnown: whoever carries the token is one of those that were looked at.
func (o *oracle) holderKnown() bool {
	if o.token == nil {
		return false
	}
	holder := o.token.Client
	return o.client != nil && holder == o.client.ID || holder == o.token.Subject || slices.Contains(o.token.Chain, holder)
}

// live looks at the presented token.
func (o *oracle) live() {
	o.refuse("token_unusable", o.token == nil)
	if o.token == nil {
		return
	}
	o.refuse("token_expired", !o.ahead(o.token.Expires))
	o.refuse("token_early", o.token.IssuedAt > o.in.Now+60)
	o.refuse("token_revoked", o.token.Revoked)
	o.refuse("grant_ended", o.token.Grant.Revoked || !o.ahead(o.token.Grant.ExpiresAt))
	o.refuse("token_audience_inactive", o.token.Audience.Status != "active")
}

func (o *oracle) introspect() verdict {
	o.standing()
	o.live()
	t := o.in.Token
	o.refuse("caller_not_audience", t == nil || o.client == nil || t.Audience.Operator != o.client.ID)
	held := map[string]bool{}
	if t != nil && t.Chain != nil {
		for _, s := range t.Own {
			held[s] = true
			for i := range t.Chain {
				p := o.actor(i)
				held[s] = held[s] && p != nil && holds(p.Scopes, t.Audience.ID, s)
			}
			held[s] = held[s] && o.subject != nil && holds(o.subject.Scopes, t.Audience.ID, s) && o.agreed(t.Audience.ID, s)
		}
	}
	shown := o.seen(held)
	maps.DeleteFunc(held, func(_ string, still bool) bool { return !still })
	o.refuse("nothing_left", len(held) == 0)
	return verdict{Scopes: slices.Sorted(maps.Keys(held)), Details: shown}
}

// admin tells for how long a new secret lives, too, if one is made.
func (o *oracle) admin() (ttl int64) {
	o.standing()
	o.live()
	scope := map[string]string{"listClients": "clients:read", "createClient": "clients:write", "rotateOwnCredential": "credentials:own"}[strings.TrimPrefix(o.in.Action, policies.AdminPrefix)]
	o.refuse("operation_unknown", scope == "")
	t := o.in.Token
	if t != nil {
		o.refuse("audience_mismatch", t.Audience.ID != "rsv_deputy")
		o.refuse("client_unknown", o.client == nil || o.client.ID != t.Client)
	}
	parties := []*policies.Principal{o.client, o.subject}
	if t != nil {
		for i := range t.Chain {
			parties = append(parties, o.actor(i))
		}
	}
	o.refuse("authority_unknown", o.in.Request.Scopes == nil)
	rights := map[string]string{"effect:assigns_owner": "owners:assign", "effect:stops_client": "clients:suspend", "effect:stops_user": "users:suspend", "effect:moves_service": "roles:assign"}
	for _, s := range o.in.Request.Scopes {
		if right, ok := rights[s]; ok {
			s = right
		}
		o.refuse("authority_exceeded", t == nil || t.Chain == nil || !slices.Contains(t.Own, s) ||
			!o.agreed("rsv_deputy", s) ||
			slices.ContainsFunc(parties, func(p *policies.Principal) bool { return p == nil || !holds(p.Scopes, "rsv_deputy", s) }))
	}
	if scope == "" {
		return 0
	}
	if n := o.in.Request.Renewal; n != nil && strings.HasSuffix(o.in.Action, ":rotateOwnCredential") {
		o.refuse("renewal_unknown", n.Life <= 0 || n.Life > policies.Never)
		o.refuse("overlap_out_of_bounds", n.Overlap < 60*60 || n.Overlap > 30*24*60*60)
		ttl = n.Life
	}
	alone := t != nil && o.client != nil && t.Subject == o.client.ID && t.Chain != nil && len(t.Chain) == 0
	o.refuse("own_only", scope == "credentials:own" && !alone)
	o.refuse("scope_not_consented", !o.agreed("rsv_deputy", scope))
	o.refuse("insufficient_scope", t == nil || !slices.Contains(t.Own, scope))
	for _, p := range parties {
		o.refuse("scope_not_held", p == nil || !holds(p.Scopes, "rsv_deputy", scope))
	}
	return ttl
}

func (o *oracle) revoke() {
	if o.in.Action == policies.Leaked {
		o.leaked()
		return
	}
	o.refuse("token_unusable", o.token == nil && o.grant == nil)
	o.refuse("authorization_foreign", o.grant != nil && (o.client == nil || o.client.ID != o.grant.Client))
	o.refuse("token_not_own", o.token != nil && (o.client == nil || o.client.ID != o.token.Client))
}

// leaked: it opened something until now.
func (o *oracle) leaked() {
	c, b, a := o.in.Credential, o.in.Object, o.in.Approval
	other := c.ID != "" || b != nil && b.ID != "" && (b.Kind == "session" || b.Kind == "link") ||
		a != nil && (a.State == "approved" && o.ahead(a.Until) || a.State == "pending" && o.ahead(a.ExpiresAt))
	o.refuse("token_unusable", o.token == nil && o.grant == nil && !other)
	t, g := o.token, o.grant
	token := t != nil && !t.Revoked && !t.Grant.Revoked && o.ahead(t.Grant.ExpiresAt) && o.ahead(t.Expires)
	grant := g != nil && !g.Revoked && o.ahead(g.EndsAt)
	o.refuse("leak_over", !token && !grant && !other)
}
