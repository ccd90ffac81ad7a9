package bundles

import (
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// renewals are of a client that makes the successor of its own secret: within every
// bound and beyond each, and what somebody asks who brings what belongs to one.
func renewals(t testing.TB) (out []policies.Input) {
	ask := func(operation string, renewal *policies.Renewal) {
		p := usualParties(policies.AdminPrefix + operation)
		held := map[string][]string{"clients:read": {"rol_1"}, "credentials:own": {"rol_1"}}
		p.client.Scopes[selfID] = held
		token := p.token
		token.Client, token.Subject, token.Chain = "agt_client", "agt_client", []string{}
		token.Audience = policies.Audience{ID: selfID, Status: "active"}
		token.Own, token.Scopes = []string{"clients:read", "credentials:own"}, map[string]map[string][]string{selfID: held}
		out = append(out, policies.Input{
			Action: p.in.Action, Now: worldNow, Token: &token, Client: frozen(t, p.client), Subject: frozen(t, p.client),
			Chain: []*policies.Fact[policies.Principal]{}, Request: policies.Request{Resources: []string{}, Scopes: []string{}, Renewal: renewal},
		})
	}
	for _, overlap := range []int64{-1, 0, 3599, 3600, 2592000, 2592001} {
		ask("rotateOwnCredential", &policies.Renewal{Overlap: overlap, Life: 86400})
	}
	for _, life := range []int64{-1, 0, 1, policies.Never, policies.Never + 1} {
		ask("rotateOwnCredential", &policies.Renewal{Overlap: 3600, Life: life})
	}
	ask("rotateOwnCredential", nil)
	ask("listClients", &policies.Renewal{})
	return out
}
