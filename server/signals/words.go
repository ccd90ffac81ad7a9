package signals

import (
	"sync"
	"sync/atomic"
)

// words bounds how many values a label can take. Callers give only codes that
// Deputy knows; should one of them ever pass on what somebody sent, this keeps
// it from filling memory.
type words struct {
	max   int64
	count atomic.Int64
	seen  sync.Map
}

func newWords(most int64) *words { return &words{max: most} }

// bound is the word itself, or other once there are too many.
func (w *words) bound(word string) string {
	if _, ok := w.seen.Load(word); ok {
		return word
	}
	if w.count.Add(1) > w.max {
		w.count.Add(-1)
		return "other"
	}
	if _, there := w.seen.LoadOrStore(word, true); there {
		w.count.Add(-1)
	}
	return word
}
