package models_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

var by = modelstest.By()

func TestOpen(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		s := modelstest.Open(t, o)
		require.NoError(t, s.Ping(t.Context()))
		want := "sqlite"
		if o.URL != "" {
			want = "postgres"
		}
		require.Equal(t, want, s.Dialect())
	})
	t.Run("refuses another scheme", func(t *testing.T) {
		_, err := models.Open(models.Options{URL: "mysql://localhost/deputy"})
		require.ErrorContains(t, err, "must begin with postgres://")
	})
	t.Run("does not repeat a password", func(t *testing.T) {
		for _, url := range []string{"postgres://u:hunter2@h:port/db", "postgres://u:hunter2@/db?host=/nowhere&connect_timeout=1"} {
			_, err := models.Open(models.Options{URL: url})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2")
		}
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("twice changes nothing", func(t *testing.T) {
		modelstest.Each(t, func(t *testing.T, s *models.Store) {
			u := modelstest.User(t, s, "alice")
			require.NoError(t, s.Migrate(t.Context()))
			got, err := s.User(t.Context(), u.ID)
			require.NoError(t, err)
			require.Equal(t, u, got)
		})
	})
	t.Run("several replicas at once", func(t *testing.T) {
		o := models.Options{URL: modelstest.EmptyPostgres(t)}
		var all sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			s := modelstest.Open(t, o)
			all.Go(func() { errs[i] = s.Migrate(t.Context()) })
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		modelstest.User(t, modelstest.Open(t, o), "alice")
	})
}
