package bundles

import (
	"maps"
	"slices"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// elsewheres are what is asked of joe, who is not where the client is, looked at,
// answered and carried out, with one thing wrong.
func elsewheres(t testing.TB) (out []policies.Input) {
	wrong := map[string]func(*policies.Input){
		"nothing":             func(*policies.Input) {},
		"no approval":         func(in *policies.Input) { in.Approval = nil },
		"nobody's device":     func(in *policies.Input) { in.Approval.Kind, in.Approval.Subject = "device", "" },
		"a device of another": func(in *policies.Input) { in.Approval.Kind, in.Approval.Subject = "device", "usr_other" },
		"another kind": func(in *policies.Input) {
			in.Approval.Kind = map[string]string{"ciba": "device", "device": "ciba"}[in.Approval.Kind]
		},
		"approved elsewhere": func(in *policies.Input) {
			if in.Authorization != nil {
				in.Authorization.Resources, in.Consent = []string{twoServer}, nil
			}
		},
		"denied, and consent to another": func(in *policies.Input) {
			if in.Approval.State = "denied"; in.Consent != nil {
				in.Consent.Approval = "apr_2"
			}
		},
		"asked of nobody":  func(in *policies.Input) { in.Approval.Subject = "" },
		"asked of another": func(in *policies.Input) { in.Approval.Subject = "usr_other" },
		"asked by another": func(in *policies.Input) { in.Approval.Client = "agt_other" },
		"over":             func(in *policies.Input) { in.Approval.ExpiresAt = worldNow },
		"over for another": func(in *policies.Input) {
			in.Approval.State, in.Approval.ExpiresAt, in.Approval.Client = "pending", worldNow, "agt_other"
		},
		"denied": func(in *policies.Input) { in.Approval.State = "denied" },
		"waits":  func(in *policies.Input) { in.Approval.State = "pending" },
		"pushed": func(in *policies.Input) { in.Approval.Delivery = "push" },
		"told":   func(in *policies.Input) { in.Credential = policies.Credential{Method: "push"} },
		"pushed and told": func(in *policies.Input) {
			in.Approval.Delivery, in.Credential = "push", policies.Credential{Method: "push"}
		},
		"delivered nohow": func(in *policies.Input) { in.Approval.Delivery = "" },
		"nobody is known": func(in *policies.Input) {
			in.Acquaintance = &policies.Acquaintance{Waiting: 20, Pending: 3, Asked: 12, Denials: 3, DeniedAt: worldNow, ReportedAt: 1}
		},
		"no code": func(in *policies.Input) {
			in.Acquaintance = &policies.Acquaintance{Known: "listed", Reached: true, UserCode: "missing"}
		},
		"wrong code": func(in *policies.Input) {
			in.Acquaintance = &policies.Acquaintance{Known: "listed", Reached: true, UserCode: "wrong"}
		},
		"nobody is known, and no code": func(in *policies.Input) { in.Acquaintance = &policies.Acquaintance{UserCode: "missing"} },
		"not reached":                  func(in *policies.Input) { in.Acquaintance = &policies.Acquaintance{Known: "owner", UserCode: "none"} },
	}
	for _, action := range []string{policies.AskApproval, policies.ShowApproval, policies.AnswerApproval, policies.IssueCIBA, policies.IssueDevice} {
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			in := elsewhere(t, action)
			wrong[name](&in)
			out = append(out, in)
		}
	}
	for _, action := range []string{policies.ShowApproval, policies.AnswerApproval} {
		out = append(out, longAgo(t, elsewhere(t, action)))
	}
	code := elsewhere(t, policies.IssueCIBA) // and it counts for nothing else
	code.Action, code.Authorization.Kind, code.Consent.Approval = policies.IssueAuthorizationCode, "authorization_code", ""
	return append(out, code)
}

// longAgo is a question about what is risky, put to who signed in before that is fresh.
func longAgo(t testing.TB, in policies.Input) policies.Input {
	r := in.Resources[0].Value
	r.Scopes = maps.Clone(r.Scopes)
	for name, s := range r.Scopes {
		s.Risk = "high"
		r.Scopes[name] = s
	}
	in.Resources = []*policies.Fact[policies.Resource]{frozen(t, r)}
	in.Session.AuthTime = worldNow - 301
	return in
}

// elsewhere is a question about what is asked of joe.
func elsewhere(t testing.TB, action string) policies.Input {
	p := usualParties(policies.IssueAuthorizationCode)
	p.client.Public = false
	p.client.GrantTypes = append(p.client.GrantTypes, "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code")
	p.in.Action, p.consent.Approval = action, "apr_1"
	a := &policies.Approval{
		ID: "apr_1", Kind: "ciba", Client: "agt_client", Subject: "usr_joe", State: "pending", Delivery: "poll", ACRValues: []string{},
		CreatedAt: worldNow - 20, ExpiresAt: worldNow + 300,
	}
	if kind := kinds[action]; kind != "" {
		a.Kind, a.State, p.grant.Kind = kind, "approved", kind
	}
	p.in.Approval = a
	in := p.question(t)
	if kinds[action] != "" {
		return in
	}
	in.Authorization, in.Consent, in.Consents = nil, nil, nil
	in.Request.Resources = []string{"https://one"}
	switch action {
	case policies.AskApproval:
		a.ID = ""
		in.Acquaintance = &policies.Acquaintance{Known: "listed", Reached: true, UserCode: "none"}
	case policies.AnswerApproval:
		in.Request.Answer = &policies.Answer{Scopes: []policies.Grants{{Resource: oneServer, Scope: "read"}}, Until: worldNow + 2000}
		fallthrough
	default:
		in.Session, in.Consents = &policies.Session{AuthTime: worldNow - 100, ACR: "1", AMR: []string{"pwd"}}, []*policies.Consent{}
	}
	return in
}
