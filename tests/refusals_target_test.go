package tests

import (
	"context"
	"strings"

	"github.com/deputyauth/deputy/models"
)

// targetRows: resources and scopes that cannot be had.
func targetRows() []row {
	target := func(says, why string) told { return bad("invalid_target", says, why) }
	scope := func(says, why string) told { return bad("invalid_scope", says, why) }
	return []row{
		{"unknown resource", func(s *scene) { s.request.form.Set("resource", "https://nowhere.example") }, both(target("https://nowhere.example", "resource_unknown"))},
		{"unknown audience parameter", func(s *scene) {
			s.request.form.Del("resource")
			s.request.form.Set("audience", "https://nowhere.example")
		}, both(target("https://nowhere.example", "resource_unknown"))},
		{"several resources", func(s *scene) { s.request.form.Add("resource", s.other.Identifier) }, both(target("one resource server", "resource_several"))},
		{"resource and another audience", func(s *scene) { s.request.form.Set("audience", s.other.Identifier) }, both(target("one resource server", "resource_several"))},
		{"relative resource", func(s *scene) { s.request.form.Set("resource", "service") }, both(target("absolute", "resource_malformed"))},
		{"resource with a fragment", func(s *scene) { s.request.form.Set("resource", s.service.Identifier+"#x") }, both(target("fragment", "resource_malformed"))},
		{"too many resources", func(s *scene) {
			for i := range 20 {
				s.request.form.Add("resource", "https://x.example/"+strings.Repeat("x", i))
			}
		}, both(target("Too many", "too_large"))},
		{"suspended resource", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateResourceServer(ctx, by, s.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
				return err
			})
		}, both(target("service is not active", "resource_inactive"))},
		{"deleted resource", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.DeleteResourceServer(ctx, by, s.service.ID, models.AnyVersion)
			})
		}, both(target(".example", "resource_unknown"))},
		{"no resource and several fit", func(s *scene) {
			s.Allow(s.agent.ID, s.other, "work:do")
			s.request.form.Del("resource")
		}, both(target("Several resource servers fit", "resource_ambiguous")).person(told{none: "only what was granted can be meant"})},
		{"no resource and none fits", func(s *scene) {
			s.Allow(s.agent.ID, s.other, "work:redo")
			s.request.form.Del("resource")
			s.request.form.Set("scope", "work:undo")
		}, both(target("Name the resource server", "resource_required")).person(scope("did not grant scope work:undo", "scope_not_authorized/grant"))},

		{"no scope and no default", func(s *scene) { s.request.form.Del("scope") }, both(scope("No scope was requested", "scope_required")).person(told{none: "it means all that was granted"})},
		{"a superset of scopes", func(s *scene) { s.request.form.Set("scope", "work:do work:undo") }, both(scope("work:undo", "scope_not_held/client")).person(told{none: "it is narrowed to what was granted"})},
		{"an unknown scope", func(s *scene) { s.request.form.Set("scope", "work:unheard") }, both(scope("service defines no scope work:unheard", "scope_unknown"))},
		{"a same-named scope at another server", func(s *scene) { s.request.form.Set("resource", s.other.Identifier) }, both(scope("does not hold scope work:do", "scope_not_held/client")).person(target("was not asked about", "resource_not_authorized"))},
		{"the role was taken away", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				rows, _, err := st.Assignments(ctx, "", s.agent.ID, models.Page{})
				if err != nil {
					return err
				}
				return st.DeleteAssignment(ctx, by, rows[0].ID)
			})
		}, both(scope("does not hold scope work:do", "scope_not_held/client"))},
		{"the scope was removed", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.DeleteScope(ctx, by, s.service.ID, "work:do")
			})
		}, both(scope("defines no scope work:do", "scope_unknown"))},
	}
}
