package models_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// BenchmarkAppend records issued tokens from one caller and from many at once,
// who share transactions.
func BenchmarkAppend(b *testing.B) {
	for _, dialect := range modelstest.Dialects() {
		for _, callers := range []int{1, 32, 128} {
			b.Run(fmt.Sprintf("%s/%d", dialect, callers), func(b *testing.B) {
				s := modelstest.New(b, dialect)
				w := modelstest.NewWorld(b, s, "w")
				v, err := s.View(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := v.Principal(b.Context(), w.Agent.ID); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				appendAll(b, s, w, v, callers)
			})
		}
	}
}

func appendAll(b *testing.B, s *models.Store, w modelstest.World, v *models.View, callers int) {
	var taken atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for taken.Add(1) <= int64(b.N) {
				r := modelstest.Granted(w.Token(s))
				r.View = v
				if err := s.Append(context.Background(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkPrincipal is one look at a fact that is in the cache.
func BenchmarkPrincipal(b *testing.B) {
	s := modelstest.New(b, "sqlite")
	w := modelstest.NewWorld(b, s, "w")
	b.ReportAllocs()
	for b.Loop() {
		v, err := s.View(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.Principal(b.Context(), w.Agent.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is per ledger of a thousand entries.
func BenchmarkVerify(b *testing.B) {
	for _, dialect := range modelstest.Dialects() {
		b.Run(dialect, func(b *testing.B) {
			s := modelstest.New(b, dialect)
			w := modelstest.NewWorld(b, s, "w")
			for range 50 {
				records := make([]*models.Record, 20)
				for i := range records {
					records[i] = modelstest.Granted(w.Token(s))
				}
				for _, err := range s.CommitTogether(b.Context(), records...) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			for b.Loop() {
				if got, err := s.Verify(b.Context(), note.VerifierList(), nil); err != nil || len(got.Findings) > 0 {
					b.Fatal(got.Findings, err)
				}
			}
		})
	}
}
