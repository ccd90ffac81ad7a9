package tests

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// tree is tokens that agents exchange from one another, many at once, while some of
// them are revoked.
type tree struct {
	*harness.Server
	*chain
	random *rand.Rand

	mu    sync.Mutex
	nodes []node
}

type node struct {
	level  int // whose service it is for
	parent int // -1: its agent's own
	raw    string
}

// grow exchanges tokens n times, each from a random one that there is by then.
func (g *tree) grow(n int) {
	for range n {
		g.mu.Lock()
		at := g.random.IntN(len(g.nodes))
		from := g.nodes[at]
		g.mu.Unlock()
		if from.level == len(hops)-1 {
			continue
		}
		next := from.level + 1
		a := g.Form("/oauth2/token", g.agents[from.level], harness.ExchangeForm(from.raw, g.services[next].Identifier, hops[next]+":use"))
		if a.Status == http.StatusOK {
			g.mu.Lock()
			g.nodes = append(g.nodes, node{next, at, a.String("access_token")})
			g.mu.Unlock()
		}
	}
}

// revoke gives up a random token, in the place of whoever it was issued to.
func (g *tree) revoke() (at int) {
	g.TB.Helper()
	g.mu.Lock()
	at = g.random.IntN(len(g.nodes))
	n := g.nodes[at]
	g.mu.Unlock()
	a := g.Form("/oauth2/revoke", g.agents[max(0, n.level-1)], url.Values{"token": {n.raw}})
	require.Equal(g.TB, http.StatusOK, a.Status, a.Body)
	return at
}

func (g *tree) hangsFrom(at int, ends map[int]bool) bool {
	for ; at >= 0; at = g.nodes[at].parent {
		if ends[at] {
			return true
		}
	}
	return false
}

// live counts the live tokens that hang from one.
func (g *tree) live(at int) (n int64) {
	for i, node := range g.nodes {
		if g.hangsFrom(i, map[int]bool{at: true}) && g.Active(g.agents[node.level], node.raw) {
			n++
		}
	}
	return n
}

// Whatever the order in which tokens are exchanged and revoked: exactly what hangs from
// what was revoked is dead, and everything else alive.
func TestExactlyTheDescendantsDie(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		g := &tree{Server: s, chain: newChain(s), random: rand.New(rand.NewPCG(seed, 1))}
		dead, alive := 0, 0
		for range 5 {
			g.nodes = nil
			for range 3 {
				g.nodes = append(g.nodes, node{0, -1, s.Own(g.agents[0], g.services[0].Identifier, hops[0]+":use")})
			}
			g.grow(10)
			var growing sync.WaitGroup
			for range 6 {
				growing.Go(func() { g.grow(8) })
			}
			ends := map[int]bool{g.revoke(): true, g.revoke(): true}
			growing.Wait()
			for at, n := range g.nodes {
				fallen := g.hangsFrom(at, ends)
				require.Equal(t, !fallen, s.Active(g.agents[n.level], n.raw), "token %d of level %d, revoked %v", at, n.level, ends)
				if fallen {
					dead++
				} else {
					alive++
				}
			}
			for range 3 {
				at := g.random.IntN(len(g.nodes))
				f, err := s.Store.FallOfToken(t.Context(), jti(t, g.nodes[at].raw))
				require.NoError(t, err)
				require.Equal(t, g.live(at), f.Tokens, "what would fall with token %d", at)
			}
		}
		require.NotZero(t, dead)
		require.NotZero(t, alive)
		t.Logf("%d of %d tokens fell, each where it had to", dead, dead+alive)
	})
}

// With a grant goes all that hangs from it, and what is exchanged meanwhile.
func TestAGrantTakesItsTreeWithIt(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		g := &tree{Server: s, chain: newChain(s), random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))}
		root := s.Own(g.agents[0], g.services[0].Identifier, hops[0]+":use")
		g.nodes = []node{{0, -1, root}}
		_, claims := claimsOf(t, root)
		offer := &models.Transfer{ClientID: g.agents[0].ID, ToID: &s.User("joe").ID}
		require.NoError(t, s.Store.OfferTransfer(t.Context(), models.By{System: "test"}, offer))
		offers := func() string {
			now, err := s.Store.Transfer(t.Context(), offer.ID)
			require.NoError(t, err)
			return now.State
		}
		fall := func() int64 {
			grant, err := s.Store.Grant(t.Context(), claims["gid"].(string))
			require.NoError(t, err)
			f, err := s.Store.FallOfGrant(t.Context(), grant)
			require.NoError(t, err)
			require.Zero(t, f.Offers, "an offer of the agent does not hang from a grant")
			return f.Tokens
		}
		others := fall() - 1 // of before
		g.grow(5)
		require.Equal(t, others+int64(len(g.nodes)), fall())
		var growing sync.WaitGroup
		for range 6 {
			growing.Go(func() { g.grow(8) })
		}
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeGrant(ctx, by, claims["gid"].(string))
		})
		growing.Wait()
		for at, n := range g.nodes {
			require.False(t, s.Active(g.agents[n.level], n.raw), "token %d of level %d", at, n.level)
		}
		require.Zero(t, fall())
		again := s.Own(g.agents[0], g.services[0].Identifier, hops[0]+":use")
		require.True(t, s.Active(g.agents[0], again), "it may begin anew")
		t.Logf("%d tokens fell", len(g.nodes))

		require.Equal(t, models.TransferOpen, offers())
		f, err := s.Store.FallOf(t.Context(), g.agents[0].ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, f.Offers)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, g.agents[0].ID)
			return err
		})
		require.Equal(t, models.TransferCancelled, offers(), "it falls with the agent")
		require.False(t, s.Active(g.agents[0], again))
	})
}
