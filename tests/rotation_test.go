package tests

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// A secret is rotated again and again while a client works with whichever of the last
// two it happens to have: no request fails in the overlap, and none succeeds after it.
func TestSecretsRotateUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", nil, "read")
		s.Allow(agent.ID, service, "read")
		holder := func(secret string) *harness.Client { return &harness.Client{Client: agent.Client, Secret: secret} }
		ask := func(as *harness.Client) int {
			return s.Form("/oauth2/token", as, harness.OwnForm(service.Identifier, "read")).Status
		}
		type pair [2]*harness.Client // the one before, and the latest
		var now atomic.Pointer[pair]
		now.Store(&pair{agent, agent})

		ctx, stop := context.WithCancel(t.Context())
		var granted, failed atomic.Int64
		var working sync.WaitGroup
		for n := range 6 {
			working.Go(func() {
				for ctx.Err() == nil {
					if ask(now.Load()[n%2]) == http.StatusOK {
						granted.Add(1)
					} else {
						failed.Add(1)
					}
				}
			})
		}
		old, credential := []*harness.Client{}, agent.CredentialID
		for round := range int64(8) {
			next, secret, err := s.Store.RotateCredential(context.Background(), models.By{System: "test"}, agent.ID, credential, 3600, 0)
			require.NoError(t, err)
			last := now.Load()[1]
			old, credential = append(old, last), next.ID
			now.Store(&pair{last, holder(secret)})
			require.Eventually(t, func() bool { return granted.Load() > 10*(round+1) }, 20*time.Second, time.Millisecond)
		}
		stop()
		working.Wait()
		t.Logf("rotated %d times under load: granted %d, failed %d", len(old), granted.Load(), failed.Load())
		require.Zero(t, failed.Load())
		s.Clock.Advance(time.Hour + time.Second)
		require.Equal(t, http.StatusOK, ask(now.Load()[1]))
		for n, secret := range old {
			require.Equal(t, http.StatusUnauthorized, ask(secret), "secret %d", n)
		}
	})
}
