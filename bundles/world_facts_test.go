package bundles

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

func agents() []string {
	ids := make([]string, 13)
	for i := range ids {
		ids[i] = fmt.Sprintf("agt_%d", i)
	}
	return ids
}

// fact freezes a value, or loses it.
func fact[T any](w *world, what string, v T) *policies.Fact[T] {
	if w.bad(what) {
		return nil
	}
	f, err := policies.NewFact(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) expiry(what string) int64 {
	return either(w, what, []int64{policies.Never, worldNow + 5000, worldNow + 50, worldNow + 1}, []int64{0, worldNow - 1, worldNow})
}

func (w *world) status(what string) string {
	return either(w, what, []string{"active"}, []string{"", "suspended", "decommissioned"})
}

func (w *world) principal(id string, agent bool, servers []string) policies.Principal {
	p := policies.Principal{
		ID: id, Kind: "agent", Name: id, Status: w.status("status"), ExpiresAt: w.expiry("expires"),
		Labels: map[string]string{}, Scopes: w.reach(servers),
		GrantTypes: either(w, "types", [][]string{{"client_credentials", exchange, "authorization_code", "refresh_token", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code"}},
			[][]string{nil, {exchange, "authorization_code"}, {"client_credentials", "refresh_token"}}),
		MaxTTL:   either(w, "max ttl", []int64{600, 100}, []int64{0, -1}),
		Defaults: map[string][]string{},
		Owner:    &policies.Owner{ID: "usr_owner", Status: w.status("owner"), ExpiresAt: w.expiry("owner expires")},
	}
	if !agent {
		p.Kind = either(w, "kind", []string{"application"}, []string{"user", "robot", ""})
	}
	if !agent && w.coin("unowned") || w.bad("unowned") {
		p.Owner = nil
	}
	if w.coin("defaults") {
		p.Defaults[servers[w.upTo(1, "default at")]] = either(w, "default", [][]string{{"read"}, {"read", "write"}}, [][]string{nil, {}, {"ghost"}})
	}
	if w.bad("id") {
		p.ID = rapid.SampledFrom([]string{"", "agt_0", "agt_1"}).Draw(w.t, "other id")
	}
	return p
}

// reach is what a principal holds, or where a token leads.
func (w *world) reach(servers []string) map[string]map[string][]string {
	out := map[string]map[string][]string{}
	for _, server := range servers {
		if w.bad("nothing at " + server) {
			continue
		}
		out[server] = map[string][]string{}
		for _, scope := range scopesOf(server) {
			if held := either(w, scope, [][]string{{"rol_1"}, {"rol_1", "rol_2"}}, [][]string{nil, {}}); held != nil || w.coin("null") {
				out[server][scope] = held
			}
		}
	}
	return out
}

func scopesOf(server string) []string {
	if server == selfID {
		return []string{"clients:read", "clients:write", "credentials:own"}
	}
	if server == openID {
		return []string{"openid", "email"}
	}
	return []string{"read", "write"}
}

func (w *world) resource(id string) policies.Resource {
	r := policies.Resource{
		ID: id, Identifier: "https://" + id, Name: id, Status: w.status("resource"), Operator: "agt_0",
		TokenTTL: either(w, "token ttl", []int64{300, 20}, []int64{0, -1}),
		MaxDepth: either(w, "depth", []int{4, 9, 12}, []int{0, 1, 2}),
		Scopes:   map[string]policies.Scope{},
	}
	for _, scope := range scopesOf(id) {
		if !w.bad("undefined " + scope) {
			r.Scopes[scope] = policies.Scope{Risk: either(w, "risk", []string{"low", "medium", "high"}, []string{"", "unknown"})}
		}
	}
	return r
}

// request names no server, one, or two, and from no scope to three.
func (w *world) request(client string) (policies.Request, []*policies.Fact[policies.Resource]) {
	one, two := w.resource(oneServer), w.resource(twoServer)
	req := policies.Request{
		Scopes: either(w, "scopes", [][]string{{"read"}, {"write"}, {"read", "write"}, {"read", "read"}, {}}, [][]string{nil, {"ghost"}, {"read", "ghost"}}),
		Resources: either(w, "resources", [][]string{{one.Identifier}, {two.Identifier}, {}},
			[][]string{nil, {"https://elsewhere"}, {one.Identifier, two.Identifier}}),
		RequestedTTL: either(w, "requested ttl", []int64{0, 30, 9000}, []int64{-1}),
		GrantType:    "as asked",
	}
	if w.upTo(7, "actor token") == 7 {
		req.ActorToken = w.actorToken(client)
	}
	facts := []*policies.Fact[policies.Resource]{fact(w, "one", one), fact(w, "two", two)}
	if len(req.Resources) == 0 && w.coin("one candidate") {
		facts = facts[:1]
	}
	return req, facts
}

// actorToken is the client's own, or has one thing wrong with it.
func (w *world) actorToken(client string) *policies.ActorToken {
	t := &policies.ActorToken{Subject: client, Client: client, Chain: []string{}, Expires: worldNow + 50, Audience: "https://rsv_1"}
	switch w.upTo(8, "actor token flaw") {
	case 1:
		t.Subject = "agt_other"
	case 2:
		t.Client = "agt_other"
	case 3:
		t.Chain = nil
	case 4:
		t.Chain = []string{client}
	case 5:
		t.Expires = worldNow
	case 6:
		t.Revoked = true
	case 7:
		t.Problem = "malformed"
	}
	return t
}

// token draws a presented token with the facts about everyone in it. The client,
// ids[0], holds it or is the service it was sent to.
func (w *world) token(ids, servers []string, kind string) (policies.Principal, *policies.Token, []*policies.Fact[policies.Principal]) {
	length := rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6, 7, 8, 10}).Draw(w.t, "length")
	members := append([]string{}, ids[2:2+length]...)
	holds := kind == policies.KindAdmin || kind == policies.KindUserinfo || kind == policies.KindRevoke || kind == policies.KindIssue && w.coin("holds")
	if length > 0 && holds {
		members[0] = ids[0]
	}
	if length > 0 && w.bad("twice") {
		members[w.upTo(length-1, "place")] = rapid.SampledFrom([]string{ids[0], members[0]}).Draw(w.t, "again")
	}
	chain := make([]*policies.Fact[policies.Principal], 0, length)
	for _, id := range members {
		chain = append(chain, fact(w, "member", w.principal(id, true, servers)))
	}
	if length > 0 && w.bad("chain short") {
		chain = chain[:length-1]
	}
	subject := w.principal(ids[1], w.coin("agent subject"), servers)
	if w.coin("user") {
		subject.ID, subject.Kind, subject.Owner = "usr_1", "user", nil
	}
	t := &policies.Token{
		ID: "tok_1", Subject: either(w, "subject id", []string{subject.ID}, []string{"", "usr_2", ids[0]}), Client: subject.ID, Chain: members,
		Audience: policies.Audience{ID: either(w, "aud id", servers[:1], servers[1:]), Operator: either(w, "operator", ids[:1], ids), Status: w.status("aud")},
		Expires:  w.expiry("exp"), IssuedAt: either(w, "iat", []int64{1, worldNow + 60}, []int64{worldNow + 61, policies.Never}), Revoked: w.bad("revoked"), Txn: "tok_0",
		Grant:  policies.Grant{ID: "gnt_1", ExpiresAt: w.expiry("grant"), Revoked: w.bad("grant revoked")},
		Own:    either(w, "own", [][]string{scopesOf(servers[0])}, [][]string{nil, {}, scopesOf(servers[0])[:1]}),
		Scopes: w.reach(servers),
	}
	if length > 0 {
		t.Client = members[0]
	} else if holds {
		t.Client = ids[0]
	}
	if w.bad("holder") {
		t.Client = rapid.SampledFrom(ids).Draw(w.t, "holder")
	}
	if w.bad("chain unknown") {
		t.Chain = nil
	}
	return subject, t, chain
}
