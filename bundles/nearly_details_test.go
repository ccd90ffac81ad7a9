package bundles

import (
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// detaileds name a payment that is covered by what everybody has, one that is not, and
// both: of what joe granted the one is left, and an agent gets what it names or nothing.
func detaileds(t testing.TB) (out []policies.Input) {
	had := policies.Detail(`{"amount":50,"payee":"Bob","type":"payment"}`)
	less, more := policies.Detail(`{"amount":20,"payee":"Bob","type":"payment"}`), policies.Detail(`{"amount":60,"payee":"Bob","type":"payment"}`)
	for _, action := range []string{policies.IssueAuthorizationCode, policies.IssueRefreshToken, policies.IssueTokenExchange, policies.IssueClientCredentials} {
		for _, named := range [][]policies.Detail{nil, {had}, {less}, {more}, {less, more}} {
			p := usualParties(action)
			p.server.Types = map[string]policies.DetailType{"payment": {Scope: "write", Risk: "low", Narrow: map[string]string{"amount": "at_most"}}}
			p.consent.Details, p.grant.Details, p.token.Details = []policies.Detail{had}, map[string][]policies.Detail{oneServer: {had}}, []policies.Detail{had}
			p.in.Request.Details = named
			out = append(out, p.question(t))
		}
	}
	return out
}
