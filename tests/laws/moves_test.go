package laws

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/deputyauth/deputy/tests/harness"
)

// ask is one token request before it is sent.
type ask struct {
	client     *client // nil if nobody by that name exists
	credential *credential
	method     string // how it authenticates
	spoilt     string // what is wrong with how it authenticates, "" if nothing
	plain      bool   // authenticates well, and is sent as it is
	exchange   bool
	resources  []string
	scopes     []string
	subject    presented
	actor      *presented
}

// presented is a token as somebody hands it in.
type presented struct {
	raw   string
	token *token // nil if Deputy never issued this
	what  string // what it is, if so
}

func secondsOf(n int) time.Duration { return time.Duration(n) * time.Second }

func pick[T any](p *player, list []T) (one T) {
	if len(list) > 0 {
		one = list[p.r.IntN(len(list))]
	}
	return one
}

func (p *player) chance(percent int) bool { return p.r.IntN(100) < percent }

func (p *player) now() int64 { return p.s.Clock.Now().Unix() }

// someClient is mostly one that stands.
func (p *player) someClient() *client {
	c := pick(p, p.w.clients)
	for range 3 {
		if !c.stands(p.now()) && p.chance(80) {
			c = pick(p, p.w.clients)
		}
	}
	return c
}

// askOwn asks for a token of the client's own, mostly one it can have.
func (p *player) askOwn() {
	c := p.someClient()
	a := &ask{client: c}
	p.aimNear(a)
	p.request(a)
}

// askExchange trades some token, mostly one the client is entitled to, and
// mostly where that leads somewhere.
func (p *player) askExchange() {
	var t *token
	var c *client
	for range 4 {
		if t = p.someToken(); t == nil {
			p.askOwn()
			return
		}
		c = t.at.operator
		if n := p.r.IntN(100); c == nil || n < 12 {
			c = t.holder
		} else if n < 22 {
			c = p.someClient()
		}
		if could, _ := p.within(&ask{client: c, exchange: true, subject: presented{token: t}}); len(could) > 0 || p.chance(10) {
			break
		}
	}
	p.exchange(t, c)
}

// climb hands a token from agent to agent until nobody may be added, and tries
// once more.
func (p *player) climb() {
	c := p.w.clients[0]
	a := &ask{client: c, plain: true, resources: []string{p.w.services[1].identifier}, scopes: []string{"do:0"}}
	p.request(a)
	for i := range ceiling + 1 {
		if len(p.w.tokens) != i+1 || p.broken != nil {
			return
		}
		t := p.w.tokens[i]
		p.request(&ask{
			client: t.at.operator, exchange: true, plain: true, subject: presented{raw: t.raw, token: t},
			resources: []string{p.w.services[(i+2)%len(p.w.services)].identifier}, scopes: []string{"do:0"},
		})
	}
}

// exchange trades a token as a client; what is presented may be spoilt.
func (p *player) exchange(t *token, c *client) {
	a := &ask{client: c, exchange: true, subject: presented{raw: t.raw, token: t}}
	if p.chance(7) {
		a.subject = p.forged(t)
	}
	if p.chance(10) {
		a.actor = p.someActorToken(c)
	}
	p.aimNear(a)
	p.request(a)
}

// within finds what all parties of a request have, and what a single one lacks.
func (p *player) within(a *ask) (could, near []ref) {
	for _, s := range p.w.services {
		for _, sc := range s.scopes {
			switch r := (ref{s, sc.name}); {
			case !s.active() && p.chance(80):
			case len(p.w.lacking(a, s, sc.name)) == 0:
				could = append(could, r)
			case len(p.w.lacking(a, s, sc.name)) == 1:
				near = append(near, r)
			}
		}
	}
	return could, near
}

// aimNear asks for what can be granted, and now and then for what a single party
// keeps it from: the one whom policy must not overlook.
func (p *player) aimNear(a *ask) {
	could, near := p.within(a)
	if len(near) == 0 || p.chance(80) {
		p.aim(a, could)
		return
	}
	r := pick(p, near)
	a.resources, a.scopes = []string{r.at.identifier}, []string{r.name}
	p.seen["near miss"]++
}

// someToken is one of this world's, mostly alive, often with a long chain.
func (p *player) someToken() *token {
	var live []*token
	for _, t := range p.w.tokens {
		if t.alive(p.now()) {
			live = append(live, t)
		}
	}
	if len(live) == 0 || p.chance(15) {
		return pick(p, p.w.tokens)
	}
	if p.chance(50) {
		return slices.MaxFunc(live, func(a, b *token) int { return len(a.chain) - len(b.chain) })
	}
	return pick(p, live)
}

func (p *player) someActorToken(c *client) *presented {
	own := func(t *token) bool { return t.holder == c && len(t.chain) == 0 }
	at := slices.IndexFunc(p.w.tokens, func(t *token) bool { return own(t) && t.alive(p.now()) })
	if at >= 0 && p.chance(60) {
		return &presented{raw: p.w.tokens[at].raw, token: p.w.tokens[at]}
	}
	if t := pick(p, p.w.tokens); t != nil && p.chance(70) {
		return &presented{raw: t.raw, token: t}
	}
	return &presented{raw: "not.a.token", what: "nonsense"}
}

// aim chooses what a request asks for among what could be granted, and now and
// then more, nothing, several, or something else altogether.
func (p *player) aim(a *ask, could []ref) {
	at := pick(p, p.w.services)
	if len(could) > 0 {
		at = pick(p, could).at
	}
	for _, r := range could {
		if r.at == at && p.chance(60) {
			a.scopes = append(a.scopes, r.name)
		}
	}
	if len(a.scopes) == 0 && len(could) > 0 {
		a.scopes = []string{could[slices.IndexFunc(could, func(r ref) bool { return r.at == at })].name}
	}
	a.resources = []string{at.identifier}
	switch p.r.IntN(24) {
	case 0, 1: // more
		if sc := pick(p, at.scopes); sc != nil && !slices.Contains(a.scopes, sc.name) {
			a.scopes = append(a.scopes, sc.name)
		}
	case 2:
		a.scopes = append(a.scopes, "never:defined")
	case 3: // what the client was set up with
		a.scopes = nil
	case 4, 5: // whichever fits
		a.resources = nil
	case 6:
		a.scopes, a.resources = nil, nil
	case 7:
		if other := pick(p, p.w.services); other != at {
			a.resources = append(a.resources, other.identifier)
		}
	case 8:
		a.resources = []string{pick(p, []string{"https://nowhere.example", "nonsense", at.identifier + "#part", at.identifier + ".", "rsv_0"})}
	case 9:
		a.resources = []string{pick(p, p.w.services).identifier}
	case 10:
		a.resources = []string{pick(p, []string{at.id, "HTTPS" + strings.TrimPrefix(at.identifier, "https"), at.identifier + ":443/"})}
	}
}

// request makes a token request.
func (p *player) request(a *ask) {
	p.authenticate(a)
	p.asked = append(p.asked, a)
	p.submit(a)
}

// submit sends a token request and checks the answer.
func (p *player) submit(a *ask) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(a.scopes, " ")}, "resource": a.resources}
	if a.exchange {
		form.Set("grant_type", harness.ExchangeGrant)
		form.Set("subject_token", a.subject.raw)
		form.Set("subject_token_type", harness.TokenType)
		if a.actor != nil {
			form.Set("actor_token", a.actor.raw)
			form.Set("actor_token_type", harness.TokenType)
		}
	}
	if len(a.resources) == 1 && p.chance(10) { // RFC 8693 calls it otherwise
		form.Set("audience", a.resources[0])
	}
	got := p.form("/oauth2/token", form, p.prove(a, form))
	p.cases++
	p.note("token %s", a.tell(got))
	p.checkToken(a, got)
}

// authenticate chooses how the client authenticates, mostly well.
func (p *player) authenticate(a *ask) {
	if a.plain {
		a.credential, a.method = a.client.credentials[0], "basic"
		return
	}
	live := func(c *credential) bool { return !c.revoked && p.now() < c.expires }
	if a.credential = choose(p, a.client.credentials, live); a.credential == nil || p.chance(3) {
		a.credential = pick(p, a.client.credentials)
	}
	a.method = pick(p, []string{"basic", "post"})
	if a.credential.key != nil {
		a.method = "assertion"
	}
	if p.chance(96) {
		return
	}
	a.spoilt = pick(p, []string{"wrong secret", "another's secret", "nobody"})
	if a.method == "assertion" {
		a.spoilt = pick(p, []string{"another's key", "expired assertion", "for another audience"})
	}
}

// claimed is the client id that the request names.
func (a *ask) claimed() string {
	if a.spoilt == "nobody" {
		return "agt_0000000000000000000000000"
	}
	return a.client.id
}

// prove writes the client's proof into the request.
func (p *player) prove(a *ask, form url.Values) func(*http.Request) {
	id, secret := a.client.id, a.credential.secret
	switch a.spoilt {
	case "wrong secret":
		secret = "deputy_sk_" + rand.Text()
	case "another's secret":
		if other := pick(p, p.w.clients); other != a.client {
			secret = other.credentials[0].secret
		} else {
			secret += "x"
		}
	case "nobody":
		id = a.claimed()
	}
	switch a.method {
	case "basic":
		return func(r *http.Request) { r.SetBasicAuth(id, secret) }
	case "post":
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	default:
		form.Set("client_assertion_type", harness.AssertionType)
		form.Set("client_assertion", p.assertion(a))
	}
	return nil
}

// assertion signs an assertion, spoilt if the request says so.
func (p *player) assertion(a *ask) string {
	now := p.s.Clock.Now()
	claims := jwt.MapClaims{
		"iss": a.client.id, "sub": a.client.id, "aud": p.s.URL, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	key := a.credential.key
	switch a.spoilt {
	case "another's key":
		key = p.stranger
	case "expired assertion":
		claims["iat"], claims["exp"] = now.Unix()-300, now.Unix()-120
	case "for another audience":
		claims["aud"] = "https://elsewhere.example"
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["typ"], t.Header["kid"] = "client-authentication+jwt", "k1"
	signed, err := t.SignedString(key)
	p.must(err == nil, "L0", "cannot sign: %v", err)
	return signed
}
