// Package laws plays random worlds against the whole server, over HTTP, and
// holds every answer against what must be true whatever the world. docs/laws.md
// lists the laws.
package laws

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// casesPerWorld is how many requests are answered in one world before the next.
const casesPerWorld = 150

// defaultCases is how many are answered on each database if LAWS_CASES says nothing else.
const defaultCases = 1000

var emptyHouse = fstest.MapFS{"issue/issue.rego": {Data: []byte("package house.issue\n")}}

// setting reads a number from the environment.
func setting(tb testing.TB, name string, otherwise int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(tb, err, name)
	return n
}

func TestLaws(t *testing.T) {
	seed := setting(t, "LAWS_SEED", int(time.Now().UnixNano()%1_000_000_000))
	cases, first := setting(t, "LAWS_CASES", defaultCases), setting(t, "LAWS_WORLD", 0)
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			p := newPlayer(t, dialect, harness.Options{})
			begin := time.Now()
			for world := first; p.cases < cases; world++ {
				if err := p.play(uint64(seed), world, casesPerWorld); err != nil {
					t.Fatal(err)
				}
			}
			require.NoError(t, p.ledger.verify(p))
			require.Zero(t, p.s.Endpoint.Alarms(), "no seat belt held, and policy always answered")
			t.Logf("seed %d: %d cases in %s, %d tokens, %d decisions taken again", seed, p.cases, time.Since(begin).Round(time.Millisecond), p.ledger.tokens, p.ledger.replayed)
			for _, what := range slices.Sorted(maps.Keys(p.seen)) {
				t.Logf("%6d %s", p.seen[what], what)
			}
			if cases >= defaultCases {
				p.provesSomething(t, cases)
			}
		})
	}
}

// provesSomething: laws hold of worlds in which nothing happens, too.
func (p *player) provesSomething(t *testing.T, cases int) {
	t.Helper()
	common := []string{
		"own granted", "own refused", "exchange granted", "exchange refused", "chain of 8", "refused: chain of 9", "refused: not entitled",
		"refused: house:", "seen active", "seen inactive", "fallen", "untouched", "strangers", "clock moved", "reused", "counted", "window ended",
	}
	if cases >= 20*defaultCases { // what is rarer
		common = append(common, "refused: in the chain", "refused: actor token", "revokeOwn")
		for _, k := range slices.Concat(kinds, restoring) {
			common = append(common, k.name)
		}
	}
	for _, what := range common {
		require.Positive(t, p.seen[what], "this never happened: %s", what)
	}
}
