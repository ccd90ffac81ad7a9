package grants

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// Policy that lets a secret live on and on, or says nothing of it, is not believed.
func TestSeatBeltOfRenewals(t *testing.T) {
	in := policies.Input{Action: policies.AdminPrefix + RotateOwn, Request: policies.Request{Renewal: &policies.Renewal{Overlap: 3600, Life: 1000}}}
	for ttl, believed := range map[int64]bool{-1: false, 0: false, 1: true, 1000: true, 1001: false} {
		err := seatBelt(in, policies.Decision{Allow: true, TTL: ttl})
		require.Equal(t, believed, err == nil, "%d seconds: %v", ttl, err)
	}
	in.Request.Renewal = nil
	require.NoError(t, seatBelt(in, policies.Decision{Allow: true}), "nothing is renewed yet")
}
