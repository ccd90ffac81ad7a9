//go:build linux

package failure

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/tests/process"
)

// bombs are house rules that no machine finishes, for the clients labelled so.
// Samples do not carry the label, so the policy is taken for fit.
const bombs = `package house.issue

import rego.v2

deny contains {"code": "cross_product"} if {
	input.client.labels.bomb == "cross"
	some a in numbers.range(1, 2000)
	some b in numbers.range(1, 2000)
	some c in numbers.range(1, 2000)
	a + b + c == 0
}

deny contains {"code": "long_range"} if {
	input.client.labels.bomb == "range"
	count(numbers.range(1, 300000000)) == 0
}

deny contains {"code": "doubling"} if {
	input.client.labels.bomb == "double"
	every n in numbers.range(1, 100) {
		a := numbers.range(1, 1000 * n)
		b := array.concat(a, a)
		c := array.concat(b, b)
		count(array.concat(c, c)) > 0
	}
}

deny contains {"code": "long_text"} if {
	input.client.labels.bomb == "text"
	a := concat("", [x | some _ in numbers.range(1, 1000); x := "aaaaaaaaaa"])
	b := replace(a, "a", a)
	count(replace(b, "a", a)) == 0
}
`

// Bounds that Deputy keeps while several policy questions never end: on one
// question of that kind, on the others beside it, and on memory.
const (
	deadline = time.Second
	hopeless = deadline + 5*time.Second // the rest is a busy machine's
	beside   = 3 * time.Second
	memory   = 3 << 30
)

// A house policy explodes for some clients. Their requests are refused within a
// bound and recorded as a fault of policy's; the others do not notice.
func TestPolicyThatNeverEnds(t *testing.T) { // by itself: it measures
	house := t.TempDir()
	must(t, os.WriteFile(filepath.Join(house, "issue.rego"), []byte(bombs), 0o600))
	w := newWorld(t, newDeputy(t, t.TempDir(), "", "--policy-dir", house, "--policy-deadline", deadline.String()))
	kinds := []string{"cross", "range", "double", "text"}
	var victims []*world
	w.inStore(func(s *models.Store) {
		for _, kind := range kinds {
			victims = append(victims, w.labelled(s, kind))
		}
	})
	w.Start()
	l := w.drive(4, func(int) ask { return w.own() })
	l.AwaitMore("tokens", 100, (*answer).Granted)

	var exploded []*answer
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, v := range victims {
		wg.Go(func() {
			for range rounds(2) {
				a := process.Send(process.NewClient(), v.own())
				mu.Lock()
				exploded = append(exploded, a)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s := summed(t, l.Stop())
	others := l.Stop()

	var longest time.Duration
	for _, a := range exploded {
		longest = max(longest, a.Took())
		if a.Status != http.StatusInternalServerError || a.Body.Error != "server_error" || a.Body.Token != "" {
			t.Errorf("a question that never ends was answered %d %q", a.Status, a.Body.Error)
		}
	}
	var took []time.Duration
	for _, a := range others {
		took = append(took, a.Took())
	}
	slices.Sort(took)
	recorded := 0
	for detail := range w.Column("select detail from ledger where outcome = 'refused'") {
		if strings.Contains(detail, `"policy_error"`) {
			recorded++
		}
	}
	peak, err := w.Memory("VmHWM")
	must(t, err)
	t.Logf("questions that never end %d / refused as server_error and recorded %d, longest %v", len(exploded), recorded, longest.Round(time.Millisecond))
	t.Logf("others beside them: granted %d, anything else %d, median %v, p99 %v, longest %v; memory at most %d MB",
		s.Granted, len(others)-s.Granted, took[len(took)/2].Round(10*time.Microsecond), took[len(took)*99/100].Round(time.Millisecond), s.Longest().Round(time.Millisecond), peak>>20)
	if recorded != len(exploded) || longest > hopeless || s.Longest() > beside || s.Granted != len(others) || peak > memory {
		t.Errorf("one of the bounds was not kept: %v, %v, %d bytes", hopeless, beside, memory)
	}
	w.token()
	w.Verified()
}

// labelled is another agent of this world, that a bomb goes off for.
func (w *world) labelled(s *models.Store, kind string) *world {
	w.t.Helper()
	ctx := context.Background()
	agent := &models.Client{Kind: models.KindAgent, Name: kind, OwnerID: &w.Owner.ID, Sponsor: "Quality", Labels: models.Labels{"bomb": kind}}
	must(w.t, s.CreateClient(ctx, modelstest.By(), agent))
	v := *w
	_, secret := modelstest.Secret(w.t, s, agent.ID)
	v.agent = process.Client{ID: agent.ID, Secret: secret}
	modelstest.Assign(w.t, s, w.Role.ID, agent.ID)
	return &v
}
