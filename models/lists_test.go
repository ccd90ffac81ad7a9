package models_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// filtered is one field of a filter: a value that matches some rows, which, and
// a value that matches none.
type filtered[F any] struct {
	match F
	want  []string
	none  F
}

// checkFilters tries every field of a filter, and fails if one was forgotten.
func checkFilters[F any](t *testing.T, list func(F) []string, fields map[string]filtered[F]) {
	t.Helper()
	all := list(*new(F))
	for _, f := range reflect.VisibleFields(reflect.TypeFor[F]()) {
		require.Contains(t, fields, f.Name, "a field of the filter without a test")
	}
	for name, f := range fields {
		got := list(f.match)
		require.ElementsMatch(t, f.want, got, name)
		require.NotEmpty(t, got, name)
		require.Less(t, len(got), len(all), "%s excludes nothing", name)
		require.Empty(t, list(f.none), name)
	}
}

// ids reads a page and names its rows.
func ids[T any](t *testing.T, id func(T) string) func(rows []T, next string, err error) []string {
	return func(rows []T, _ string, err error) []string {
		t.Helper()
		require.NoError(t, err)
		out := []string{}
		for _, row := range rows {
			out = append(out, id(row))
		}
		return out
	}
}

func clientID(c models.Client) string { return c.ID }

func TestClientFilters(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		agent, app := w.Agent.ID, modelstest.Application(t, s, "app").ID
		labelled := &models.Client{Kind: models.KindApplication, Name: "labelled", Labels: models.Labels{"team/a.b": "blue", "0": "zero"}}
		require.NoError(t, s.CreateClient(t.Context(), by, labelled))
		_, err := s.SuspendClient(t.Context(), by, app)
		require.NoError(t, err)
		other := modelstest.NewWorld(t, s, "other")
		_, err = s.SuspendUser(t.Context(), by, other.Owner.ID)
		require.NoError(t, err)
		orphan := other.Agent.ID
		type F = models.ClientFilter
		list := func(f F) []string { return ids(t, clientID)(s.Clients(t.Context(), f, models.Page{})) }
		checkFilters(t, list, map[string]filtered[F]{
			"Kind":          {F{Kind: models.KindAgent}, []string{agent, orphan}, F{Kind: "robot"}},
			"Status":        {F{Status: models.StatusSuspended}, []string{app}, F{Status: models.StatusDecommissioned}},
			"OwnerID":       {F{OwnerID: w.Owner.ID}, []string{agent}, F{OwnerID: "usr_nobody"}},
			"Name":          {F{Name: "app"}, []string{app}, F{Name: "APP"}},
			"RoleID":        {F{RoleID: w.Role.ID}, []string{agent}, F{RoleID: "rol_none"}},
			"Label":         {F{Label: "team/a.b"}, []string{labelled.ID}, F{Label: "team"}},
			"ExpiresBefore": {F{ExpiresBefore: s.Now() + models.DefaultExpiry + 60}, []string{agent, orphan}, F{ExpiresBefore: s.Now() + models.DefaultExpiry - 60}},
			"Orphaned":      {F{Orphaned: true}, []string{orphan}, F{Orphaned: true, OwnerID: w.Owner.ID}},
			"LabelValue":    {F{Label: "0", LabelValue: "zero"}, []string{labelled.ID}, F{Label: "0", LabelValue: "one"}},
		})
		require.Empty(t, list(F{Kind: models.KindAgent, Status: models.StatusSuspended}), "filters add up")
		_, _, err = s.Clients(t.Context(), F{Label: "$.x["}, models.Page{})
		requireInvalid(t, err, "label")
	})
}

func TestUserAndGroupFilters(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		alice, bob := modelstest.User(t, s, "alice"), modelstest.User(t, s, "bob")
		_, err := s.SuspendUser(t.Context(), by, bob.ID)
		require.NoError(t, err)
		staff, guests := modelstest.Group(t, s, "staff", alice.ID), modelstest.Group(t, s, "guests")

		type U = models.UserFilter
		users := func(f U) []string {
			return ids(t, func(u models.User) string { return u.ID })(s.Users(t.Context(), f, models.Page{}))
		}
		checkFilters(t, users, map[string]filtered[U]{
			"Status":   {U{Status: models.StatusSuspended}, []string{bob.ID}, U{Status: models.StatusDecommissioned}},
			"Username": {U{Username: "alice"}, []string{alice.ID}, U{Username: "carol"}},
			"Email":    {U{Email: "bob@example.com"}, []string{bob.ID}, U{Email: "Bob@example.com"}},
		})

		type G struct{ Name, MemberID string }
		groups := func(f G) []string {
			return ids(t, func(g models.Group) string { return g.ID })(s.Groups(t.Context(), f.Name, f.MemberID, models.Page{}))
		}
		checkFilters(t, groups, map[string]filtered[G]{
			"Name":     {G{Name: "guests"}, []string{guests.ID}, G{Name: "nobody"}},
			"MemberID": {G{MemberID: alice.ID}, []string{staff.ID}, G{MemberID: bob.ID}},
		})
	})
}

func TestResourceAndRoleFilters(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		run := &models.ResourceServer{Identifier: "https://run.example", Name: "run", OperatorID: &w.Agent.ID}
		require.NoError(t, s.CreateResourceServer(t.Context(), by, run))
		_, err := s.UpdateResourceServer(t.Context(), by, run.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
		require.NoError(t, err)
		type R = models.ResourceFilter
		servers := func(f R) []string {
			return ids(t, func(r models.ResourceServer) string { return r.ID })(s.ResourceServers(t.Context(), f, models.Page{}))
		}
		checkFilters(t, servers, map[string]filtered[R]{
			"Name":       {R{Name: "run"}, []string{run.ID}, R{Name: "none"}},
			"Identifier": {R{Identifier: "https://run.example"}, []string{run.ID}, R{Identifier: "https://none.example"}},
			"Status":     {R{Status: models.StatusSuspended}, []string{run.ID}, R{Status: "gone"}},
			"OperatorID": {R{OperatorID: w.Agent.ID}, []string{run.ID}, R{OperatorID: "agt_nobody"}},
		})

		other := modelstest.Role(t, s, "other", w.Service.ID)
		third := modelstest.Assign(t, s, other.ID, w.Owner.ID)
		roles, _, err := s.Roles(t.Context(), "other", models.Page{})
		require.NoError(t, err)
		require.Equal(t, []models.Role{*other}, roles)
		roles, _, err = s.Roles(t.Context(), "w-role", models.Page{})
		require.NoError(t, err)
		require.Equal(t, []models.Role{*w.Role}, roles, "scopes and all")

		type A struct{ RoleID, PrincipalID string }
		assignments := func(f A) []string {
			return ids(t, func(a models.Assignment) string { return a.ID })(s.Assignments(t.Context(), f.RoleID, f.PrincipalID, models.Page{}))
		}
		checkFilters(t, assignments, map[string]filtered[A]{
			"RoleID":      {A{RoleID: other.ID}, []string{third.ID}, A{RoleID: "rol_none"}},
			"PrincipalID": {A{PrincipalID: w.Agent.ID}, []string{w.Assignment.ID}, A{PrincipalID: "usr_nobody"}},
		})
	})
}

func TestTokenAndGrantFilters(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Unix(1_800_000_000, 0)
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		w, other := modelstest.NewWorld(t, s, "w"), modelstest.NewWorld(t, s, "other")
		root := modelstest.Issue(t, s, w.Token(s))
		child := modelstest.Issue(t, s, modelstest.Exchange(root, other.Agent.ID))
		short := other.Token(s)
		short.ExpiresAt = now.Unix() + 1
		short = modelstest.Issue(t, s, short)
		now = now.Add(time.Second)
		type F = models.TokenFilter
		list := func(f F) []string {
			return ids(t, func(tok models.Token) string { return tok.ID })(s.Tokens(t.Context(), f, models.Page{}))
		}
		checkFilters(t, list, map[string]filtered[F]{
			"ClientID":   {F{ClientID: w.Agent.ID}, []string{root.ID}, F{ClientID: "agt_nobody"}},
			"SubjectID":  {F{SubjectID: w.Agent.ID}, []string{root.ID, child.ID}, F{SubjectID: "usr_nobody"}},
			"GrantID":    {F{GrantID: other.Agent.SelfGrantID}, []string{short.ID}, F{GrantID: "gnt_none"}},
			"ParentID":   {F{ParentID: root.ID}, []string{child.ID}, F{ParentID: child.ID}},
			"Txn":        {F{Txn: root.ID}, []string{root.ID, child.ID}, F{Txn: child.ID}},
			"ResourceID": {F{ResourceID: other.Service.ID}, []string{short.ID}, F{ResourceID: "rsv_none"}},
			"Live":       {F{Live: true}, []string{root.ID, child.ID}, F{Live: true, GrantID: other.Agent.SelfGrantID}},
		})
		require.NoError(t, s.RevokeToken(t.Context(), by, child.ID))
		require.Equal(t, []string{root.ID}, list(F{Live: true}))

		type G struct{ ClientID, SubjectID string }
		grants := func(f G) []string {
			return ids(t, func(g models.Grant) string { return g.ID })(s.Grants(t.Context(), f.ClientID, f.SubjectID, models.Page{}))
		}
		checkFilters(t, grants, map[string]filtered[G]{
			"ClientID":  {G{ClientID: w.Agent.ID}, []string{w.Agent.SelfGrantID}, G{ClientID: "agt_nobody"}},
			"SubjectID": {G{SubjectID: w.Agent.ID}, []string{w.Agent.SelfGrantID}, G{SubjectID: "usr_nobody"}},
		})
	})
}

func TestEntryFilters(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		for i := range 3 {
			n := fmt.Sprint(i)
			require.NoError(t, s.Append(t.Context(), &models.Record{Entry: models.Entry{
				ID: "dec_" + n, At: int64(1000 + i), Kind: "kind" + n, Action: "action" + n, Outcome: "outcome" + n,
				ClientID: "client" + n, SubjectID: "subject" + n, ResourceID: "resource" + n, TokenID: "token" + n,
				Txn: "txn" + n, GrantID: "grant" + n, Policy: "policy" + n, Detail: "{}",
			}}))
		}
		type F = models.EntryFilter
		list := func(f F) []string {
			rows, _, err := s.Entries(t.Context(), f, -1, 50)
			return ids(t, func(e models.Entry) string { return e.ID })(rows, "", err)
		}
		one := []string{"dec_1"}
		checkFilters(t, list, map[string]filtered[F]{
			"Kind":       {F{Kind: "kind1"}, one, F{Kind: "x"}},
			"Action":     {F{Action: "action1"}, one, F{Action: "x"}},
			"Outcome":    {F{Outcome: "outcome1"}, one, F{Outcome: "x"}},
			"ClientID":   {F{ClientID: "client1"}, one, F{ClientID: "x"}},
			"SubjectID":  {F{SubjectID: "subject1"}, one, F{SubjectID: "x"}},
			"ResourceID": {F{ResourceID: "resource1"}, one, F{ResourceID: "x"}},
			"TokenID":    {F{TokenID: "token1"}, one, F{TokenID: "x"}},
			"Txn":        {F{Txn: "txn1"}, one, F{Txn: "x"}},
			"GrantID":    {F{GrantID: "grant1"}, one, F{GrantID: "x"}},
			"Policy":     {F{Policy: "policy1"}, one, F{Policy: "x"}},
			"Since":      {F{Since: 1001}, []string{"dec_1", "dec_2"}, F{Since: 1003}},
			"Until":      {F{Until: 1001}, []string{"dec_0"}, F{Until: 1000}},
			"Newest":     {F{Newest: true, Kind: "kind2"}, []string{"dec_2"}, F{Newest: true, Kind: "x"}},
		})
		require.Equal(t, []string{"dec_0", "dec_1", "dec_2"}, list(F{}))
		require.Equal(t, []string{"dec_2", "dec_1", "dec_0"}, list(F{Newest: true}))

		e, err := s.EntryByID(t.Context(), "dec_1")
		require.NoError(t, err)
		require.Equal(t, int64(1), e.Seq)
		_, err = s.EntryByID(t.Context(), "dec_9")
		require.ErrorIs(t, err, models.ErrNotFound)
	})
}
