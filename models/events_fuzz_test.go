package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// FuzzLastEventID: a position is read in the one form in which it is written.
func FuzzLastEventID(f *testing.F) {
	for _, s := range []string{"", "0.abcdefgh", "12.0123abcd.agt_01jd", "12.0123abcd.policy", "999999999999999999.zzzzzzzz", "9999999999999999999.zzzzzzzz",
		"-1.abcdefgh", "+1.abcdefgh", "01.abcdefgh", "1.abcdefgh.", "1.abcdefg", "1.ABCDEFGH", "1.abcdefgh\n", "1.abcdefgh.x\r\ndata: y", "١.abcdefgh"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := models.ParsePosition(s)
		if !ok {
			require.Zero(t, p)
			return
		}
		require.Equal(t, s, p.String())
		require.GreaterOrEqual(t, p.Seq, int64(0))
		require.Zero(t, p.Compare(p))
	})
}

func TestPositionsAreOrdered(t *testing.T) {
	in := []models.Position{{Seq: 1, Object: "a"}, {Seq: 1, Object: "b"}, {Seq: 1}, {Seq: 2, Object: "a"}}
	for i, a := range in {
		for j, b := range in {
			require.Equal(t, i < j, a.Compare(b) < 0, "%v %v", a, b)
		}
	}
}
