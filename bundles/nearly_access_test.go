package bundles

import (
	"maps"
	"slices"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// enquiry is the question of a service, in the forms it comes in, before one thing of it
// is changed.
type enquiry struct {
	parties
	asked    policies.Asked
	consents []*policies.Consent
}

// enquire puts a question about a user or an agent, through so many actors.
func enquire(user bool, actors int, byToken, detailed bool) *enquiry {
	e := &enquiry{parties: *usualParties(policies.Introspect)}
	e.in.Action = policies.Evaluate
	e.in.Request = policies.Request{Resources: []string{"https://one"}, Scopes: []string{"read"}}
	e.actors = e.actors[2-actors:]
	e.token.Chain, e.token.Client = e.token.Chain[2-actors:], "agt_root"
	e.asked = policies.Asked{Type: "agent", Subject: "agt_root", ResourceType: "resource_server"}
	if user {
		e.subject = aUser()
		e.token.Subject, e.token.Client, e.asked.Subject, e.asked.Type, e.consent.Subject = "usr_joe", "usr_joe", "usr_joe", "user", "usr_joe"
	}
	e.in.Consent = e.consent
	if actors != 1 {
		e.consent.Resource = twoServer
	}
	if detailed {
		had, less := policies.Detail(`{"amount":50,"type":"payment"}`), policies.Detail(`{"amount":20,"type":"payment"}`)
		e.server.Types = map[string]policies.DetailType{"payment": {Scope: "read", Risk: "low", Narrow: map[string]string{"amount": "at_most"}}}
		e.in.Request.Details, e.token.Details, e.consent.Details = []policies.Detail{less}, []policies.Detail{had}, []policies.Detail{had}
		e.consent.Resource = oneServer
	}
	if !byToken {
		e.asked.Chain, e.token.ID = slices.Clone(e.token.Chain), ""
		e.in.Consent, e.consents = nil, []*policies.Consent{e.consent}
	}
	return e
}

func (e *enquiry) question(t testing.TB) policies.Input {
	in := e.in
	in.Client, in.Subject = frozen(t, e.client), frozen(t, e.subject)
	in.Resources = []*policies.Fact[policies.Resource]{frozen(t, e.server)}
	for _, a := range e.actors {
		in.Chain = append(in.Chain, frozen(t, a))
	}
	if e.token.ID != "" {
		in.Token = &e.token
	}
	if e.asked.ResourceType != "" {
		in.Request.Asked = &e.asked
	}
	in.Consents = e.consents
	return in
}

// enquiries are all forms of the question, with one thing out of order, or unusual.
func enquiries(t testing.TB) (out []policies.Input) {
	wrong := enquiriesWrong()
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		for form := range 24 {
			e := enquire(form&1 != 0, form/8, form&2 != 0, form&4 != 0)
			wrong[name](e)
			out = append(out, e.question(t))
		}
	}
	return out
}

func enquiriesWrong() map[string]func(*enquiry) {
	out := map[string]func(*enquiry){
		"nothing":           func(*enquiry) {},
		"service suspended": func(e *enquiry) { e.server.Status = "suspended" },
		"another's":         func(e *enquiry) { e.server.Operator = "agt_other" },
		"nobody's":          func(e *enquiry) { e.server.Operator, e.client.ID = "", "" },
		"none named":        func(e *enquiry) { e.in.Request.Resources = []string{} },
		"another named":     func(e *enquiry) { e.in.Request.Resources = []string{"https://two"} },
		"a record":          func(e *enquiry) { e.asked.ResourceType = "record" },
		"nobody asked":      func(e *enquiry) { e.asked.ResourceType = "" },
		"another subject":   func(e *enquiry) { e.asked.Subject = "usr_bob" },
		"of another type":   func(e *enquiry) { e.asked.Type = "robot" },
		"another loaded":    func(e *enquiry) { e.subject.ID = "usr_bob" },
		"chain asked":       func(e *enquiry) { e.asked.Chain = slices.Clone(e.token.Chain) },
		"no chain asked":    func(e *enquiry) { e.asked.Chain = nil },
		"empty chain asked": func(e *enquiry) { e.asked.Chain = []string{} },
		"others asked":      func(e *enquiry) { e.asked.Chain = []string{"agt_other"} },
		"depth 1":           func(e *enquiry) { e.server.MaxDepth = 1 },
		"depth 2":           func(e *enquiry) { e.server.MaxDepth = 2 },
		"nothing to do":     func(e *enquiry) { e.in.Request.Scopes = []string{} },
		"twice":             func(e *enquiry) { e.in.Request.Scopes = []string{"read", "read"} },
		"both":              func(e *enquiry) { e.in.Request.Scopes = []string{"read", "write"} },
		"high risk":         func(e *enquiry) { e.in.Request.Scopes = []string{"write"} },
		"high risk, approved": func(e *enquiry) {
			e.in.Request.Scopes, e.consent.Approval = []string{"write"}, "apr_1"
			e.server.Types = map[string]policies.DetailType{"payment": {Scope: "write", Risk: "high", Narrow: map[string]string{"amount": "at_most"}}}
		},
		"undefined":             func(e *enquiry) { delete(e.server.Scopes, "read") },
		"risk unknown":          func(e *enquiry) { e.server.Scopes["read"] = policies.Scope{Risk: "dire"} },
		"not the subject's":     func(e *enquiry) { delete(e.subject.Scopes[oneServer], "read") },
		"not the token's":       func(e *enquiry) { e.token.Own = []string{"write"} },
		"another audience":      func(e *enquiry) { e.token.Audience.ID = twoServer },
		"token revoked":         func(e *enquiry) { e.token.Revoked = true },
		"token expired":         func(e *enquiry) { e.token.Expires = worldNow },
		"unread":                func(e *enquiry) { e.token.ID, e.in.Request.TokenProblem = "", "malformed" },
		"unread, nobody":        func(e *enquiry) { e.token.ID, e.in.Request.TokenProblem, e.asked.Chain = "", "malformed", []string{} },
		"both of them":          func(e *enquiry) { e.token.ID = "tok_1"; e.in.Consent = e.consent },
		"consent for a token":   func(e *enquiry) { e.consents = append(e.consents, e.consent); e.in.Consent = nil },
		"no consent":            func(e *enquiry) { e.consents, e.in.Consent = nil, nil },
		"consent revoked":       func(e *enquiry) { e.consent.Revoked = true },
		"consent expired":       func(e *enquiry) { e.consent.ExpiresAt = worldNow },
		"consent to another":    func(e *enquiry) { e.consent.Client = "agt_other" },
		"consent of another":    func(e *enquiry) { e.consent.Subject = "usr_bob" },
		"other redirects":       func(e *enquiry) { e.consent.RedirectsOK = false },
		"consent elsewhere":     func(e *enquiry) { e.consent.Resource = twoServer },
		"consent here":          func(e *enquiry) { e.consent.Resource = oneServer },
		"consent to less":       func(e *enquiry) { delete(e.consent.Scopes, "read") },
		"consent leads nowhere": func(e *enquiry) { e.consent.Reach = map[string]map[string][]string{} },
		"consent to nothing": func(e *enquiry) {
			e.consent.Reach, e.consent.Scopes, e.consent.Resource = map[string]map[string][]string{}, map[string]bool{"read": false}, oneServer
		},
		"type unknown": func(e *enquiry) { e.server.Types = nil },
		"type of another": func(e *enquiry) {
			e.typed(policies.DetailType{Scope: "write", Risk: "low", Narrow: map[string]string{"amount": "at_most"}})
		},
		"type of high risk": func(e *enquiry) {
			e.typed(policies.DetailType{Scope: "read", Risk: "high", Narrow: map[string]string{"amount": "at_most"}})
		},
		"type of unknown risk": func(e *enquiry) {
			e.typed(policies.DetailType{Scope: "read", Risk: "dire", Narrow: map[string]string{"amount": "at_most"}})
		},
		"not to be narrowed": func(e *enquiry) {
			e.typed(policies.DetailType{Scope: "read", Risk: "low", Narrow: map[string]string{}})
		},
		"high risk, once": func(e *enquiry) {
			e.consent.Approval = "apr_1"
			e.typed(policies.DetailType{Scope: "read", Risk: "high", Narrow: map[string]string{"amount": "at_most"}})
		},
		"no details named": func(e *enquiry) { e.in.Request.Details = nil },
		"no details named, of another scope": func(e *enquiry) {
			e.in.Request.Details = nil
			e.typed(policies.DetailType{Scope: "write", Risk: "low", Narrow: map[string]string{"amount": "at_most"}})
		},
		"no details named, nothing agreed": func(e *enquiry) { e.in.Request.Details, e.consent.Details = nil, nil },
		"nothing in the token":             func(e *enquiry) { e.token.Details = nil },
		"nothing in the consent":           func(e *enquiry) { e.consent.Details = nil },
		"action":                           func(e *enquiry) { e.client.Kind = "application" },
	}
	for who, of := range map[string]func(*enquiry) *policies.Principal{
		"client": func(e *enquiry) *policies.Principal { return &e.client }, "subject": func(e *enquiry) *policies.Principal { return &e.subject },
	} {
		out[who+" suspended"] = func(e *enquiry) { of(e).Status = "suspended" }
		out[who+" expired"] = func(e *enquiry) { of(e).ExpiresAt = worldNow }
		out[who+" without owner"] = func(e *enquiry) { of(e).Owner = nil }
	}
	for who, spoil := range map[string]func(*policies.Principal){
		"suspended": func(p *policies.Principal) { p.Status = "suspended" }, "without the scope": func(p *policies.Principal) { delete(p.Scopes[oneServer], "read") },
		"exchanged": func(p *policies.Principal) { p.ID = "agt_other" },
	} {
		out["actor "+who] = func(e *enquiry) {
			if len(e.actors) > 0 {
				spoil(&e.actors[len(e.actors)-1])
			}
		}
	}
	out["actor lost"] = func(e *enquiry) { e.actors = e.actors[:max(0, len(e.actors)-1)] }
	out["actor twice"] = func(e *enquiry) {
		for i := range e.actors {
			e.actors[i] = somebody("agt_far")
			e.token.Chain[i] = "agt_far"
			if e.asked.Chain != nil {
				e.asked.Chain[i] = "agt_far"
			}
		}
	}
	return out
}

// typed has payments be like this, where there are any.
func (e *enquiry) typed(kind policies.DetailType) {
	if e.server.Types != nil {
		e.server.Types = map[string]policies.DetailType{"payment": kind}
	}
}
