package models_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// together runs fn n times at once and counts the outcomes.
func together(n int, fn func(i int) error) (errs []error) {
	errs = make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = fn(i) })
	}
	all.Wait()
	return errs
}

func TestAppend(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("a hundred at once get places without gaps", func(t *testing.T) {
			w := modelstest.NewWorld(t, s, "w")
			first := size(t, s)
			records := make([]*models.Record, 100)
			for i := range records {
				records[i] = modelstest.Granted(w.Token(s))
				records[i].Facts = []models.FactBody{{Digest: "same", Body: "{}"}}
			}
			for _, err := range together(100, func(i int) error { return s.Append(t.Context(), records[i]) }) {
				require.NoError(t, err)
			}
			require.Equal(t, first+100, size(t, s))
			rows, more, err := s.Entries(t.Context(), models.EntryFilter{Kind: models.KindDecision}, -1, 200)
			require.NoError(t, err)
			require.False(t, more)
			require.Len(t, rows, 100)
			for i, e := range rows {
				require.Equal(t, first+int64(i), e.Seq)
			}
			for _, r := range records {
				e, err := s.EntryByID(t.Context(), r.Entry.ID)
				require.NoError(t, err)
				want := r.Entry
				want.Seq = e.Seq
				require.Equal(t, &want, e)
				_, err = s.Token(t.Context(), r.Token.ID)
				require.NoError(t, err)
			}
			bodies, err := s.FactBodies(t.Context(), []string{"same", "none"})
			require.NoError(t, err)
			require.Equal(t, map[string]string{"same": "{}"}, bodies)
		})
	})
}

func TestAppendAmongOthers(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		t.Run("a caller that hangs up loses nobody's record", func(t *testing.T) {
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			r := modelstest.Refused(s, "agt_a")
			require.NoError(t, s.Append(gone, r))
			_, err := s.EntryByID(t.Context(), r.Entry.ID)
			require.NoError(t, err)
		})
		t.Run("a caller whose time is up is told so, and its record is written", func(t *testing.T) {
			late, cancel := context.WithTimeout(t.Context(), 0)
			defer cancel()
			r := modelstest.Refused(s, "agt_a")
			if err := s.Append(late, r); err != nil { // it may have been quicker
				require.ErrorIs(t, err, models.ErrUnavailable)
			}
			require.NoError(t, s.Append(t.Context(), modelstest.Refused(s, "agt_a")))
			_, err := s.EntryByID(t.Context(), r.Entry.ID)
			require.NoError(t, err)
		})
		t.Run("what one record does wrong is not the others' fault", func(t *testing.T) {
			w := modelstest.NewWorld(t, s, "wrong")
			token := modelstest.Issue(t, s, w.Token(s))
			before := size(t, s)
			good, twice := modelstest.Refused(s, "agt_a"), modelstest.Granted(token)
			errs := s.CommitTogether(t.Context(), good, twice, modelstest.Refused(s, "agt_b"))
			require.NoError(t, errs[0])
			require.ErrorIs(t, errs[1], models.ErrConflict)
			require.NoError(t, errs[2])
			require.Equal(t, before+2, size(t, s))
			if s.Dialect() == "postgres" {
				errs := s.CommitTogether(t.Context(), modelstest.Refused(s, "agt_a"), modelstest.Refused(s, "agt_\x00"))
				require.NoError(t, errs[0])
				requireInvalid(t, errs[1], "text")
			}
		})
	})
}

func TestOnce(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		before := size(t, s)
		records := make([]*models.Record, 100)
		for i := range records {
			records[i] = modelstest.Granted(w.Token(s))
			records[i].Once = &models.Once{Purpose: "assertion", Value: "jti", ExpiresAt: s.Now() + 60}
		}
		won := 0
		for i, err := range together(100, func(i int) error { return s.Append(t.Context(), records[i]) }) {
			_, token := s.Token(t.Context(), records[i].Token.ID)
			if err == nil {
				won++
				require.NoError(t, token)
				continue
			}
			require.ErrorIs(t, err, models.ErrUsed)
			require.ErrorIs(t, token, models.ErrNotFound)
		}
		require.Equal(t, 1, won)
		require.Equal(t, before+1, size(t, s))

	})
}

func TestOnceIs(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		use := func(purpose string, at int64) error {
			r := modelstest.Granted(w.Token(s))
			r.Once = &models.Once{Purpose: purpose, Value: "jti", ExpiresAt: at}
			return s.Append(t.Context(), r)
		}
		t.Run("another for another purpose", func(t *testing.T) {
			require.NoError(t, use("assertion", s.Now()+60))
			require.NoError(t, use("code", s.Now()+60))
			require.ErrorIs(t, use("code", s.Now()+60), models.ErrUsed)
		})
		t.Run("not used up by a stale record", func(t *testing.T) {
			v := view(t, s)
			principal(t, v, w.Agent.ID)
			_, err := s.SuspendClient(t.Context(), by, w.Agent.ID)
			require.NoError(t, err)
			once := &models.Once{Purpose: "code", Value: "unused", ExpiresAt: s.Now() + 60}
			stale, again := modelstest.Granted(w.Token(s)), modelstest.Granted(w.Token(s))
			stale.View, stale.Once, again.Once = v, once, once
			require.ErrorIs(t, s.Append(t.Context(), stale), models.ErrStale)
			require.NoError(t, s.Append(t.Context(), again))
		})
		t.Run("forgotten after it expired, not before", func(t *testing.T) {
			require.NoError(t, use("purge", s.Now()-1))
			require.ErrorIs(t, use("purge", s.Now()+60), models.ErrUsed)
			require.NoError(t, s.PurgeUsed(t.Context(), s.Now()))
			require.NoError(t, use("purge", s.Now()+60))
			require.NoError(t, s.PurgeUsed(t.Context(), s.Now()))
			require.ErrorIs(t, use("purge", s.Now()+60), models.ErrUsed)
		})
	})
}

func TestOnceAcrossReplicas(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		replicas := []*models.Store{modelstest.Open(t, o), modelstest.Open(t, o)}
		w := modelstest.NewWorld(t, replicas[0], "w")
		before := size(t, replicas[0])
		won := 0
		for _, err := range together(100, func(i int) error {
			r := modelstest.Granted(w.Token(replicas[0]))
			if i%10 == 0 {
				r.Once = &models.Once{Purpose: "code", Value: "x", ExpiresAt: models.Never}
			}
			return replicas[i%2].Append(t.Context(), r)
		}) {
			if err == nil {
				won++
			} else {
				require.ErrorIs(t, err, models.ErrUsed)
			}
		}
		require.Equal(t, 91, won)
		require.Equal(t, before+91, size(t, replicas[1]))
	})
}

// When the ledger cannot be written, nothing is: no entry, no token, no fact,
// and nothing is used up.
func TestAppendFails(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		watch := modelstest.Open(t, o)
		w := modelstest.NewWorld(t, watch, "w")
		before := size(t, watch)
		record := modelstest.Granted(w.Token(watch))
		record.Once = &models.Once{Purpose: "code", Value: "x", ExpiresAt: models.Never}
		record.Facts = []models.FactBody{{Digest: "d", Body: "{}"}}
		fails := func(t *testing.T, s *models.Store) {
			t.Helper()
			for _, err := range append(s.CommitTogether(t.Context(), record, modelstest.Refused(s, "agt_a")), s.Append(t.Context(), record)) {
				require.ErrorIs(t, err, models.ErrUnavailable)
			}
			require.Equal(t, before, size(t, watch))
			_, err := watch.EntryByID(t.Context(), record.Entry.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
			_, err = watch.Token(t.Context(), record.Token.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
			facts, err := watch.FactBodies(t.Context(), []string{"d"})
			require.NoError(t, err)
			require.Empty(t, facts)
		}
		t.Run("the database is gone", func(t *testing.T) {
			s := modelstest.Open(t, o)
			pool, err := s.Writer().DB()
			require.NoError(t, err)
			require.NoError(t, pool.Close())
			fails(t, s)
			_, err = s.SuspendClient(t.Context(), by, w.Agent.ID)
			require.ErrorIs(t, err, models.ErrUnavailable)
		})
		t.Run("the store is closed", func(t *testing.T) {
			s := modelstest.Open(t, o)
			require.NoError(t, s.Close())
			fails(t, s)
		})
		t.Run("the last write of a batch fails", func(t *testing.T) {
			require.NoError(t, watch.Writer().Exec("alter table ledger_tree rename to away").Error)
			fails(t, watch)
			require.NoError(t, watch.Writer().Exec("alter table away rename to ledger_tree").Error)
			require.NoError(t, watch.Append(t.Context(), record), "it was not used up")
		})
	})
}

func TestDamagedHead(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		modelstest.User(t, s, "alice")
		require.NoError(t, s.Writer().Exec("update ledger_head set size = 0").Error)
		require.ErrorIs(t, s.Append(t.Context(), modelstest.Refused(s, "agt_a")), models.ErrUnavailable)
		_, err := s.Tree(t.Context())
		require.ErrorIs(t, err, models.ErrUnavailable)
	})
}
