package models_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestOneAtATimeIsAtSomething(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		s := modelstest.Open(t, o)
		other := s // SQLite is for one process
		if o.URL != "" {
			other = modelstest.Open(t, o)
		}
		ctx := t.Context()
		nothing := func(context.Context) error { return nil }
		failed := errors.New("it failed")
		begun, err := s.Alone(ctx, "this", func(ctx context.Context) error {
			for range 3 { // the connection that asked in vain holds nothing
				begun, err := other.Alone(ctx, "this", func(context.Context) error { return errors.New("both are at it") })
				require.NoError(t, err)
				require.False(t, begun)
			}
			begun, err := other.Alone(ctx, "that", nothing)
			require.NoError(t, err)
			require.True(t, begun, "something else is free")
			return failed
		})
		require.True(t, begun)
		require.ErrorIs(t, err, failed)
		for _, one := range []*models.Store{other, s, other} {
			begun, err := one.Alone(ctx, "this", nothing)
			require.NoError(t, err)
			require.True(t, begun, "whoever was at it has ended")
		}

		stopped, stop := context.WithCancel(ctx)
		begun, err = s.Alone(stopped, "this", func(ctx context.Context) error {
			stop()
			return ctx.Err()
		})
		require.True(t, begun)
		require.ErrorIs(t, err, context.Canceled)
		begun, err = other.Alone(ctx, "this", nothing)
		require.NoError(t, err)
		require.True(t, begun, "who was stopped holds nothing")
	})
}

// Whoever is at something for long keeps it, though a transaction may be idle for a moment
// only.
func TestWhoIsAtSomethingForLongKeepsIt(t *testing.T) {
	t.Parallel()
	o := modelstest.Database(t, "postgres")
	other := modelstest.Open(t, o)
	address, err := url.Parse(o.URL)
	require.NoError(t, err)
	setting := address.Query()
	setting.Set("idle_in_transaction_session_timeout", "100")
	address.RawQuery = setting.Encode()
	o.URL = address.String()
	s := modelstest.Open(t, o)
	begun, err := s.Alone(t.Context(), "this", func(ctx context.Context) error {
		for begin := time.Now(); time.Since(begin) < 600*time.Millisecond; {
			begun, err := other.Alone(ctx, "this", func(context.Context) error { return errors.New("both are at it") })
			require.NoError(t, err)
			require.False(t, begun)
		}
		return nil
	})
	require.NoError(t, err)
	require.True(t, begun)
}
