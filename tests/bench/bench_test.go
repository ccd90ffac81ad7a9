//go:build linux

package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestGoalsAreHeldInBothDirections(t *testing.T) {
	more := finding{must: 0.5, aim: 0.8, more: true}
	less := finding{must: 2, aim: 1.3}
	for _, c := range []struct {
		f     finding
		value float64
		want  string
	}{{more, 0.49, "NO"}, {more, 0.5, "yes"}, {more, 0.8, "aim"}, {less, 2.1, "NO"}, {less, 2, "yes"}, {less, 1.3, "aim"}} {
		c.f.value = c.value
		require.Equal(t, c.want, c.f.verdict(), "%+v", c.f)
	}
	require.Equal(t, []float64{0, 2, 2.5}, []float64{median(nil), median([]float64{9, 2, 1}), median([]float64{4, 1, 2, 3})})
	require.Equal(t, 99.0, quantile(milliseconds(100), 0.98))
}

func milliseconds(n int) (out []int64) {
	for i := range n {
		out = append(out, int64(i+1)*1e6)
	}
	return out
}

// A row that lacks anything is told as such, and so is the run.
func TestALostRowOrABadAnswerFailsTheCase(t *testing.T) {
	good := row{share: []float64{0.5}, received: 10, kept: 10}
	require.False(t, good.failed())
	for name, spoil := range map[string]func(*row){
		"a lost row":          func(r *row) { r.kept = 9 },
		"a row nobody got":    func(r *row) { r.kept = 11 },
		"an answer not 2xx":   func(r *row) { r.bad = 1 },
		"nothing was counted": func(r *row) { r.share = nil },
	} {
		r := good
		spoil(&r)
		require.True(t, r.failed(), name)
	}
}

func TestCasesAreNamedOnceAndPickedByPattern(t *testing.T) {
	for _, b := range []*bench{{}, {quick: true}, {postgres: &postgresServer{}}} {
		names := map[string]bool{}
		for _, k := range b.cases() {
			require.False(t, names[k.name], k.name)
			names[k.name] = true
			require.Zero(t, k.world.held%5, "a group has five roles")
			require.LessOrEqual(t, k.world.held/5, 10_000, "what one role may hold")
		}
		require.Contains(t, names, ccName)
	}
	picked := func(only ...string) (names []string) {
		b := &bench{only: only}
		for _, k := range b.cases() {
			if b.wanted(k.name) {
				names = append(names, k.name)
			}
		}
		return names
	}
	require.Equal(t, []string{"cc", "exchange4"}, picked("cc", "exchange4"))
	require.Equal(t, []string{"cc/held10", "cc/held100", "cc/held1000", "cc/held10000"}, picked("cc/held*"))
	require.Len(t, picked("main"), 6)
}

// The loader writes what the store itself would have: facts come out as planned.
func TestTheWorldIsAsTheStoreSeesIt(t *testing.T) {
	for _, dialect := range modelstest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			o := models.Options{Dir: t.TempDir()}
			if dialect == "postgres" {
				o.URL = modelstest.EmptyPostgres(t)
			}
			w := world{agents: 23, held: 20}
			require.NoError(t, w.load(t.Context(), o))
			s, err := models.Open(o)
			require.NoError(t, err)
			defer s.Close()
			view, err := s.View(t.Context())
			require.NoError(t, err)
			for i, extra := range map[int]int{0: line, 19: line, 20: 0, 22: 0} { // the last three stand in no line
				p, err := view.Principal(t.Context(), agentID(i))
				require.NoError(t, err)
				held := 0
				for _, scopes := range p.Value.Scopes {
					held += len(scopes)
				}
				require.Equal(t, w.held+extra, held, "agent %d", i)
			}
			creds, _, err := view.Credentials(t.Context(), agentID(7))
			require.NoError(t, err)
			require.Equal(t, models.HashSecret(secretOf(7)), creds[0].SecretHash)
			r, err := view.ResourceByName(t.Context(), serviceURI(3, 2))
			require.NoError(t, err)
			require.Equal(t, agentID(3*line+2), r.Value.Operator)
			reach, err := view.Reach(t.Context(), serviceID(3, 0), []string{scopeOf(0)})
			require.NoError(t, err)
			require.Len(t, reach, line, "from the first service to the last")
		})
	}
}

// The whole way, small: the real binary, the limit, every main case, and a row
// in the ledger for every answer.
func TestARunMeasuresAndCounts(t *testing.T) {
	b := &bench{dir: t.TempDir(), seconds: 100 * time.Millisecond, pairs: 1, quick: true}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, b.build(ctx))
	var err error
	b.limit, err = b.spawnLimit(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.limit.stop()) }()
	e, err := b.settle(ctx, world{agents: 10, held: 10})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.leave()) }()
	for _, k := range b.mainCases() {
		k.world, k.conns = e.world, 4
		if k.name == "introspect-new" {
			k.prepare = firstLookups(50)
		}
		require.NoError(t, b.compare(ctx, e, k))
		r := b.rows[len(b.rows)-1]
		require.False(t, r.failed(), r.complaint)
		require.Positive(t, r.received, k.name)
		require.Zero(t, r.lost(), k.name)
		require.Positive(t, r.loaded)
		require.Positive(t, r.start)
	}
	require.Empty(t, b.failed)
	var out bytes.Buffer
	b.derive()
	b.table(&out)
	for _, r := range b.rows {
		require.Contains(t, out.String(), r.what)
	}
	require.Contains(t, out.String(), "introspection of 50 different tokens")
	require.Contains(t, out.String(), "memory under load")
}
