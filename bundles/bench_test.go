package bundles

import (
	"context"
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// BenchmarkDecide measures one decision with the starter house policy. Facts are
// prepared once, as the server's cache has them; the token is new each time.
func BenchmarkDecide(b *testing.B) {
	e := newEngine(b, nil)
	for _, held := range []int{10, 200} {
		own := heavy(b, held, 0)
		own.Action, own.Subject, own.Parent = policies.IssueClientCredentials, nil, nil
		for name, in := range map[string]policies.Input{"client_credentials": own, "exchange_4_hops": heavy(b, held, 4)} {
			b.Run(fmt.Sprintf("%s/held=%d", name, held), func(b *testing.B) {
				require.True(b, decide(b, e, in).Allow)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := e.Decide(context.Background(), in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEvaluate measures the steps of one evaluation.
func BenchmarkEvaluate(b *testing.B) {
	e := newEngine(b, nil)
	own := heavy(b, 20, 0)
	own.Action, own.Subject, own.Parent = policies.IssueClientCredentials, nil, nil
	for name, in := range map[string]policies.Input{"client_credentials": own, "exchange_4_hops": heavy(b, 20, 4)} {
		kind, house := policies.Kind(in.Action), e.serving.Load()
		ask := func(l *layer, v ast.Value) ast.Value {
			answer, err := l.ask(b.Context(), topdown.NewCancel(), kind, v)
			require.NoError(b, err)
			return answer
		}
		input := bind(in).value()
		floor := ask(e.floor, input)
		require.True(b, allowed(floor))
		forHouse := bind(in).forHouse(floor)
		both := ast.NewObject(pair("floor", ast.NewTerm(floor)), pair("house", ast.NewTerm(ask(house.layer, forHouse))))
		for step, do := range map[string]func(){
			"bind": func() { bind(in).value() }, "floor": func() { ask(e.floor, input) },
			"house": func() { ask(house.layer, forHouse) }, "compose": func() { ask(e.compose, both) },
			"whole": func() {
				_, err := e.evaluate(context.Background(), in, house.layer)
				require.NoError(b, err)
			},
		} {
			b.Run(name+"/"+step, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
		}
	}
}

// heavy is an exchange in which everyone holds many scopes, five of them asked for.
func heavy(b *testing.B, held, hops int) policies.Input {
	b.Helper()
	scopes, known, own := map[string][]string{}, map[string]policies.Scope{}, []string{}
	for i := range held {
		name := fmt.Sprintf("scope:%d", i)
		scopes[name], known[name] = []string{"rol_1", "rol_2"}, policies.Scope{Risk: "low"}
		own = append(own, name)
	}
	reach := map[string]map[string][]string{"rsv_1": scopes}
	principal := func(id string) *policies.Fact[policies.Principal] {
		f, err := policies.NewFact(policies.Principal{
			ID: id, Kind: "agent", Status: "active", ExpiresAt: policies.Never, Labels: map[string]string{"team": "blue"}, Scopes: reach,
			Owner: &policies.Owner{ID: "usr_1", Status: "active", ExpiresAt: policies.Never}, MaxTTL: 600,
			GrantTypes: []string{"client_credentials", exchange},
		})
		require.NoError(b, err)
		return f
	}
	resource, err := policies.NewFact(policies.Resource{
		ID: "rsv_1", Identifier: "https://one", Status: "active", TokenTTL: 300, MaxDepth: 8, Scopes: known,
	})
	require.NoError(b, err)
	in := policies.Input{
		Action: policies.IssueTokenExchange, Now: worldNow, Client: principal("agt_client"), Subject: principal("agt_root"),
		Request:   policies.Request{GrantType: "as sent", Resources: []string{"https://one"}, Scopes: own[:5]},
		Resources: []*policies.Fact[policies.Resource]{resource}, Credential: policies.Credential{ID: "crd_1", Method: "private_key_jwt"},
	}
	chain := make([]string, hops)
	for i := range chain {
		chain[i] = fmt.Sprintf("agt_%d", i)
		in.Chain = append(in.Chain, principal(chain[i]))
	}
	in.Parent = &policies.Token{
		ID: "tok_1", Client: "agt_root", Subject: "agt_root", Chain: chain, Expires: 2000, Txn: "tok_1", Own: own[:10],
		Audience: policies.Audience{ID: "rsv_2", Operator: "agt_client", Status: "active"},
		Grant:    policies.Grant{ID: "gnt_1", ExpiresAt: policies.Never},
		Scopes:   map[string]map[string][]string{"rsv_1": scopes},
	}
	return in
}
