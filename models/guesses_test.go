package models_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// However many change a state at once, at whatever replica, each change is made on
// what was before it.
func TestMarksAreSwappedOneAfterAnother(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		replicas := []*models.Store{modelstest.Open(t, o), modelstest.Open(t, o)}
		var all sync.WaitGroup
		var swapped, failed atomic.Int64
		for i := range 8 {
			s := replicas[i%2]
			all.Go(func() {
				for done := 0; done < 20; {
					was, err := s.Mark(t.Context(), "test", "a")
					ok := false
					if err == nil {
						ok, err = s.SwapMark(t.Context(), "test", "a", was, was+1)
					}
					if err != nil {
						failed.Add(1)
						return
					}
					if ok {
						done++
						swapped.Add(1)
					}
				}
			})
		}
		all.Wait()
		require.Zero(t, failed.Load())
		state, err := replicas[0].Mark(t.Context(), "test", "a")
		require.NoError(t, err)
		require.Equal(t, []int64{160, 160}, []int64{swapped.Load(), state})

		other, err := replicas[1].Mark(t.Context(), "another", "a")
		require.NoError(t, err)
		require.Zero(t, other)
		ok, err := replicas[1].SwapMark(t.Context(), "test", "a", 159, 0)
		require.NoError(t, err)
		require.False(t, ok)
		ok, err = replicas[1].SwapMark(t.Context(), "test", "a", 160, 0)
		require.NoError(t, err)
		require.True(t, ok)
		state, err = replicas[0].Mark(t.Context(), "test", "a")
		require.NoError(t, err)
		require.Zero(t, state)
	})
}
