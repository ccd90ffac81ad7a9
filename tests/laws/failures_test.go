package laws

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
)

// window is what the auditor knows of the time in which failures alike are
// counted: it begins with the first failure after the last one ended.
type window struct {
	number   int
	earliest int64 // when it began, unix milliseconds, 0 if it has not
	latest   int64
}

func (w *window) end() { *w = window{number: w.number + 1} }

// countFailures lets a window end that is over, as the server does every second,
// until there is no doubt whether it did.
func (p *player) countFailures() {
	w, length := &p.ledger.window, limits.Defaults().FailureWindow.Milliseconds()
	for {
		before := p.s.Clock.Now().UnixMilli()
		err := p.s.Endpoint.CountFailures(context.Background())
		p.must(err == nil, "L8", "failures cannot be counted: %v", err)
		switch after := p.s.Clock.Now().UnixMilli(); {
		case w.earliest == 0 || after-w.earliest < length:
			return
		case before-w.latest > length: // whole milliseconds
			w.end()
			p.seen["window ended"]++
			return
		}
		p.s.Clock.Advance(secondsOf(1))
	}
}

// alike is what the ledger may count together: the question, who was claimed to
// ask, and the answer. Reasons, which answers do not tell, are left to the rows.
func (a *ask) alike(got answer) string {
	return fmt.Sprint(got.path, " ", a.exchange, " ", a.claimed(), " ", got.Status, " ", got.String("error"))
}

// unreadable tells whether the request asks for what cannot name a service: that
// is no question, so nothing is decided.
func (a *ask) unreadable() bool {
	for _, r := range a.resources {
		if r == "nonsense" || strings.Contains(r, "#") {
			return true
		}
	}
	return false
}

// failed tells whether nobody decided on a request: it is not known who sent it,
// or what it is about.
func (a *ask) failed(got answer) bool {
	return got.Status == http.StatusUnauthorized || got.Status != http.StatusOK && a.unreadable()
}

// counted is what a row says that stands for several failures.
type counted struct {
	Count, Since, Until, Limited int64
	Sources                      int
	First                        string
}

// failure is the first failure of its kind in a window, with a row of its own.
type failure struct {
	row   models.Entry
	kind  string // as the ledger has it
	owed  owed
	count counted // what the ledger says of the others
	alike int64   // answers that told of this row in place of one of their own

	lastAsked, lastDone int64 // between these was the last of those, unix milliseconds
}

func kindOf(e models.Entry, r recorded) string {
	return fmt.Sprint(e.Action, " ", e.Outcome, " ", r.Error, " ", r.Reason, " ", r.Claimed, " ", r.Call.IP)
}

// first notes a failure that has a row of its own. There is one of a kind in a
// window.
func (l *auditor) first(p *player, e models.Entry, r recorded, o owed) {
	f := &failure{row: e, kind: kindOf(e, r), owed: o}
	for _, other := range l.failures {
		p.must(other.owed.window != o.window || other.kind != f.kind, "L8", "%s and %s are both the first failure of a kind: %s", other.row.ID, e.ID, f.kind)
	}
	p.must(r.Claimed == o.claimed && r.Error == o.got.String("error") && !r.Limited, "L8", "failure %s is recorded as %s, and was: %s", e.ID, f.kind, o.alike)
	l.failures[e.ID] = f
}

// counts reads a row that counts failures.
func (l *auditor) counts(p *player, e models.Entry, r recorded) {
	f := l.failures[r.Counted.First]
	if f == nil || f.count.Count != 0 {
		p.must(false, "L8", "%s counts failures like %s, which is not a first failure or is counted already", e.ID, r.Counted.First)
		return
	}
	p.must(e.Kind == models.KindFailure && kindOf(e, r) == f.kind, "L8", "%s counts %s, and its first is %s", e.ID, kindOf(e, r), f.kind)
	p.must(r.Counted.Count > 0 && r.Counted.Limited == 0 && r.Counted.Sources == 0, "L8", "%s counts %+v", e.ID, *r.Counted)
	f.count = *r.Counted
}

// settleCounted finds the row that stands for an answer which has none of its own.
func (l *auditor) settleCounted(p *player, call string, o owed) {
	f := l.failures[o.decision]
	if f == nil || !o.failed {
		p.must(false, "L8", "%s was answered (%+v), and the ledger has nothing of it", call, o)
		return
	}
	p.must(o.alike == f.owed.alike && o.window == f.owed.window, "L8", "%s (%s, window %d) was told of failure %s (%s, window %d)",
		call, o.alike, o.window, f.row.ID, f.owed.alike, f.owed.window)
	f.alike++
	f.lastAsked, f.lastDone = max(f.lastAsked, o.got.asked), max(f.lastDone, o.got.done)
}

// settleCounts: what the ledger counts adds up to what was answered.
func (l *auditor) settleCounts(p *player) {
	for id, f := range l.failures {
		c, begin := f.count, f.owed.got
		p.must(c.Count == f.alike, "L8", "the ledger counts %d failures like %s, and %d were answered so", c.Count, id, f.alike)
		p.must(c.Count == 0 || begin.asked <= c.Since && c.Since <= begin.done && f.lastAsked <= c.Until && c.Until <= f.lastDone, "L8",
			"failures like %s are counted from %d to %d; the first was between %d and %d, the last between %d and %d",
			id, c.Since, c.Until, begin.asked, begin.done, f.lastAsked, f.lastDone)
		p.seen["counted"] += int(c.Count)
	}
	clear(l.failures)
}
