package bundles

import (
	"maps"
	"slices"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// machines are what somebody is asked to let a client do by itself: alone, with an
// agent's token and with joe's; asked, looked at, answered and brought, with one thing
// wrong.
func machines(t testing.TB) (out []policies.Input) {
	joes := aUser()
	stray := usualParties(policies.IssueTokenExchange).token
	payment := policies.Detail(`{"type":"payment"}`)
	wrong := map[string]func(*policies.Input){
		"nothing":            func(*policies.Input) {},
		"no approval":        func(in *policies.Input) { in.Approval = nil },
		"by CIBA":            func(in *policies.Input) { in.Approval.Kind = "ciba" },
		"asked by another":   func(in *policies.Input) { in.Approval.Client = "agt_other" },
		"of another, over":   func(in *policies.Input) { in.Approval.Client, in.Approval.Until = "agt_other", worldNow },
		"of another, used":   func(in *policies.Input) { in.Approval.Client, in.Approval.State = "agt_other", "used" },
		"asked of another":   func(in *policies.Input) { in.Approval.Subject = "usr_other" },
		"nobody known":       func(in *policies.Input) { in.Approval.Approver = nil },
		"an owner":           func(in *policies.Input) { in.Approval.Approver.Known = "owner" },
		"somebody listed":    func(in *policies.Input) { in.Approval.Approver.Known = "listed" },
		"a stranger":         func(in *policies.Input) { in.Approval.Approver.Known = "" },
		"approver suspended": func(in *policies.Input) { in.Approval.Approver.Status = "suspended" },
		"approver expired":   func(in *policies.Input) { in.Approval.Approver.ExpiresAt = worldNow },
		"a robot is asked": func(in *policies.Input) {
			in.Subject = frozen(t, but(joes, func(p *policies.Principal) { p.Kind = "robot" }))
		},
		"a robot's token": func(in *policies.Input) {
			in.Represented = frozen(t, but(joes, func(p *policies.Principal) { p.Kind = "robot" }))
			in.Approval.Approver.Known = ""
		},
		"joe's token": func(in *policies.Input) {
			in.Represented = frozen(t, joes)
			in.Approval.Approver.Known = ""
		},
		"another's token, asked of its owner": func(in *policies.Input) {
			in.Represented = frozen(t, but(joes, func(p *policies.Principal) { p.ID = "usr_other" }))
			in.Approval.Approver.Known = "owner"
		},
		"nobody's token":        func(in *policies.Input) { in.Represented = nil },
		"another grant":         func(in *policies.Input) { in.Approval.GrantType = "authorization_code" },
		"client credentials":    func(in *policies.Input) { in.Approval.GrantType = "client_credentials" },
		"exchange":              func(in *policies.Input) { in.Approval.GrantType = exchange },
		"another token":         func(in *policies.Input) { in.Approval.Parent = "tok_2" },
		"this token":            func(in *policies.Input) { in.Approval.Parent = "tok_1" },
		"no token":              func(in *policies.Input) { in.Approval.Parent = "" },
		"this token, handed in": func(in *policies.Input) { in.Parent, in.Approval.Parent = &stray, "tok_1" },
		"waits":                 func(in *policies.Input) { in.Approval.State = "pending" },
		"waits, and nothing is allowed": func(in *policies.Input) {
			in.Approval.State, in.Approval.Scopes, in.Approval.Until = "pending", nil, 0
		},
		"waited":                 func(in *policies.Input) { in.Approval.State, in.Approval.ExpiresAt = "pending", worldNow },
		"denied":                 func(in *policies.Input) { in.Approval.State = "denied" },
		"used":                   func(in *policies.Input) { in.Approval.State = "used" },
		"over":                   func(in *policies.Input) { in.Approval.Until = worldNow },
		"ends soon":              func(in *policies.Input) { in.Approval.Until = worldNow + 7 },
		"pushed":                 func(in *policies.Input) { in.Approval.Delivery = "push" },
		"approved less":          func(in *policies.Input) { in.Approval.Scopes = map[string][]string{oneServer: {"write"}} },
		"approved elsewhere":     func(in *policies.Input) { in.Approval.Scopes = map[string][]string{twoServer: {"read", "write"}} },
		"details approved":       func(in *policies.Input) { in.Approval.Details = map[string][]policies.Detail{oneServer: {payment}} },
		"details asked":          func(in *policies.Input) { in.Request.Details = []policies.Detail{payment} },
		"details elsewhere":      func(in *policies.Input) { in.Approval.Details = map[string][]policies.Detail{twoServer: {payment}} },
		"unproven":               func(in *policies.Input) { in.Credential = policies.Credential{Method: "none"} },
		"asks for less":          func(in *policies.Input) { in.Request.Scopes = []string{"read"} },
		"asks for more":          func(in *policies.Input) { in.Request.Scopes = []string{"read", "write", "ghost"} },
		"says that it brings it": func(in *policies.Input) { in.Request.Approval = true },
		"says so, and does not":  func(in *policies.Input) { in.Request.Approval, in.Approval = true, nil },
		"not reached":            func(in *policies.Input) { in.Acquaintance = &policies.Acquaintance{UserCode: "none"} },
		"nothing known":          func(in *policies.Input) { in.Acquaintance = nil },
		"known, but not for it": func(in *policies.Input) {
			in.Approval.Approver.Known, in.Represented = "", nil
			in.Acquaintance = &policies.Acquaintance{Known: "consent", Reached: true, UserCode: "none"}
		},
		"known for it, and not otherwise": func(in *policies.Input) {
			in.Approval.Kind = "ciba"
			in.Acquaintance = &policies.Acquaintance{Reached: true, UserCode: "none"}
		},
		"token revoked": func(in *policies.Input) {
			if in.Parent != nil {
				revoked := *in.Parent
				revoked.Revoked, in.Parent = true, &revoked
			}
		},
	}
	for _, action := range []string{policies.AskApproval, policies.ShowApproval, policies.AnswerApproval, ""} {
		for _, whose := range []string{"", "agt_root", "usr_joe"} {
			for _, name := range slices.Sorted(maps.Keys(wrong)) {
				in := byItself(t, action, whose)
				wrong[name](&in)
				out = append(out, in)
			}
		}
	}
	for _, action := range []string{policies.IssueCIBA, policies.AskApproval} { // what is a machine's is nobody else's
		in := elsewhere(t, action)
		in.Request.Approval, in.Approval.GrantType, in.Approval.Approver = true, "client_credentials", &policies.Approver{Known: "owner", Status: "active", ExpiresAt: worldNow + 50}
		out = append(out, in)
		in = elsewhere(t, action)
		in.Request.Approval = true
		out = append(out, in)
	}
	return out
}

func but(p policies.Principal, change func(*policies.Principal)) policies.Principal {
	change(&p)
	return p
}

// byItself is such a question; action "" is the token request, and whose the subject of
// the token that is exchanged, "" if none is.
func byItself(t testing.TB, action, whose string) policies.Input {
	grant, issue := "client_credentials", policies.IssueClientCredentials
	if whose != "" {
		grant, issue = exchange, policies.IssueTokenExchange
	}
	p := usualParties(issue)
	p.server.Scopes["write"] = policies.Scope{Risk: "medium"}
	p.server.Types = map[string]policies.DetailType{"payment": {Scope: "write", Risk: "low", Narrow: map[string]string{}}}
	if whose == "usr_joe" {
		ofAUser(p)
	}
	in := p.question(t)
	a := &policies.Approval{
		ID: "apr_1", Kind: "machine", Client: "agt_client", Subject: "usr_joe", State: "pending", Delivery: "poll", ACRValues: []string{},
		CreatedAt: worldNow - 20, ExpiresAt: worldNow + 300, GrantType: grant, Approver: &policies.Approver{Known: "owner", Status: "active", ExpiresAt: worldNow + 5000},
	}
	if whose != "" {
		a.Parent = p.token.ID
	}
	if whose == "usr_joe" {
		a.Approver.Known = ""
	}
	in.Approval = a
	if action == "" {
		a.State, a.Scopes, a.Until = "approved", map[string][]string{oneServer: {"read", "write"}}, worldNow+2000
		in.Request.Approval = true
		return in
	}
	in.Action = action
	in.Represented, in.Subject = in.Subject, frozen(t, but(aUser(), func(p *policies.Principal) { p.Scopes = nil }))
	if action == policies.AskApproval {
		a.ID = ""
		in.Acquaintance = &policies.Acquaintance{Reached: true, UserCode: "none"}
		return in
	}
	in.Credential, in.Session, in.Consents = policies.Credential{}, &policies.Session{AuthTime: worldNow - 100, ACR: "1", AMR: []string{"pwd"}}, []*policies.Consent{}
	if action == policies.AnswerApproval {
		in.Request.Answer = &policies.Answer{Scopes: []policies.Grants{{Resource: oneServer, Scope: "read"}}, Until: worldNow + 2000}
	}
	return in
}
