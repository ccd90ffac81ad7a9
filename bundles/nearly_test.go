package bundles

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// parties are the facts of an everyday question, before one of them is changed.
type parties struct {
	in              policies.Input
	client, subject policies.Principal
	actors          []policies.Principal
	server          policies.Resource
	token           policies.Token
	others          []policies.Resource
	own             bool // it presents no token
	grant           *policies.Authorization
	consent         *policies.Consent
	identity        *policies.Consent // to say who the user is
}

func somebody(id string) policies.Principal {
	return policies.Principal{
		ID: id, Kind: "agent", Name: id, Status: "active", ExpiresAt: worldNow + 5000, Labels: map[string]string{},
		Scopes:     map[string]map[string][]string{oneServer: {"read": {"rol_1"}, "write": {"rol_1"}}},
		GrantTypes: []string{"client_credentials", exchange, "authorization_code", "refresh_token"}, MaxTTL: 600, Defaults: map[string][]string{},
		Owner: &policies.Owner{ID: "usr_owner", Status: "active", ExpiresAt: worldNow + 5000},
	}
}

func usualParties(action string) *parties {
	p := &parties{
		own:    action == policies.IssueClientCredentials,
		client: somebody("agt_client"), subject: somebody("agt_root"),
		actors: []policies.Principal{somebody("agt_near"), somebody("agt_far")},
		server: policies.Resource{
			ID: oneServer, Identifier: "https://one", Status: "active", Operator: "agt_client", TokenTTL: 300, MaxDepth: 4,
			Scopes: map[string]policies.Scope{"read": {Risk: "low"}, "write": {Risk: "high"}},
		},
		in: policies.Input{
			Action: action, Now: worldNow, Credential: policies.Credential{ID: "crd_1", Method: "client_secret_basic"},
			Request: policies.Request{GrantType: "as asked", Resources: []string{"https://one"}, Scopes: []string{"read", "write"}},
		},
		token: policies.Token{
			ID: "tok_1", Client: "agt_near", Subject: "agt_root", Chain: []string{"agt_near", "agt_far"}, Expires: worldNow + 5000, Txn: "tok_1",
			Audience: policies.Audience{ID: oneServer, Operator: "agt_client", Status: "active"}, Own: []string{"read", "write"},
			Grant:  policies.Grant{ID: "gnt_1", ExpiresAt: policies.Never},
			Scopes: map[string]map[string][]string{oneServer: {"read": {"read"}, "write": {"write"}}},
		},
	}
	p.consent = &policies.Consent{
		ID: "cns_1", Client: "agt_far", Subject: "agt_root", Resource: oneServer, Scopes: map[string]bool{"read": true, "write": true},
		ExpiresAt: worldNow + 5000, RedirectsOK: true, Reach: map[string]map[string][]string{oneServer: {"read": {"read"}, "write": {"write"}}},
	}
	p.grant = &policies.Authorization{
		ID: "gnt_1", Kind: "authorization_code", Client: "agt_client", Subject: "usr_joe", Resources: []string{oneServer, twoServer}, RedirectOK: true, PKCE: "ok",
		ExpiresAt: worldNow + 5000, EndsAt: worldNow + 5000, Scopes: map[string]map[string][]string{oneServer: {"read": {"read"}, "write": {"write"}}},
	}
	p.identity = &policies.Consent{
		ID: "cns_2", Client: "agt_client", Subject: "usr_joe", Resource: openID, ExpiresAt: worldNow + 5000, RedirectsOK: true,
		Scopes: map[string]bool{"openid": true, "email": true, "profile": true, "groups": true},
	}
	switch action {
	case policies.Introspect:
		p.in.Request = policies.Request{Resources: []string{}, Scopes: []string{}}
	case policies.IssueAuthorizationCode, policies.IssueRefreshToken:
		p.own, p.client.Public, p.subject = true, true, aUser()
		p.server.Scopes["write"] = policies.Scope{Risk: "medium"}
		p.consent.Client, p.consent.Subject = "agt_client", "usr_joe"
		p.in.Consent, p.in.Authorization = p.consent, p.grant
		p.in.Consents = []*policies.Consent{p.identity}
		for _, held := range []map[string]map[string][]string{p.client.Scopes, p.subject.Scopes, p.grant.Scopes} {
			held[openID] = map[string][]string{"openid": {"rol_1"}, "email": {"rol_1"}, "profile": {"rol_1"}, "groups": {"rol_1"}}
		}
	}
	return p
}

// aUser has an owner, though no user has, so that it can be spoilt like the others'.
func aUser() policies.Principal {
	p := somebody("usr_joe")
	p.Kind = "user"
	return p
}

// question freezes the parties into an input.
func (p *parties) question(t testing.TB) policies.Input {
	in := p.in
	in.Client = frozen(t, p.client)
	if in.Action != policies.Introspect {
		for _, r := range append([]policies.Resource{p.server}, p.others...) {
			in.Resources = append(in.Resources, frozen(t, r))
		}
	}
	if p.in.Authorization != nil {
		in.Subject = frozen(t, p.subject)
	}
	if p.own {
		return in
	}
	in.Subject = frozen(t, p.subject)
	for _, a := range p.actors {
		in.Chain = append(in.Chain, frozen(t, a))
	}
	if in.Action == policies.Introspect {
		in.Token = &p.token
	} else {
		in.Parent = &p.token
	}
	return in
}

func frozen[T any](t testing.TB, v T) *policies.Fact[T] {
	f, err := policies.NewFact(v)
	require.NoError(t, err)
	return f
}

// oneWrong are everyday questions with one thing out of order, or unusual.
func oneWrong() map[string]func(*parties) {
	out := map[string]func(*parties){
		"nothing":           func(*parties) {},
		"client nameless":   func(p *parties) { p.client.ID = "" },
		"grant types":       func(p *parties) { p.client.GrantTypes = nil },
		"not to go on":      func(p *parties) { p.client.GrantTypes = []string{"client_credentials", exchange, "authorization_code"} },
		"client's maximum":  func(p *parties) { p.client.MaxTTL = 0 },
		"no credential":     func(p *parties) { p.in.Credential.ID = "" },
		"no method":         func(p *parties) { p.in.Credential.Method = "none" },
		"action":            func(p *parties) { p.in.Action = "issue:access_token:password" },
		"requested ttl":     func(p *parties) { p.in.Request.RequestedTTL = 10 },
		"actor token":       func(p *parties) { p.in.Request.ActorToken = &policies.ActorToken{Subject: "agt_other"} },
		"token problem":     func(p *parties) { p.in.Request.TokenProblem = "malformed" },
		"no resource named": func(p *parties) { p.in.Request.Resources = []string{} },
		"two named":         func(p *parties) { p.in.Request.Resources = []string{"https://one", "https://two"} },
		"another named":     func(p *parties) { p.in.Request.Resources = []string{"https://two"} },
		"nothing asked":     func(p *parties) { p.in.Request.Scopes = []string{} },
		"asked twice":       func(p *parties) { p.in.Request.Scopes = []string{"read", "read"} },
		"ghost asked":       func(p *parties) { p.in.Request.Scopes = []string{"read", "ghost"} },
		"offline asked":     func(p *parties) { p.in.Request.Scopes = []string{"read", "offline_access"} },
		"openid asked": func(p *parties) {
			who := p.server
			who.ID, who.Identifier, who.Scopes = openID, "https://deputy/oauth2/userinfo", map[string]policies.Scope{"openid": {Risk: "low"}}
			p.client.Scopes[openID] = map[string][]string{"openid": {"rol_1"}}
			p.others, p.in.Request.Scopes, p.in.Request.Resources = append(p.others, who), []string{"read", "openid"}, []string{}
		},
		"service suspended": func(p *parties) { p.server.Status = "suspended" },
		"service's ttl":     func(p *parties) { p.server.TokenTTL = 0 },
		"depth 2":           func(p *parties) { p.server.MaxDepth = 2 },
		"depth -1":          func(p *parties) { p.server.MaxDepth = -1 },
		"scope undefined":   func(p *parties) { delete(p.server.Scopes, "write") },
		"risk unknown":      func(p *parties) { p.server.Scopes["write"] = policies.Scope{Risk: "dire"} },
		"several services": func(p *parties) {
			other := p.server
			other.ID, other.Identifier = twoServer, "https://two"
			p.others = append(p.others, other)
		},
		"other first": func(p *parties) {
			other := p.server
			other.ID, other.Identifier = twoServer, "https://two"
			p.others, p.server = append(p.others, p.server), other
		},
		"token revoked":     func(p *parties) { p.token.Revoked = true },
		"token expired":     func(p *parties) { p.token.Expires = worldNow },
		"token early":       func(p *parties) { p.token.IssuedAt = worldNow + 61 },
		"token just begun":  func(p *parties) { p.token.IssuedAt = worldNow + 60 },
		"grant revoked":     func(p *parties) { p.token.Grant.Revoked = true },
		"grant expired":     func(p *parties) { p.token.Grant.ExpiresAt = worldNow },
		"audience gone":     func(p *parties) { p.token.Audience.Status = "suspended" },
		"not the audience":  func(p *parties) { p.token.Audience.Operator = "agt_other" },
		"holder unknown":    func(p *parties) { p.token.Client = "agt_stranger" },
		"held by client":    func(p *parties) { p.token.Client, p.token.Audience.Operator = "agt_client", "agt_other" },
		"other subject":     func(p *parties) { p.token.Subject = "agt_other" },
		"token's reach":     func(p *parties) { p.token.Scopes = map[string]map[string][]string{oneServer: {"read": {"read"}}} },
		"token's own":       func(p *parties) { p.token.Own = []string{} },
		"client in chain":   func(p *parties) { p.token.Chain[1], p.actors[1].ID = "agt_client", "agt_client" },
		"one actor missing": func(p *parties) { p.actors = p.actors[:1] },
		"one actor more":    func(p *parties) { p.actors = append(p.actors, somebody("agt_more")) },
		"actor exchanged":   func(p *parties) { p.actors[0].ID = "agt_other" },
		"long chain":        func(p *parties) { p.server.MaxDepth = 12; p.lengthen(8) },
		"consent":           func(p *parties) { p.in.Consent = p.consent },
		"no consent":        func(p *parties) { p.in.Consent = nil },
		"none":              func(p *parties) { p.in.Credential = policies.Credential{Method: "none"} },
		"none of a confidential client": func(p *parties) {
			p.in.Credential, p.client.Public = policies.Credential{Method: "none"}, false
		},
	}
	for name, spoil := range grantsWrong() {
		out[name] = spoil
		out[name+", nothing asked"] = func(p *parties) { p.in.Request.Scopes = []string{}; spoil(p) }
		out[name+", no credential"] = func(p *parties) { p.in.Credential = policies.Credential{Method: "none"}; spoil(p) }
	}
	for who, of := range map[string]func(*parties) *policies.Principal{
		"client":  func(p *parties) *policies.Principal { return &p.client },
		"subject": func(p *parties) *policies.Principal { return &p.subject },
		"actor":   func(p *parties) *policies.Principal { return &p.actors[1] },
	} {
		out[who+" suspended"] = func(p *parties) { of(p).Status = "suspended" }
		out[who+" expired"] = func(p *parties) { of(p).ExpiresAt = worldNow }
		out[who+" ends soon"] = func(p *parties) { of(p).ExpiresAt = worldNow + 7 }
		out[who+"'s owner suspended"] = func(p *parties) { of(p).Owner.Status = "suspended" }
		out[who+"'s owner expired"] = func(p *parties) { of(p).Owner.ExpiresAt = worldNow }
		out[who+" unowned"] = func(p *parties) { of(p).Owner = nil }
		out[who+" an application"] = func(p *parties) { of(p).Kind = "application" }
		out[who+" a user"] = func(p *parties) { of(p).Kind = "user" }
		out[who+" a robot"] = func(p *parties) { of(p).Kind = "robot" }
		out[who+" holds less"] = func(p *parties) { delete(of(p).Scopes[oneServer], "write") }
		out[who+" holds nothing"] = func(p *parties) { of(p).Scopes = map[string]map[string][]string{} }
	}
	return out
}

// grantsWrong spoil what a user granted or agreed to; other grants have neither.
func grantsWrong() map[string]func(*parties) {
	out := map[string]func(*parties){
		"authorization":   func(p *parties) { p.in.Authorization = p.grant },
		"granted nothing": func(p *parties) { p.in.Authorization = nil },
		"of a user":       ofAUser,
		"of a user, widely": func(p *parties) {
			ofAUser(p)
			p.server.Scopes["write"] = policies.Scope{Risk: "medium"}
		},
		"defaults": func(p *parties) { p.client.Defaults[oneServer] = []string{"read", "ghost"} },
	}
	for name, spoil := range map[string]func(*policies.Authorization){
		"granted to another":   func(a *policies.Authorization) { a.Client = "agt_other" },
		"granted by another":   func(a *policies.Authorization) { a.Subject = "usr_other" },
		"granted by nobody":    func(a *policies.Authorization) { a.Subject = "" },
		"granted elsewhere":    func(a *policies.Authorization) { a.Resources = []string{twoServer} },
		"granted less":         func(a *policies.Authorization) { delete(a.Scopes[oneServer], "write") },
		"granted no scope":     func(a *policies.Authorization) { a.Scopes = nil },
		"other redirect":       func(a *policies.Authorization) { a.RedirectOK = false },
		"verifier wrong":       func(a *policies.Authorization) { a.PKCE = "wrong" },
		"code expired":         func(a *policies.Authorization) { a.ExpiresAt = worldNow },
		"granted until now":    func(a *policies.Authorization) { a.EndsAt = worldNow },
		"granted not for long": func(a *policies.Authorization) { a.EndsAt = worldNow + 7 },
		"taken back":           func(a *policies.Authorization) { a.Revoked = true },
		"used":                 func(a *policies.Authorization) { a.Used = true },
	} {
		out[name] = func(p *parties) { spoil(p.grant) }
	}
	for name, spoil := range map[string]func(*policies.Consent){
		"consent revoked":         func(c *policies.Consent) { c.Revoked = true },
		"consent expired":         func(c *policies.Consent) { c.ExpiresAt = worldNow },
		"consent ends soon":       func(c *policies.Consent) { c.ExpiresAt = worldNow + 7 },
		"consent to another":      func(c *policies.Consent) { c.Client = "agt_other" },
		"consent of another":      func(c *policies.Consent) { c.Subject = "usr_other" },
		"consent elsewhere":       func(c *policies.Consent) { c.Resource = twoServer },
		"consent to less":         func(c *policies.Consent) { c.Scopes["write"] = false },
		"consent leads nowhere":   func(c *policies.Consent) { c.Reach = nil },
		"consent, other redirect": func(c *policies.Consent) { c.RedirectsOK = false },
	} {
		out[name] = func(p *parties) { spoil(p.consent) }
		out["of a user, "+name] = func(p *parties) {
			ofAUser(p)
			p.server.Scopes["write"] = policies.Scope{Risk: "medium"}
			spoil(p.consent)
		}
	}
	for what, spoil := range map[string]func(*parties){
		"not the client's": func(p *parties) { delete(p.client.Scopes[openID], "email") },
		"not the user's":   func(p *parties) { delete(p.subject.Scopes[openID], "email") },
		"not granted":      func(p *parties) { delete(p.grant.Scopes[openID], "email") },
		"not agreed to":    func(p *parties) { p.identity.Scopes["email"] = false },
		"taken back":       func(p *parties) { p.identity.Revoked = true },
		"agreed elsewhere": func(p *parties) { p.identity.Resource = oneServer },
		"not told at all":  func(p *parties) { p.in.Consents = nil },
		"not asked for":    func(p *parties) { p.in.Request.Scopes = []string{"read"} },
		"asked for":        func(p *parties) { p.in.Request.Scopes = []string{"read", "openid", "groups"} },
		"a short one":      func(p *parties) { p.server.TokenTTL = 17 },
	} {
		out["identity "+what] = func(p *parties) {
			p.in.Request.Scopes = []string{}
			spoil(p)
		}
	}
	return out
}

// ofAUser makes a question be about what is done for a user.
func ofAUser(p *parties) {
	p.subject, p.token.Subject, p.consent.Subject = aUser(), "usr_joe", "usr_joe"
	p.in.Consent = p.consent
}

func (p *parties) lengthen(n int) {
	p.actors, p.token.Chain = nil, nil
	for i := range n {
		id := agents()[i]
		p.actors, p.token.Chain = append(p.actors, somebody(id)), append(p.token.Chain, id)
	}
	p.token.Client = p.token.Chain[0]
}

// nearlyEveryday are these questions for every action, always in the same order.
func nearlyEveryday(t testing.TB) []policies.Input {
	var out []policies.Input
	wrong := oneWrong()
	for _, action := range []string{
		policies.IssueClientCredentials, policies.IssueTokenExchange, policies.IssueAuthorizationCode, policies.IssueRefreshToken, policies.Introspect,
	} {
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			p := usualParties(action)
			wrong[name](p)
			out = append(out, p.question(t))
		}
	}
	return slices.Concat(out, strays(t), visits(t), conferrals(t), farewells(t), leaks(t), acquaintances(t), accounts(t), elsewheres(t), detaileds(t), machines(t), followings(t), renewals(t), enquiries(t))
}

// farewells give up an access token, what a person granted, both and nothing: by who
// holds it, and by another.
func farewells(t testing.TB) (out []policies.Input) {
	for _, client := range []string{"agt_client", "agt_other"} {
		for held := range 4 {
			p := usualParties(policies.IssueAuthorizationCode)
			p.client.ID, p.token.Client = client, "agt_client"
			in := policies.Input{Action: policies.Revoke, Now: worldNow, Client: frozen(t, p.client)}
			if held&1 != 0 {
				in.Token = &p.token
			}
			if held&2 != 0 {
				in.Authorization = p.grant
			}
			out = append(out, in)
		}
	}
	return out
}

// leaks are secrets that somebody found, of each kind, with one thing wrong.
func leaks(t testing.TB) (out []policies.Input) {
	wrong := []func(*policies.Input){
		func(*policies.Input) {},
		func(in *policies.Input) { in.Token.Expires = worldNow },
		func(in *policies.Input) { in.Token.Revoked = true },
		func(in *policies.Input) { in.Token.Grant.ExpiresAt = worldNow },
		func(in *policies.Input) { in.Token.Grant.Revoked = true },
		func(in *policies.Input) { in.Authorization.Revoked = true },
		func(in *policies.Input) { in.Authorization.EndsAt = worldNow },
		func(in *policies.Input) { in.Authorization.Used = true },
		func(in *policies.Input) { in.Credential.ID = "" },
		func(in *policies.Input) { in.Object.Kind = "link" },
		func(in *policies.Input) { in.Object.Kind = "passkey" },
		func(in *policies.Input) { in.Object.ID = "" },
		func(in *policies.Input) { in.Approval.State = "approved" },
		func(in *policies.Input) { in.Approval.State, in.Approval.Until = "approved", worldNow+1 },
		func(in *policies.Input) { in.Approval.State, in.Approval.Until = "approved", worldNow },
		func(in *policies.Input) { in.Approval.State, in.Approval.Until = "used", worldNow+1 },
		func(in *policies.Input) { in.Approval.State = "denied" },
		func(in *policies.Input) { in.Approval.ExpiresAt = worldNow },
	}
	for _, spoil := range wrong {
		for found := range 32 {
			p := usualParties(policies.IssueAuthorizationCode)
			in := policies.Input{
				Action: policies.Leaked, Now: worldNow, Token: &p.token, Authorization: p.grant, Credential: policies.Credential{ID: "crd_1"},
				Object:   &policies.Object{Kind: "session", ID: "ses_1", Owner: "usr_joe"},
				Approval: &policies.Approval{ID: "apr_1", Kind: "ciba", State: "pending", ACRValues: []string{}, ExpiresAt: worldNow + 100},
			}
			spoil(&in)
			for n, leave := range []func(){
				func() { in.Token = nil }, func() { in.Authorization = nil }, func() { in.Credential.ID = "" }, func() { in.Object = nil }, func() { in.Approval = nil },
			} {
				if found&(1<<n) == 0 {
					leave()
				}
			}
			out = append(out, in)
		}
	}
	return out
}

// acquaintances are questions who the user of a token is, with one thing wrong.
func acquaintances(t testing.TB) (out []policies.Input) {
	wrong := map[string]func(*parties){
		"nothing":             func(*parties) {},
		"another audience":    func(p *parties) { p.token.Audience.ID = oneServer },
		"another holder":      func(p *parties) { p.token.Client = "usr_joe" },
		"of an agent":         func(p *parties) { p.subject.Kind = "agent" },
		"without openid":      func(p *parties) { p.token.Own = []string{"email"} },
		"more than openid":    func(p *parties) { p.token.Own = []string{"openid", "email", "groups", "profile", "shoes"} },
		"client lacks it":     func(p *parties) { delete(p.client.Scopes[openID], "openid") },
		"user lacks it":       func(p *parties) { delete(p.subject.Scopes[openID], "openid") },
		"actor lacks it":      func(p *parties) { delete(p.actors[0].Scopes[openID], "openid") },
		"consent taken back":  func(p *parties) { p.consent.Revoked = true },
		"client suspended":    func(p *parties) { p.client.Status = "suspended" },
		"token revoked":       func(p *parties) { p.token.Revoked = true },
		"no token":            func(p *parties) { p.token.ID = "" },
		"no token, no person": func(p *parties) { p.token.ID, p.subject.Kind = "", "agent" },
	}
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		p := usualParties(policies.Userinfo)
		ofAUser(p)
		p.actors = []policies.Principal{somebody("agt_client")}
		for _, held := range []map[string]map[string][]string{p.client.Scopes, p.subject.Scopes, p.actors[0].Scopes, p.consent.Reach} {
			held[openID] = map[string][]string{}
			for _, s := range []string{"openid", "email", "profile", "groups", "shoes"} {
				held[openID][s] = []string{"rol_1"}
			}
		}
		p.token.Client, p.token.Chain, p.consent.Client = "agt_client", []string{"agt_client"}, "agt_client"
		p.token.Audience, p.token.Own = policies.Audience{ID: openID, Status: "active"}, []string{"openid", "email"}
		wrong[name](p)
		in := policies.Input{
			Action: policies.Userinfo, Now: worldNow, Request: policies.Request{Resources: []string{}, Scopes: []string{}}, Consent: p.consent,
			Client: frozen(t, p.client), Subject: frozen(t, p.subject), Chain: []*policies.Fact[policies.Principal]{frozen(t, p.actors[0])},
		}
		if p.token.ID != "" {
			in.Token = &p.token
		}
		out = append(out, in)
	}
	return out
}

// conferrals are an administrator's requests that would give somebody a right:
// one that is carried, and one that one of them does not carry.
func conferrals(t testing.TB) []policies.Input {
	carried := []string{"clients:read", "clients:write"}
	ask := func(lacks string) policies.Input {
		p := usualParties(policies.AdminPrefix + "listClients")
		at := func(who string) map[string][]string {
			held := map[string][]string{"clients:read": {"rol_1"}, "clients:write": {"rol_1"}}
			if who == lacks {
				delete(held, "clients:write")
			}
			return held
		}
		p.client.Scopes[selfID], p.subject.Scopes[selfID] = at("client"), at("subject")
		p.actors = p.actors[:1]
		p.actors[0].Scopes[selfID] = at("actor")
		token := p.token
		token.Client, token.Chain, token.Audience = "agt_client", []string{"agt_near"}, policies.Audience{ID: selfID, Status: "active"}
		token.Own, token.Scopes = carried, map[string]map[string][]string{selfID: at("token")}
		if lacks == "token" {
			token.Own = carried[:1]
		}
		return policies.Input{
			Action: p.in.Action, Now: worldNow, Credential: p.in.Credential, Request: policies.Request{Resources: []string{}, Scopes: carried[1:]},
			Client: frozen(t, p.client), Subject: frozen(t, p.subject), Chain: []*policies.Fact[policies.Principal]{frozen(t, p.actors[0])}, Token: &token,
		}
	}
	return []policies.Input{ask(""), ask("token"), ask("client"), ask("subject"), ask("actor")}
}

// strays are questions of a client for itself with something that belongs in others.
func strays(t testing.TB) []policies.Input {
	p := usualParties(policies.IssueClientCredentials)
	soon := somebody("agt_near")
	soon.ExpiresAt = worldNow + 7
	subject, token, actor := p.question(t), p.question(t), p.question(t)
	subject.Subject = frozen(t, soon)
	token.Parent = &p.token
	actor.Chain = []*policies.Fact[policies.Principal]{frozen(t, soon)}
	code := usualParties(policies.IssueAuthorizationCode)
	both, parentless, bare := code.question(t), usualParties(policies.IssueTokenExchange).question(t), p.question(t)
	both.Parent = &p.token
	parentless.Parent, parentless.Authorization = nil, code.grant
	public := somebody("agt_client")
	public.Public = true
	bare.Client, bare.Credential, bare.Authorization = frozen(t, public), policies.Credential{Method: "none"}, code.grant
	return []policies.Input{subject, token, actor, both, parentless, bare}
}

// One thing wrong at a time: what the engine says is what the oracle says.
func TestNearlyEverydayAgreesWithOracle(t *testing.T) {
	e, err := New(Options{House: silent()})
	require.NoError(t, err)
	allowed := 0
	for _, in := range nearlyEveryday(t) {
		d, err := e.Decide(t.Context(), in)
		require.NoError(t, err)
		doc := bind(in)
		require.False(t, differ(answer(d), judge(in)), "the engine says %+v\nthe oracle says %+v\nasked %s", answer(d), judge(in), doc.value())
		if d.Allow {
			allowed++
		}
	}
	t.Logf("%d of %d allowed", allowed, len(nearlyEveryday(t)))
	require.Greater(t, allowed, 10)
}
