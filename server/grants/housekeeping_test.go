package grants

import "testing"

// Single-use values are forgotten by the earliest of the last looks at the clock:
// neither at once, nor by a clock that leapt ahead for a moment.
func TestLookback(t *testing.T) {
	var l lookback
	for i := range looks - 1 {
		if got := l.earliest(1000 + int64(i)); got != 0 {
			t.Fatalf("look %d of %d: %d, want 0", i, looks, got)
		}
	}
	for _, step := range []struct{ now, want int64 }{
		{2000, 1000}, {99999, 1001}, {2001, 1002}, {500, 500}, {2002, 500},
	} {
		if got := l.earliest(step.now); got != step.want {
			t.Errorf("at %d: %d, want %d", step.now, got, step.want)
		}
	}
	for range looks {
		l.earliest(3000)
	}
	if got := l.earliest(3001); got != 3000 {
		t.Errorf("after as many looks at 3000: %d", got)
	}
	if len(l.seen) != looks {
		t.Errorf("remembers %d looks", len(l.seen))
	}
}
