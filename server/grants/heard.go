package grants

import (
	"slices"
	"strings"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Heard is a reason as a service is told it: with ids that it knows, and no names.
type Heard struct {
	Code    string
	Party   string // as in explanations: client, subject, actor, consent, parent_token, resource_server, house_policy, deputy
	ID      string // of the party
	Scope   string
	Value   string // what was seen instead
	Message string
	Remedy  string
	Who     []string // who could change it: policies.Who…, or a right over Deputy's own API
}

// heard are the reasons that a service is told. Of somebody who holds nothing at it, be
// it that there is nobody of that id, it hears that and nothing else, unless it has
// their token: a service cannot find out who there is. The ledger has all of them.
func (e *Endpoint) heard(in policies.Input, d policies.Decision) (out []Heard) {
	names := map[string]string{}
	for _, r := range in.Resources {
		names[r.Value.ID] = r.Value.Name
	}
	t := newTeller(in).knowing(names)
	for _, r := range ranked(worthTelling(d.Reasons)) {
		if follows(r, d.Reasons) || hidden(in, d, r) {
			continue
		}
		a, _ := find(r)
		advice := e.advised(in.Action, r)
		party := partyNames[r.Party]
		if party == "" {
			party = r.Party
		}
		out = append(out, Heard{
			Code: r.Code, Party: party, ID: r.ID, Scope: r.Scope, Value: r.Value,
			Message: a.say(t, r), Remedy: advice.Remedy, Who: advice.Who,
		})
	}
	return out
}

// hidden tells that a reason would say more of somebody than that they hold nothing here.
func hidden(in policies.Input, d policies.Decision, r policies.Reason) bool {
	if in.Token != nil || r.Code == "scope_not_held" {
		return false
	}
	here := func(p *policies.Fact[policies.Principal]) bool {
		return p != nil && len(p.Value.Scopes[d.Resource]) > 0
	}
	switch r.Party {
	case "subject", "consent":
		return !here(in.Subject)
	case "actor":
		at := slices.Index(in.Request.Asked.Chain, r.ID)
		return at < 0 || at >= len(in.Chain) || !here(in.Chain[at])
	}
	return false
}

// ofCaller is the refusal of a service that may not ask anything, nil if it may.
func ofCaller(in policies.Input, d policies.Decision, decisionID string) *oauth.Error {
	d.Reasons = slices.DeleteFunc(slices.Clone(d.Reasons), func(r policies.Reason) bool {
		return r.Party != "client" || !strings.HasPrefix(r.Code, "client_")
	})
	if len(d.Reasons) == 0 {
		return nil
	}
	return refusal(in, d, decisionID).Forbidden()
}
