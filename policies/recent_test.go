package policies_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

func TestRecentIsBoundedAndKeepsWhatIsAskedFor(t *testing.T) {
	const size = 100
	r := policies.NewRecent[int, int](size)
	for n := range 5 * size {
		r.Put(n, n)
		got, ok := r.Get(0)
		require.True(t, ok, "what is asked for again is not forgotten, after %d", n)
		require.Zero(t, got)
	}
	kept := 0
	for n := range 5 * size {
		if _, ok := r.Get(n); ok {
			kept++
		}
	}
	require.LessOrEqual(t, kept, 2*size)
	_, ok := r.Get(1)
	require.False(t, ok)
	_, ok = r.Get(-1)
	require.False(t, ok)
}
