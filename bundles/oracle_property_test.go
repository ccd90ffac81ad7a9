package bundles

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

// silent is a house policy that contributes nothing.
func silent() fstest.MapFS {
	return fstest.MapFS{"issue.rego": {Data: []byte("package house.issue\n\n_nothing := true\n")}}
}

// answer is a decision in the oracle's words.
func answer(d policies.Decision) verdict {
	v := verdict{
		Scopes: d.Scopes, Resource: d.Resource, Audience: d.Audience,
		TTL: d.TTL, Ends: d.Ends, Subject: d.Subject, Chain: d.Chain, Again: d.Refreshable,
	}
	for _, one := range d.Details {
		v.Details = append(v.Details, string(one))
	}
	for _, o := range d.DetailOffers {
		v.Details = append(v.Details, fmt.Sprint(o.Resource, o.Index, o.Scope, o.Risk, o.State))
	}
	for _, g := range d.DetailGrants {
		v.Details = append(v.Details, fmt.Sprint(g.Resource, g.Index))
	}
	slices.Sort(v.Details)
	for _, r := range d.Reasons {
		if !slices.Contains(v.Codes, r.Code) {
			v.Codes = append(v.Codes, r.Code)
		}
	}
	slices.Sort(v.Codes)
	for _, r := range d.Removed {
		if lost := r.Scope + " " + r.Code; !slices.Contains(v.Removed, lost) {
			v.Removed = append(v.Removed, lost)
		}
	}
	slices.Sort(v.Removed)
	if t := d.IDToken; t != nil {
		v.Identity = append(slices.Sorted(slices.Values(t.Claims)), fmt.Sprint("for ", t.TTL))
	}
	if len(d.Release) > 0 {
		v.Identity = d.Release
	}
	v.Services = slices.Sorted(slices.Values(d.Services))
	v.Ask, v.Until, v.SignIn, v.Once = d.Ask, d.Until, d.SignIn, d.Once
	for _, o := range d.Offers {
		v.Offers = append(v.Offers, o.Resource+" "+o.Scope+" "+o.State)
	}
	for _, g := range d.Grants {
		v.Grants = append(v.Grants, g.Resource+" "+g.Scope)
	}
	slices.Sort(v.Offers)
	slices.Sort(v.Grants)
	return v
}

// differ tells whether engine and oracle disagree: about the verdict, about why
// not, or about what is granted.
func differ(got, want verdict) bool {
	if !slices.Equal(got.Codes, want.Codes) || !slices.Equal(got.Scopes, want.Scopes) || !slices.Equal(got.Removed, want.Removed) {
		return true
	}
	if !slices.Equal(got.SignIn, want.SignIn) || !slices.Equal(got.Offers, want.Offers) || !slices.Equal(got.Grants, want.Grants) ||
		got.Ask != want.Ask || got.Until != want.Until || !slices.Equal(got.Once, want.Once) || !slices.Equal(got.Services, want.Services) {
		return true
	}
	if len(want.Codes) > 0 {
		return false
	}
	return !slices.Equal(got.Details, want.Details) || !slices.Equal(got.Chain, want.Chain) || got.Again != want.Again || !slices.Equal(got.Identity, want.Identity) ||
		got.Resource != want.Resource || got.Audience != want.Audience || got.TTL != want.TTL || got.Ends != want.Ends || got.Subject != want.Subject
}

func testAgainstOracle(t *testing.T, gen *rapid.Generator[policies.Input]) {
	e, err := New(Options{House: silent()})
	require.NoError(t, err)
	allowed, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		in := gen.Draw(t, "world")
		d, err := e.Decide(context.Background(), in)
		require.NoError(t, err)
		if got, want := answer(d), judge(in); differ(got, want) {
			doc, _ := json.MarshalIndent(in, "", " ")
			t.Fatalf("the engine says %+v\nthe oracle says %+v\nasked %s", got, want, doc)
		}
		asked++
		if d.Allow {
			allowed++
			checkBounds(t, in, d)
		}
	})
	t.Logf("%d of %d worlds allowed", allowed, asked)
	require.GreaterOrEqual(t, 5*allowed, asked, "too few worlds are allowed for the comparison to mean much")
}

func TestIssueAgreesWithOracle(t *testing.T) { testAgainstOracle(t, issueWorlds()) }

func TestOthersAgreeWithOracle(t *testing.T) { testAgainstOracle(t, otherWorlds()) }

// checkBounds states the one law outright, for each party by itself.
func checkBounds(t *rapid.T, in policies.Input, d policies.Decision) {
	for _, g := range d.Grants {
		byItself := in.Approval != nil && in.Approval.Kind == "machine"
		if !holds(in.Client.Value.Scopes, g.Resource, g.Scope) || !byItself && !holds(in.Subject.Value.Scopes, g.Resource, g.Scope) {
			t.Fatalf("%s may be granted, which client or user does not hold", g.Scope)
		}
	}
	if policies.Kind(in.Action) != policies.KindIssue {
		return
	}
	within := func(who string, reach map[string]map[string][]string) {
		for _, s := range d.Scopes {
			if len(reach[d.Resource][s]) == 0 {
				t.Fatalf("granted %s at %s, which the %s does not hold", s, d.Resource, who)
			}
		}
	}
	survivesNobody(t, in, in.Now+d.TTL)
	within("client", in.Client.Value.Scopes)
	if in.Action == policies.IssueClientCredentials {
		return
	}
	within("subject", in.Subject.Value.Scopes)
	if in.Subject.Value.Kind == "user" {
		within("consent", consentReach(in))
	}
	if a := in.Authorization; a != nil {
		within("authorization", a.Scopes)
		if end := in.Now + d.TTL; end > a.EndsAt || end > in.Consent.ExpiresAt {
			t.Fatalf("token outlives what was granted or consented to")
		}
		return
	}
	within("parent token", in.Parent.Scopes)
	for _, member := range in.Chain {
		within("actor", member.Value.Scopes)
	}
	if in.Now+d.TTL > in.Parent.Expires {
		t.Fatalf("token outlives its parent by %d s", in.Now+d.TTL-in.Parent.Expires)
	}
	if len(d.Chain) < max(1, len(in.Parent.Chain)) || len(d.Chain) > policies.Ceiling {
		t.Fatalf("chain %v after %v", d.Chain, in.Parent.Chain)
	}
}

// consentReach is what a consent covers: first hand what it names and no more.
func consentReach(in policies.Input) map[string]map[string][]string {
	if in.Authorization == nil {
		return in.Consent.Reach
	}
	own := map[string][]string{}
	for s, yes := range in.Consent.Scopes {
		if yes {
			own[s] = []string{s}
		}
	}
	return map[string]map[string][]string{in.Consent.Resource: own}
}

// survivesNobody: a token ends before anyone in it does, or whoever answers for them.
func survivesNobody(t *rapid.T, in policies.Input, end int64) {
	for _, party := range slices.Concat(in.Chain, []*policies.Fact[policies.Principal]{in.Client, in.Subject}) {
		if party == nil {
			continue
		}
		if p := party.Value; end > p.ExpiresAt || p.Owner != nil && end > p.Owner.ExpiresAt {
			t.Fatalf("token ends at %d, after %s or its owner", end, p.ID)
		}
	}
}

// What policy sees is what is recorded and replayed.
func TestBoundInputIsTheRecordedDocument(t *testing.T) {
	gen := rapid.OneOf(issueWorlds(), otherWorlds())
	for seed := range 300 {
		in := gen.Example(seed)
		body, err := json.Marshal(in)
		require.NoError(t, err)
		want, err := ast.ValueFromReader(bytes.NewReader(body))
		require.NoError(t, err)
		got := bind(in).value()
		require.Zero(t, got.Compare(want), "%s\n%s", got, body)
	}
}

// So it is at the edges: what is absent, empty, or everything there is.
func TestATermIsTheFactsJSON(t *testing.T) {
	held := map[string]map[string][]string{"rs": {"a": {"r1", "r2"}, "b": nil, "c": {}}, "empty": {}, "nil": nil}
	for _, p := range []policies.Principal{
		{},
		{Labels: map[string]string{}, Scopes: map[string]map[string][]string{}, GrantTypes: []string{}, Defaults: map[string][]string{}, Owner: &policies.Owner{}},
		{
			ID: "agt_1", Kind: "agent", Name: "Ünï \"quoted\"", Status: "active", ExpiresAt: 1 << 60, Labels: map[string]string{"a": "b"}, Scopes: held,
			Owner: &policies.Owner{ID: "usr_1", Status: "active", ExpiresAt: -1}, GrantTypes: []string{"x"}, Defaults: map[string][]string{"rs": {"a"}}, MaxTTL: 5, SelfGrant: "g",
		},
	} {
		requireTerm(t, p, principalTerm)
	}
	requireTerm(t, policies.Resource{}, resourceTerm)
	requireTerm(t, policies.Resource{
		ID: "rs", Identifier: "https://x", Name: "X", Status: "active", Operator: "agt_1", TokenTTL: 300, MaxDepth: 3,
		Scopes: map[string]policies.Scope{"a": {Risk: "low"}},
		Types: map[string]policies.DetailType{
			"payment": {Scope: "a", Risk: "high", Narrow: map[string]string{"amount": "at_most"}}, "plain": {}, "bare": {Narrow: map[string]string{}},
		},
	}, resourceTerm)
}

func requireTerm[T any](t *testing.T, v T, of func(T) any) {
	t.Helper()
	f, err := policies.NewFact(v)
	require.NoError(t, err)
	want, err := ast.ValueFromReader(strings.NewReader(f.JSON))
	require.NoError(t, err)
	got := f.Prepared(of).(*ast.Term).Value
	require.Zero(t, got.Compare(want), "%s\n%s", got, f.JSON)
}
