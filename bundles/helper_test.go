package bundles

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// rules makes a house bundle of one module; its first rule stands in line 3.
func rules(body string) fstest.MapFS {
	return fstest.MapFS{"issue.rego": {Data: []byte("package house.issue\n\n" + body + "\n")}}
}

func newEngine(t testing.TB, house fs.FS) *Engine {
	t.Helper()
	e, err := New(Options{House: house})
	require.NoError(t, err)
	return e
}

// ask is a question that the floor allows: an agent that holds read and write at
// a server asks for some of it.
func ask(t testing.TB, labels map[string]string, scopes ...string) policies.Input {
	t.Helper()
	client, err := policies.NewFact(policies.Principal{
		ID: "agt_a", Kind: "agent", Name: "A", Status: "active", ExpiresAt: policies.Never, Labels: labels,
		Scopes:     map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}, "write": {"rol_1"}}},
		Owner:      &policies.Owner{ID: "usr_1", Status: "active", ExpiresAt: policies.Never},
		GrantTypes: []string{"client_credentials"}, MaxTTL: 600,
	})
	require.NoError(t, err)
	resource, err := policies.NewFact(policies.Resource{
		ID: "rsv_1", Identifier: "https://one", Name: "One", Status: "active", TokenTTL: 300, MaxDepth: 4,
		Scopes: map[string]policies.Scope{"read": {Risk: "low"}, "write": {Risk: "high"}},
	})
	require.NoError(t, err)
	return policies.Input{
		Action: policies.IssueClientCredentials, Now: worldNow, Client: client,
		Request:    policies.Request{Resources: []string{"https://one"}, Scopes: scopes},
		Resources:  []*policies.Fact[policies.Resource]{resource},
		Credential: policies.Credential{ID: "crd_1", Method: "client_secret_basic"},
	}
}

func decide(t testing.TB, e *Engine, in policies.Input) policies.Decision {
	t.Helper()
	d, err := e.Decide(context.Background(), in)
	require.NoError(t, err)
	return d
}
