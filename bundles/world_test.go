package bundles

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

const (
	worldNow  = int64(1000)
	selfID    = "rsv_deputy"
	openID    = "rsv_openid"
	exchange  = "urn:ietf:params:oauth:grant-type:token-exchange"
	oneServer = "rsv_1"
	twoServer = "rsv_2"
)

// world draws one question. Universes are small so that names collide, and most
// facts are in order, so that a fair share is allowed; noise is the percentage
// of facts that are not. Everything shrinks towards order.
type world struct {
	t      *rapid.T
	noise  int
	always bool // with authorization details
	same   policies.Detail
}

func worlds(actions ...string) *rapid.Generator[policies.Input] {
	return rapid.Custom(func(t *rapid.T) policies.Input {
		w := &world{t: t, noise: rapid.SampledFrom([]int{0, 0, 0, 1, 2, 4, 15}).Draw(t, "noise")}
		return w.question(rapid.SampledFrom(actions).Draw(t, "action"))
	})
}

func issueWorlds() *rapid.Generator[policies.Input] {
	return worlds(policies.IssueClientCredentials, policies.IssueTokenExchange, policies.IssueTokenExchange,
		policies.IssueAuthorizationCode, policies.IssueRefreshToken, policies.IssueCIBA, policies.IssueDevice)
}

func otherWorlds() *rapid.Generator[policies.Input] {
	return worlds(policies.Introspect, policies.Revoke, policies.Leaked, "admin:listClients", "admin:createClient", "admin:makeMeKing", "admin:rotateOwnCredential",
		policies.Authorize, policies.Authorize, policies.AnswerConsent, policies.AskApproval, policies.AskApproval, policies.ShowApproval, policies.AnswerApproval, policies.Userinfo, "account:removePasskey", "account:endSession", policies.Follow)
}

func (w *world) bad(what string) bool {
	return rapid.IntRange(0, 99).Draw(w.t, what) >= 100-w.noise
}

func (w *world) upTo(n int, what string) int { return rapid.IntRange(0, n).Draw(w.t, what) }

func (w *world) coin(what string) bool { return rapid.Bool().Draw(w.t, what) }

// either draws from order, or, if noise has it, from disorder.
func either[T any](w *world, what string, order, disorder []T) T {
	if w.bad(what) {
		return rapid.SampledFrom(disorder).Draw(w.t, what)
	}
	return rapid.SampledFrom(order).Draw(w.t, what)
}

func (w *world) question(action string) policies.Input {
	in := w.anyQuestion(action)
	w.detailed(&in)
	if w.coin("usual") {
		usual(&in)
	}
	return in
}

// usual brings a question into the form the server nearly always puts it in.
func usual(in *policies.Input) {
	if in.Credential.ID == "" && policies.Kind(in.Action) != policies.KindIssue {
		in.Credential = policies.Credential{ID: "crd_1", Method: "client_secret_basic"}
	}
	in.Request.ActorToken, in.Request.RequestedTTL = nil, 0
	if in.Subject != nil && in.Subject.Value.Kind != "user" {
		in.Consent = nil
	}
	if len(in.Request.Resources) == 1 {
		in.Resources = slices.DeleteFunc(in.Resources, func(r *policies.Fact[policies.Resource]) bool {
			return r != nil && r.Value.ID != openID && r.Value.Identifier != in.Request.Resources[0]
		})
	}
}

func (w *world) anyQuestion(action string) policies.Input {
	kind := policies.Kind(action)
	if kind == policies.KindAccount {
		return w.accounted(action)
	}
	if kind == policies.KindEvents {
		return w.followed()
	}
	servers := []string{oneServer, twoServer}
	if kind == policies.KindAdmin {
		servers = []string{selfID, oneServer}
	}
	if kind == policies.KindUserinfo {
		servers = []string{openID, oneServer}
	}
	if kind == policies.KindAuthorize || slices.Contains(peoples, action) {
		servers = append(servers, openID)
	}
	ids := rapid.Permutation(agents()).Draw(w.t, "ids")
	client := w.principal(ids[0], w.coin("agent"), servers)
	client.Public = w.coin("public")
	in := policies.Input{Action: action, Now: worldNow, Client: fact(w, "client", client)}
	if kind == policies.KindIssue {
		if w.bad("action") {
			in.Action = "issue:access_token:password"
		}
		in.Request, in.Resources = w.request(ids[0])
		in.Credential = policies.Credential{
			ID:     either(w, "credential", []string{"crd_1"}, []string{""}),
			Method: either(w, "method", []string{"private_key_jwt", "client_secret_basic", "client_secret_post"}, []string{"", "none"}),
		}
	}
	if slices.Contains(peoples, action) {
		return w.granted(in, client.ID, servers)
	}
	if kind == policies.KindAuthorize {
		return w.visited(in, client.ID, servers)
	}
	if kind == policies.KindAdmin {
		in.Request.Scopes = either(w, "conferred", [][]string{{}, {}, scopesOf(selfID)[:1], scopesOf(selfID)}, [][]string{nil, {"keys:write"}, {"effect:stops_client"}, {"effect:moves_service"}})
	}
	if action == policies.IssueClientCredentials && !w.bad("token") {
		return in
	}
	subject, token, chain := w.token(ids, servers, kind)
	in.Subject, in.Chain = fact(w, "subject", subject), chain
	switch {
	case w.bad("token"):
	case kind == policies.KindIssue:
		in.Parent = token
	default:
		in.Token = token
	}
	if subject.Kind == "user" || w.coin("consent of an agent") {
		in.Consent = w.consent(beganBy(token, client.ID), token.Subject, servers)
	}
	if kind == policies.KindIssue && w.bad("stray authorization") {
		in.Authorization = w.authorization(client.ID, token.Subject, servers)
	}
	if kind == policies.KindRevoke && w.coin("what a person granted") {
		in.Authorization = w.authorization(client.ID, token.Subject, servers)
		if !w.bad("a token too") {
			in.Token, in.Subject, in.Chain = nil, nil, nil
		}
	}
	return in
}

// beganBy is the client that a user was asked about.
func beganBy(t *policies.Token, client string) string {
	if len(t.Chain) == 0 {
		return client
	}
	return t.Chain[len(t.Chain)-1]
}

// granted is the question of a client that brings what a user granted it.
func (w *world) granted(in policies.Input, client string, servers []string) policies.Input {
	user := w.principal("usr_1", false, servers)
	user.Kind, user.Owner = either(w, "granted by", []string{"user"}, []string{"agent", "application"}), nil
	in.Subject = fact(w, "subject", user)
	if in.Client != nil && in.Client.Value.Public && w.coin("no credential") {
		in.Credential = policies.Credential{Method: "none"}
	}
	if !w.bad("authorization") {
		in.Authorization = w.authorization(client, user.ID, servers)
	}
	in.Consent = w.consent(client, user.ID, servers)
	if in.Action == policies.IssueCIBA || in.Action == policies.IssueDevice {
		w.approved(&in, client, user.ID)
	}
	if c := w.consent(client, user.ID, servers); c != nil && w.coin("identified") {
		c.Resource, c.Scopes = either(w, "identified at", []string{openID}, servers), map[string]bool{"openid": !w.bad("openid"), "email": w.coin("email")}
		in.Consents = []*policies.Consent{c}
	}
	if len(in.Request.Scopes) > 0 && w.coin("identity asked") {
		in.Request.Scopes = append(slices.Clone(in.Request.Scopes), "openid")
	}
	if w.bad("token") {
		_, in.Parent, _ = w.token(agents(), servers, policies.KindIssue)
	}
	return in
}

// visited is the question of a client that asks for a user, or of the user's answer.
func (w *world) visited(in policies.Input, client string, servers []string) policies.Input {
	in.Request, in.Resources = w.request(client)
	in.Request.ActorToken, in.Request.RequestedTTL = nil, 0
	if w.coin("userinfo known") {
		in.Resources = slices.Insert(in.Resources, w.upTo(len(in.Resources), "place"), fact(w, "userinfo", w.resource(openID)))
	}
	in.Request.Scopes = append(in.Request.Scopes[:len(in.Request.Scopes):len(in.Request.Scopes)],
		rapid.SampledFrom([][]string{nil, nil, {"openid"}, {"openid", "email"}, {"offline_access"}}).Draw(w.t, "who")...)
	if !w.bad("visit") {
		in.Request.Visit = w.visit()
	}
	if user := w.principal("usr_1", false, servers); !w.bad("nobody") {
		user.Kind, user.Owner = either(w, "asked of", []string{"user"}, []string{"agent", "application"}), nil
		in.Subject = fact(w, "subject", user)
		in.Session = &policies.Session{AuthTime: either(w, "auth time", []int64{worldNow - 100, worldNow}, []int64{0}), ACR: either(w, "acr", []string{"1"}, []string{"2"})}
	}
	for range w.upTo(2, "consents") {
		if c := w.consent(client, "usr_1", servers); c != nil {
			in.Consents = append(in.Consents, c)
		}
	}
	if kind := policies.Kind(in.Action); kind == policies.KindAuthorize && in.Action != policies.Authorize && in.Action != policies.AnswerConsent {
		w.away(&in, client)
	}
	if in.Action == policies.AnswerConsent || in.Action == policies.AnswerApproval {
		read, write := policies.Grants{Resource: oneServer, Scope: "read"}, policies.Grants{Resource: twoServer, Scope: "write"}
		in.Request.Answer = &policies.Answer{
			Scopes: either(w, "ticked", [][]policies.Grants{{read}, {read, {Resource: oneServer, Scope: "write"}}, {write}}, [][]policies.Grants{nil, {{Resource: oneServer, Scope: "ghost"}}}),
			Until:  either(w, "until", []int64{worldNow + 1, worldNow + 40}, []int64{0, worldNow, worldNow + 5001}),
		}
	}
	return in
}

func (w *world) visit() *policies.Visit {
	v := &policies.Visit{
		RedirectOK: !w.bad("redirect"), PKCE: either(w, "pkce", []string{"ok"}, []string{"missing", "plain"}), Began: worldNow - 10,
		Prompt:    either(w, "prompt", [][]string{nil, {}, {"login"}}, [][]string{{"none"}, {"consent"}, {"select_account", "consent"}}),
		ACRValues: either(w, "acr values", [][]string{nil, {}, {"1"}}, [][]string{{"3", "4"}}),
	}
	if w.coin("hint") {
		v.Subject = either(w, "hinted", []string{"usr_1"}, []string{"usr_2"})
	}
	if w.coin("max age") {
		v.MaxAge = new(either(w, "max age", []int64{100, 3600}, []int64{0, 50}))
	}
	return v
}

// approved is what a person answered elsewhere, and the client now brings.
func (w *world) approved(in *policies.Input, client, user string) {
	kind := kinds[in.Action]
	a := w.approval(kind, client, user, []string{"approved", "approved", "pending"})
	in.Approval = a
	if in.Authorization != nil && !w.bad("kind of grant") {
		in.Authorization.Kind = kind
	}
	if w.coin("pushed") {
		a.Delivery = either(w, "delivered by", []string{"push"}, []string{"ping"})
		in.Credential = policies.Credential{Method: either(w, "told by", []string{"push"}, []string{"none"})}
	}
	if in.Consent != nil && !w.bad("consent to another") {
		in.Consent.Approval = a.ID
	}
	if w.bad("approval") {
		in.Approval = nil
	}
	if a.State == "pending" && !w.bad("granted early") {
		in.Authorization, in.Consent = nil, nil
	}
}

// away makes of a question at a page one to somebody elsewhere.
func (w *world) away(in *policies.Input, client string) {
	if !w.bad("at a page too") {
		in.Request.Visit = nil
	}
	a := w.approval(rapid.SampledFrom([]string{"ciba", "device"}).Draw(w.t, "asked by"), client, "usr_1", []string{"pending"})
	in.Approval = a
	if w.bad("approval") {
		in.Approval = nil
	}
	if in.Action == policies.AskApproval {
		in.Session, in.Consents = nil, nil
		if a.Kind == "device" && !w.bad("device of somebody") {
			a.Subject, in.Subject = "", nil
		}
		if a.Kind == "ciba" && !w.bad("acquaintance") {
			in.Acquaintance = &policies.Acquaintance{
				Known: either(w, "known", []string{"owner", "consent", "listed"}, []string{""}), Reached: !w.bad("unreached"), UserCode: either(w, "user code", []string{"none", "ok"}, []string{"missing", "wrong"}),
				Waiting: either(w, "waiting", []int64{0, 19}, []int64{20}), Pending: either(w, "pending", []int64{0, 2}, []int64{3}),
				Asked: either(w, "asked", []int64{0, 11}, []int64{12}), Denials: either(w, "denials", []int64{0, 2}, []int64{3}),
				DeniedAt: either(w, "denied", []int64{0, worldNow - 60}, []int64{worldNow - 59}), ReportedAt: either(w, "reported", []int64{0}, []int64{1}),
			}
		}
	}
}

func (w *world) approval(kind, client, user string, states []string) *policies.Approval {
	return &policies.Approval{
		ID: "apr_1", Kind: kind, Client: either(w, "approval of", []string{client}, agents()), Subject: either(w, "asked", []string{user}, []string{"usr_2", ""}),
		State: either(w, "state", states, []string{"approved", "denied", "cancelled"}), Delivery: either(w, "delivery", []string{"poll", "ping"}, []string{"push", ""}), ACRValues: either(w, "acr asked", [][]string{{}, {"1"}}, [][]string{{"3"}, nil}),
		CreatedAt: worldNow - 20, ExpiresAt: w.expiry("approval expires"),
	}
}

func (w *world) authorization(client, subject string, servers []string) *policies.Authorization {
	return &policies.Authorization{
		ID: "gnt_1", Kind: either(w, "granted by way of", []string{"authorization_code"}, []string{"ciba", "device", ""}), Client: either(w, "granted to", []string{client}, agents()), Subject: either(w, "granted for", []string{subject}, []string{"usr_2", ""}),
		Resources: either(w, "granted at", [][]string{servers}, [][]string{nil, servers[:1], servers[1:]}), Scopes: w.reach(servers),
		RedirectOK: !w.bad("redirect"), PKCE: either(w, "pkce", []string{"ok"}, []string{"missing", "wrong", "unexpected"}),
		ExpiresAt: w.expiry("code expires"), EndsAt: w.expiry("grant ends"), Revoked: w.bad("taken back"), Used: w.bad("used"), AuthTime: 900, AMR: []string{"pwd"},
	}
}

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

func (w *world) consent(client, subject string, servers []string) *policies.Consent {
	if w.bad("consent") {
		return nil
	}
	return &policies.Consent{
		ID: "cns_1", Client: either(w, "consent client", []string{client}, agents()),
		Subject:  either(w, "consent subject", []string{subject}, []string{"usr_2", ""}),
		Resource: rapid.SampledFrom([]string{oneServer, oneServer, twoServer}).Draw(w.t, "consent at"),
		Scopes:   map[string]bool{"read": w.upTo(19, "read") < 19, "write": w.upTo(19, "write") < 19}, ExpiresAt: w.expiry("consent expires"), Revoked: w.bad("consent revoked"),
		RedirectsOK: !w.bad("other redirects"), Approval: rapid.SampledFrom([]string{"", "", "apr_1", "apr_2"}).Draw(w.t, "for one request"), Reach: w.reach(servers),
	}
}
