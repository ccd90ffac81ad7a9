package api

import (
	"context"
	"errors"
	"slices"

	"github.com/deputyauth/deputy/models"
)

// Effects a change may have beyond the name of its operation. Which right each
// takes is policy (policies/floor/admin).
const (
	stopsClient  = "effect:stops_client"
	stopsUser    = "effect:stops_user"
	movesService = "effect:moves_service"
	assignsOwner = "effect:assigns_owner"
)

// amount tells which scopes of Deputy's own API a change would confer, and which
// effects it has. Whatever it looks at, it looks at through the view.
type amount func(context.Context, *models.View) ([]string, error)

// conferring is on whose authority a change is made that may hand out authority
// over Deputy. If it does, policy is asked once more, about what is handed out;
// and if what amount saw has changed by the time the change is made, both are
// asked anew.
func (s *server) conferring(ctx context.Context, confers amount) (models.By, error) {
	return s.decide(ctx, confers, false)
}

func (s *server) decide(ctx context.Context, confers amount, anew bool) (models.By, error) {
	if anew {
		if err := s.Store.Refresh(ctx); err != nil {
			return models.By{}, err
		}
	}
	view, err := s.Store.View(ctx)
	if err != nil {
		return models.By{}, err
	}
	scopes, err := confers(ctx, view)
	if err != nil {
		return models.By{}, err
	}
	who := by(ctx)
	if anew || len(scopes) > 0 {
		if who, err = admitAgain(ctx, scopes); err != nil {
			return models.By{}, err
		}
	}
	who.Seen = who.Seen.With(view)
	who.Again = func(ctx context.Context) (models.By, error) { return s.decide(ctx, confers, true) }
	return who, nil
}

type admitKey struct{} // func(context.Context, ...string) (models.By, error)

var errNotAdmitted = errors.New("this request was never admitted")

// admitAgain asks policy about the call that is under way, and what it confers.
func admitAgain(ctx context.Context, scopes []string) (models.By, error) {
	again, ok := ctx.Value(admitKey{}).(func(context.Context, ...string) (models.By, error))
	if !ok {
		return models.By{}, errNotAdmitted
	}
	return again(ctx, scopes...)
}

// allOf is the amount of a change that puts someone in the place of id.
func allOf(id string) amount {
	return func(ctx context.Context, v *models.View) ([]string, error) { return v.SelfScopes(ctx, id) }
}

// names tells whether the patch is about one of these members.
func (p *patch[T]) names(members ...string) bool {
	return slices.ContainsFunc(members, func(m string) bool {
		_, there := p.doc[m]
		return there
	})
}

// added names the scopes of Deputy's own API in a list of scopes that were not
// in it before. What that API does not define is not told: it cannot be stored.
func added(ctx context.Context, v *models.View, before, after []models.ScopeRef) ([]string, error) {
	if !slices.ContainsFunc(after, func(r models.ScopeRef) bool { return r.ResourceID == models.SelfID }) {
		return nil, nil
	}
	self, err := v.Resource(ctx, models.SelfID)
	if err != nil || self == nil {
		return nil, err
	}
	var out []string
	for _, ref := range after {
		_, defined := self.Value.Scopes[ref.Name]
		if ref.ResourceID == models.SelfID && defined && !slices.Contains(before, ref) {
			out = append(out, ref.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
