package models_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// With more waiting than it will hold, the ledger says so instead of growing.
func TestQueueOverflows(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		held := s.Writer().Begin()
		require.NoError(t, held.Exec("update ledger_head set epoch = epoch").Error)
		const over = 40
		results := make(chan error)
		for range models.MaxQueue + models.MaxBatch + over {
			go func() { results <- s.Append(context.Background(), modelstest.Refused(s, "agt_a")) }()
		}
		for range over {
			err := <-results
			require.ErrorIs(t, err, models.ErrUnavailable)
			require.ErrorContains(t, err, "too many")
		}
		require.NoError(t, held.Rollback().Error)
		var written int64
		for range models.MaxQueue + models.MaxBatch {
			switch err := <-results; {
			case err == nil:
				written++
			default:
				require.ErrorContains(t, err, "too many")
			}
		}
		require.GreaterOrEqual(t, written, int64(models.MaxQueue))
		require.Equal(t, written, size(t, s))
	})
}

func TestCloseDrains(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		s := modelstest.Open(t, o)
		var queued []<-chan error
		for range 1000 {
			queued = append(queued, s.Enqueue(t.Context(), modelstest.Refused(s, "agt_a")))
		}
		require.NoError(t, s.Close())
		for _, result := range queued {
			require.NoError(t, <-result)
		}
		require.Equal(t, int64(1000), size(t, modelstest.Open(t, o)))

		t.Run("while others append", func(t *testing.T) {
			s := modelstest.Open(t, o)
			errs := together(51, func(i int) error {
				if i == 25 {
					return s.Close()
				}
				return s.Append(context.Background(), modelstest.Refused(s, "agt_a"))
			})
			written := int64(0)
			for i, err := range errs {
				if err == nil && i != 25 {
					written++
				} else if !errors.Is(err, models.ErrUnavailable) {
					require.NoError(t, err)
				}
			}
			require.Equal(t, 1000+written, size(t, modelstest.Open(t, o)))
		})
	})
}
