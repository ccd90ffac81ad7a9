package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// enquired is what a service asks about a user and an agent, and the right answer.
func enquired(t *testing.T) *people {
	t.Helper()
	held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
	return &people{
		policies.Input{
			Action: policies.Evaluate, Now: 1000, Client: frozen(t, policies.Principal{ID: "agt_service"}),
			Request: policies.Request{
				Resources: []string{"https://one"}, Scopes: []string{"read"},
				Asked: &policies.Asked{Type: "user", Subject: "usr_1", Chain: []string{"agt_1"}, ResourceType: "resource_server"},
			},
			Subject: frozen(t, policies.Principal{ID: "usr_1", Kind: "user", Scopes: held}),
			Chain:   []*policies.Fact[policies.Principal]{frozen(t, policies.Principal{ID: "agt_1", Kind: "agent", Scopes: held})},
			Resources: []*policies.Fact[policies.Resource]{nil, frozen(t, policies.Resource{
				ID: "rsv_1", Identifier: "https://one", Operator: "agt_service",
			})},
			Consents: []*policies.Consent{{Subject: "usr_1", ExpiresAt: 2000, Reach: held}},
		},
		policies.Decision{Allow: true, Scopes: []string{"read"}, Resource: "rsv_1"},
	}
}

// Nobody is said to have what is not everybody's, whatever policy says.
func TestSeatBeltHoldsForServices(t *testing.T) {
	byToken := func(p *people) {
		p.in.Request.Asked.Chain = nil
		p.in.Token = &policies.Token{Chain: []string{"agt_1"}, Own: []string{"read"}, Audience: policies.Audience{ID: "rsv_1"}}
		p.in.Consent, p.in.Consents = p.in.Consents[0], nil
	}
	for _, right := range []func(*people){func(*people) {}, byToken} {
		p := enquired(t)
		right(p)
		require.NoError(t, seatBelt(p.in, p.d), "it must not fire at what is right")
	}
	for name, spoil := range map[string]func(*people){
		"nobody asks":           func(p *people) { p.in.Client = nil },
		"another asks":          func(p *people) { p.in.Client = frozen(t, policies.Principal{ID: "agt_2"}) },
		"elsewhere":             func(p *people) { p.d.Resource = "rsv_2" },
		"nowhere":               func(p *people) { p.in.Resources = nil },
		"more than asked":       func(p *people) { p.d.Scopes = []string{"read", "write"} },
		"nothing":               func(p *people) { p.d.Scopes = nil },
		"nobody is asked about": func(p *people) { p.in.Request.Asked = nil },
		"nobody":                func(p *people) { p.in.Subject = nil },
		"subject without":       func(p *people) { p.in.Subject = frozen(t, policies.Principal{ID: "usr_1", Kind: "user"}) },
		"actor without":         func(p *people) { p.in.Chain[0] = frozen(t, policies.Principal{ID: "agt_1"}) },
		"actor unknown":         func(p *people) { p.in.Chain[0] = nil },
		"actor dropped":         func(p *people) { p.in.Chain = nil },
		"no consent":            func(p *people) { p.in.Consents = nil },
		"consent revoked":       func(p *people) { p.in.Consents[0].Revoked = true },
		"consent over":          func(p *people) { p.in.Consents[0].ExpiresAt = 1000 },
		"another's":             func(p *people) { p.in.Consents[0].Subject = "usr_2" },
		"token elsewhere":       func(p *people) { byToken(p); p.in.Token.Audience.ID = "rsv_2" },
		"not the token's":       func(p *people) { byToken(p); p.in.Token.Own = nil },
		"by token alone":        func(p *people) { byToken(p); p.in.Consent = nil },
		"longer chain":          func(p *people) { byToken(p); p.in.Token.Chain = []string{"agt_1", "agt_2"} },
	} {
		p := enquired(t)
		spoil(p)
		require.Error(t, seatBelt(p.in, p.d), name)
	}
}
