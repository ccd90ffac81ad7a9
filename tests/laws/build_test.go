package laws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"testing/fstest"

	"github.com/go-jose/go-jose/v4"

	"github.com/deputyauth/deputy/models"
)

var by = models.By{System: "test"}

// never is when what does not expire does.
const never = models.Never

// builder makes up a world and sets it up in the store as it goes.
type builder struct {
	p   *player
	r   *mathrand.Rand
	w   *world
	now int64
	err error
}

// newWorld makes up the next world. Its house policy serves from here on.
func (p *player) newWorld(number int) error {
	b := &builder{p: p, r: p.r, now: p.s.Clock.Now().Unix(), w: &world{number: number, wide: number%3 == 0}}
	p.w = b.w
	b.people()
	b.services()
	b.roles()
	b.housePolicy()
	return b.err
}

func (b *builder) chance(percent int) bool { return b.r.IntN(100) < percent }

// between is a number from low to high, both included.
func (b *builder) between(low, high int) int { return low + b.r.IntN(high-low+1) }

func (b *builder) do(what string, fn func(ctx context.Context, st *models.Store) error) {
	if b.err != nil {
		return
	}
	if err := fn(context.Background(), b.p.s.Store); err != nil {
		b.err = fmt.Errorf("set up %s: %w", what, err)
	}
}

// name is unique on the server, where many worlds live one after the other.
func (b *builder) name(kind string, i int) string {
	return fmt.Sprintf("w%d-%s%d", b.w.number, kind, i)
}

// soon is an end within a few clock moves, or none for a while.
func (b *builder) soon(percent int, otherwise int64) int64 {
	if !b.w.wide && b.chance(percent) {
		return b.now + int64(b.between(60, 3000))
	}
	return otherwise
}

func (b *builder) people() {
	for i := range b.between(2, 4) {
		u := &user{name: b.name("user", i), expires: b.soon(30, never)}
		row := &models.User{Username: u.name, ExpiresAt: u.expires}
		b.do("user", func(ctx context.Context, st *models.Store) error { return st.CreateUser(ctx, by, row) })
		u.id = row.ID
		b.w.users = append(b.w.users, u)
	}
	n := b.between(4, 9)
	if b.w.wide {
		n = 11
	}
	for i := range n {
		b.client(i)
	}
	for i := range b.between(1, 3) {
		b.group(i)
	}
}

func (b *builder) client(i int) {
	c := &client{
		name: b.name("client", i), agent: b.chance(75), expires: b.soon(20, b.now+90*86400), defaults: map[*service][]string{},
		mayOwn: b.w.wide || b.chance(92), mayExchange: b.w.wide || b.chance(92), maxTTL: []int64{45, 300, 3600, 86400}[b.r.IntN(4)],
		frozen: !b.w.wide && b.chance(12), kept: b.chance(25), silent: b.chance(15),
	}
	if b.w.wide {
		c.maxTTL = 86400
	}
	kind := models.KindApplication
	if c.agent {
		kind = models.KindAgent
	}
	if c.agent || b.chance(50) {
		c.owner = b.w.users[b.r.IntN(len(b.w.users))]
	}
	row := &models.Client{Kind: kind, Name: c.name, Sponsor: "The law", ExpiresAt: c.expires, MaxTTL: c.maxTTL, GrantTypes: []string{}, Labels: models.Labels{}}
	if c.owner != nil {
		row.OwnerID = &c.owner.id
	}
	if c.mayOwn {
		row.GrantTypes = append(row.GrantTypes, "client_credentials")
	}
	if c.mayExchange {
		row.GrantTypes = append(row.GrantTypes, "urn:ietf:params:oauth:grant-type:token-exchange")
	}
	for label, set := range map[string]bool{"frozen": c.frozen, "kept": c.kept, "silent": c.silent} {
		if set {
			row.Labels[label] = "true"
		}
	}
	b.do("client", func(ctx context.Context, st *models.Store) error { return st.CreateClient(ctx, by, row) })
	c.id, c.grant = row.ID, &grant{id: row.SelfGrantID}
	b.secret(c, never)
	if b.chance(30) {
		b.secret(c, b.now+int64(b.between(30, 1500)))
	}
	if b.chance(40) {
		b.key(c)
	}
	b.w.clients = append(b.w.clients, c)
}

func (b *builder) secret(c *client, expires int64) {
	one := &credential{expires: expires}
	row := &models.Credential{ClientID: c.id, Kind: models.CredentialSecret, ExpiresAt: expires}
	b.do("secret", func(ctx context.Context, st *models.Store) (err error) {
		one.secret, err = st.CreateCredential(ctx, by, row)
		return err
	})
	one.id = row.ID
	c.credentials = append(c.credentials, one)
}

func (b *builder) key(c *client) {
	one := &credential{expires: never}
	b.do("key", func(ctx context.Context, st *models.Store) (err error) {
		if one.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
		jwk, err := json.Marshal(jose.JSONWebKey{Key: one.key.Public(), Algorithm: "ES256", KeyID: "k1", Use: "sig"})
		if err != nil {
			return err
		}
		row := &models.Credential{ClientID: c.id, Kind: models.CredentialKey, PublicJWK: string(jwk)}
		_, err = st.CreateCredential(ctx, by, row)
		one.id = row.ID
		return err
	})
	c.credentials = append(c.credentials, one)
}

// group makes a group of clients, and sometimes of the groups before it.
func (b *builder) group(i int) {
	g := &group{name: b.name("group", i)}
	row := &models.Group{Name: g.name}
	b.do("group", func(ctx context.Context, st *models.Store) error { return st.CreateGroup(ctx, by, row) })
	g.id = row.ID
	for _, c := range b.w.clients {
		if b.chance(30) {
			g.members = append(g.members, c.id)
		}
	}
	for _, inner := range b.w.groups {
		if b.chance(60) {
			g.members = append(g.members, inner.id)
		}
	}
	for _, m := range g.members {
		b.do("member", func(ctx context.Context, st *models.Store) error { return st.AddGroupMember(ctx, by, g.id, m) })
	}
	b.w.groups = append(b.w.groups, g)
}

func (b *builder) services() {
	n := b.between(4, 8)
	if b.w.wide {
		n = len(b.w.clients)
	}
	for i := range n {
		s := &service{
			name: b.name("service", i), ttl: []int64{60, 300, 600, 3600}[b.r.IntN(4)], depth: []int{0, 1, 2, 3, 4, 6, 8}[b.r.IntN(7)],
		}
		if b.w.wide {
			s.ttl, s.depth = 3600, 8
		}
		s.identifier = "https://" + s.name + ".example"
		row := &models.ResourceServer{Name: s.name, Identifier: s.identifier, TokenTTL: s.ttl, MaxDepth: s.depth}
		if s.depth == 0 {
			row.MaxDepth = models.NoActors
		}
		if b.w.wide || b.chance(85) {
			s.operator = b.w.clients[i%len(b.w.clients)]
			row.OperatorID = &s.operator.id
		}
		b.do("service", func(ctx context.Context, st *models.Store) error { return st.CreateResourceServer(ctx, by, row) })
		s.id = row.ID
		for k := range b.between(1, 4) {
			s.scopes = append(s.scopes, &scope{name: fmt.Sprintf("do:%d", k), high: b.chance(20)})
		}
		b.w.services = append(b.w.services, s)
	}
	for _, leads := range []bool{false, true} { // first all scopes, then what they lead to
		for i, s := range b.w.services {
			for _, sc := range s.scopes {
				b.put(i, s, sc, leads)
			}
		}
	}
}

func (b *builder) put(i int, s *service, sc *scope, leads bool) {
	if leads {
		for j, to := range b.w.services {
			for _, other := range to.scopes {
				if b.w.wide && j == (i+1)%len(b.w.services) || !b.w.wide && b.chance(14) {
					sc.down = append(sc.down, ref{to, other.name})
				}
			}
		}
		if len(sc.down) == 0 {
			return
		}
	}
	row := &models.Scope{ResourceID: s.id, Name: sc.name, Risk: models.RiskLow}
	if sc.high {
		row.Risk = models.RiskHigh
	}
	for _, to := range sc.down {
		row.Downstream = append(row.Downstream, models.ScopeRef{ResourceID: to.at.id, Name: to.name})
	}
	b.do("scope", func(ctx context.Context, st *models.Store) error {
		_, err := st.PutScope(ctx, by, row)
		return err
	})
}

func (b *builder) roles() {
	for i := range b.between(3, 6) {
		r := &role{name: b.name("role", i)}
		row := &models.Role{Name: r.name}
		for _, s := range b.w.services {
			for _, sc := range s.scopes {
				if b.chance(45) || b.w.wide && i < 2 {
					r.scopes = append(r.scopes, ref{s, sc.name})
					row.Scopes = append(row.Scopes, models.ScopeRef{ResourceID: s.id, Name: sc.name})
				}
			}
		}
		b.do("role", func(ctx context.Context, st *models.Store) error { return st.CreateRole(ctx, by, row) })
		r.id = row.ID
		b.w.roles = append(b.w.roles, r)
		for _, c := range b.w.clients {
			if b.chance(45) || b.w.wide && i == 0 {
				b.assign(r, c.id)
			}
		}
		for _, g := range b.w.groups {
			if b.chance(35) {
				b.assign(r, g.id)
			}
		}
	}
	for _, c := range b.w.clients {
		b.defaults(c)
	}
}

func (b *builder) assign(r *role, principal string) {
	row := &models.Assignment{RoleID: r.id, PrincipalID: principal}
	b.do("assignment", func(ctx context.Context, st *models.Store) error { return st.CreateAssignment(ctx, by, row) })
	r.given = append(r.given, assignment{row.ID, principal})
}

// defaults gives a client scopes for requests that name none.
func (b *builder) defaults(c *client) {
	var refs []models.ScopeRef
	for _, s := range b.w.services {
		for _, sc := range s.scopes {
			if b.chance(12) {
				c.defaults[s] = append(c.defaults[s], sc.name)
				refs = append(refs, models.ScopeRef{ResourceID: s.id, Name: sc.name})
			}
		}
	}
	if len(refs) == 0 {
		return
	}
	b.do("defaults", func(ctx context.Context, st *models.Store) error {
		_, err := st.UpdateClient(ctx, by, c.id, models.AnyVersion, func(row *models.Client) { row.DefaultScopes = refs })
		return err
	})
}

func (b *builder) housePolicy() {
	h := &b.w.house
	h.freezes, h.silences = b.chance(50), b.chance(30)
	if b.chance(50) {
		h.highTTL = int64(b.between(20, 120))
	}
	if b.chance(40) {
		h.claim = b.w.services[0].name
	}
	if !b.w.wide {
		for _, kept := range []*string{&h.keeps, &h.noOnward, &h.consent} {
			if b.chance(25) {
				*kept = fmt.Sprintf("do:%d", b.between(1, 3))
			}
		}
	}
	issue, introspect := h.rego()
	b.do("house policy", func(context.Context, *models.Store) error {
		files := fstest.MapFS{"issue/issue.rego": {Data: []byte(issue)}, "introspect/introspect.rego": {Data: []byte(introspect)}}
		return errors.Join(b.p.s.Engine.Load(files), b.p.anew.Load(files))
	})
}
