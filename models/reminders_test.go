package models_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

const aDay = 24 * time.Hour

// calendar is a store whose clock tests move, with an agent and a credential of it.
type calendar struct {
	*testing.T
	*models.Store
	owner *models.User
	agent *models.Client
	ahead *time.Duration
}

func eachCalendar(t *testing.T, test func(c *calendar)) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		c := &calendar{T: t, ahead: new(time.Duration)}
		start := time.Now()
		o.Now = func() time.Time { return start.Add(*c.ahead) }
		c.Store = modelstest.Open(t, o)
		c.owner = modelstest.User(t, c.Store, "owner")
		c.agent, _ = modelstest.Agent(t, c.Store, "agent", c.owner.ID) // lives for 90 days
		held, _, err := c.Credentials(t.Context(), c.agent.ID, models.Page{})
		require.NoError(t, err)
		for _, cred := range held { // which would live for ever
			require.NoError(t, c.RevokeCredential(t.Context(), modelstest.By(), c.agent.ID, cred.ID))
		}
		test(c)
	})
}

// remind lets days go by, and returns of what the outbox tells then.
func (c *calendar) remind(days float64) []models.Notice {
	c.Helper()
	*c.ahead += time.Duration(days * float64(aDay))
	_, err := c.Remind(c.Context())
	require.NoError(c, err)
	return c.take()
}

func (c *calendar) take() []models.Notice {
	c.Helper()
	rows, err := c.DueNotices(c.Context(), 100)
	require.NoError(c, err)
	for _, n := range rows {
		require.NoError(c, c.NoticeSent(c.Context(), n))
	}
	return rows
}

func (c *calendar) setEnd(days int64) {
	c.Helper()
	_, err := c.UpdateClient(c.Context(), modelstest.By(), c.agent.ID, models.AnyVersion, func(k *models.Client) { k.ExpiresAt = c.Now() + days*86400 })
	require.NoError(c, err)
}

func (c *calendar) credential(days int64) *models.Credential {
	c.Helper()
	row := &models.Credential{ClientID: c.agent.ID, Kind: models.CredentialSecret, ExpiresAt: c.Now() + days*86400}
	_, err := c.CreateCredential(c.Context(), modelstest.By(), row)
	require.NoError(c, err)
	return row
}

func TestEachStageOfAnEndIsToldOnce(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		require.Empty(c, c.remind(59.9))
		for _, step := range []struct {
			days float64
			told int
		}{{0.2, 1}, {0, 0}, {22, 0}, {0.9, 1}, {0.1, 0}, {5.9, 1}, {0.5, 0}, {0.5, 0}, {30, 0}} {
			got := c.remind(step.days)
			require.Len(c, got, step.told, "%s after its beginning", c.ahead)
			for _, n := range got {
				require.Equal(c, []string{models.NoticeReminder, c.agent.ID, c.agent.ID, "", ""}, []string{n.Kind, n.Ref, n.ClientID, n.SubjectID, n.Channel})
				require.Equal(c, c.agent.ExpiresAt, n.EndsAt, "worth nothing from then on")
			}
		}
	})
}

func TestOfStagesThatWentByOnlyTheNearestIsTold(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		require.Len(c, c.remind(89.5), 1, "the server was off for a month")
		require.Empty(c, c.remind(0.1))
	})
}

func TestAnotherEndIsToldOfAnew(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		require.Len(c, c.remind(88), 1)
		c.setEnd(90)
		require.Empty(c, c.remind(0))
		_, err := c.Ending(c.Context(), c.agent.ID)
		require.ErrorIs(c, err, models.ErrNotFound)
		require.Len(c, c.remind(61), 1)
		c.setEnd(6)
		require.Len(c, c.remind(0), 1)
		end, err := c.Ending(c.Context(), c.agent.ID)
		require.NoError(c, err)
		require.Equal(c, c.Now()+6*86400, end.EndsAt)
	})
}

// What waits while nobody takes it does not pile up.
func TestANewStageTakesThePlaceOfOneThatWaits(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		for _, days := range []float64{61, 23, 5.5} {
			*c.ahead += time.Duration(days * float64(aDay))
			n, err := c.Remind(c.Context())
			require.NoError(c, err)
			require.Equal(c, 1, n)
		}
		require.Len(c, c.take(), 1)
	})
}

func TestWhoJustMadeItNeedsNoReminder(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		c.credential(400)
		c.agent = &models.Client{Kind: models.KindAgent, Name: "short", OwnerID: &c.owner.ID, Sponsor: "sales", ExpiresAt: c.Now() + 10*86400}
		require.NoError(c, c.CreateClient(c.Context(), modelstest.By(), c.agent))
		c.credential(2)
		require.Empty(c, c.remind(0.1), "ten days, and two: as was wanted")
		told := c.remind(1)
		require.Len(c, told, 1)
		require.True(c, models.HasPrefix(told[0].Ref, models.PrefixCredential))
		told = c.remind(2)
		require.Len(c, told, 1)
		require.Equal(c, c.agent.ID, told[0].Ref)
	})
}

// A credential is told of if the client stands without one afterwards, and not before
// the client itself.
func TestOnlyTheLastCredentialIsToldOf(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		c.setEnd(300)
		first := c.credential(40)
		c.credential(39)
		told := c.remind(26.5)
		require.Len(c, told, 1, "the one that lives longest")
		require.Equal(c, first.ID, told[0].Ref)
		_, _, err := c.RotateCredential(c.Context(), modelstest.By(), c.agent.ID, first.ID, 3600*24, c.Now()+200*86400)
		require.NoError(c, err)
		require.Empty(c, c.remind(10.6), "it is replaced")
		_, err = c.Ending(c.Context(), first.ID)
		require.ErrorIs(c, err, models.ErrNotFound)

		c.setEnd(20)
		c.remind(0)
		rows, _, err := c.Credentials(c.Context(), c.agent.ID, models.Page{})
		require.NoError(c, err)
		for _, row := range rows {
			require.NoError(c, c.RevokeCredential(c.Context(), modelstest.By(), c.agent.ID, row.ID))
		}
		c.credential(25)
		require.Len(c, c.remind(19.5), 1, "the client ends first, and is told of alone")
	})
}

func TestTwoThatEndTogetherAreToldOfOnce(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		c.setEnd(300)
		ends := c.Now() + 30*86400
		for range 3 {
			row := &models.Credential{ClientID: c.agent.ID, Kind: models.CredentialSecret, ExpiresAt: ends}
			_, err := c.CreateCredential(c.Context(), modelstest.By(), row)
			require.NoError(c, err)
		}
		require.Len(c, c.remind(20), 1)
	})
}

func TestWhatStandsStillIsNotToldOf(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		c.credential(70)
		_, err := c.SuspendClient(c.Context(), modelstest.By(), c.agent.ID)
		require.NoError(c, err)
		require.Empty(c, c.remind(65))
		_, err = c.RestoreClient(c.Context(), modelstest.By(), c.agent.ID)
		require.NoError(c, err)
		require.Len(c, c.remind(0), 2, "the client, and its credential")
		require.NoError(c, c.DecommissionClient(c.Context(), modelstest.By(), c.agent.ID, models.AnyVersion))
		require.Empty(c, c.remind(20))
	})
}

// However many replicas look at once, each end is told of once.
func TestReplicasRemindOnce(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		start := time.Now().Add(62 * aDay)
		first := modelstest.Open(t, o)
		owner := modelstest.User(t, first, "owner")
		for i := range 8 {
			modelstest.Agent(t, first, fmt.Sprintf("agent-%d", i), owner.ID)
		}
		o.Now = func() time.Time { return start }
		stores := []*models.Store{modelstest.Open(t, o), modelstest.Open(t, o)}
		counts, errs := make([]int, 8), make([]error, 8)
		var all sync.WaitGroup
		for i := range counts {
			all.Go(func() { counts[i], errs[i] = stores[i%2].Remind(t.Context()) })
		}
		all.Wait()
		sum := 0
		for i, n := range counts {
			require.NoError(t, errs[i])
			sum += n
		}
		require.Equal(t, 8, sum)
		rows, err := stores[0].DueNotices(t.Context(), 100)
		require.NoError(t, err)
		require.Len(t, rows, 8)
	})
}

func TestRemindersAreForgottenAfterTheEnd(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		require.Len(c, c.remind(85), 1)
		kept := func(moment int64) (n int64) {
			require.NoError(c, c.PurgeReminders(c.Context(), moment))
			require.NoError(c, c.Reader().Model(&models.Reminder{}).Count(&n).Error)
			return n
		}
		require.Equal(c, []int64{1, 1, 0}, []int64{kept(c.Now()), kept(c.agent.ExpiresAt), kept(c.agent.ExpiresAt + 1)})
	})
}

func TestWhoAnswersForAClient(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		answers := func() *models.User {
			u, err := c.Answers(c.Context(), c.agent)
			require.NoError(c, err)
			return u
		}
		require.Equal(c, c.owner.ID, answers().ID)
		_, err := c.SuspendUser(c.Context(), modelstest.By(), c.owner.ID)
		require.NoError(c, err)
		require.Nil(c, answers())
		_, err = c.RestoreUser(c.Context(), modelstest.By(), c.owner.ID)
		require.NoError(c, err)
		_, err = c.UpdateUser(c.Context(), modelstest.By(), c.owner.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = c.Now() + 10 })
		require.NoError(c, err)
		require.NotNil(c, answers())
		*c.ahead += time.Minute
		require.Nil(c, answers())
		c.agent.OwnerID = nil
		require.Nil(c, answers())
	})
}

func TestAdministratorsAreThoseWhoMayChangeClients(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		require.NoError(c, c.EnsureSelf(c.Context(), "https://auth.example"))
		var want []string
		for _, name := range []string{"direct", "within", "gone"} {
			want = append(want, modelstest.User(c, c.Store, name).ID)
		}
		inner := modelstest.Group(c, c.Store, "inner", want[1])
		outer := modelstest.Group(c, c.Store, "outer", inner.ID, want[2])
		parts := map[string]string{}
		for _, scope := range []string{"clients:read", "clients:write"} { // each of them alone is not enough
			part := &models.Role{Name: scope[8:], Scopes: []models.ScopeRef{{ResourceID: models.SelfID, Name: scope}}}
			require.NoError(c, c.CreateRole(c.Context(), modelstest.By(), part))
			parts[scope] = part.ID
		}
		modelstest.Assign(c, c.Store, parts["clients:read"], c.owner.ID)
		modelstest.Assign(c, c.Store, parts["clients:write"], modelstest.User(c, c.Store, "writes").ID)
		both := modelstest.User(c, c.Store, "both").ID
		modelstest.Assign(c, c.Store, parts["clients:read"], modelstest.Group(c, c.Store, "readers", both).ID)
		modelstest.Assign(c, c.Store, parts["clients:write"], both)
		modelstest.Assign(c, c.Store, models.AdminRoleID, want[0])
		modelstest.Assign(c, c.Store, models.AdminRoleID, outer.ID)
		modelstest.Assign(c, c.Store, models.AdminRoleID, c.agent.ID)
		_, err := c.SuspendUser(c.Context(), modelstest.By(), want[2])
		require.NoError(c, err)
		for thing, who := range map[string][]string{
			"agt_1": append(want[:2:2], both), "crd_1": append(want[:2:2], both), "tok_1": want[:2], "gnt_1": want[:2],
		} {
			got, err := c.Administrators(c.Context(), thing)
			require.NoError(c, err)
			require.ElementsMatch(c, who, got, thing)
		}
	})
}

// A notice is spread once, to all at once.
func TestANoticeIsSpreadOnce(t *testing.T) {
	eachCalendar(t, func(c *calendar) {
		*c.ahead += 85 * aDay
		_, err := c.Remind(c.Context())
		require.NoError(c, err)
		rows, err := c.DueNotices(c.Context(), 1)
		require.NoError(c, err)
		to := []models.Notice{{Channel: "mail", SubjectID: c.owner.ID, ToldAs: models.ToldOwner}, {Channel: "push", SubjectID: c.owner.ID, ToldAs: models.ToldOwner}}
		for range 2 {
			require.NoError(c, c.SpreadNotice(c.Context(), rows[0], to))
		}
		require.NoError(c, c.NoticeSent(c.Context(), rows[0]), "which says nothing any more")
		got := c.take()
		require.Len(c, got, 2)
		for _, n := range got {
			require.Equal(c, []any{models.NoticeReminder, c.agent.ID, c.agent.ID, c.owner.ID, models.ToldOwner, rows[0].EndsAt}, []any{n.Kind, n.Ref, n.ClientID, n.SubjectID, n.ToldAs, n.EndsAt})
			require.NotEqual(c, rows[0].ID, n.ID)
		}
		require.ElementsMatch(c, []string{"mail", "push"}, []string{got[0].Channel, got[1].Channel})
		entries, _, err := c.Entries(c.Context(), models.EntryFilter{Action: "tellReminder"}, -1, 10)
		require.NoError(c, err)
		require.Len(c, entries, 2)
	})
}

// Who must be told of a leak is in the outbox with what ended, and once.
func TestALeakIsToldWithWhatItEnded(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		owner := modelstest.User(t, s, "owner")
		agent, _ := modelstest.Agent(t, s, "agent", owner.ID)
		cred, _ := modelstest.Secret(t, s, agent.ID)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { _ = s.EndLeaked(t.Context(), modelstest.By(), cred.ID) })
		}
		all.Wait()
		require.Equal(t, []string{"leak " + cred.ID}, told(t, s), "however many report it")
		cred, _ = modelstest.Secret(t, s, agent.ID)
		require.NoError(t, s.RevokeCredential(t.Context(), modelstest.By(), agent.ID, cred.ID))
		require.Empty(t, told(t, s), "who revokes one knows")
	})
}

func TestALeakIsToldToThePersonWhoGranted(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		first := s.grant(s.give([]string{"sales:list"}, "sales:list"))
		second, _ := modelstest.Agent(t, store, "second", modelstest.User(t, store, "eve").ID)
		hop := modelstest.Issue(t, store, modelstest.Exchange(first, second.ID))
		require.NoError(t, s.EndLeaked(t.Context(), modelstest.By(), hop.ID))
		require.ElementsMatch(t, []string{"leak " + hop.ID, "leak " + hop.ID + " " + s.user.ID + " person"}, told(t, store))
		require.NoError(t, s.EndLeaked(t.Context(), modelstest.By(), first.ID))
		owner := s.client.OwnerID
		require.NotNil(t, owner)
		require.Equal(t, s.user.ID, *owner)
		require.Equal(t, []string{"leak " + first.ID}, told(t, store), "the owner is the person, and told once")
		require.NoError(t, s.EndLeaked(t.Context(), modelstest.By(), first.ID))
		require.Empty(t, told(t, store), "it had ended")
		require.ErrorIs(t, s.EndLeaked(t.Context(), modelstest.By(), "tok_x"), models.ErrNotFound)
		grant := s.grant(s.give([]string{"sales:list"}, "sales:list")).GrantID
		require.NoError(t, s.EndLeaked(t.Context(), modelstest.By(), grant))
		require.Equal(t, []string{"leak " + grant}, told(t, store))
	})
}

// A session and a link are told of to whose they were; what nobody has yet, to nobody.
func TestALeakOfWhatSomebodySignsInBy(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by, joe := t.Context(), modelstest.By(), modelstest.User(t, s, "joe")
		_, session, err := s.BeginSession(ctx, by, models.SignIn{Session: models.Session{UserID: joe.ID, AuthTime: s.Now(), ACR: "1", AMR: []string{"pwd"}, ExpiresAt: s.Now() + 1000}})
		require.NoError(t, err)
		link := &models.Link{Purpose: models.LinkRecover, UserID: &joe.ID, ExpiresAt: s.Now() + 600}
		setup := &models.Link{Purpose: models.LinkSetup, ExpiresAt: s.Now() + 600}
		for _, l := range []*models.Link{link, setup} {
			_, err = s.CreateLink(ctx, by, l)
			require.NoError(t, err)
		}
		var all sync.WaitGroup
		for range 3 {
			for _, id := range []string{session.ID, link.ID, setup.ID} {
				all.Go(func() {
					if err := s.EndLeaked(ctx, by, id); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		require.ElementsMatch(t, []string{"leak " + session.ID + " " + joe.ID + " holder", "leak " + link.ID + " " + joe.ID + " holder"}, told(t, s))
		rows, _, err := s.Entries(ctx, models.EntryFilter{Action: "tellLeak"}, -1, 10)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		for _, action := range []string{"revokeSession", "endLink"} {
			rows, _, err := s.Entries(ctx, models.EntryFilter{Action: action}, -1, 10)
			require.NoError(t, err)
			require.Len(t, rows, map[string]int{"revokeSession": 1, "endLink": 2}[action], action)
		}
		for _, id := range []string{"ses_none", "lnk_none"} {
			require.ErrorIs(t, s.EndLeaked(ctx, by, id), models.ErrNotFound)
		}
	})
}

// told takes everything out of the outbox: kind, of what, and to whom as what.
func told(t *testing.T, s *models.Store) []string {
	t.Helper()
	rows, err := s.DueNotices(t.Context(), 100)
	require.NoError(t, err)
	out := []string{}
	for _, n := range rows {
		require.NoError(t, s.NoticeSent(t.Context(), n))
		out = append(out, strings.TrimSpace(strings.Join([]string{n.Kind, n.Ref, n.SubjectID, n.ToldAs}, " ")))
	}
	return out
}
