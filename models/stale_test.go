package models_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// scene is a world in which everything a decision can hang from is in play.
type scene struct {
	modelstest.World
	secret *models.Credential
	token  models.Token
	inner  *models.Group // holds the agent
	outer  *models.Group // holds inner
	grown  *models.Role  // of outer: the scope write
	other  modelstest.World
}

func newScene(t *testing.T, s *models.Store, name string) *scene {
	t.Helper()
	sc := &scene{World: modelstest.NewWorld(t, s, name), other: modelstest.NewWorld(t, s, name+"-other")}
	sc.secret, _ = modelstest.Secret(t, s, sc.Agent.ID)
	sc.token = modelstest.Issue(t, s, sc.World.Token(s))
	sc.inner = modelstest.Group(t, s, name+"-inner", sc.Agent.ID)
	sc.outer = modelstest.Group(t, s, name+"-outer", sc.inner.ID)
	sc.grown = modelstest.Role(t, s, name+"-grown", sc.Service.ID, "write")
	modelstest.Assign(t, s, sc.grown.ID, sc.outer.ID)
	return sc
}

// sight is what one look at a scene shows.
type sight struct {
	Status, Owner string
	Read, Write   []string // roles behind the scopes
	Service       string
	Risk          string
	Credentials   int
	Revoked       bool
	Reach         map[string]map[string][]string
}

func (sc *scene) look(t *testing.T, v *models.View) sight {
	t.Helper()
	p := principal(t, v, sc.Agent.ID)
	scopes := p.Scopes[sc.Service.ID]
	out := sight{Status: p.Status, Owner: p.Owner.Status, Read: scopes["read"], Write: scopes["write"]}
	r, err := v.ResourceByName(t.Context(), sc.Service.Identifier)
	require.NoError(t, err)
	if r != nil {
		out.Service, out.Risk = r.Value.Status, r.Value.Scopes["read"].Risk
	}
	rows, _, err := v.Credentials(t.Context(), sc.Agent.ID)
	require.NoError(t, err)
	out.Credentials = len(rows)
	st, err := v.TokenState(t.Context(), sc.token.ID)
	require.NoError(t, err)
	out.Revoked = st.Revoked
	out.Reach, err = v.Reach(t.Context(), sc.Service.ID, []string{"read"})
	require.NoError(t, err)
	return out
}

// write is a change, and what it does to what a decision sees.
type write struct {
	name  string
	do    func(t *testing.T, s *models.Store, sc *scene) error
	shows func(sc *scene, seen *sight)
}

func writes() []write {
	return slices.Concat(identityWrites(), accessWrites(), serviceWrites())
}

func identityWrites() []write {
	return []write{
		{"client suspended", func(t *testing.T, s *models.Store, sc *scene) error {
			_, err := s.SuspendClient(t.Context(), by, sc.Agent.ID)
			return err
		}, func(_ *scene, seen *sight) { seen.Status = "suspended" }},
		{"client decommissioned", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.DecommissionClient(t.Context(), by, sc.Agent.ID, models.AnyVersion)
		}, func(_ *scene, seen *sight) { seen.Status, seen.Credentials, seen.Revoked = "decommissioned", 0, true }},
		{"owner suspended", func(t *testing.T, s *models.Store, sc *scene) error {
			_, err := s.SuspendUser(t.Context(), by, sc.Owner.ID)
			return err
		}, func(_ *scene, seen *sight) { seen.Owner = "suspended" }},
		{"owner changed", func(t *testing.T, s *models.Store, sc *scene) error {
			if _, err := s.SuspendUser(t.Context(), by, sc.other.Owner.ID); err != nil {
				return err
			}
			_, err := s.UpdateClient(t.Context(), by, sc.Agent.ID, models.AnyVersion, func(c *models.Client) { c.OwnerID = &sc.other.Owner.ID })
			return err
		}, func(_ *scene, seen *sight) { seen.Owner = "suspended" }},
		{"credential revoked", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.RevokeCredential(t.Context(), by, sc.Agent.ID, sc.secret.ID)
		}, func(_ *scene, seen *sight) { seen.Credentials = 1 }},
		{"credential rotated", func(t *testing.T, s *models.Store, sc *scene) error {
			_, _, err := s.RotateCredential(t.Context(), by, sc.Agent.ID, sc.secret.ID, 0, 0)
			return err
		}, func(_ *scene, seen *sight) { seen.Credentials = 3 }},
		{"token revoked", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.RevokeToken(t.Context(), by, sc.token.ID)
		}, func(_ *scene, seen *sight) { seen.Revoked = true }},
		{"grant revoked", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.RevokeGrant(t.Context(), by, sc.token.GrantID)
		}, func(_ *scene, seen *sight) { seen.Revoked = true }},
	}
}

func accessWrites() []write {
	noRead := func(sc *scene, seen *sight) { seen.Read, seen.Write = nil, []string{sc.grown.ID} }
	onlyOwn := func(sc *scene, seen *sight) { seen.Write = []string{sc.Role.ID} }
	return []write{
		{"role scopes changed", func(t *testing.T, s *models.Store, sc *scene) error {
			_, err := s.UpdateRole(t.Context(), by, sc.grown.ID, models.AnyVersion, func(r *models.Role) { r.Scopes[0].Name = "read" })
			return err
		}, func(sc *scene, seen *sight) {
			seen.Read, seen.Write = []string{sc.Role.ID, sc.grown.ID}, []string{sc.Role.ID}
		}},
		{"role deleted", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.DeleteRole(t.Context(), by, sc.Role.ID, models.AnyVersion)
		}, noRead},
		{"assignment removed", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.DeleteAssignment(t.Context(), by, sc.Assignment.ID)
		}, noRead},
		{"assignment added", func(t *testing.T, s *models.Store, sc *scene) error {
			modelstest.Assign(t, s, sc.grown.ID, sc.Agent.ID)
			return s.DeleteAssignment(t.Context(), by, sc.Assignment.ID)
		}, noRead},
		{"assignment to a group added", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.CreateAssignment(t.Context(), by, &models.Assignment{RoleID: sc.other.Role.ID, PrincipalID: sc.outer.ID})
		}, func(*scene, *sight) {}},
		{"member taken out of its group", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.RemoveGroupMember(t.Context(), by, sc.inner.ID, sc.Agent.ID)
		}, onlyOwn},
		{"group taken out of a group", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.RemoveGroupMember(t.Context(), by, sc.outer.ID, sc.inner.ID)
		}, onlyOwn},
		{"group deleted", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.DeleteGroup(t.Context(), by, sc.outer.ID, models.AnyVersion)
		}, onlyOwn},
	}
}

func serviceWrites() []write {
	return []write{
		{"scope deleted", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.DeleteScope(t.Context(), by, sc.Service.ID, "read")
		}, func(_ *scene, seen *sight) { seen.Read, seen.Risk = nil, "" }},
		{"scope changed", func(t *testing.T, s *models.Store, sc *scene) error {
			to := models.ScopeRef{ResourceID: sc.other.Service.ID, Name: "write"}
			_, err := s.PutScope(t.Context(), by, &models.Scope{ResourceID: sc.Service.ID, Name: "read", Risk: "high", Downstream: []models.ScopeRef{to}})
			return err
		}, func(sc *scene, seen *sight) {
			seen.Risk = "high"
			seen.Reach = map[string]map[string][]string{sc.Service.ID: {"read": {"read"}}, sc.other.Service.ID: {"write": {"read"}}}
		}},
		{"resource server suspended", func(t *testing.T, s *models.Store, sc *scene) error {
			_, err := s.UpdateResourceServer(t.Context(), by, sc.Service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = "suspended" })
			return err
		}, func(_ *scene, seen *sight) { seen.Service = "suspended" }},
		{"resource server deleted", func(t *testing.T, s *models.Store, sc *scene) error {
			return s.DeleteResourceServer(t.Context(), by, sc.Service.ID, models.AnyVersion)
		}, func(_ *scene, seen *sight) { seen.Read, seen.Write, seen.Service, seen.Risk = nil, nil, "", "" }},
	}
}

// Every write that changes what a decision sees is seen by the next view, and
// makes what was decided before it stale.
func TestWritesAreSeen(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		for i, w := range writes() {
			t.Run(w.name, func(t *testing.T) {
				sc := newScene(t, s, string(rune('a'+i)))
				before := view(t, s)
				want := sc.look(t, before)
				require.NoError(t, w.do(t, s, sc))
				after := view(t, s)
				w.shows(sc, &want)
				require.Equal(t, want, sc.look(t, after))

				n := size(t, s)
				stale := modelstest.Granted(sc.World.Token(s))
				stale.View = before
				require.ErrorIs(t, s.Append(t.Context(), stale), models.ErrStale)
				require.Equal(t, n, size(t, s))
				_, err := s.Token(t.Context(), stale.Token.ID)
				require.ErrorIs(t, err, models.ErrNotFound)
				fresh := modelstest.Granted(sc.World.Token(s))
				fresh.View = after
				require.NoError(t, s.Append(t.Context(), fresh))
			})
		}
	})
}

// A change that was made but cannot be read back is made all the same; nobody
// decides anything until it can.
func TestChangeThatCannotBeReadBack(t *testing.T) {
	t.Parallel()
	s := modelstest.New(t, "sqlite") // there reads have a pool of their own
	w := modelstest.NewWorld(t, s, "w")
	principal(t, view(t, s), w.Agent.ID)
	pool, err := s.Reader().DB()
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	c, err := s.SuspendClient(t.Context(), by, w.Agent.ID)
	require.NoError(t, err)
	require.Equal(t, models.StatusSuspended, c.Status)
	_, err = s.View(t.Context())
	require.ErrorIs(t, err, models.ErrUnavailable)
}

// A write elsewhere leaves a decision standing.
func TestOtherWritesDoNotMakeStale(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		sc := newScene(t, s, "here")
		away, elsewhere := modelstest.Group(t, s, "away"), []*scene{}
		for i := range writes() {
			elsewhere = append(elsewhere, newScene(t, s, "there-"+string(rune('a'+i))))
		}
		before := view(t, s)
		want := sc.look(t, before)
		for i, w := range writes() {
			if strings.HasPrefix(w.name, "scope ") || w.name == "resource server deleted" {
				continue // anything's reach may go through these
			}
			require.NoError(t, w.do(t, s, elsewhere[i]), w.name)
		}
		_, err := s.UpdateGroup(t.Context(), by, away.ID, models.AnyVersion, func(g *models.Group) { g.Description = "x" })
		require.NoError(t, err)
		require.NoError(t, s.MarkUsed(t.Context(), map[string]int64{sc.secret.ID: s.Now()}))
		still := modelstest.Granted(sc.World.Token(s))
		still.View = before
		require.NoError(t, s.Append(t.Context(), still))
		require.Equal(t, want, sc.look(t, view(t, s)))
	})
}

// Two replicas on one database: what one changes makes what the other decided
// stale, and once it has caught up it sees the change.
func TestReplicas(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		here, there := modelstest.Open(t, o), modelstest.Open(t, o)
		for i, w := range writes() {
			t.Run(w.name, func(t *testing.T) {
				sc := newScene(t, there, string(rune('a'+i)))
				require.NoError(t, here.Refresh(t.Context()))
				before := view(t, here)
				want := sc.look(t, before)
				require.NoError(t, w.do(t, there, sc))
				stale := modelstest.Granted(sc.World.Token(here))
				stale.View = before
				require.ErrorIs(t, here.Append(t.Context(), stale), models.ErrStale)
				require.NoError(t, here.Refresh(t.Context()))
				w.shows(sc, &want)
				after := view(t, here)
				require.Equal(t, want, sc.look(t, after))
				fresh := modelstest.Granted(sc.World.Token(here))
				fresh.View = after
				require.NoError(t, here.Append(t.Context(), fresh))
			})
		}
	})
}

// Others are at work, too: what a change hangs from may change several times while it
// is decided, and it is made all the same.
func TestAuthorityIsDecidedAnewUntilItHolds(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		sc := newScene(t, s, "a")
		decided := 0
		var again func(context.Context) (models.By, error)
		again = func(ctx context.Context) (models.By, error) {
			decided++
			v, err := s.View(ctx)
			require.NoError(t, err)
			sc.look(t, v)
			if decided < 5 {
				modelstest.Role(t, s, fmt.Sprintf("a-%d", decided), sc.Service.ID, "read")
				_, err = s.SuspendClient(ctx, modelstest.By(), sc.Agent.ID)
				require.NoError(t, err)
				_, err = s.RestoreClient(ctx, modelstest.By(), sc.Agent.ID)
			}
			return models.By{System: "test", Seen: v, Again: again}, err
		}
		by, err := again(t.Context())
		require.NoError(t, err)
		user := &models.User{Username: "newcomer", Name: "New"}
		require.NoError(t, s.CreateUser(t.Context(), by, user))
		require.Equal(t, 5, decided)

		decided = -10
		by, err = again(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, s.CreateUser(t.Context(), by, &models.User{Username: "nobody", Name: "No"}), models.ErrUnavailable)
	})
}
