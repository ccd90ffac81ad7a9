package bundles

import (
	"fmt"
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// released is what each scope lets a client see of a user.
func released(scope string) []string {
	return map[string][]string{
		"openid": {"sub"}, "profile": {"name", "preferred_username", "updated_at"}, "email": {"email", "email_verified"}, "groups": {"groups"},
	}[scope]
}

// asked are the scopes of the request. Beside others, offline_access is none where a
// user is asked; and beside openid, what no server defines.
func (o *oracle) asked() []string {
	scopes := o.in.Request.Scopes
	if !o.visit || len(scopes) < 2 {
		return scopes
	}
	connect := slices.Contains(scopes, "openid")
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return s == "offline_access" || connect && s != "openid" && !o.anywhere(s)
	})
}

// anywhere tells whether some server that is known defines a scope.
func (o *oracle) anywhere(s string) bool {
	return slices.ContainsFunc(o.in.Resources, func(f *policies.Fact[policies.Resource]) bool { return value(f) != nil && defines(value(f), s) })
}

// who is the userinfo endpoint, nil if it is not known.
func (o *oracle) who() *policies.Resource {
	for _, f := range o.in.Resources {
		if r := value(f); r != nil && r.ID == openID {
			return r
		}
	}
	return nil
}

// besides is the server that is meant where none is named and a client also, or
// only, asks who the user is.
func (o *oracle) besides() *policies.Resource {
	who := o.who()
	rest := o.asked()
	if who != nil {
		rest = slices.DeleteFunc(slices.Clone(rest), func(s string) bool { _, its := who.Scopes[s]; return its })
		if len(rest) == 0 {
			return who
		}
	}
	others := slices.DeleteFunc(slices.Clone(o.in.Resources), func(f *policies.Fact[policies.Resource]) bool { return who != nil && value(f) == who })
	if len(others) == 0 {
		others = o.in.Resources
	}
	return o.onlyFit(rest, others)
}

// identity is what an ID token says of the user, and for how long.
func (o *oracle) identity(ttl int64) []string {
	var claims []string
	g, signed := o.grant, false
	for _, s := range []string{"openid", "profile", "email", "groups"} {
		if g == nil || !holds(g.Scopes, openID, s) || o.client == nil || !holds(o.client.Scopes, openID, s) || o.subject == nil || !holds(o.subject.Scopes, openID, s) {
			continue
		}
		if asked := o.in.Request.Scopes; asked == nil || len(asked) > 0 && !slices.Contains(asked, s) {
			continue
		}
		if slices.ContainsFunc(o.in.Consents, func(c *policies.Consent) bool {
			return !c.Revoked && o.ahead(c.ExpiresAt) && c.RedirectsOK && c.Subject == o.subject.ID && c.Client == o.client.ID && c.Resource == openID && c.Scopes[s]
		}) {
			claims, signed = append(claims, released(s)...), signed || s == "openid"
		}
	}
	if !signed {
		return nil
	}
	slices.Sort(claims)
	return append(claims, fmt.Sprint("for ", min(300, ttl)))
}

// userinfo says whether whoever carries a token may see who its user is.
func (o *oracle) userinfo() verdict {
	o.standing()
	o.live()
	t := o.in.Token
	o.refuse("subject_not_user", t != nil && (o.subject == nil || o.subject.Kind != "user"))
	o.refuse("insufficient_scope", t == nil || !slices.Contains(t.Own, "openid"))
	if t == nil {
		return verdict{}
	}
	o.refuse("audience_mismatch", t.Audience.ID != openID)
	o.refuse("client_unknown", o.client == nil || o.client.ID != t.Client)
	parties := []*policies.Principal{o.client, o.subject}
	for i := range t.Chain {
		parties = append(parties, o.actor(i))
	}
	var v verdict
	for _, s := range t.Own {
		lacks := func(p *policies.Principal) bool { return p == nil || !holds(p.Scopes, openID, s) }
		if released(s) == nil || t.Chain == nil || slices.ContainsFunc(parties, lacks) || !o.agreed(openID, s) || slices.Contains(v.Scopes, s) {
			continue
		}
		v.Scopes, v.Identity = append(v.Scopes, s), append(v.Identity, released(s)...)
	}
	slices.Sort(v.Scopes)
	slices.Sort(v.Identity)
	o.refuse("nothing_left", slices.Contains(t.Own, "openid") && !slices.Contains(v.Scopes, "openid"))
	return v
}
