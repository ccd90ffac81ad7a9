package tests

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

// A token that ends with its parent is exchanged again on the same decision: it
// lives for as much less as time has passed, and ends at the same moment.
func TestExchangeGivenAgainEndsWithItsParent(t *testing.T) {
	anew, err := bundles.New(bundles.Options{NoReuse: true})
	require.NoError(t, err)
	each(t, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		c := newChain(s)
		_, parent := claimsOf(t, c.tokens[1])
		begin, end := parent["iat"].(float64), parent["exp"].(float64)
		form := harness.ExchangeForm(c.tokens[1], c.services[2].Identifier, hops[2]+":use")

		for _, step := range []struct {
			passed float64 // since the parent was issued
			reused bool
		}{{1, false}, {8, true}, {8, true}, {100, true}, {end - begin - 1, true}} {
			s.Clock.Advance(time.Duration(begin+step.passed)*time.Second - time.Duration(s.Clock.Now().Unix())*time.Second)
			a := s.Form("/oauth2/token", c.agents[1], form)
			require.Equal(t, http.StatusOK, a.Status, a.Body)
			_, claims := claimsOf(t, a.String("access_token"))
			require.Equal(t, []any{end, end - begin - step.passed, begin + step.passed},
				[]any{claims["exp"], a.JSON["expires_in"], claims["iat"]}, "%v seconds later", step.passed)

			x, err := s.Endpoint.ExplainEntry(context.Background(), s.LastEntry().ID)
			require.NoError(t, err)
			require.Equal(t, []any{step.reused, int64(end)}, []any{x.Decision.Reused, x.Decision.Ends}, "%v seconds later", step.passed)
			again, err := anew.Decide(context.Background(), x.Input)
			require.NoError(t, err)
			require.Equal(t, again, kept(x.Decision), "what the ledger says is what policy says")
		}
		s.Clock.Advance(time.Second)
		a := s.Form("/oauth2/token", c.agents[1], form)
		require.Equal(t, []any{http.StatusBadRequest, "invalid_request"}, []any{a.Status, a.String("error")}, a.Body)
		require.Zero(t, s.Endpoint.Alarms())
	})
}

// kept is a decision read from the ledger as it was before it was given again and
// written, which leaves out what is empty.
func kept(d policies.Decision) policies.Decision {
	d.Reused = false
	if d.Removed == nil {
		d.Removed = []policies.Reason{}
	}
	return d
}
