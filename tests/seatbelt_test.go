package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// The seat belt catches a floor that has lost the bound of the parent token.
func TestSeatBeltHoldsWhenTheFloorHasAHole(t *testing.T) {
	floor := harness.Sabotaged(t, "floor/scope/scope.rego", `(?s)missing contains \{"code": "scope_not_in_parent".*?\n\}\n`)
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			s := harness.New(t, dialect, harness.Options{Floor: floor})
			c := newChain(s)
			s.Scope(c.services[1], "search:deep")
			for _, a := range c.agents[:2] {
				s.Allow(a.ID, c.services[1], "search:deep")
			}
			require.Zero(t, s.Endpoint.Alarms(), "it must not fire at what is right")
			before := s.Tokens()
			a := s.Form("/oauth2/token", c.agents[1], harness.ExchangeForm(c.tokens[1], c.services[1].Identifier, "search:deep"))
			require.Equal(t, http.StatusInternalServerError, a.Status, a.Body)
			require.Equal(t, "server_error", a.String("error"))
			require.Equal(t, before, s.Tokens())
			require.EqualValues(t, 1, s.Endpoint.Alarms())
			require.Contains(t, reasonsOf(t, s.LastEntry()), policies.CodeSeatBelt)
			require.EqualValues(t, 1, get(t, s, "/readyz").JSON["alarms"], "whoever watches the server sees it")
		})
	}
}

// liar answers yes and then some.
type liar struct {
	honest grants.Decider
	lie    func(*policies.Decision)
}

func (l liar) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	d, err := l.honest.Decide(ctx, in)
	if in.Action == policies.IssueTokenExchange && len(in.Chain) == 2 {
		d.Allow, d.Reasons = true, nil
		l.lie(&d)
	}
	return d, err
}

func TestSeatBeltRefusesEveryImpossibleAnswer(t *testing.T) {
	for name, lie := range map[string]func(*policies.Decision){
		"a scope nobody asked for":     func(d *policies.Decision) { d.Scopes = []string{"notes:use", "notes:burn"} },
		"no scope":                     func(d *policies.Decision) { d.Scopes = nil },
		"another audience":             func(d *policies.Decision) { d.Audience = "https://search.example" },
		"no audience":                  func(d *policies.Decision) { d.Audience, d.Resource = "", "" },
		"another subject":              func(d *policies.Decision) { d.Subject = d.Chain[0] },
		"a chain without the client":   func(d *policies.Decision) { d.Chain = d.Chain[1:] },
		"a chain that forgot somebody": func(d *policies.Decision) { d.Chain = d.Chain[:2] },
		"no chain":                     func(d *policies.Decision) { d.Chain = nil },
		"a life beyond the parent's":   func(d *policies.Decision) { d.TTL = 86400 },
		"no life":                      func(d *policies.Decision) { d.TTL = 0 },
		"a life that misses its end":   func(d *policies.Decision) { d.Ends = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			var on bool
			s := harness.New(t, "sqlite", harness.Options{Wrap: func(d grants.Decider) grants.Decider {
				return liar{d, func(d *policies.Decision) {
					if on {
						lie(d)
					}
				}}
			}})
			c := newChain(s)
			on = true
			a := s.Form("/oauth2/token", c.agents[2], harness.ExchangeForm(c.tokens[2], c.services[3].Identifier, "notes:use"))
			require.Equal(t, http.StatusInternalServerError, a.Status, a.Body)
			require.EqualValues(t, 1, s.Endpoint.Alarms())
			on = false
			s.Exchange(c.agents[2], c.tokens[2], c.services[3].Identifier, "notes:use")
		})
	}
}
