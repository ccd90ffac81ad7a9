package laws

import (
	"fmt"
	"slices"
	"strings"
)

// ceiling is the length no chain exceeds, whatever was configured.
const ceiling = 8

// What follows says what must be answered, in the plainest Go there is: no
// caches, no closures kept, every question walked through anew.

func (c *client) stands(now int64) bool {
	return !c.suspended && !c.gone && now < c.end() && (c.owner == nil || !c.owner.suspended && !c.owner.gone)
}

// end is when the client stops, by its own date or its owner's.
func (c *client) end() int64 {
	if c.owner != nil {
		return min(c.expires, c.owner.expires)
	}
	return c.expires
}

// holds tells whether a role given to the client, or to a group it is in through
// however many others, has the scope.
func (w *world) holds(c *client, r ref) bool {
	return slices.ContainsFunc(w.roles, func(one *role) bool {
		return !one.gone && slices.Contains(one.scopes, r) && slices.ContainsFunc(one.given, func(a assignment) bool {
			return a.principal == c.id || w.contains(a.principal, c.id)
		})
	})
}

func (w *world) contains(groupID, id string) bool {
	for _, g := range w.groups {
		if g.id == groupID {
			return slices.Contains(g.members, id) || slices.ContainsFunc(g.members, func(m string) bool { return w.contains(m, id) })
		}
	}
	return false
}

// reaches tells whether one of the scopes, at a service, leads to another
// scope, by itself or along downstream scopes.
func reaches(at *service, scopes []string, to ref) bool {
	seen := map[ref]bool{}
	var walk func(ref) bool
	walk = func(r ref) bool {
		if r == to {
			return true
		}
		if seen[r] {
			return false
		}
		seen[r] = true
		sc := r.at.scope(r.name)
		return sc != nil && slices.ContainsFunc(sc.down, walk)
	}
	return slices.ContainsFunc(scopes, func(s string) bool { return walk(ref{at, s}) })
}

// revoked tells whether the token, what it was exchanged from, or what they hang
// from was ended.
func (t *token) revoked() bool {
	for a := t; a != nil; a = a.parent {
		if a.dead || a.grant.revoked {
			return true
		}
	}
	return false
}

func (t *token) parties() []*client { return append([]*client{t.subject, t.holder}, t.chain...) }

// alive tells whether the token may still be used by anybody.
func (t *token) alive(now int64) bool {
	return now < t.exp && !t.revoked() && t.at.active() &&
		!slices.ContainsFunc(t.parties(), func(c *client) bool { return !c.stands(now) })
}

// left is what everybody in the token still holds of it.
func (w *world) left(t *token) []string {
	var out []string
	for _, s := range t.scopes {
		r := ref{t.at, s}
		if w.holds(t.subject, r) && !slices.ContainsFunc(t.chain, func(c *client) bool { return !w.holds(c, r) }) {
			out = append(out, s)
		}
	}
	return out
}

// sees tells with which scopes a caller must see a token as active; none, if not.
func (w *world) sees(caller *client, t *token, now int64) []string {
	if t == nil || !caller.stands(now) || t.at.operator != caller || !t.alive(now) || w.house.silences && caller.silent {
		return nil
	}
	return w.left(t)
}

// verdict is what a token request must be answered.
type verdict struct {
	stranger bool     // authentication fails
	why      []string // what stands against it; none: it is granted
	at       *service
	scopes   []string
	subject  *client
	chain    []*client
	ttl      int64
}

func (v *verdict) refuse(when bool, format string, args ...any) {
	if when {
		v.why = append(v.why, fmt.Sprintf(format, args...))
	}
}

// judge answers a token request at a moment.
func (w *world) judge(a *ask, now int64) verdict {
	var v verdict
	if !a.proves(now) {
		return verdict{stranger: true, why: []string{"not authenticated"}}
	}
	c := a.client
	v.refuse(!c.stands(now), "client %s does not stand", c.name)
	v.refuse(a.exchange && !c.mayExchange || !a.exchange && !c.mayOwn, "grant type")
	v.subject, v.chain = c, nil
	if a.exchange {
		w.judgeTokens(&v, a, now)
	}
	v.at = w.target(&v, a)
	v.refuse(v.at != nil && v.at.suspended, "service %s is suspended", nameOfService(v.at))
	if v.at != nil {
		v.refuse(len(v.chain) > v.at.depth || len(v.chain) > ceiling, "chain of %d", len(v.chain))
		w.judgeScopes(&v, a)
		w.judgeLife(&v, a, now)
	}
	return v
}

// judgeTokens is about the subject token, the actor token and the new chain.
func (w *world) judgeTokens(v *verdict, a *ask, now int64) {
	t := a.subject.token
	if a.actor != nil {
		o := a.actor.token
		own := o != nil && o.holder == a.client && o.subject == a.client && len(o.chain) == 0 && !o.revoked() && now < o.exp
		v.refuse(!own, "actor token is not the client's own")
	}
	if t == nil {
		v.refuse(true, "subject token is %s", a.subject.what)
		return
	}
	v.refuse(!t.alive(now), "subject token is not alive")
	v.refuse(t.holder != a.client && t.at.operator != a.client, "not entitled")
	v.subject, v.chain = t.subject, t.chain
	if len(t.chain) == 0 || t.chain[0] != a.client {
		v.refuse(slices.Contains(t.chain, a.client), "%s is in the chain", a.client.name)
		v.chain = append([]*client{a.client}, t.chain...)
	}
}

// target finds the service the token is for.
func (w *world) target(v *verdict, a *ask) *service {
	if len(a.resources) > 1 {
		v.refuse(true, "several resources")
		return nil
	}
	if len(a.resources) == 1 {
		for _, s := range w.services {
			if !s.gone && (s.id == a.resources[0] || s.identifier == canonical(a.resources[0])) {
				return s
			}
		}
		v.refuse(true, "no such resource")
		return nil
	}
	var candidates, fitting []*service
	for _, s := range w.services {
		if s.gone || !slices.ContainsFunc(s.scopes, func(sc *scope) bool { return w.holds(a.client, ref{s, sc.name}) }) {
			continue
		}
		candidates = append(candidates, s)
		unfit := func(name string) bool { return s.scope(name) == nil || !w.holds(a.client, ref{s, name}) }
		if len(a.scopes) > 0 && !slices.ContainsFunc(a.scopes, unfit) || len(a.scopes) == 0 && len(a.client.defaults[s]) > 0 {
			fitting = append(fitting, s)
		}
	}
	switch {
	case len(fitting) == 1:
		return fitting[0]
	case len(fitting) == 0 && len(candidates) == 1:
		return candidates[0]
	}
	v.refuse(true, "%d services fit", len(fitting))
	return nil
}

func (w *world) judgeScopes(v *verdict, a *ask) {
	v.scopes = distinct(a.scopes)
	if len(a.scopes) == 0 {
		v.scopes = distinct(a.client.defaults[v.at])
	}
	v.refuse(len(v.scopes) == 0, "no scope")
	for _, s := range v.scopes {
		for _, lacking := range w.lacking(a, v.at, s) {
			v.refuse(true, "%s: %s", s, lacking)
		}
	}
	h := w.house
	v.refuse(h.freezes && a.client.frozen, "house: frozen")
	v.refuse(h.keeps != "" && a.client.kept && slices.Contains(v.scopes, h.keeps), "house: kept")
	v.refuse(h.noOnward != "" && a.exchange && slices.Contains(v.scopes, h.noOnward), "house: not onward")
	v.refuse(h.consent != "" && slices.Contains(v.scopes, h.consent), "house: consent")
}

// lacking names everybody in the request who does not have the scope.
func (w *world) lacking(a *ask, at *service, scope string) (who []string) {
	r := ref{at, scope}
	lack := func(when bool, name string) {
		if when {
			who = append(who, name)
		}
	}
	lack(at.scope(scope) == nil, "the service")
	lack(!w.holds(a.client, r), "the client")
	if t := a.subject.token; a.exchange && t != nil {
		lack(!w.holds(t.subject, r), "the subject")
		lack(!reaches(t.at, t.scopes, r), "the subject token")
		for _, actor := range t.chain {
			lack(!w.holds(actor, r), "actor "+actor.name)
		}
	}
	return who
}

func (w *world) judgeLife(v *verdict, a *ask, now int64) {
	v.ttl = min(v.at.ttl, a.client.maxTTL, a.client.end()-now)
	if t := a.subject.token; a.exchange && t != nil {
		v.ttl = min(v.ttl, t.exp-now)
		for _, c := range t.parties() {
			v.ttl = min(v.ttl, c.end()-now)
		}
	}
	if bound, ok := w.houseBound(v.at, v.scopes); ok {
		v.ttl = min(v.ttl, bound)
	}
	v.refuse(v.ttl < 1, "no time left")
}

// houseBound is the longest life house policy leaves a token.
func (w *world) houseBound(at *service, scopes []string) (int64, bool) {
	high := slices.ContainsFunc(scopes, func(s string) bool { return at.scope(s) != nil && at.scope(s).high })
	return w.house.highTTL, w.house.highTTL > 0 && high
}

// proves tells whether what the request brings proves its client.
func (a *ask) proves(now int64) bool {
	return a.client != nil && a.spoilt == "" && a.credential != nil && !a.credential.revoked && now < a.credential.expires && !a.client.gone
}

func nameOfService(s *service) string {
	if s == nil {
		return "-"
	}
	return s.name
}

// canonical undoes the spellings under which requests name a service.
func canonical(uri string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(uri, "/"), ":443"))
}

func distinct(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}
