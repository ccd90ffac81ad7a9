package laws

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// witness is a test in which a law may break without failing the one that runs it.
type witness struct {
	testing.TB
	broken string
}

func (w *witness) Errorf(format string, args ...any) { w.broken = fmt.Sprintf(format, args...) }

func (w *witness) FailNow() { runtime.Goexit() }

// breaks plays until a law breaks, and says which; "" if none does.
func (h *household) breaks(steps int) string {
	w := &witness{TB: h.TB}
	h.TB = w
	for _, p := range h.people {
		p.browser.TB = w // they stand in the same test
	}
	defer func() { h.TB = w.TB }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range steps {
			h.step()
		}
	}()
	<-done
	return w.broken
}

// What holds people's grants within bounds is taken out one rule at a time, and
// somebody notices.
func TestASabotagedFloorBreaksALawOfPeople(t *testing.T) {
	for name, s := range map[string]struct{ file, cut string }{
		"consent is not needed":            {"floor/scope/scope.rego", `(?s)missing contains \{"code": "scope_not_consented".*?\n\}\n`},
		"more than was granted":            {"floor/scope/scope.rego", `(?s)missing contains \{"code": "scope_not_authorized".*?\n\}\n`},
		"the person need hold nothing":     {"floor/scope/scope.rego", `(?s)missing contains \{"code": "scope_not_held", "party": "subject".*?\n\}\n`},
		"what was given up lives on":       {"floor/authorization/authorization.rego", `(?s)reasons contains \{"code": "authorization_ended".*?\n\}\n`},
		"what the person lacks is offered": {"floor/offer/offer.rego", `(?s)lacks\[\[i, s\]\] contains \{"code": "scope_not_held", "party": "subject".*?\n\}\n`},
		"what was taken back counts":       {"floor/consent/consent.rego", `\tagreement\.revoked == false\n`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, "sqlite", 1, harness.Options{House: emptyHouse, Floor: harness.Sabotaged(t, s.file, s.cut)})
			broken := h.breaks(2000)
			require.NotEmpty(t, broken, "nobody noticed")
			t.Log(len(h.log), "steps:", broken[:min(len(broken), 300)])
		})
	}
}
