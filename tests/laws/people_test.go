package laws

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// household is a small world of people and the agents that ask to act for them. What
// it says of itself is kept by hand, as in world_test.go.
type household struct {
	*harness.Server
	r        *rand.Rand
	people   []*soul
	agents   []*soul
	places   []*place
	agreed   map[[3]string]*agreement // person, agent and place
	sittings []*sitting
	passed   []*passed
	seen     map[string]int
	log      []string
}

// soul is a person or an agent.
type soul struct {
	id, name string
	holds    map[right]bool
	agent    *harness.Client  // nil: a person
	browser  *harness.Browser // of a person, who is signed in
}

// place is a service, which an agent operates.
type place struct {
	row    *models.ResourceServer
	at     int
	keeper *soul
	scopes []string
	leads  map[string][]right // what doing a scope needs elsewhere
}

type right struct {
	at    *place
	scope string
}

// agreement is a consent: the scopes that are agreed to, none once it has ended.
type agreement struct {
	id     string
	scopes map[string]bool
}

// sitting is what a person granted to an agent at one time.
type sitting struct {
	person, agent *soul
	scopes        map[*place][]string
	rests         map[*place]*agreement
	refresh       string
	ended         bool
}

// passed is a token of a sitting, first hand or handed on.
type passed struct {
	raw    string
	from   *sitting
	first  *place
	chain  []*soul // outermost first
	at     *place
	scopes []string
}

// Issued ⊆ requested ∩ agent ∩ user ∩ consent, over HTTP, from the question to the
// third hand; and no less than that.
func TestLawsOfPeople(t *testing.T) {
	seed := setting(t, "LAWS_SEED", int(time.Now().UnixNano()%1_000_000_000))
	steps := setting(t, "LAWS_PEOPLE", 250)
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, dialect, uint64(seed), harness.Options{House: emptyHouse})
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("replay with LAWS_SEED=%d\n%s", seed, strings.Join(h.log[max(0, len(h.log)-60):], "\n"))
				}
			})
			for range steps {
				h.step()
			}
			require.Zero(t, h.Endpoint.Alarms(), "no seat belt held, and policy always answered")
			for _, what := range slices.Sorted(maps.Keys(h.seen)) {
				t.Logf("%6d %s", h.seen[what], what)
			}
			common := []string{
				"asked", "not asked", "nothing to ask", "code granted", "code narrowed", "refresh granted", "refresh refused",
				"handed on", "not handed on", "active", "inactive", "taken back", "roles changed",
			}
			if steps >= 2500 { // what is rarer
				common = append(common, "denied", "code refused", "refresh narrowed", "third hand", "less active", "given up")
			}
			for _, what := range common {
				require.True(t, steps < 250 || h.seen[what] > 0, "this never happened: %s", what)
			}
		})
	}
}

func newHousehold(t *testing.T, dialect string, seed uint64, o harness.Options) *household {
	h := &household{
		Server: harness.New(t, dialect, o), r: rand.New(rand.NewPCG(seed, 7)),
		agreed: map[[3]string]*agreement{}, seen: map[string]int{},
	}
	owner := h.User("owner")
	for i := range 4 {
		c := h.ForPeople(h.Agent(fmt.Sprintf("agent%d", i), owner))
		h.agents = append(h.agents, &soul{id: c.ID, name: c.Name, agent: c})
	}
	for i := range 2 {
		u := h.Person(fmt.Sprintf("person%d", i))
		p := &soul{id: u.ID, name: u.Username, browser: h.Browser()}
		require.Equal(t, 303, p.browser.SignIn(p.name, harness.Password).Status)
		h.people = append(h.people, p)
	}
	for i := range 3 {
		p := &place{at: i, keeper: h.agents[i], leads: map[string][]right{}}
		for k := range 3 {
			p.scopes = append(p.scopes, fmt.Sprintf("place%d:do%d", i, k))
		}
		p.row = h.Service(fmt.Sprintf("place%d", i), p.keeper.agent, p.scopes...)
		h.places = append(h.places, p)
	}
	for _, p := range h.places {
		for _, scope := range p.scopes {
			h.lead(p, scope)
		}
	}
	for _, s := range slices.Concat(h.people, h.agents) {
		h.give(s, 92)
	}
	return h
}

// lead has a scope lead to some others, wherever they are.
func (h *household) lead(p *place, scope string) {
	var to []models.ScopeRef
	for _, other := range h.places {
		for _, s := range other.scopes {
			if other != p && h.chance(35) {
				p.leads[scope] = append(p.leads[scope], right{other, s})
				to = append(to, models.ScopeRef{ResourceID: other.row.ID, Name: s})
			}
		}
	}
	h.Scope(p.row, scope, to...)
}

// give puts other roles in the place of those that somebody has.
func (h *household) give(s *soul, percent int) {
	h.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		rows, _, err := st.Assignments(ctx, "", s.id, models.Page{Limit: 200})
		for i := 0; err == nil && i < len(rows); i++ {
			err = st.DeleteAssignment(ctx, by, rows[i].ID)
		}
		return err
	})
	s.holds = map[right]bool{}
	for _, p := range h.places {
		var scopes []string
		for _, scope := range p.scopes {
			if h.chance(percent) {
				scopes = append(scopes, scope)
				s.holds[right{p, scope}] = true
			}
		}
		if len(scopes) > 0 {
			h.Allow(s.id, p.row, scopes...)
		}
	}
}

func (h *household) chance(percent int) bool { return h.r.IntN(100) < percent }

func one[T any](h *household, list []T) (picked T) {
	if len(list) > 0 {
		picked = list[h.r.IntN(len(list))]
	}
	return picked
}

// some are a few of a list, at least one of them.
func some[T any](h *household, list []T, percent int) []T {
	out := slices.DeleteFunc(slices.Clone(list), func(T) bool { return !h.chance(percent) })
	if len(out) == 0 {
		out = append(out, one(h, list))
	}
	return out
}

func (h *household) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// step is one thing that happens.
func (h *household) step() {
	switch n := h.r.IntN(100); {
	case n < 22:
		h.visit()
	case n < 47:
		h.refresh()
	case n < 70:
		h.handOn()
	case n < 85:
		h.look()
	case n < 91:
		h.takeBack()
	case n < 93:
		h.giveUp()
	default:
		s := one(h, slices.Concat(h.people, h.agents))
		h.give(s, 85)
		h.note("%s has other roles: %d rights", s.name, len(s.holds))
		h.seen["roles changed"]++
	}
}

// reach is all that some scopes of a place lead to, themselves included.
func reach(p *place, scopes map[string]bool) map[right]bool {
	out := map[right]bool{}
	var walk func(right)
	walk = func(r right) {
		if out[r] {
			return
		}
		out[r] = true
		for _, next := range r.at.leads[r.scope] {
			walk(next)
		}
	}
	for scope := range scopes {
		walk(right{p, scope})
	}
	return out
}

func set(list []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range list {
		out[s] = true
	}
	return out
}

// worth is what a sitting is worth at a place now, of what is asked for: what was
// granted and is agreed to, and both still hold.
func (s *sitting) worth(at *place, asked []string) (out []string) {
	for _, scope := range slices.Sorted(maps.Keys(set(asked))) {
		r := right{at, scope}
		if !s.ended && slices.Contains(s.scopes[at], scope) && s.rests[at].scopes[scope] && s.person.holds[r] && s.agent.holds[r] {
			out = append(out, scope)
		}
	}
	return out
}

// left is what a token is worth now.
func (t *passed) left() (out []string) {
	agreed := reach(t.first, t.from.rests[t.first].scopes)
	for _, scope := range t.scopes {
		r := right{t.at, scope}
		lacks := func(s *soul) bool { return !s.holds[r] }
		if !t.from.ended && agreed[r] && t.from.person.holds[r] && !slices.ContainsFunc(t.chain, lacks) {
			out = append(out, scope)
		}
	}
	return out
}

// against is what stands against handing a token on, "" if nothing does.
func (t *passed) against(client *soul, r right) string {
	chain := t.chain
	switch {
	case t.from.ended:
		return "the grant has ended"
	case !client.holds[r] || !t.from.person.holds[r]:
		return "the client or the person lacks it"
	case slices.ContainsFunc(chain, func(s *soul) bool { return !s.holds[r] }):
		return "somebody in the chain lacks it"
	case !reach(t.at, set(t.scopes))[r]:
		return "the token does not lead there"
	case !reach(t.first, t.from.rests[t.first].scopes)[r]:
		return "nobody agreed to it"
	case chain[0] != client && slices.Contains(chain, client):
		return "it is in the chain"
	case chain[0] != client && len(chain) == 4:
		return "the chain is long enough"
	}
	return ""
}
