package models_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// town is a small world in which random changes meet each other.
type town struct {
	s       *models.Store
	r       *rand.Rand
	users   []string
	clients []string
	groups  []string
	roles   []string
	servers []string
	scopes  []models.ScopeRef
}

func newTown(t *testing.T, s *models.Store, r *rand.Rand) *town {
	t.Helper()
	w := &town{s: s, r: r}
	for i := range 2 {
		service := modelstest.Service(t, s, fmt.Sprint("service", i), "a", "b")
		w.servers = append(w.servers, service.ID)
		w.scopes = append(w.scopes, models.ScopeRef{ResourceID: service.ID, Name: "a"}, models.ScopeRef{ResourceID: service.ID, Name: "b"})
		u := modelstest.User(t, s, fmt.Sprint("user", i))
		c, _ := modelstest.Agent(t, s, fmt.Sprint("agent", i), u.ID)
		w.users, w.clients = append(w.users, u.ID), append(w.clients, c.ID)
	}
	for i := range 3 {
		w.groups = append(w.groups, modelstest.Group(t, s, fmt.Sprint("group", i)).ID)
		w.roles = append(w.roles, modelstest.Role(t, s, fmt.Sprint("role", i), w.servers[0], "a").ID)
	}
	return w
}

func (w *town) any(of []string) string { return of[w.r.IntN(len(of))] }

func (w *town) anyScope() models.ScopeRef { return w.scopes[w.r.IntN(len(w.scopes))] }

func (w *town) anyone() string {
	return w.any(append(append(append([]string{}, w.users...), w.clients...), w.groups...))
}

// change makes one random change. That it may be refused is part of the game.
func (w *town) change(t *testing.T) error {
	ctx, s := t.Context(), w.s
	switch w.r.IntN(16) {
	case 0:
		_, err := s.SuspendClient(ctx, by, w.any(w.clients))
		return err
	case 1:
		_, err := s.RestoreClient(ctx, by, w.any(w.clients))
		return err
	case 2:
		_, err := s.SuspendUser(ctx, by, w.any(w.users))
		return err
	case 3:
		_, err := s.RestoreUser(ctx, by, w.any(w.users))
		return err
	case 4, 5, 6:
		return s.AddGroupMember(ctx, by, w.any(w.groups), w.anyone())
	case 7:
		return s.RemoveGroupMember(ctx, by, w.any(w.groups), w.anyone())
	case 8, 9, 10:
		return s.CreateAssignment(ctx, by, &models.Assignment{RoleID: w.any(w.roles), PrincipalID: w.anyone()})
	case 11:
		rows, _, err := s.Assignments(ctx, w.any(w.roles), "", models.Page{Limit: 1})
		if err != nil || len(rows) == 0 {
			return err
		}
		return s.DeleteAssignment(ctx, by, rows[0].ID)
	case 12:
		_, err := s.UpdateRole(ctx, by, w.any(w.roles), models.AnyVersion, func(r *models.Role) {
			r.Scopes = []models.ScopeRef{w.anyScope(), w.anyScope()}
		})
		return err
	case 13:
		ref := w.anyScope()
		_, err := s.PutScope(ctx, by, &models.Scope{ResourceID: ref.ResourceID, Name: ref.Name, Downstream: []models.ScopeRef{w.anyScope()}})
		return err
	case 14:
		ref := w.anyScope()
		return s.DeleteScope(ctx, by, ref.ResourceID, ref.Name)
	default:
		_, err := s.UpdateClient(ctx, by, w.any(w.clients), models.AnyVersion, func(c *models.Client) {
			owner := w.any(w.users)
			c.OwnerID = &owner
		})
		return err
	}
}

// glance is one fact and the view it was seen through, which hangs from nothing else.
type glance struct {
	view *models.View
	fact string
}

func (w *town) glances(t *testing.T, s *models.Store) map[string]glance {
	t.Helper()
	out := map[string]glance{}
	see := func(name string, look func(*models.View) (any, error)) {
		v := view(t, s)
		fact, err := look(v)
		require.NoError(t, err)
		body, err := json.Marshal(fact)
		require.NoError(t, err)
		out[name] = glance{v, string(body)}
	}
	for _, id := range append(append([]string{}, w.users...), w.clients...) {
		see(id, func(v *models.View) (any, error) { return v.Principal(t.Context(), id) })
	}
	for _, id := range w.servers {
		see(id, func(v *models.View) (any, error) { return v.Resource(t.Context(), id) })
	}
	for _, ref := range w.scopes {
		see(ref.ResourceID+" "+ref.Name, func(v *models.View) (any, error) {
			return v.Reach(t.Context(), ref.ResourceID, []string{ref.Name})
		})
	}
	return out
}

// Whatever is changed in whatever order: the cache shows what the database
// holds, and no decision is recorded on a fact that is no longer so.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		s, uncached := modelstest.Open(t, o), modelstest.Open(t, o)
		w := newTown(t, s, rand.New(rand.NewPCG(seed, 0)))
		made, stale := 0, 0
		before := w.glances(t, s)
		for made < 100 {
			if err := w.change(t); err != nil {
				var inv *models.Invalid
				require.True(t, errors.As(err, &inv) || errors.Is(err, models.ErrNotFound) || errors.Is(err, models.ErrConflict), "%v", err)
				continue
			}
			made++
			after := w.glances(t, s)
			uncached.Forget()
			for name, truth := range w.glances(t, uncached) {
				require.Equal(t, truth.fact, after[name].fact, name)
				if before[name].fact != truth.fact {
					stale++
					r := modelstest.Refused(s, "agt_a")
					r.View = before[name].view
					require.ErrorIs(t, s.Append(t.Context(), r), models.ErrStale, name)
				}
			}
			before = after
		}
		require.NotZero(t, stale)
	})
}
