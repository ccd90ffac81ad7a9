package laws

import (
	"crypto/ecdsa"
	"fmt"
	"slices"
	"strings"
)

// world is everything an administrator of one small organisation could read off
// the API, kept by hand while requests and changes are made. What it says of
// itself (oracle_test.go) is written from the design and reads nothing of
// Deputy's.
type world struct {
	number   int
	wide     bool // everybody holds everything, so that chains grow long
	users    []*user
	clients  []*client
	groups   []*group
	roles    []*role
	services []*service
	tokens   []*token
	house    house
}

type user struct {
	id, name        string
	suspended, gone bool
	expires         int64
}

type client struct {
	id, name             string
	agent                bool
	owner                *user // nil for an application that nobody owns
	suspended, gone      bool
	expires, maxTTL      int64
	mayOwn, mayExchange  bool // grant types
	frozen, kept, silent bool // labels that house policy looks at
	defaults             map[*service][]string
	credentials          []*credential
	grant                *grant // what its own tokens hang from, as the last of them told
}

type credential struct {
	id, secret string
	key        *ecdsa.PrivateKey // instead of a secret
	expires    int64
	revoked    bool
}

type grant struct {
	id      string
	revoked bool
}

type group struct {
	id, name string
	members  []string
}

type role struct {
	id, name string
	gone     bool
	scopes   []ref
	given    []assignment
}

type assignment struct{ id, principal string }

type service struct {
	id, name, identifier string
	operator             *client // nil if no client is this service
	suspended, gone      bool
	ttl                  int64
	depth                int
	scopes               []*scope
}

type scope struct {
	name string
	high bool // of high risk
	down []ref
}

// ref is a scope: always a pair.
type ref struct {
	at   *service
	name string
}

// token is one that Deputy issued, as its claims say.
type token struct {
	raw, id, txn string
	parent       *token
	holder       *client
	subject      *client
	chain        []*client // actors, outermost first
	at           *service
	scopes       []string
	issued, exp  int64
	grant        *grant
	dead         bool // revoked itself
}

// house is what house policy takes from the floor's answers in this world.
type house struct {
	freezes  bool   // clients labelled frozen get nothing
	keeps    string // scope kept from clients labelled kept
	noOnward string // scope taken from exchanges
	consent  string // scope that only a person's consent opens
	highTTL  int64  // longest life of a token with a scope of high risk, 0 = no bound
	silences bool   // callers labelled silent see no token as active
	claim    string // a claim in every token
}

// rego writes the house policy down as an operator would.
func (h house) rego() (issue, introspect string) {
	var b strings.Builder
	b.WriteString("package house.issue\n\n")
	if h.freezes {
		b.WriteString("deny contains {\"code\": \"frozen\"} if input.client.labels.frozen == \"true\"\n\n")
	}
	if h.keeps != "" {
		fmt.Fprintf(&b, "remove contains %q if {\n\t%q in input.granted\n\tinput.client.labels.kept == \"true\"\n}\n\n", h.keeps, h.keeps)
	}
	if h.noOnward != "" {
		fmt.Fprintf(&b, "remove contains {\"scope\": %q, \"code\": \"not_onward\"} if {\n\t%q in input.granted\n"+
			"\tinput.action.name == \"issue:access_token:token_exchange\"\n}\n\n", h.noOnward, h.noOnward)
	}
	if h.consent != "" {
		fmt.Fprintf(&b, "require contains \"consent\" if %q in input.granted\n\n", h.consent)
	}
	if h.highTTL > 0 {
		fmt.Fprintf(&b, "max_ttl := %d if {\n\tsome s in input.granted\n\tinput.resource.scopes[s].risk == \"high\"\n}\n\n", h.highTTL)
	}
	if h.claim != "" {
		fmt.Fprintf(&b, "claims := {\"https://laws.example/world\": %q}\n", h.claim)
	}
	introspect = "package house.introspect\n\n"
	if h.silences {
		introspect += "deny contains {\"code\": \"silenced\"} if input.client.labels.silent == \"true\"\n"
	}
	return b.String(), introspect
}

func (s *service) scope(name string) *scope {
	for _, sc := range s.scopes {
		if sc.name == name {
			return sc
		}
	}
	return nil
}

func (s *service) active() bool { return !s.suspended && !s.gone }

// String tells the whole world, for the transcript.
func (w *world) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "house %+v\n", w.house)
	for _, u := range w.users {
		fmt.Fprintf(&b, "user %s suspended=%t expires=%d\n", u.name, u.suspended, u.expires)
	}
	for _, c := range w.clients {
		fmt.Fprintf(&b, "client %s %s agent=%t owner=%s suspended=%t gone=%t expires=%d max_ttl=%d own=%t exchange=%t frozen=%t kept=%t silent=%t credentials=%d\n",
			c.name, c.id, c.agent, ownerName(c), c.suspended, c.gone, c.expires, c.maxTTL, c.mayOwn, c.mayExchange, c.frozen, c.kept, c.silent, len(c.credentials))
		for _, s := range w.services {
			if d := c.defaults[s]; len(d) > 0 {
				fmt.Fprintf(&b, "  default at %s: %v\n", s.name, d)
			}
		}
	}
	for _, g := range w.groups {
		fmt.Fprintf(&b, "group %s %s: %v\n", g.name, g.id, g.members)
	}
	for _, r := range w.roles {
		fmt.Fprintf(&b, "role %s gone=%t: %v given to %v\n", r.name, r.gone, r.scopes, r.given)
	}
	for _, s := range w.services {
		fmt.Fprintf(&b, "service %s %s operator=%s suspended=%t gone=%t ttl=%d depth=%d\n", s.name, s.id, nameOf(s.operator), s.suspended, s.gone, s.ttl, s.depth)
		for _, sc := range s.scopes {
			fmt.Fprintf(&b, "  scope %s high=%t leads to %v\n", sc.name, sc.high, sc.down)
		}
	}
	return b.String()
}

func (r ref) String() string { return r.at.name + "/" + r.name }

func (t *token) String() string {
	return fmt.Sprintf("%s{holder %s sub %s act %v aud %s scope %v exp %d}", t.id, t.holder.name, t.subject.name, names(t.chain), t.at.name, t.scopes, t.exp)
}

func nameOf(c *client) string {
	if c == nil {
		return "-"
	}
	return c.name
}

func ownerName(c *client) string {
	if c.owner == nil {
		return "-"
	}
	return c.owner.name
}

func names(chain []*client) []string {
	out := []string{}
	for _, c := range chain {
		out = append(out, c.name)
	}
	return out
}

func (w *world) client(id string) *client {
	at := slices.IndexFunc(w.clients, func(c *client) bool { return c.id == id })
	if at < 0 {
		return nil
	}
	return w.clients[at]
}
