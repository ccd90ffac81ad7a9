package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// people is what a user granted, agreed to and is asked, and the answers that are right.
type people struct {
	in policies.Input
	d  policies.Decision
}

func frozen[T any](t *testing.T, v T) *policies.Fact[T] {
	t.Helper()
	f, err := policies.NewFact(v)
	require.NoError(t, err)
	return f
}

func granted(t *testing.T) *people {
	t.Helper()
	held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
	return &people{
		policies.Input{
			Action: policies.IssueRefreshToken, Now: 1000, Request: policies.Request{Resources: []string{"https://one"}},
			Client:    frozen(t, policies.Principal{ID: "agt_1", Kind: "agent", Scopes: held}),
			Subject:   frozen(t, policies.Principal{ID: "usr_1", Kind: "user", Scopes: held, ExpiresAt: 5000}),
			Resources: []*policies.Fact[policies.Resource]{frozen(t, policies.Resource{ID: "rsv_1", Identifier: "https://one"})},
			Consent:   &policies.Consent{Resource: "rsv_1", Scopes: map[string]bool{"read": true}, ExpiresAt: 2000, Reach: held},
			Authorization: &policies.Authorization{
				ID: "gnt_1", Client: "agt_1", Subject: "usr_1", Scopes: held, EndsAt: 2000,
			},
		},
		policies.Decision{
			Allow: true, Scopes: []string{"read"}, Resource: "rsv_1", Audience: "https://one", TTL: 300, Subject: "usr_1", Chain: []string{"agt_1"},
			Grants: []policies.Grants{{Resource: "rsv_1", Scope: "read"}}, Until: 2000,
		},
	}
}

// What a user granted is never more than each of those who take part has.
func TestSeatBeltHoldsForPeople(t *testing.T) {
	right := granted(t)
	require.NoError(t, seatBelt(right.in, right.d), "it must not fire at what is right")
	for name, spoil := range map[string]func(*people){
		"not the client's":           func(p *people) { p.in.Client = frozen(t, policies.Principal{ID: "agt_1"}) },
		"not the user's":             func(p *people) { p.in.Subject = frozen(t, policies.Principal{ID: "usr_1", Kind: "user"}) },
		"no consent":                 func(p *people) { p.in.Consent = nil },
		"consent taken back":         func(p *people) { p.in.Consent.Revoked = true },
		"consent over":               func(p *people) { p.in.Consent.ExpiresAt = 1000 },
		"consent elsewhere":          func(p *people) { p.in.Consent.Resource = "rsv_2" },
		"consent that only leads":    func(p *people) { p.in.Consent.Scopes = nil },
		"not granted":                func(p *people) { p.in.Authorization.Scopes = nil },
		"granted to another":         func(p *people) { p.in.Authorization.Client = "agt_2" },
		"granted by another":         func(p *people) { p.in.Authorization.Subject = "usr_2" },
		"nobody in the chain":        func(p *people) { p.d.Chain = nil },
		"somebody else in the chain": func(p *people) { p.d.Chain = []string{"agt_1", "agt_2"} },
		"for the client itself":      func(p *people) { p.d.Subject = "agt_1" },
		"longer than the grant":      func(p *people) { p.d.TTL = 1001 },
	} {
		p := granted(t)
		spoil(p)
		require.Error(t, seatBelt(p.in, p.d), name)
	}
}

// Nobody is told who a user is without all that.
func TestSeatBeltHoldsForIdentity(t *testing.T) {
	told := func() *people {
		p := granted(t)
		held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}, models.OpenIDID: {"openid": {"rol_1"}}}
		p.in.Client = frozen(t, policies.Principal{ID: "agt_1", Kind: "agent", Scopes: held})
		p.in.Subject = frozen(t, policies.Principal{ID: "usr_1", Kind: "user", Scopes: held, ExpiresAt: 5000})
		p.in.Authorization.Scopes = held
		p.in.Consents = []*policies.Consent{{Resource: models.OpenIDID, Scopes: map[string]bool{"openid": true}, ExpiresAt: 2000}}
		p.d.IDToken = &policies.IDToken{Claims: []string{"sub"}, TTL: 300}
		return p
	}
	right := told()
	require.NoError(t, seatBelt(right.in, right.d), "it must not fire at what is right")
	held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
	for name, spoil := range map[string]func(*people){
		"not granted":      func(p *people) { p.in.Authorization.Scopes = held },
		"not the client's": func(p *people) { p.in.Client = frozen(t, policies.Principal{ID: "agt_1", Kind: "agent", Scopes: held}) },
		"not the user's": func(p *people) {
			p.in.Subject = frozen(t, policies.Principal{ID: "usr_1", Kind: "user", Scopes: held, ExpiresAt: 5000})
		},
		"no consent":         func(p *people) { p.in.Consents = nil },
		"consent taken back": func(p *people) { p.in.Consents[0].Revoked = true },
		"consent over":       func(p *people) { p.in.Consents[0].ExpiresAt = 1000 },
		"consent elsewhere":  func(p *people) { p.in.Consents[0].Resource = "rsv_1" },
		"longer":             func(p *people) { p.d.IDToken.TTL = 301 },
		"for no time":        func(p *people) { p.d.IDToken.TTL = 0 },
	} {
		p := told()
		spoil(p)
		require.Error(t, seatBelt(p.in, p.d), name)
	}
}

// Nor can a user allow more than that.
func TestSeatBeltHoldsForConsent(t *testing.T) {
	for _, action := range []string{policies.Authorize, policies.AnswerConsent} {
		right := granted(t)
		right.in.Action = action
		require.NoError(t, seatBelt(right.in, right.d))
		for name, spoil := range map[string]func(*people){
			"not the client's": func(p *people) { p.in.Client = frozen(t, policies.Principal{ID: "agt_1"}) },
			"not the user's":   func(p *people) { p.in.Subject = frozen(t, policies.Principal{ID: "usr_1"}) },
			"of nobody":        func(p *people) { p.in.Subject = nil },
			"not requested":    func(p *people) { p.in.Request.Scopes = []string{"write"} },
		} {
			p := granted(t)
			p.in.Action = action
			spoil(p)
			require.Error(t, seatBelt(p.in, p.d), name)
		}
	}
	for _, until := range []int64{0, 1000, 5001} {
		p := granted(t)
		p.in.Action, p.d.Until = policies.AnswerConsent, until
		require.Error(t, seatBelt(p.in, p.d), until)
	}
}
