package models_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

type reach = map[string]map[string][]string

func TestReach(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ask, search, sum := modelstest.Service(t, s, "ask", "ask", "ping"), modelstest.Service(t, s, "search", "web"), modelstest.Service(t, s, "sum", "text", "all")
		ref := func(r *models.ResourceServer, name string) models.ScopeRef {
			return models.ScopeRef{ResourceID: r.ID, Name: name}
		}
		modelstest.Scope(t, s, search.ID, "web", ref(sum, "text"))
		modelstest.Scope(t, s, ask.ID, "ask", ref(search, "web"))
		of := func(r *models.ResourceServer, scopes ...string) reach {
			t.Helper()
			got, err := view(t, s).Reach(t.Context(), r.ID, scopes)
			require.NoError(t, err)
			return got
		}
		t.Run("however many hops", func(t *testing.T) {
			require.Equal(t, reach{ask.ID: {"ask": {"ask"}}, search.ID: {"web": {"ask"}}, sum.ID: {"text": {"ask"}}}, of(ask, "ask"))
			require.Equal(t, reach{search.ID: {"web": {"web"}}, sum.ID: {"text": {"web"}}}, of(search, "web"))
		})
		t.Run("a scope that leads nowhere reaches itself", func(t *testing.T) {
			require.Equal(t, reach{ask.ID: {"ping": {"ping"}}}, of(ask, "ping"))
			require.Equal(t, reach{ask.ID: {"unknown": {"unknown"}}}, of(ask, "unknown"))
		})
		t.Run("no scopes reach nothing", func(t *testing.T) {
			require.Empty(t, of(ask))
		})
		t.Run("names every scope that leads there", func(t *testing.T) {
			modelstest.Scope(t, s, ask.ID, "ping", ref(sum, "text"))
			require.Equal(t, []string{"ask", "ping"}, of(ask, "ping", "ask")[sum.ID]["text"])
			require.Equal(t, []string{"ask"}, of(ask, "ping", "ask")[search.ID]["web"])
		})
		t.Run("a cycle ends", func(t *testing.T) {
			modelstest.Scope(t, s, sum.ID, "text", ref(ask, "ask"), ref(sum, "text"))
			require.Equal(t, reach{ask.ID: {"ask": {"text"}}, search.ID: {"web": {"text"}}, sum.ID: {"text": {"text"}}}, of(sum, "text"))
		})
	})
}

// edges draws a small graph of downstream edges.
func edges(t *rapid.T) map[models.ScopeRef][]models.ScopeRef {
	return rapid.MapOf(scopeRef(), rapid.SliceOfN(scopeRef(), 0, 3)).Draw(t, "edges")
}

func scopeRef() *rapid.Generator[models.ScopeRef] {
	return rapid.Custom(func(t *rapid.T) models.ScopeRef {
		return models.ScopeRef{
			ResourceID: rapid.SampledFrom([]string{"rsv_a", "rsv_b", "rsv_c"}).Draw(t, "server"),
			Name:       rapid.SampledFrom([]string{"r", "s", "t", "u"}).Draw(t, "scope"),
		}
	})
}

var someScopes = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"r", "s", "t", "u"}), rapid.ID[string])

// Reach is a closure: it holds what it started from (extensive), more scopes
// never reach less (monotone), and reaching on from what was reached leads
// nowhere new (idempotent). So a token exchanged from another reaches no more.
func TestReachIsAClosure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		graph, own, more := edges(t), someScopes.Draw(t, "own"), someScopes.Draw(t, "more")
		got := models.Closure(graph, "rsv_a", own)
		for _, name := range own {
			if !slices.Contains(got["rsv_a"][name], name) {
				t.Fatalf("%s does not reach itself: %v", name, got)
			}
		}
		wider := models.Closure(graph, "rsv_a", append(slices.Clone(own), more...))
		for server, names := range got {
			for name, via := range names {
				for _, v := range via {
					if !slices.Contains(wider[server][name], v) {
						t.Fatalf("with %v added, %s no longer reaches %s of %s", more, v, name, server)
					}
				}
			}
		}
		for server, names := range got {
			on := models.Closure(graph, server, slices.Collect(maps.Keys(names)))
			for next, reached := range on {
				for name := range reached {
					if got[next][name] == nil {
						t.Fatalf("from %s one reaches %s of %s, which was not within reach", server, name, next)
					}
				}
			}
		}
		for server, names := range got {
			for name, via := range names {
				if !slices.IsSorted(via) || len(slices.Compact(slices.Clone(via))) != len(via) || len(via) == 0 {
					t.Fatalf("%s of %s by %v", name, server, via)
				}
			}
		}
	})
}
