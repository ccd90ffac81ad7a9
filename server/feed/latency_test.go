package feed_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// On another replica, which looks at the database every quarter of a second as deputy
// serve does, and while both write tokens. What comes is asserted, how soon is printed.
func TestEventsReachTheOtherReplicaUnderLoad(t *testing.T) {
	o := modelstest.Database(t, "postgres")
	stores, feeds := replicas(t, o)
	w := modelstest.NewWorld(t, stores[0], "world")
	ctx, stop := context.WithCancel(context.Background())
	var load sync.WaitGroup
	for i := range 8 {
		load.Go(func() {
			for s := stores[i%2]; ctx.Err() == nil; {
				_ = s.Append(ctx, modelstest.Granted(w.Token(s)))
			}
		})
	}
	load.Go(func() {
		for tick := time.NewTicker(250 * time.Millisecond); ctx.Err() == nil; {
			select {
			case <-tick.C:
				_ = stores[1].Refresh(ctx)
			case <-ctx.Done():
			}
		}
	})
	defer load.Wait()
	defer stop()
	f, err := feeds[1].Join(ctx, "follower", nil)
	require.NoError(t, err)
	victim := modelstest.Application(t, stores[0], "victim")
	const rounds = 60
	made := make(chan time.Time, rounds)
	load.Go(func() {
		for i := range rounds {
			change := stores[0].SuspendClient
			if i%2 == 1 {
				change = stores[0].RestoreClient
			}
			if _, err := change(ctx, by, victim.ID); err != nil {
				return
			}
			made <- time.Now() // the change is committed a little before
		}
	})
	var took []time.Duration
	for deadline := time.After(time.Minute); len(took) < rounds; {
		events, _, more, err := f.Next(ctx)
		require.NoError(t, err)
		for _, e := range events {
			if e.ClientID != victim.ID {
				continue
			}
			want := []string{models.EventClientSuspended, models.EventClientRestored}[len(took)%2]
			require.Equal(t, want, e.Type)
			took = append(took, time.Since(<-made))
		}
		if more == nil {
			continue
		}
		select {
		case <-more:
		case <-deadline:
			require.Fail(t, "not all came")
		}
	}
	slices.Sort(took)
	fmt.Printf("events at the other replica, under load: p50 %s, p99 %s, max %s of %d\n", took[rounds/2], took[rounds*99/100], took[rounds-1], rounds)
}
