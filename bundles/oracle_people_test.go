package bundles

import (
	"cmp"
	"maps"
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// authorize says whether a client may ask a user, and about what.
func (o *oracle) authorize() verdict {
	o.standing()
	o.refuse("grant_type_not_allowed", o.client == nil || !slices.Contains(o.client.GrantTypes, o.grantType()))
	visit := cmp.Or(o.in.Request.Visit, &policies.Visit{PKCE: "missing"})
	o.refuse("redirect_unknown", !o.away && !visit.RedirectOK)
	o.refuse("pkce_required", !o.away && visit.PKCE != "ok")
	if o.away {
		o.elsewhere()
	}
	v := verdict{SignIn: o.signIn(visit)}
	offers := o.offers(o.chosen())
	o.inquiries = o.askedDetails(o.chosen(), offers)
	open := map[string]bool{}
	for pair, state := range offers {
		v.Offers = append(v.Offers, pair+" "+state)
		if state != "greyed" {
			open[pair] = true
		}
		if state == "granted" && !o.answers() {
			v.Grants = append(v.Grants, pair)
		}
	}
	var details []inquiry
	if !o.answers() {
		v.Grants, details = o.allowed(v.Grants)
	}
	if o.risky(offers) && !o.fresh(visit) {
		v.SignIn = append(v.SignIn, "risk")
		slices.Sort(v.SignIn)
	}
	if o.in.Action == policies.AskApproval {
		v.SignIn = nil
	}
	o.refuse("nothing_to_offer", len(v.SignIn) == 0 && len(open) == 0 && o.subject != nil)
	v.Until = o.until()
	v.Ask = policies.AskNothing
	if slices.Contains(visit.Prompt, "consent") || slices.Contains(slices.Collect(maps.Values(offers)), "offered") ||
		slices.ContainsFunc(o.inquiries, func(a inquiry) bool { return a.state == "offered" }) {
		v.Ask = policies.AskConsent
	}
	if o.answers() {
		v.Ask = policies.AskNothing
		details = o.answer(&v, open)
	}
	if len(v.SignIn) > 0 {
		v.Ask = policies.AskSignIn
	}
	v.Once = o.once(v.Grants, details)
	v.Details = o.told(details)
	silent := slices.Contains(visit.Prompt, "none")
	o.refuse("login_required", v.Ask == policies.AskSignIn && (silent || o.answers()))
	o.refuse("consent_required", v.Ask == policies.AskConsent && silent)
	slices.Sort(v.Offers)
	slices.Sort(v.Grants)
	return v
}

// answer is what the user ticked: all of it must be open to them.
func (o *oracle) answer(v *verdict, open map[string]bool) []inquiry {
	a := cmp.Or(o.in.Request.Answer, &policies.Answer{})
	var ticked []string
	for _, g := range a.Scopes {
		ticked = append(ticked, g.Resource+" "+g.Scope)
	}
	scopes, details := o.allowed(ticked)
	for _, pair := range scopes {
		o.refuse("scope_not_offered", !open[pair])
		if !slices.Contains(v.Grants, pair) {
			v.Grants = append(v.Grants, pair)
		}
	}
	o.refuse("nothing_ticked", len(v.Grants) == 0)
	o.refuse("until_out_of_bounds", !o.ahead(a.Until) || a.Until > v.Until)
	v.Until = a.Until
	if o.tickedRisk() {
		v.Until = min(a.Until, o.in.Now+3600)
	}
	return details
}

// signIn lists why the user must sign in, or do so again.
func (o *oracle) signIn(visit *policies.Visit) (why []string) {
	s := o.in.Session
	anew := o.anew(visit)
	weak := o.weak(visit.ACRValues)
	if a := o.in.Approval; a != nil {
		weak = weak || o.weak(a.ACRValues)
	}
	o.refuse("acr_unmet", weak && anew)
	if weak && !anew {
		why = append(why, "acr")
	}
	if visit.MaxAge != nil && !anew && (s == nil || s.AuthTime < o.in.Now-*visit.MaxAge) {
		why = append(why, "max_age")
	}
	if s == nil || o.subject == nil {
		why = append(why, "nobody")
	}
	if !anew && (slices.Contains(visit.Prompt, "login") || slices.Contains(visit.Prompt, "select_account")) {
		why = append(why, "prompt")
	}
	other := visit.Subject != "" && (o.subject == nil || o.subject.ID != visit.Subject)
	o.refuse("login_required", other && anew)
	if other && !anew {
		why = append(why, "subject")
	}
	return why
}

// chosen are the servers it is about: one or several, and the userinfo endpoint
// whenever a client asks who the user is.
func (o *oracle) chosen() (out []*policies.Resource) {
	out = o.meant()
	who := o.who()
	if who == nil || !slices.Contains(o.asked(), "openid") || slices.ContainsFunc(out, func(r *policies.Resource) bool { return r.ID == who.ID }) {
		return out
	}
	o.refuse("resource_inactive", who.Status != "active")
	return append(out, who)
}

func (o *oracle) meant() (out []*policies.Resource) {
	named := o.in.Request.Resources
	if found := o.audience(); len(named) < 2 {
		if found != nil {
			out = append(out, found)
		}
		return out
	}
	delete(o.codes, "resource_several")
	known := map[string]bool{}
	for _, f := range o.in.Resources {
		if r := value(f); r != nil && slices.Contains(named, r.Identifier) {
			known[r.Identifier] = true
			o.refuse("resource_inactive", r.Status != "active")
			out = append(out, r)
		}
	}
	o.refuse("resource_unknown", slices.ContainsFunc(named, func(uri string) bool { return !known[uri] }))
	return out
}

// offers are the states of what is asked for, by resource server and scope.
func (o *oracle) offers(at []*policies.Resource) map[string]string {
	out, defined := map[string]string{}, map[string]bool{}
	for _, r := range at {
		asked := o.asked()
		if asked != nil && len(asked) == 0 && o.client != nil {
			asked = o.client.Defaults[r.ID]
		}
		for _, s := range asked {
			if defines(r, s) {
				out[r.ID+" "+s], defined[s] = o.state(r, s), true
			}
		}
	}
	for _, s := range o.asked() {
		o.refuse("scope_unknown", !defined[s])
	}
	o.refuse("scope_required", len(o.in.Request.Scopes) == 0 && len(out) == 0)
	return out
}

func (o *oracle) state(r *policies.Resource, s string) string {
	if o.client == nil || !holds(o.client.Scopes, r.ID, s) || o.subject == nil || !o.machine() && !holds(o.subject.Scopes, r.ID, s) || r.Scopes[s].Risk == "high" && o.fromDevice() {
		return "greyed"
	}
	for _, c := range o.in.Consents {
		if o.away || r.Scopes[s].Risk == "high" || c.Approval != "" {
			continue
		}
		if !c.Revoked && o.ahead(c.ExpiresAt) && c.RedirectsOK && c.Subject == o.subject.ID && c.Client == o.client.ID && c.Resource == r.ID && c.Scopes[s] {
			return "granted"
		}
	}
	return "offered"
}

// until is the last end a consent may have: a year, a day if it is for one request, an hour if it is for a machine's, or somebody's own end.
func (o *oracle) until() int64 {
	ends := []int64{o.in.Now + 365*24*3600}
	if o.away {
		ends[0] = o.in.Now + 24*3600
	}
	if o.machine() {
		ends[0] = o.in.Now + 3600
	}
	for _, p := range []*policies.Principal{o.client, o.subject} {
		if p != nil {
			ends = append(ends, p.ExpiresAt)
		}
	}
	if o.client != nil && o.client.Owner != nil {
		ends = append(ends, o.client.Owner.ExpiresAt)
	}
	return slices.Min(ends)
}
