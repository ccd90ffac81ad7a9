package bundles

import (
	"context"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

func TestStarter(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := policies.NewFact(policies.Principal{ID: "agt_a", Kind: "agent", Status: "active", ExpiresAt: policies.Never, Labels: map[string]string{},
		Scopes: map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}, Owner: &policies.Owner{ID: "usr_1", Status: "active", ExpiresAt: policies.Never},
		GrantTypes: []string{"client_credentials"}, MaxTTL: 600})
	r, _ := policies.NewFact(policies.Resource{ID: "rsv_1", Identifier: "https://one", Status: "active", TokenTTL: 300, MaxDepth: 4, Scopes: map[string]policies.Scope{"read": {Risk: "low"}}})
	d, err := e.Decide(context.Background(), policies.Input{Action: policies.IssueClientCredentials, Now: 1000, Request: policies.Request{Resources: []string{}, Scopes: []string{"read"}},
		Client: c, Resources: []*policies.Fact[policies.Resource]{r}, Credential: policies.Credential{ID: "crd_1", Method: "client_secret_basic"}})
	t.Logf("%+v %v", d, err)
	t.Log(e.Codes())
	for _, root := range []string{"floor", "compose", "house"} {
		rep, err := Test(context.Background(), policies.FS, root)
		t.Log(root, rep, err)
		un, err := Unformatted(policies.FS, root)
		t.Log(root, un, err)
	}
}
