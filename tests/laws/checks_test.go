package laws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// checkToken holds the answer to a token request against the laws.
func (p *player) checkToken(a *ask, got answer) {
	kind := map[bool]string{false: "own", true: "exchange"}[a.exchange]
	if got.Status != http.StatusOK {
		p.seen[kind+" refused"]++
		p.checkRefusal(a, got)
		return
	}
	p.seen[kind+" granted"]++
	c, err := p.read(got.String("access_token"))
	if err != nil {
		p.must(false, "L1", "the token cannot be read: %v", err)
		return
	}
	p.ledger.owe(got, owed{granted: true, jti: c.ID})
	p.must(got.before <= c.Issued && c.Issued <= got.after, "L2", "issued at %d, asked between %d and %d", c.Issued, got.before, got.after)
	at, ok := p.audience(a, c)
	if !ok {
		return
	}
	p.checkScopes(a, c, at)
	p.checkLife(a, c, at, got)
	p.checkChain(a, c, at)
	p.checkExact(a, c, at)
	if p.broken == nil {
		p.keep(a, c, at, got)
	}
}

// checkRefusal: what is refused must have something against it (L0), and the
// ledger must have it, or its like, under the id that was told (L8).
func (p *player) checkRefusal(a *ask, got answer) {
	p.ledger.owe(got, owed{decision: got.String("decision_id"), failed: a.failed(got), alike: a.alike(got), claimed: a.claimed()})
	p.must(got.String("decision_id") != "" && got.String("access_token") == "", "L8", "refused without a decision id: %s", got.Body)
	refused, why := false, ""
	for _, now := range got.moments() {
		v := p.w.judge(a, now)
		refused = refused || len(v.why) > 0 && v.stranger == (got.Status == http.StatusUnauthorized)
		why = strings.Join(v.why, "; ")
	}
	p.must(refused, "L0", "answered %d %s, but all that stands against it is: %s", got.Status, got.Body, why)
	for _, cause := range []string{"chain of 9", "in the chain", "not entitled", "actor token", "grant type", "does not stand", "is suspended", "house:",
		"the subject token", "the subject", "actor ", "the client", "the service", "subject token is not alive", "no time left", "fit"} {
		if strings.Contains(why, cause) {
			p.seen["refused: "+cause]++
		}
	}
}

// audience is the one service the token names (L1).
func (p *player) audience(a *ask, c *claims) (*service, bool) {
	var name string
	if err := json.Unmarshal(c.Audience, &name); err != nil {
		p.must(false, "L1", "aud is %s, not one string", c.Audience)
		return nil, false
	}
	at := slices.IndexFunc(p.w.services, func(s *service) bool { return s.identifier == name })
	if at < 0 || !p.w.services[at].active() {
		p.must(false, "L1", "audience %s is not registered and active", name)
		return nil, false
	}
	s := p.w.services[at]
	asked := len(a.resources) == 0 || len(a.resources) == 1 && (a.resources[0] == s.id || canonical(a.resources[0]) == name)
	p.must(asked, "L1", "audience %s, where %v was asked for", name, a.resources)
	return s, true
}

// checkScopes is law 1: granted ⊆ requested and what every party has.
func (p *player) checkScopes(a *ask, c *claims, at *service) {
	requested := a.scopes
	if len(requested) == 0 {
		requested = a.client.defaults[at]
	}
	granted := strings.Fields(c.Scope)
	p.must(len(granted) > 0, "L1", "no scope")
	for _, s := range granted {
		r := ref{at, s}
		p.must(at.scope(s) != nil, "L1", "%s defines no %s", at.name, s)
		p.must(slices.Contains(requested, s), "L1", "%s was not requested", s)
		p.must(p.w.holds(a.client, r), "L1", "%s does not hold %s", a.client.name, r)
		if !a.exchange {
			continue
		}
		t := a.subject.token
		if t == nil {
			p.must(false, "L1", "granted for a subject token that is %s", a.subject.what)
			return
		}
		p.must(p.w.holds(t.subject, r), "L1", "the subject %s does not hold %s", t.subject.name, r)
		p.must(reaches(t.at, t.scopes, r), "L1", "the subject token does not reach %s", r)
		for _, actor := range t.chain {
			p.must(p.w.holds(actor, r), "L1", "actor %s does not hold %s", actor.name, r)
		}
	}
}

// checkLife is law 2.
func (p *player) checkLife(a *ask, c *claims, at *service, got answer) {
	life := c.Expires - c.Issued
	p.must(life >= 1, "L2", "a life of %d s", life)
	p.must(got.JSON["expires_in"] == float64(life), "L2", "expires_in is %v of %d", got.JSON["expires_in"], life)
	p.must(life <= at.ttl && life <= a.client.maxTTL, "L2", "a life of %d s, where %s allows %d and %s %d", life, at.name, at.ttl, a.client.name, a.client.maxTTL)
	p.must(c.Expires <= a.client.end(), "L2", "outlives its client")
	if bound, ok := p.w.houseBound(at, strings.Fields(c.Scope)); ok {
		p.must(life <= bound, "L2", "a life of %d s, where house policy allows %d", life, bound)
	}
	if t := a.subject.token; a.exchange && t != nil {
		p.must(c.Expires <= t.exp, "L2", "outlives its parent by %d s", c.Expires-t.exp)
		for _, one := range t.parties() {
			p.must(c.Expires <= one.end(), "L2", "outlives %s, who is in it", one.name)
		}
	}
}

// checkChain is law 3: the chain only grows, and only by who asks.
func (p *player) checkChain(a *ask, c *claims, at *service) {
	chain := c.Act.chain()
	p.must(c.Client == a.client.id, "L3", "issued to %s, asked by %s", c.Client, a.client.id)
	p.must(len(chain) <= at.depth && len(chain) <= ceiling, "L3", "%d actors, where %s allows %d", len(chain), at.name, at.depth)
	p.must(len(distinct(chain)) == len(chain), "L3", "somebody is twice in %v", chain)
	if len(chain) == ceiling {
		p.seen["chain of 8"]++
	}
	if !a.exchange {
		p.must(c.Subject == a.client.id && len(chain) == 0, "L3", "a token of its own is for %s through %v", c.Subject, chain)
		p.must(c.Txn == c.ID, "L3", "begins no transaction of its own")
		return
	}
	t := a.subject.token
	if t == nil {
		return
	}
	var before []string
	for _, one := range t.chain {
		before = append(before, one.id)
	}
	p.must(c.Subject == t.subject.id, "L3", "the subject changed from %s to %s", t.subject.id, c.Subject)
	p.must(len(chain) > 0 && chain[0] == a.client.id, "L3", "%s is not the current actor of %v", a.client.id, chain)
	unchanged := slices.Equal(chain, before) && len(before) > 0 && before[0] == a.client.id
	p.must(unchanged || len(chain) > 0 && slices.Equal(chain[1:], before), "L3", "%v does not continue %v", chain, before)
	p.must(c.Txn == t.txn && c.Grant == t.grant.id, "L3", "belongs to another transaction or grant than its parent")
}

// checkExact compares with the oracle's answer: no less than can be had, and
// nothing that cannot.
func (p *player) checkExact(a *ask, c *claims, at *service) {
	v := p.w.judge(a, c.Issued)
	if len(v.why) > 0 {
		p.must(false, lawOf(v.why), "granted, although: %s", strings.Join(v.why, "; "))
		return
	}
	got := fmt.Sprint(at.name, c.Subject, c.Act.chain(), strings.Fields(c.Scope), c.Expires-c.Issued, c.World)
	ids := []string{}
	for _, one := range v.chain {
		ids = append(ids, one.id)
	}
	want := fmt.Sprint(v.at.name, v.subject.id, ids, v.scopes, v.ttl, p.w.house.claim)
	p.must(got == want, "L0", "granted %s instead of %s", got, want)
}

// lawOf says which law a grant breaks that had this against it.
func lawOf(why []string) string {
	for _, w := range why {
		switch {
		case strings.Contains(w, "alive"), strings.Contains(w, "stand"), strings.Contains(w, "suspended"):
			return "L4"
		case strings.Contains(w, "chain"), strings.Contains(w, "entitled"):
			return "L3"
		}
	}
	return "L0"
}

// keep adds the token to the world.
func (p *player) keep(a *ask, c *claims, at *service, got answer) {
	t := &token{
		raw: got.String("access_token"), id: c.ID, txn: c.Txn, holder: a.client, subject: p.w.client(c.Subject), at: at,
		scopes: strings.Fields(c.Scope), issued: c.Issued, exp: c.Expires,
	}
	for _, id := range c.Act.chain() {
		t.chain = append(t.chain, p.w.client(id))
	}
	if a.exchange {
		t.parent, t.grant = a.subject.token, a.subject.token.grant
	} else {
		if a.client.grant.revoked && a.client.grant.id != c.Grant {
			a.client.grant = &grant{id: c.Grant}
		}
		t.grant = a.client.grant
		p.must(t.grant.id == c.Grant && !t.grant.revoked, "L4", "hangs from grant %s, which is not the client's or has ended", c.Grant)
	}
	p.w.tokens = append(p.w.tokens, t)
}

// introspectSome asks about some token, mostly as the service it is for.
func (p *player) introspectSome() {
	t := p.someToken()
	if t == nil {
		return
	}
	caller := t.at.operator
	if caller == nil || p.chance(25) {
		caller = pick(p, p.w.clients)
	}
	shown := presented{raw: t.raw, token: t}
	if p.chance(12) {
		shown = p.forged(t)
	}
	p.introspect(caller, shown)
}

// introspect asks about a token and checks laws 4 and 9 on the answer.
func (p *player) introspect(caller *client, shown presented) {
	a := &ask{client: caller}
	p.authenticate(a)
	form := url.Values{"token": {shown.raw}}
	got := p.form("/oauth2/introspect", form, p.prove(a, form))
	p.cases++
	p.note("introspect %v %s by %s (%s %s): %d active %v scope %q", shown.token, shown.what, caller.name, a.method, a.spoilt, got.Status, got.JSON["active"], got.String("scope"))
	if got.Status == http.StatusUnauthorized {
		p.checkRefusal(a, got)
		return
	}
	active := got.JSON["active"] == true
	p.ledger.owe(got, owed{granted: active})
	p.must(active || strings.TrimSpace(got.Body) == `{"active":false}`, "L9", "an inactive token is told about: %s", got.Body)
	agreed, want := false, []string(nil)
	for _, now := range got.moments() {
		if !a.proves(now) {
			continue
		}
		want = p.w.sees(caller, shown.token, now)
		agreed = agreed || active == (len(want) > 0) && (!active || got.String("scope") == strings.Join(want, " "))
	}
	law := "L4"
	if shown.token == nil || shown.token.at.operator != caller {
		law = "L9"
	}
	p.must(agreed, law, "%v was introspected by %s as %s; it must show %v", shown.token, caller.name, got.Body, want)
	if active && shown.token != nil {
		t := shown.token
		told := fmt.Sprint(got.String("jti"), got.String("sub"), got.String("client_id"), got.String("aud"), got.JSON["exp"])
		p.must(told == fmt.Sprint(t.id, t.subject.id, t.holder.id, t.at.identifier, float64(t.exp)), "L4", "introspection tells of another token: %s", got.Body)
		p.seen["seen active"]++
	} else {
		p.seen["seen inactive"]++
	}
}

// revokeSome has a client give up a token, which only its holder can.
func (p *player) revokeSome() {
	t := p.someToken()
	if t == nil {
		return
	}
	a := &ask{client: t.holder}
	if p.chance(40) {
		a.client = pick(p, p.w.clients)
	}
	shown := presented{raw: t.raw, token: t}
	if p.chance(15) {
		shown = p.forged(t)
	}
	before := p.living()
	p.authenticate(a)
	form := url.Values{"token": {shown.raw}}
	got := p.form("/oauth2/revoke", form, p.prove(a, form))
	p.cases++
	p.note("revoke %v %s by %s (%s %s): %d", t, shown.what, a.client.name, a.method, a.spoilt, got.Status)
	if got.Status == http.StatusUnauthorized {
		p.checkRefusal(a, got)
		return
	}
	p.must(got.Status == http.StatusOK && got.Body == "", "L9", "revocation answered %d %s", got.Status, got.Body)
	own := shown.token != nil && a.client == t.holder
	p.ledger.owe(got, owed{granted: own})
	if own {
		t.dead = true
		p.seen["revokeOwn"]++
	}
	p.sweep(before)
}

// strangers: an unknown client and a wrong secret are answered alike (L9).
func (p *player) strangers() {
	var told []string
	for _, spoilt := range []string{"nobody", "wrong secret"} {
		a := &ask{client: pick(p, p.w.clients), spoilt: spoilt, method: "basic", credential: &credential{secret: "deputy_sk_x"}}
		form := url.Values{"grant_type": {"client_credentials"}}
		got := p.form("/oauth2/token", form, p.prove(a, form))
		p.cases++
		p.checkRefusal(a, got)
		for _, own := range []string{"Date", "X-Request-Id"} {
			got.Header.Del(own)
		}
		told = append(told, fmt.Sprint(got.Status, got.Header, strings.ReplaceAll(got.Body, got.String("decision_id"), "")))
	}
	p.must(told[0] == told[1], "L9", "an unknown client is told %s, and one with a wrong secret %s", told[0], told[1])
	p.seen["strangers"]++
}

// tell writes a request and its answer into the transcript.
func (a *ask) tell(got answer) string {
	out := fmt.Sprintf("%s by %s (%s %s) resources %v scopes %v", map[bool]string{false: "own", true: "exchange"}[a.exchange], a.client.name, a.method, a.spoilt, a.resources, a.scopes)
	if a.exchange {
		out += fmt.Sprintf(" subject %v %s", a.subject.token, a.subject.what)
		if a.actor != nil {
			out += fmt.Sprintf(" actor token %v %s", a.actor.token, a.actor.what)
		}
	}
	if got.Status == http.StatusOK {
		return fmt.Sprintf("%s: granted %s", out, idOf(got.String("access_token")))
	}
	return fmt.Sprintf("%s: %d %s", out, got.Status, strings.TrimSpace(got.Body))
}
