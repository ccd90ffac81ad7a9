package models_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// heard are the events of one change.
func heard(t *testing.T, s *models.Store, do func() error) ([]models.Event, error) {
	t.Helper()
	begin, err := s.FeedNow(t.Context())
	require.NoError(t, err)
	failed := do()
	end, err := s.FeedNow(t.Context())
	require.NoError(t, err)
	events, _, err := s.Feed(t.Context(), begin, end.Seq+1)
	require.NoError(t, err)
	again, _, err := s.Feed(t.Context(), begin, end.Seq+1)
	require.NoError(t, err)
	require.Equal(t, events, again)
	return events, failed
}

func concerned(e models.Event) (ids []string) {
	for _, c := range e.Concerns {
		ids = append(ids, c.ID)
	}
	return ids
}

// held is what everybody may do where: principal, resource server, scopes.
func (w *town) held(t *testing.T) map[[2]string]string {
	t.Helper()
	out := map[[2]string]string{}
	v := view(t, w.s)
	for _, id := range slices.Concat(w.users, w.clients) {
		p, err := v.Principal(t.Context(), id)
		require.NoError(t, err)
		for _, server := range w.servers {
			out[[2]string{id, server}] = fmt.Sprint(slices.Sorted(maps.Keys(p.Value.Scopes[server])))
		}
	}
	return out
}

// known has the first user and client mean something to both services, the others to one.
func (w *town) known(t *testing.T) map[[2]string]bool {
	t.Helper()
	out := map[[2]string]bool{}
	issue := func(client, subject, server, who string) {
		c, err := w.s.Client(t.Context(), client)
		require.NoError(t, err)
		token := modelstest.World{Agent: c, Service: &models.ResourceServer{Meta: models.Meta{ID: server}}}.Token(w.s)
		token.SubjectID, token.ExpiresAt = subject, token.IssuedAt+80000
		modelstest.Issue(t, w.s, token)
		out[[2]string{who, server}] = true
	}
	helper := modelstest.Application(t, w.s, "helper")
	for i, server := range w.servers {
		for _, n := range []int{0, i} {
			issue(w.clients[n], w.clients[n], server, w.clients[n])
			issue(helper.ID, w.users[n], server, w.users[n])
		}
	}
	return out
}

// more are changes that the town does not make by itself: something ends that several hang
// from.
func (w *town) more(t *testing.T, n int) func() error {
	ctx, s := t.Context(), w.s
	name := fmt.Sprint("passing", n)
	role := modelstest.Role(t, s, name, w.any(w.servers), "x")
	group := modelstest.Group(t, s, name)
	above := modelstest.Group(t, s, name+"-above", group.ID)
	member, holder := w.any(slices.Concat(w.users, w.clients)), w.anyone()
	require.NoError(t, s.AddGroupMember(ctx, by, group.ID, member))
	direct, through := modelstest.Assign(t, s, role.ID, holder), modelstest.Assign(t, s, role.ID, w.any([]string{group.ID, above.ID}))
	return []func() error{
		func() error { return s.RemoveGroupMember(ctx, by, group.ID, member) },
		func() error { return s.RemoveGroupMember(ctx, by, above.ID, group.ID) },
		func() error { return s.DeleteAssignment(ctx, by, direct.ID) },
		func() error { return s.DeleteAssignment(ctx, by, through.ID) },
		func() error { return s.DeleteRole(ctx, by, role.ID, models.AnyVersion) },
		func() error { return s.DeleteGroup(ctx, by, group.ID, models.AnyVersion) },
		func() error {
			_, err := s.UpdateRole(ctx, by, role.ID, models.AnyVersion, func(r *models.Role) { r.Scopes = nil })
			return err
		},
	}[w.r.IntN(7)]
}

// Whatever changes what somebody may do at a service that knows them is told to that service,
// and each change by one event, however many have the role: it is about whom or what it was
// made to.
func TestEveryChangeOfAccessIsTold(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Now()
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		w := newTown(t, s, rand.New(rand.NewPCG(seed, 0)))
		for _, server := range w.servers {
			modelstest.Scope(t, s, server, "x")
		}
		known := w.known(t)
		counts := map[string]int{}
		for n := range 240 {
			now = now.Add(time.Second) // tokens were there before
			before := w.held(t)
			do := func() error { return w.change(t) }
			if n%2 == 0 {
				do = w.more(t, n)
				now = now.Add(time.Second)
				before = w.held(t)
			}
			events, _ := heard(t, s, do) // that it was refused is part of the game
			after := w.held(t)
			w.told(t, events, before, after, known, counts)
		}
		t.Logf("%v", counts)
		for _, kind := range []string{models.EventClientAccess, models.EventUserAccess, models.EventGroupAccess, models.EventRoleAccess, models.EventResourceChanged} {
			require.NotZero(t, counts[kind], kind)
		}
		require.NotZero(t, counts["narrowed or widened"])
	})
}

func (w *town) told(t *testing.T, events []models.Event, before, after map[[2]string]string, known map[[2]string]bool, counts map[string]int) {
	t.Helper()
	access, to := 0, []string{}
	for _, e := range events {
		counts[e.Type]++
		to = append(to, concerned(e)...)
		switch e.Type {
		case models.EventClientAccess, models.EventUserAccess:
			for _, server := range concerned(e) {
				require.True(t, known[[2]string{e.ClientID + e.SubjectID, server}], "%v", e)
			}
			access++
		case models.EventGroupAccess, models.EventRoleAccess, models.EventResourceChanged:
			require.NotEmpty(t, e.GroupID+e.RoleID+e.ResourceID)
			require.NotEmpty(t, e.Concerns)
			access++
		}
	}
	require.LessOrEqual(t, access, 1, "%v", events)
	for at, had := range before {
		if had != after[at] && known[at] {
			counts["narrowed or widened"]++
			require.Contains(t, to, at[1], "%s had %s and has %s: %v", at[0], had, after[at], events)
		}
	}
}

// What bounds a client or user is told of, what services know nothing of is not.
func TestWhatBoundsSomebodyIsTold(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Now()
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		ctx := t.Context()
		w := modelstest.NewWorld(t, s, "w")
		heir := modelstest.User(t, s, "heir")
		token := w.Token(s)
		modelstest.Issue(t, s, token)
		token = w.Token(s)
		token.SubjectID = heir.ID
		modelstest.Issue(t, s, token)
		client := func(edit func(*models.Client)) func() error {
			return func() error {
				_, err := s.UpdateClient(ctx, by, w.Agent.ID, models.AnyVersion, edit)
				return err
			}
		}
		user := func(edit func(*models.User)) func() error {
			return func() error {
				_, err := s.UpdateUser(ctx, by, heir.ID, models.AnyVersion, edit)
				return err
			}
		}
		c, u := []string{models.EventClientAccess}, []string{models.EventUserAccess}
		for name, one := range map[string]struct {
			do   func() error
			want []string
		}{
			"owner":       {client(func(c *models.Client) { c.OwnerID = &heir.ID }), c},
			"labels":      {client(func(c *models.Client) { c.Labels = models.Labels{"tier": "2"} }), c},
			"grant types": {client(func(c *models.Client) { c.GrantTypes = c.GrantTypes[:1] }), c},
			"longest":     {client(func(c *models.Client) { c.MaxTTL = 60 }), c},
			"end":         {client(func(c *models.Client) { c.ExpiresAt = now.Unix() + 3600 }), c},
			"name":        {client(func(c *models.Client) { c.Name, c.Purpose = "other", "Other" }), nil},
			"redirects":   {client(func(c *models.Client) { c.RedirectURIs = []string{"https://app.example/cb"} }), nil},
			"user labels": {user(func(u *models.User) { u.Labels = models.Labels{"dept": "x"} }), u},
			"user's end":  {user(func(u *models.User) { u.ExpiresAt = now.Unix() + 3600 }), u},
			"user's name": {user(func(u *models.User) { u.Name = "Other" }), nil},
			"group's name": {func() error {
				g := modelstest.Group(t, s, "group", heir.ID)
				_, err := s.UpdateGroup(ctx, by, g.ID, models.AnyVersion, func(g *models.Group) { g.Name = "other" })
				return err
			}, nil},
			"a role without anything": {func() error {
				r := &models.Role{Name: "empty"}
				if err := s.CreateRole(ctx, by, r); err != nil {
					return err
				}
				return s.CreateAssignment(ctx, by, &models.Assignment{RoleID: r.ID, PrincipalID: w.Agent.ID})
			}, nil},
		} {
			now = now.Add(time.Second)
			events, err := heard(t, s, one.do)
			require.NoError(t, err, name)
			var types []string
			for _, e := range events {
				types = append(types, e.Type)
				require.Equal(t, []string{w.Service.ID}, concerned(e), name)
			}
			require.Equal(t, one.want, types, name)
		}
	})
}

// A session that was taken from somebody is told; signing out is not, nor signing in anew.
func TestSessionsThatAreTakenAreTold(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Now()
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		ctx := t.Context()
		w := modelstest.NewWorld(t, s, "w")
		token := w.Token(s)
		token.SubjectID = w.Owner.ID
		modelstest.Issue(t, s, token)
		signIn := func(replaces string) string {
			t.Helper()
			_, row, err := s.BeginSession(ctx, by, models.SignIn{Session: models.Session{UserID: w.Owner.ID, ExpiresAt: now.Unix() + 3600, AMR: []string{"pwd"}}, Replaces: replaces})
			require.NoError(t, err)
			return row.ID
		}
		of := func(do func(context.Context) error) (sessions []string) {
			t.Helper()
			now = now.Add(time.Second)
			events, err := heard(t, s, func() error { return do(ctx) })
			require.NoError(t, err)
			for _, e := range events {
				if e.Type == models.EventCredentialChanged { // the password; services are not told
					continue
				}
				require.Equal(t, models.EventSessionRevoked, e.Type)
				require.Equal(t, w.Owner.ID, e.SubjectID)
				require.Equal(t, []string{w.Service.ID}, concerned(e))
				sessions = append(sessions, e.SessionID)
			}
			return sessions
		}
		first := signIn("")
		require.Empty(t, of(func(context.Context) error { signIn(first); return nil }))
		second := signIn("")
		require.Empty(t, of(func(ctx context.Context) error { return s.SignOut(ctx, by, w.Owner.ID, second) }))
		third := signIn("")
		end := func(ctx context.Context) error { return s.RevokeSession(ctx, by, w.Owner.ID, third) }
		require.Equal(t, []string{third}, of(end))
		require.Empty(t, of(end), "once")
		fourth := signIn("")
		require.Len(t, of(func(ctx context.Context) error { return s.RevokeSessions(ctx, by, w.Owner.ID, fourth) }), 1, "the one that replaced the first")
		require.Equal(t, []string{fourth}, of(func(ctx context.Context) error { return s.SetPassword(ctx, by, w.Owner.ID, "hash", "") }))
	})
}

// A change to something that this release does not know is not passed over in silence:
// everybody looks at what they hold anew. What comes after it does not wait.
func TestChangesOfANewerReleaseResetWhoeverFollows(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		agent, _ := modelstest.Agent(t, s, "agent", modelstest.User(t, s, "owner").ID)
		start, err := s.FeedNow(t.Context())
		require.NoError(t, err)
		_, err = s.SuspendClient(t.Context(), by, agent.ID)
		require.NoError(t, err)
		require.NoError(t, s.Writer().Exec("update ledger set detail = replace(detail, ?, 'hologram_1') where action = 'suspendClient'", agent.ID).Error)
		_, err = s.RestoreClient(t.Context(), by, agent.ID)
		require.NoError(t, err)
		size, _ := s.Grown()
		events, end, err := s.Feed(t.Context(), start, size)
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, []string{models.EventReset, models.EventClientRestored}, []string{events[0].Type, events[1].Type})
		require.True(t, events[0].Everybody)
		require.Positive(t, end.Compare(events[0].Position))
		rest, _, err := s.Feed(t.Context(), events[0].Position, size)
		require.NoError(t, err)
		require.Len(t, rest, 1, "who was told of it goes on after it")
	})
}
