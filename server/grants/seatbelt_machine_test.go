package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// pleaded is what a machine brings with its own token request, and the right answer.
func pleaded(t *testing.T) *people {
	t.Helper()
	held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
	pay := policies.Detail(`{"type":"payment"}`)
	return &people{
		policies.Input{
			Action: policies.IssueClientCredentials, Now: 1000,
			Request: policies.Request{Resources: []string{"https://one"}, Scopes: []string{"read"}, Details: []policies.Detail{pay}, Approval: true},
			Client:  frozen(t, policies.Principal{ID: "agt_1", Kind: "agent", Scopes: held}),
			Resources: []*policies.Fact[policies.Resource]{frozen(t, policies.Resource{
				ID: "rsv_1", Identifier: "https://one", Types: map[string]policies.DetailType{"payment": {Scope: "read"}},
			})},
			Approval: &policies.Approval{
				ID: "apr_1", Kind: "machine", Client: "agt_1", State: "approved", GrantType: oauth.ClientCredentials, Until: 1300,
				Scopes: map[string][]string{"rsv_1": {"read"}}, Details: map[string][]policies.Detail{"rsv_1": {pay}},
			},
		},
		policies.Decision{
			Allow: true, Scopes: []string{"read"}, Resource: "rsv_1", Audience: "https://one", TTL: 300, Subject: "agt_1", Details: []policies.Detail{pay},
		},
	}
}

// No token that a machine brings an approval for is more than that.
func TestSeatBeltHoldsForMachines(t *testing.T) {
	right := pleaded(t)
	require.NoError(t, seatBelt(right.in, right.d), "it must not fire at what is right")
	for name, spoil := range map[string]func(*people){
		"none":             func(p *people) { p.in.Approval = nil },
		"of another kind":  func(p *people) { p.in.Approval.Kind = "ciba" },
		"unanswered":       func(p *people) { p.in.Approval.State = "pending" },
		"used":             func(p *people) { p.in.Approval.State = "used" },
		"another's":        func(p *people) { p.in.Approval.Client = "agt_2" },
		"for a token":      func(p *people) { p.in.Approval.Parent = "tok_1" },
		"not for so long":  func(p *people) { p.in.Approval.Until = 1299 },
		"for less":         func(p *people) { p.in.Approval.Scopes = nil },
		"elsewhere":        func(p *people) { p.in.Approval.Scopes = map[string][]string{"rsv_2": {"read"}} },
		"for other detail": func(p *people) { p.in.Approval.Details = nil },
		"for another grant": func(p *people) {
			p.in.Approval.GrantType = oauth.TokenExchange
		},
	} {
		p := pleaded(t)
		spoil(p)
		require.Error(t, seatBelt(p.in, p.d), name)
	}
}

// Whoever lets a machine do something lets it do what it holds, or what whoever it
// speaks for holds; and for an hour.
func TestSeatBeltHoldsForWhoeverApproves(t *testing.T) {
	held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
	ask := func(grantType string) *people {
		p := granted(t)
		p.in.Action, p.in.Authorization, p.in.Consent = policies.AnswerApproval, nil, nil
		p.in.Subject = frozen(t, policies.Principal{ID: "usr_1", Kind: "user", ExpiresAt: 9000})
		p.in.Approval = &policies.Approval{Kind: "machine", Client: "agt_1", GrantType: grantType}
		p.in.Request.Answer = &policies.Answer{Scopes: p.d.Grants}
		return p
	}
	p := ask(oauth.ClientCredentials)
	require.NoError(t, seatBelt(p.in, p.d))
	p.d.Until = 4601
	require.Error(t, seatBelt(p.in, p.d), "for more than an hour")
	p = ask(oauth.TokenExchange)
	require.Error(t, seatBelt(p.in, p.d), "nobody is spoken for")
	p.in.Represented = frozen(t, policies.Principal{ID: "usr_2", Kind: "user", Scopes: held})
	require.NoError(t, seatBelt(p.in, p.d))
	p.in.Represented = frozen(t, policies.Principal{ID: "usr_2", Kind: "user"})
	require.Error(t, seatBelt(p.in, p.d))
}
