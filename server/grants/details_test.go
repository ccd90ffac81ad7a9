package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

var narrowing = map[string]string{"amount": policies.NarrowAtMost, "count": policies.NarrowAtMost, "to": policies.NarrowSubset, "payee": policies.NarrowSame}

func paying(t *testing.T) *people {
	t.Helper()
	p := granted(t)
	p.in.Resources = []*policies.Fact[policies.Resource]{frozen(t, policies.Resource{
		ID: "rsv_1", Identifier: "https://one", Types: map[string]policies.DetailType{"payment": {Scope: "read", Risk: "low", Narrow: narrowing}},
	})}
	fifty := policies.Detail(`{"amount":"50","payee":"Bob","type":"payment"}`)
	p.in.Consent.Details, p.in.Authorization.Details = []policies.Detail{fifty}, map[string][]policies.Detail{"rsv_1": {fifty}}
	p.d.Details = []policies.Detail{policies.Detail(`{"amount":"20.5","payee":"Bob","type":"payment"}`)}
	p.in.Request.Details = p.d.Details
	return p
}

// Details that are granted are within those of each of those who take part.
func TestSeatBeltHoldsForDetails(t *testing.T) {
	right := paying(t)
	require.NoError(t, seatBelt(right.in, right.d), "it must not fire at what is right")
	exchanged := func(t *testing.T, p *people) {
		held := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
		p.in.Action, p.in.Authorization = policies.IssueTokenExchange, nil
		p.in.Parent = &policies.Token{
			ID: "tok_1", Client: "agt_1", Subject: "usr_1", Chain: []string{"agt_1"}, Expires: 2000, Scopes: held,
			Audience: policies.Audience{ID: "rsv_1"}, Details: p.in.Consent.Details,
		}
		p.in.Chain = []*policies.Fact[policies.Principal]{p.in.Client}
	}
	handed := paying(t)
	exchanged(t, handed)
	require.NoError(t, seatBelt(handed.in, handed.d))
	for name, spoil := range map[string]func(*people){
		"more than was asked for": func(p *people) {
			p.in.Request.Details = []policies.Detail{policies.Detail(`{"amount":"20","payee":"Bob","type":"payment"}`)}
		},
		"more than was consented to": func(p *people) { p.in.Consent.Details = p.d.Details[:0] },
		"consented to elsewhere":     func(p *people) { p.in.Consent.Resource = "rsv_2"; p.d.Details = p.in.Consent.Details },
		"granted elsewhere": func(p *people) {
			p.in.Authorization.Details = map[string][]policies.Detail{"rsv_2": p.in.Consent.Details}
		},
		"of an unknown type":       func(p *people) { p.d.Details = []policies.Detail{policies.Detail(`{"type":"transfer"}`)} },
		"of no type":               func(p *people) { p.d.Details = []policies.Detail{policies.Detail(`[]`)} },
		"handed on from elsewhere": func(p *people) { exchanged(t, p); p.in.Parent.Audience.ID = "rsv_2" },
		"more than the parent has": func(p *people) { exchanged(t, p); p.in.Parent.Details = nil },
		"without their scope": func(p *people) {
			p.in.Resources = []*policies.Fact[policies.Resource]{frozen(t, policies.Resource{
				ID: "rsv_1", Identifier: "https://one", Types: map[string]policies.DetailType{"payment": {Scope: "write", Narrow: narrowing}},
			})}
		},
	} {
		p := paying(t)
		spoil(p)
		require.Error(t, seatBelt(p.in, p.d), name)
	}
}

// Nobody ticks what was not asked for, nor without its scope.
func TestSeatBeltHoldsForTickedDetails(t *testing.T) {
	asked := func(g policies.GrantedDetail) *people {
		p := paying(t)
		p.in.Action, p.in.Authorization, p.d.Details, p.d.DetailGrants = policies.AnswerConsent, nil, nil, []policies.GrantedDetail{g}
		return p
	}
	right := asked(policies.GrantedDetail{Resource: "rsv_1"})
	require.NoError(t, seatBelt(right.in, right.d))
	for _, g := range []policies.GrantedDetail{{Resource: "rsv_1", Index: 1}, {Resource: "rsv_1", Index: -1}, {Resource: "rsv_2"}} {
		p := asked(g)
		require.Error(t, seatBelt(p.in, p.d), "%v", g)
	}
	right.d.DetailOffers = []policies.DetailOffer{{Index: 1}}
	require.Error(t, seatBelt(right.in, right.d), "an offer of nothing")
	scopeless := asked(policies.GrantedDetail{Resource: "rsv_1"})
	scopeless.d.Grants = nil
	require.Error(t, seatBelt(scopeless.in, scopeless.d))
}

func TestNarrowing(t *testing.T) {
	by := policies.Detail(`{"amount":"50.00","count":3,"payee":"Bob","to":["a","b"],"type":"payment"}`)
	for object, want := range map[string]bool{
		`{"amount":"50.00","count":3,"payee":"Bob","to":["a","b"],"type":"payment"}`:    true,
		`{"amount":"50","count":0,"payee":"Bob","to":["b"],"type":"payment"}`:           true,
		`{"amount":"0.01","count":1,"payee":"Bob","to":["b","a","b"],"type":"payment"}`: true,
		`{"amount":"50.000001","count":3,"payee":"Bob","to":["a"],"type":"payment"}`:    false,
		`{"amount":"050","count":3,"payee":"Bob","to":["a"],"type":"payment"}`:          false,
		`{"amount":50,"count":3,"payee":"Bob","to":["a"],"type":"payment"}`:             false,
		`{"amount":null,"count":3,"payee":"Bob","to":["a"],"type":"payment"}`:           false,
		`{"amount":"50","count":-1,"payee":"Bob","to":["a"],"type":"payment"}`:          false,
		`{"amount":"50","count":4,"payee":"Bob","to":["a"],"type":"payment"}`:           false,
		`{"amount":"50","count":"3","payee":"Bob","to":["a"],"type":"payment"}`:         false,
		`{"amount":"50","count":3,"payee":"Eve","to":["a"],"type":"payment"}`:           false,
		`{"amount":"50","count":3,"payee":"Bob","to":[],"type":"payment"}`:              false,
		`{"amount":"50","count":3,"payee":"Bob","to":["c"],"type":"payment"}`:           false,
		`{"amount":"50","count":3,"payee":"Bob","to":"a","type":"payment"}`:             false,
		`{"amount":"50","count":3,"payee":"Bob","type":"payment"}`:                      false,
		`{"amount":"50","count":3,"payee":"Bob","to":["a"],"type":"transfer"}`:          false,
		`{"amount":"50","count":3,"payee":"Bob","to":["a"],"type":"payment","more":1}`:  false,
		`{"amount":"50","count":3,"payee":"Bob","to":["a"],"other":["a"]}`:              false,
		`null`: false,
	} {
		require.Equal(t, want, within(narrowing, policies.Detail(object), by), object)
	}
}
