package laws

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/deputyauth/deputy/models"
)

// living is what of this world's tokens may be used now.
func (p *player) living() map[*token]bool {
	out := map[*token]bool{}
	for _, t := range p.w.tokens {
		if t.alive(p.now()) {
			out[t] = true
		}
	}
	return out
}

// sweep looks, after a change, at some of the tokens it ended and some that it
// must not have touched (L4).
func (p *player) sweep(before map[*token]bool) {
	var fallen, untouched []*token
	now := p.living()
	for _, t := range p.w.tokens {
		switch {
		case before[t] && !now[t]:
			fallen = append(fallen, t)
		case now[t]:
			untouched = append(untouched, t)
		}
	}
	for range min(2, len(fallen)) {
		t := pick(p, fallen)
		p.seen["fallen"]++
		for _, s := range p.w.services {
			if s.operator != nil && (s == t.at || p.chance(40)) {
				p.introspect(s.operator, presented{raw: t.raw, token: t})
			}
		}
		if t.at.operator != nil {
			p.exchange(t, t.at.operator)
		}
	}
	for range min(2, len(untouched)) {
		if t := pick(p, untouched); t.at.operator != nil {
			p.seen["untouched"]++
			p.introspect(t.at.operator, presented{raw: t.raw, token: t})
		}
	}
}

// change does one thing an administrator does, and looks at what became of the
// tokens that were there.
func (p *player) change() {
	before := p.living()
	kind := pick(p, kinds)
	if p.chance(35) {
		kind = pick(p, restoring)
	}
	if !kind.apply(p) {
		return
	}
	p.seen[kind.name]++
	if p.broken == nil {
		p.sweep(before)
	}
}

// kind of change: apply makes it through the API and in the world, and reports
// whether there was anything to change.
type kind struct {
	name  string
	apply func(p *player) bool
}

// Written out twice where a change is common.
var kinds = []kind{
	{"suspendClient", suspendClient}, {"suspendClient", suspendClient}, {"suspendUser", suspendUser}, {"suspendService", suspendService},
	{"decommissionClient", decommissionClient}, {"removeUser", removeUser}, {"deleteService", deleteService}, {"deleteScope", deleteScope},
	{"narrowRole", narrowRole}, {"deleteRole", deleteRole}, {"deleteAssignment", deleteAssignment}, {"removeMember", removeMember},
	{"deleteGroup", deleteGroup}, {"revokeCredential", revokeCredential}, {"revokeToken", revokeToken}, {"revokeToken", revokeToken},
	{"revokeGrant", revokeGrant}, {"shortenClient", shortenClient}, {"cutDownstream", cutDownstream}, {"freezeClient", freezeClient},
}

var restoring = []kind{{"restoreClient", restoreClient}, {"restoreUser", restoreUser}, {"restoreService", restoreService}}

// act makes one change; body is nil or becomes JSON.
func (p *player) act(method, path string, body any) bool {
	var sent string
	if body != nil {
		raw, err := json.Marshal(body)
		p.must(err == nil, "L0", "cannot write %v: %v", body, err)
		sent = string(raw)
	}
	p.note("%s %s %s", method, path, sent)
	p.api(method, path, sent)
	return p.broken == nil
}

func choose[T any](p *player, list []*T, fit func(*T) bool) *T {
	return pick(p, slices.DeleteFunc(slices.Clone(list), func(one *T) bool { return !fit(one) }))
}

// someLink is, half the time, somebody from the middle of a living chain.
func (p *player) someLink(fit func(*client) bool) *client {
	long := choose(p, p.w.tokens, func(t *token) bool { return len(t.chain) > 1 && t.alive(p.now()) })
	if long != nil && p.chance(50) {
		return pick(p, long.chain[1:])
	}
	return choose(p, p.w.clients, fit)
}

func suspendClient(p *player) bool {
	c := p.someLink(func(c *client) bool { return !c.suspended && !c.gone })
	if c == nil {
		return false
	}
	c.suspended = true
	return p.act(http.MethodPost, "/clients/"+c.id+"/suspend", nil)
}

func restoreClient(p *player) bool {
	c := choose(p, p.w.clients, func(c *client) bool { return c.suspended && !c.gone })
	if c == nil {
		return false
	}
	c.suspended = false
	return p.act(http.MethodPost, "/clients/"+c.id+"/restore", nil)
}

func decommissionClient(p *player) bool {
	c := choose(p, p.w.clients, func(c *client) bool { return !c.gone })
	if c == nil || !p.chance(30) {
		return false
	}
	c.gone = true
	for _, t := range p.w.tokens {
		if t.grant.id == c.grant.id {
			t.grant.revoked = true
		}
	}
	c.grant.revoked = true
	return p.act(http.MethodDelete, "/clients/"+c.id, nil)
}

func suspendUser(p *player) bool {
	u := choose(p, p.w.users, func(u *user) bool { return !u.suspended && !u.gone })
	if u == nil {
		return false
	}
	u.suspended = true
	return p.act(http.MethodPost, "/users/"+u.id+"/suspend", nil)
}

func restoreUser(p *player) bool {
	u := choose(p, p.w.users, func(u *user) bool { return u.suspended && !u.gone })
	if u == nil {
		return false
	}
	u.suspended = false
	return p.act(http.MethodPost, "/users/"+u.id+"/restore", nil)
}

func removeUser(p *player) bool {
	u := choose(p, p.w.users, func(u *user) bool { return !u.gone })
	if u == nil || !p.chance(30) {
		return false
	}
	u.gone = true
	return p.act(http.MethodDelete, "/users/"+u.id, nil)
}

func suspendService(p *player) bool {
	s := choose(p, p.w.services, (*service).active)
	if s == nil {
		return false
	}
	s.suspended = true
	return p.act(http.MethodPatch, "/resource-servers/"+s.id, map[string]any{"status": "suspended"})
}

func restoreService(p *player) bool {
	s := choose(p, p.w.services, func(s *service) bool { return s.suspended && !s.gone })
	if s == nil {
		return false
	}
	s.suspended = false
	return p.act(http.MethodPatch, "/resource-servers/"+s.id, map[string]any{"status": "active"})
}

func deleteService(p *player) bool {
	s := choose(p, p.w.services, func(s *service) bool { return !s.gone })
	if s == nil || !p.chance(40) {
		return false
	}
	for _, sc := range slices.Clone(s.scopes) {
		p.w.forget(ref{s, sc.name})
	}
	s.gone = true
	return p.act(http.MethodDelete, "/resource-servers/"+s.id, nil)
}

func deleteScope(p *player) bool {
	s := choose(p, p.w.services, func(s *service) bool { return !s.gone && len(s.scopes) > 0 })
	if s == nil {
		return false
	}
	sc := pick(p, s.scopes)
	p.w.forget(ref{s, sc.name})
	return p.act(http.MethodDelete, "/resource-servers/"+s.id+"/scopes/"+sc.name, nil)
}

// forget takes a scope out of the world: nobody holds it, nothing leads to it.
func (w *world) forget(gone ref) {
	is := func(r ref) bool { return r == gone }
	for _, r := range w.roles {
		r.scopes = slices.DeleteFunc(r.scopes, is)
	}
	for _, s := range w.services {
		for _, sc := range s.scopes {
			sc.down = slices.DeleteFunc(sc.down, is)
		}
	}
	gone.at.scopes = slices.DeleteFunc(gone.at.scopes, func(sc *scope) bool { return sc.name == gone.name })
}

func refsOf(list []ref) []models.ScopeRef {
	out := []models.ScopeRef{}
	for _, r := range list {
		out = append(out, models.ScopeRef{ResourceID: r.at.id, Name: r.name})
	}
	return out
}

func narrowRole(p *player) bool {
	r := choose(p, p.w.roles, func(r *role) bool { return !r.gone && len(r.scopes) > 0 })
	if r == nil {
		return false
	}
	r.scopes = slices.DeleteFunc(r.scopes, func(ref) bool { return p.chance(30) })
	return p.act(http.MethodPatch, "/roles/"+r.id, map[string]any{"scopes": refsOf(r.scopes)})
}

func deleteRole(p *player) bool {
	r := choose(p, p.w.roles, func(r *role) bool { return !r.gone })
	if r == nil || !p.chance(40) {
		return false
	}
	r.gone = true
	return p.act(http.MethodDelete, "/roles/"+r.id, nil)
}

func deleteAssignment(p *player) bool {
	r := choose(p, p.w.roles, func(r *role) bool { return !r.gone && len(r.given) > 0 })
	if r == nil {
		return false
	}
	at := p.r.IntN(len(r.given))
	one := r.given[at]
	r.given = slices.Delete(r.given, at, at+1)
	return p.act(http.MethodDelete, "/assignments/"+one.id, nil)
}

func removeMember(p *player) bool {
	g := choose(p, p.w.groups, func(g *group) bool { return len(g.members) > 0 })
	if g == nil {
		return false
	}
	at := p.r.IntN(len(g.members))
	one := g.members[at]
	g.members = slices.Delete(g.members, at, at+1)
	return p.act(http.MethodDelete, "/groups/"+g.id+"/members/"+one, nil)
}

func deleteGroup(p *player) bool {
	g := pick(p, p.w.groups)
	if g == nil || !p.chance(40) {
		return false
	}
	p.w.groups = slices.DeleteFunc(p.w.groups, func(other *group) bool { return other == g })
	for _, other := range p.w.groups {
		other.members = slices.DeleteFunc(other.members, func(m string) bool { return m == g.id })
	}
	for _, r := range p.w.roles {
		r.given = slices.DeleteFunc(r.given, func(a assignment) bool { return a.principal == g.id })
	}
	return p.act(http.MethodDelete, "/groups/"+g.id, nil)
}

func revokeCredential(p *player) bool {
	c := pick(p, p.w.clients)
	one := pick(p, c.credentials)
	one.revoked = true
	return p.act(http.MethodDelete, "/clients/"+c.id+"/credentials/"+one.id, nil)
}

func revokeToken(p *player) bool {
	t := choose(p, p.w.tokens, func(t *token) bool { return t.alive(p.now()) })
	if t == nil {
		return false
	}
	t.dead = true
	return p.act(http.MethodPost, "/tokens/"+t.id+"/revoke", nil)
}

func revokeGrant(p *player) bool {
	t := choose(p, p.w.tokens, func(t *token) bool { return !t.grant.revoked })
	if t == nil {
		return false
	}
	t.grant.revoked = true
	return p.act(http.MethodPost, "/grants/"+t.grant.id+"/revoke", nil)
}

// shortenClient moves a client's end close.
func shortenClient(p *player) bool {
	c := p.someLink(func(c *client) bool { return !c.gone })
	if c == nil {
		return false
	}
	c.expires = p.now() + int64(20+p.r.IntN(600))
	return p.act(http.MethodPatch, "/clients/"+c.id, map[string]any{"expires_at": time.Unix(c.expires, 0).UTC().Format(time.RFC3339)})
}

func freezeClient(p *player) bool {
	c := choose(p, p.w.clients, func(c *client) bool { return !c.gone && !c.frozen })
	if c == nil {
		return false
	}
	c.frozen = true
	return p.act(http.MethodPatch, "/clients/"+c.id, map[string]any{"labels": map[string]any{"frozen": "true"}})
}

// cutDownstream lets a scope lead nowhere any more.
func cutDownstream(p *player) bool {
	s := choose(p, p.w.services, func(s *service) bool { return !s.gone && len(s.scopes) > 0 })
	if s == nil {
		return false
	}
	sc := pick(p, s.scopes)
	sc.down = nil
	risk := map[bool]string{false: models.RiskLow, true: models.RiskHigh}[sc.high]
	return p.act(http.MethodPut, "/resource-servers/"+s.id+"/scopes/"+sc.name, map[string]any{"risk": risk, "downstream": []string{}})
}
