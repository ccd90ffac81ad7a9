package bundles

import (
	"maps"
	"slices"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// events says which services a client hears of.
func (o *oracle) events() verdict {
	o.refuse("client_unknown", o.client == nil || o.client.ID == "")
	o.party("client", o.client, o.client != nil && o.answeredFor(o.client))
	var v verdict
	for _, f := range o.in.Resources {
		if r := value(f); r != nil && o.client != nil && r.Operator == o.client.ID {
			v.Services = append(v.Services, r.ID)
		}
	}
	slices.Sort(v.Services)
	o.refuse("operates_nothing", len(v.Services) == 0)
	return v
}

// followed is the question of a client that wants to hear of its services.
func (w *world) followed() policies.Input {
	client := w.principal("agt_client", w.coin("agent"), []string{oneServer, twoServer})
	in := policies.Input{Action: policies.Follow, Now: worldNow, Client: fact(w, "client", client)}
	for _, id := range []string{oneServer, twoServer} {
		if w.coin(id) {
			r := w.resource(id)
			r.Operator = either(w, "operator of "+id, []string{"agt_client"}, []string{"agt_other", ""})
			in.Resources = append(in.Resources, fact(w, id, r))
		}
	}
	return in
}

// followings are followers of events, each with one thing out of order, or unusual.
func followings(t testing.TB) (out []policies.Input) {
	wrong := map[string]func(*policies.Input, *policies.Principal, *policies.Resource){
		"nothing":           func(*policies.Input, *policies.Principal, *policies.Resource) {},
		"nobody":            func(_ *policies.Input, p *policies.Principal, r *policies.Resource) { p.ID, r.Operator = "", "" },
		"suspended":         func(_ *policies.Input, p *policies.Principal, _ *policies.Resource) { p.Status = "suspended" },
		"expired":           func(_ *policies.Input, p *policies.Principal, _ *policies.Resource) { p.ExpiresAt = worldNow },
		"without owner":     func(_ *policies.Input, p *policies.Principal, _ *policies.Resource) { p.Owner = nil },
		"another's":         func(_ *policies.Input, _ *policies.Principal, r *policies.Resource) { r.Operator = "agt_other" },
		"nobody's":          func(_ *policies.Input, _ *policies.Principal, r *policies.Resource) { r.Operator = "" },
		"suspended service": func(_ *policies.Input, _ *policies.Principal, r *policies.Resource) { r.Status = "suspended" },
		"a token, too": func(in *policies.Input, _ *policies.Principal, _ *policies.Resource) {
			in.Token = &usualParties(policies.Introspect).token
		},
	}
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		for _, both := range []bool{false, true} {
			p, own := somebody("agt_client"), policies.Resource{ID: oneServer, Identifier: "https://one", Status: "active", Operator: "agt_client"}
			in := policies.Input{Action: policies.Follow, Now: worldNow, Request: policies.Request{Resources: []string{}, Scopes: []string{}}}
			wrong[name](&in, &p, &own)
			in.Client, in.Resources = frozen(t, p), []*policies.Fact[policies.Resource]{frozen(t, own)}
			if both {
				in.Resources = append(in.Resources, frozen(t, policies.Resource{ID: twoServer, Identifier: "https://two", Status: "active", Operator: "agt_other"}))
			}
			out = append(out, in)
		}
	}
	return out
}
