package models_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// walk reads a list page by page and names its rows in the order they came.
func walk[T any](t *testing.T, limit int, page func(models.Page) ([]T, string, error), id func(T) string) []string {
	t.Helper()
	var all []string
	for p := (models.Page{Limit: limit}); ; {
		rows, next, err := page(p)
		require.NoError(t, err)
		require.LessOrEqual(t, len(rows), limit)
		all = append(all, ids(t, id)(rows, "", nil)...)
		if next == "" {
			return all
		}
		require.Len(t, rows, limit, "only the last page is shorter")
		p.After = next
	}
}

// checkPages walks a list in pages of different sizes; each time every row must
// come exactly once, in the same order.
func checkPages[T any](t *testing.T, want []string, page func(models.Page) ([]T, string, error), id func(T) string) {
	t.Helper()
	whole, next, err := page(models.Page{Limit: 200})
	order := ids(t, id)(whole, next, err)
	require.Empty(t, next)
	require.ElementsMatch(t, want, order)
	for limit := 1; limit <= len(want)+1; limit++ {
		require.Equal(t, order, walk(t, limit, page, id), "pages of %d", limit)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		w := modelstest.NewWorld(t, s, "w")
		group, roles, tokens := modelstest.Group(t, s, "group"), []string{w.Role.ID}, []string{}
		clients, users, groups := []string{w.Agent.ID}, []string{w.Owner.ID}, []string{group.ID}
		scopes, servers, assignments := []string{"read", "write"}, []string{w.Service.ID}, []string{w.Assignment.ID}
		secrets, grants := []string{}, []string{w.Agent.SelfGrantID}
		for i, scope := range []string{"Read", "a:b", "a.b", "a_b", "ab", "~", "!"} {
			c, u := modelstest.Application(t, s, fmt.Sprint("app", i)), modelstest.User(t, s, fmt.Sprint("user", i))
			r := modelstest.Role(t, s, fmt.Sprint("role", i), w.Service.ID)
			cred, _ := modelstest.Secret(t, s, c.ID)
			require.NoError(t, s.AddGroupMember(ctx, by, group.ID, c.ID))
			require.NoError(t, s.AddGroupMember(ctx, by, group.ID, u.ID))
			clients, users, roles = append(clients, c.ID), append(users, u.ID), append(roles, r.ID)
			groups = append(groups, modelstest.Group(t, s, fmt.Sprint("group", i)).ID)
			servers = append(servers, modelstest.Service(t, s, fmt.Sprint("service", i)).ID)
			scopes = append(scopes, modelstest.Scope(t, s, w.Service.ID, scope).Name)
			assignments = append(assignments, modelstest.Assign(t, s, r.ID, u.ID).ID)
			grants, tokens = append(grants, c.SelfGrantID), append(tokens, modelstest.Issue(t, s, w.Token(s)).ID)
			more, _ := modelstest.Secret(t, s, clients[1])
			secrets = append(secrets, more.ID)
			if c.ID == clients[1] {
				secrets = append(secrets, cred.ID)
			}
		}
		inGroup := append(slices.Clone(clients[1:]), users[1:]...)

		checkPages(t, clients, func(p models.Page) ([]models.Client, string, error) { return s.Clients(ctx, models.ClientFilter{}, p) }, clientID)
		checkPages(t, users, func(p models.Page) ([]models.User, string, error) { return s.Users(ctx, models.UserFilter{}, p) }, func(u models.User) string { return u.ID })
		checkPages(t, groups, func(p models.Page) ([]models.Group, string, error) { return s.Groups(ctx, "", "", p) }, func(g models.Group) string { return g.ID })
		checkPages(t, inGroup, func(p models.Page) ([]models.GroupMember, string, error) { return s.GroupMembers(ctx, group.ID, p) }, func(m models.GroupMember) string { return m.MemberID })
		checkPages(t, roles, func(p models.Page) ([]models.Role, string, error) { return s.Roles(ctx, "", p) }, func(r models.Role) string { return r.ID })
		checkPages(t, assignments, func(p models.Page) ([]models.Assignment, string, error) { return s.Assignments(ctx, "", "", p) }, func(a models.Assignment) string { return a.ID })
		checkPages(t, servers, func(p models.Page) ([]models.ResourceServer, string, error) {
			return s.ResourceServers(ctx, models.ResourceFilter{}, p)
		}, func(r models.ResourceServer) string { return r.ID })
		checkPages(t, scopes, func(p models.Page) ([]models.Scope, string, error) { return s.Scopes(ctx, w.Service.ID, p) }, func(sc models.Scope) string { return sc.Name })
		checkPages(t, secrets, func(p models.Page) ([]models.Credential, string, error) { return s.Credentials(ctx, clients[1], p) }, func(c models.Credential) string { return c.ID })
		checkPages(t, grants, func(p models.Page) ([]models.Grant, string, error) { return s.Grants(ctx, "", "", p) }, func(g models.Grant) string { return g.ID })
		checkPages(t, tokens, func(p models.Page) ([]models.Token, string, error) { return s.Tokens(ctx, models.TokenFilter{}, p) }, func(tok models.Token) string { return tok.ID })

		oldestFirst, _, err := s.Users(ctx, models.UserFilter{}, models.Page{})
		require.Equal(t, users, ids(t, func(u models.User) string { return u.ID })(oldestFirst, "", err))
	})
}

func TestPageSizes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		for i := range 51 {
			modelstest.User(t, s, fmt.Sprint("user", i))
		}
		for limit, want := range map[int]int{0: 50, -1: 50, 51: 51, 1000: 51} {
			rows, _, err := s.Users(t.Context(), models.UserFilter{}, models.Page{Limit: limit})
			require.NoError(t, err)
			require.Len(t, rows, want)
		}
	})
}

func TestEntryPages(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		modelstest.NewWorld(t, s, "w")
		n := size(t, s)
		for _, newest := range []bool{false, true} {
			for _, limit := range []int{1, 3, 200} {
				var seqs []int64
				for after, more := int64(-1), true; more; {
					var rows []models.Entry
					var err error
					rows, more, err = s.Entries(t.Context(), models.EntryFilter{Newest: newest}, after, limit)
					require.NoError(t, err)
					for _, e := range rows {
						seqs, after = append(seqs, e.Seq), e.Seq
					}
				}
				if newest {
					slices.Reverse(seqs)
				}
				require.Len(t, seqs, int(n))
				for i, seq := range seqs {
					require.Equal(t, int64(i), seq)
				}
			}
		}
	})
}
