package models_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// watcher counts what it is told.
type watcher struct {
	mu              sync.Mutex
	records, failed int
	hits, misses    int
}

func (w *watcher) Committed(records int, took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records += records
	if err != nil {
		w.failed++
	}
	if took <= 0 {
		panic("a commit took no time")
	}
}

func (w *watcher) Loaded(hit bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hit {
		w.hits++
	} else {
		w.misses++
	}
}

func TestAnObserverSeesCommitsAndLoads(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		ctx, w := context.Background(), &watcher{}
		o.Observer = w
		s := modelstest.Open(t, o)
		entry := func() error {
			return s.Append(ctx, &models.Record{Entry: models.Entry{ID: models.NewID(models.PrefixDecision), Kind: models.KindFailure, Detail: "{}"}})
		}
		for range 3 {
			require.NoError(t, entry())
		}
		require.Equal(t, 3, w.records)
		require.Zero(t, s.Queue())
		require.Zero(t, s.Committer())

		user := &models.User{Username: "u", Name: "u"}
		require.NoError(t, s.CreateUser(ctx, models.By{System: "test"}, user))
		for range 3 {
			v, err := s.View(ctx)
			require.NoError(t, err)
			_, err = v.Principal(ctx, user.ID)
			require.NoError(t, err)
		}
		require.Equal(t, []int{1, 2}, []int{w.misses, w.hits})
		require.Zero(t, w.failed)
	})
}

// What another replica changed is behind until it has been looked at.
func TestHealthTellsWhatIsBehind(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		ctx := context.Background()
		s, other := modelstest.Open(t, o), modelstest.Open(t, o)
		require.Zero(t, s.FactsAge(), "nothing was looked at yet")
		require.NoError(t, s.Refresh(ctx))
		name := "a"
		change := func() {
			require.NoError(t, other.CreateUser(ctx, models.By{System: "test"}, &models.User{Username: name, Name: name}))
			name += "a"
		}
		change()
		require.NoError(t, s.Refresh(ctx))
		require.Positive(t, s.FactsAge())
		change()
		change()
		h, err := s.Health(ctx)
		require.NoError(t, err)
		require.Equal(t, []int64{2, 3, 0}, []int64{h.Behind, h.Entries, h.Signed})
		require.InDelta(t, time.Now().UnixMilli(), h.Newest, 60_000)
		require.EqualValues(t, 1, s.Epoch())
		require.NoError(t, s.Refresh(ctx))
		h, err = s.Health(ctx)
		require.NoError(t, err)
		require.Zero(t, h.Behind)
	})
}

// A writer that cannot write says so, and for how long.
func TestACommitterThatFailsSaysSo(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		w := &watcher{}
		o.Observer = w
		s := modelstest.Open(t, o)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, s.Append(ctx, &models.Record{Entry: models.Entry{ID: "dec_1", Kind: models.KindFailure, Detail: "{}"}}), "one caller's hanging up is not the others' loss")
		require.Zero(t, s.Committer())
		again := func() error { // the same token twice
			return s.Append(context.Background(), &models.Record{
				Entry: models.Entry{ID: models.NewID(models.PrefixDecision), Kind: models.KindDecision, Detail: "{}"},
				Token: &models.Token{ID: "tok_1", ClientID: "agt_none", GrantID: "gnt_none"},
			})
		}
		require.NoError(t, again())
		require.ErrorIs(t, again(), models.ErrConflict)
		require.Zero(t, s.Committer().Failed, "what one caller asked to write is no fault of the writer's")
		require.Equal(t, 1, w.failed)
		require.NoError(t, s.Close())
		require.True(t, s.Committer().Stopped)
		_, err := s.Health(context.Background())
		require.ErrorIs(t, err, models.ErrUnavailable)
	})
}
