package bundles

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

// evaluated is the question of a service, with a token that was sent to it or without.
func (w *world) evaluated() policies.Input {
	servers := []string{oneServer, twoServer}
	ids := rapid.Permutation(agents()).Draw(w.t, "ids")
	client := w.principal(ids[0], w.coin("agent"), servers)
	one, two := w.resource(oneServer), w.resource(twoServer)
	one.Operator = either(w, "operator of one", []string{ids[0]}, []string{"", ids[1]})
	in := policies.Input{Action: policies.Evaluate, Now: worldNow, Client: fact(w, "client", client)}
	in.Request = policies.Request{
		Resources: either(w, "resources", [][]string{{one.Identifier}}, [][]string{nil, {}, {"https://elsewhere"}, {one.Identifier, two.Identifier}}),
		Scopes:    either(w, "scopes", [][]string{{"read"}, {"write"}}, [][]string{nil, {}, {"ghost"}, {"read", "write"}}),
	}
	in.Resources = []*policies.Fact[policies.Resource]{fact(w, "one", one)}
	if w.bad("two") {
		in.Resources = append(in.Resources, fact(w, "two", two))
	}
	subject, token, chain := w.token(ids, servers, policies.KindAccess)
	in.Subject, in.Chain = fact(w, "subject", subject), chain
	asked := &policies.Asked{
		Type:         either(w, "type", []string{subject.Kind}, []string{"", "user", "agent"}),
		Subject:      either(w, "asked subject", []string{subject.ID}, []string{"", "usr_2"}),
		ResourceType: either(w, "resource type", []string{"resource_server"}, []string{"", "record"}),
	}
	if !w.bad("asked") {
		in.Request.Asked = asked
	}
	if w.coin("by token") {
		w.sentToken(&in, asked, token, servers)
		return w.evaluatedInDetail(in)
	}
	asked.Chain = either(w, "asked chain", [][]string{token.Chain}, [][]string{nil, {}, ids[:1]})
	if asked.Chain != nil {
		asked.Chain = slices.Clone(asked.Chain)
	}
	for range w.upTo(2, "consents") {
		if c := w.consent(beganBy(token, client.ID), subject.ID, servers); c != nil {
			in.Consents = append(in.Consents, c)
		}
	}
	if w.bad("stray consent") {
		in.Consent = w.consent(beganBy(token, client.ID), subject.ID, servers)
	}
	return w.evaluatedInDetail(in)
}

// sentToken adds the token, or why it cannot be read.
func (w *world) sentToken(in *policies.Input, asked *policies.Asked, token *policies.Token, servers []string) {
	asked.Chain = either(w, "asked chain", [][]string{nil, token.Chain}, [][]string{{}, {"agt_other"}})
	in.Token = token
	if w.bad("unread") {
		in.Token, in.Request.TokenProblem = nil, "malformed"
	}
	in.Consent = w.consent(beganBy(token, asked.Subject), token.Subject, servers)
}

// evaluatedInDetail adds what is to be done, now and then.
func (w *world) evaluatedInDetail(in policies.Input) policies.Input {
	if !w.always && w.upTo(3, "details") < 3 {
		return in
	}
	for i, r := range in.Resources {
		if r != nil {
			v := r.Value
			v.Types = w.types()
			in.Resources[i] = fact(w, "typed", v)
		}
	}
	if w.coin("named") {
		in.Request.Details = []policies.Detail{w.asked("asked")}
	}
	if in.Token != nil {
		in.Token.Details = w.has("token")
	}
	if in.Consent != nil {
		in.Consent.Details = w.has("consent")
	}
	for _, c := range in.Consents {
		c.Details = w.has("consent")
	}
	return in
}
