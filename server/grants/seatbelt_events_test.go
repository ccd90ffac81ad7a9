package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// Nobody hears of a service that another client operates, whatever policy says.
func TestSeatBeltHoldsForEvents(t *testing.T) {
	ask := func(operator string, services ...string) error {
		in := policies.Input{
			Action: policies.Follow, Now: 1000, Client: frozen(t, policies.Principal{ID: "agt_1"}),
			Resources: []*policies.Fact[policies.Resource]{nil, frozen(t, policies.Resource{ID: "rsv_1", Operator: operator})},
		}
		return seatBelt(in, policies.Decision{Allow: true, Services: services})
	}
	require.NoError(t, ask("agt_1", "rsv_1"), "it must not fire at what is right")
	require.NoError(t, ask("agt_1"))
	require.ErrorContains(t, ask("agt_2", "rsv_1"), "rsv_1 is not the client's")
	require.ErrorContains(t, ask("", "rsv_1"), "rsv_1 is not the client's")
	require.ErrorContains(t, ask("agt_1", "rsv_1", "rsv_2"), "rsv_2 is not the client's")
	require.Error(t, seatBelt(policies.Input{Action: policies.Follow}, policies.Decision{Allow: true, Services: []string{"rsv_1"}}))
}
