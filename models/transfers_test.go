package models_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// estate is an agent, who answers for it, and two who could.
type estate struct {
	*models.Store
	testing.TB
	agent       *models.Client
	owner, a, b *models.User
	owners      models.By // the owner, at their account
}

func newEstate(t testing.TB, s *models.Store) *estate {
	t.Helper()
	e := &estate{Store: s, TB: t}
	name := models.NewID("x")[20:]
	e.owner, e.a, e.b = modelstest.User(t, s, "owner-"+name), modelstest.User(t, s, "a-"+name), modelstest.User(t, s, "b-"+name)
	e.agent, _ = modelstest.Agent(t, s, "agent-"+name, e.owner.ID)
	e.owners = models.By{SubjectID: e.owner.ID, SessionID: "ses_1"}
	return e
}

// offered is an offer to a user, by an administrator.
func (e *estate) offered(to *models.User) *models.Transfer {
	e.Helper()
	t := &models.Transfer{ClientID: e.agent.ID, ToID: &to.ID}
	require.NoError(e, e.OfferTransfer(e.Context(), models.By{ClientID: "app_admin"}, t))
	return t
}

func (e *estate) ownerNow() string {
	e.Helper()
	c, err := e.Client(e.Context(), e.agent.ID)
	require.NoError(e, err)
	return *c.OwnerID
}

func (e *estate) state(id string) string {
	e.Helper()
	t, err := e.Transfer(e.Context(), id)
	require.NoError(e, err)
	return t.Now(e.Now())
}

func (e *estate) notices(id string) (channels []string) {
	e.Helper()
	require.NoError(e, e.Writer().Model(&models.Notice{}).Where("ref = ?", id).Order("channel").Pluck("channel", &channels).Error)
	return channels
}

func eachEstate(t *testing.T, test func(t *testing.T, e *estate)) {
	t.Helper()
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) { test(t, newEstate(t, s)) })
}

func TestAnOfferChangesNothingUntilItIsAccepted(t *testing.T) {
	eachEstate(t, func(t *testing.T, e *estate) {
		offer := e.offered(e.a)
		require.Equal(t, []string{""}, e.notices(offer.ID), "by which channels is found out when it is told")
		require.Equal(t, []any{models.TransferOpen, "app_admin", e.owner.ID, offer.CreatedAt + models.TransferLife}, []any{offer.State, offer.OfferedBy, *offer.FromID, offer.ExpiresAt})
		require.Equal(t, e.owner.ID, e.ownerNow())

		_, err := e.AcceptTransfer(t.Context(), by, offer.ID, e.b.ID)
		require.ErrorIs(t, err, models.ErrNotFound, "it is somebody else's")
		version := e.agent.Version
		done, err := e.AcceptTransfer(t.Context(), models.By{SubjectID: e.a.ID}, offer.ID, e.a.ID)
		require.NoError(t, err)
		require.Equal(t, models.TransferAccepted, done.State)
		require.Equal(t, e.a.ID, e.ownerNow())
		var told []models.Notice
		require.NoError(t, e.Writer().Where("ref = ?", offer.ID).Find(&told).Error)
		require.Len(t, told, 1, "word of it is worth nothing any more, but who answered until now is told")
		require.Equal(t, []string{models.NoticeAnswer, e.owner.ID, models.ToldFormer, ""}, []string{told[0].Kind, told[0].SubjectID, told[0].ToldAs, told[0].Channel})
		c, err := e.Client(t.Context(), e.agent.ID)
		require.NoError(t, err)
		require.Equal(t, version+1, c.Version)

		rows, _, err := e.Entries(t.Context(), models.EntryFilter{Action: "acceptTransfer"}, -1, 10)
		require.NoError(t, err)
		require.Len(t, rows, 2, "the client, and the offer")
		require.Contains(t, rows[0].Detail, `"owner_id":"`+e.owner.ID+`"`)
		require.Contains(t, rows[0].Detail, `"owner_id":"`+e.a.ID+`"`)
		require.Contains(t, rows[1].Detail, `"to_id":"`+e.a.ID+`"`)

		for _, again := range []func() error{
			func() error { _, err := e.AcceptTransfer(t.Context(), by, offer.ID, e.a.ID); return err },
			func() error { _, err := e.DeclineTransfer(t.Context(), by, offer.ID, e.a.ID); return err },
			func() error { _, err := e.CancelTransfer(t.Context(), by, offer.ID, ""); return err },
		} {
			require.ErrorIs(t, again(), models.ErrUsed)
		}
		require.Equal(t, models.TransferAccepted, e.state(offer.ID))
	})
}

// Whatever an offer was about may be decided otherwise before it is answered.
func TestAnOfferEndsWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		for name, c := range map[string]struct {
			happens func(t *testing.T, e *estate) error
			left    string
		}{
			"another offer": {func(_ *testing.T, e *estate) error { e.offered(e.b); return nil }, models.TransferCancelled},
			"somebody is put in charge": {func(t *testing.T, e *estate) error {
				_, err := e.UpdateClient(t.Context(), by, e.agent.ID, models.AnyVersion, func(c *models.Client) { c.OwnerID = &e.b.ID })
				return err
			}, models.TransferCancelled},
			"another change": {func(t *testing.T, e *estate) error {
				_, err := e.UpdateClient(t.Context(), by, e.agent.ID, models.AnyVersion, func(c *models.Client) { c.Purpose = "Other" })
				return err
			}, models.TransferOpen},
			"a suspension of the agent": {func(t *testing.T, e *estate) error {
				_, err := e.SuspendClient(t.Context(), by, e.agent.ID)
				return err
			}, models.TransferCancelled},
			"the agent's end": {func(t *testing.T, e *estate) error {
				return e.DecommissionClient(t.Context(), by, e.agent.ID, models.AnyVersion)
			}, models.TransferCancelled},
			"the owner leaves": {func(t *testing.T, e *estate) error {
				return e.RemoveUser(t.Context(), by, e.owner.ID, models.AnyVersion)
			}, models.TransferOpen},
			"who is asked is suspended": {func(t *testing.T, e *estate) error { _, err := e.SuspendUser(t.Context(), by, e.a.ID); return err }, models.TransferCancelled},
			"who is asked leaves":       {func(t *testing.T, e *estate) error { return e.RemoveUser(t.Context(), by, e.a.ID, models.AnyVersion) }, models.TransferCancelled},
			"who is asked expires": {func(t *testing.T, e *estate) error {
				_, err := e.UpdateUser(t.Context(), by, e.a.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = 1 })
				return err
			}, models.TransferOpen},
		} {
			e := newEstate(t, s)
			offer := e.offered(e.a)
			require.NoError(t, c.happens(t, e), name)
			require.Equal(t, c.left, e.state(offer.ID), name)
			before := e.ownerNow()
			_, err := e.AcceptTransfer(t.Context(), by, offer.ID, e.a.ID)
			switch {
			case name == "who is asked expires":
				require.ErrorIs(t, err, models.ErrNotFound, name)
			case c.left == models.TransferOpen:
				require.NoError(t, err, name)
				before = e.a.ID
				require.Equal(t, name == "the owner leaves", len(e.notices(offer.ID)) == 0, "%s: who left is told nothing", name)
			default:
				require.ErrorIs(t, err, models.ErrUsed, name)
				require.Empty(t, e.notices(offer.ID), name)
			}
			require.Equal(t, before, e.ownerNow(), name)
		}
	})
}

func TestWhoCanBeAsked(t *testing.T) {
	eachEstate(t, func(t *testing.T, e *estate) {
		gone := modelstest.User(t, e.Store, "gone")
		require.NoError(t, e.RemoveUser(t.Context(), by, gone.ID, models.AnyVersion))
		nobody := "usr_nobody"
		for name, to := range map[string]*string{"nobody": nil, "no user": &nobody, "who left": &gone.ID, "who answers already": &e.owner.ID, "no person": &e.agent.ID} {
			err := e.OfferTransfer(t.Context(), by, &models.Transfer{ClientID: e.agent.ID, ToID: to})
			var wrong *models.Invalid
			require.ErrorAs(t, err, &wrong, name)
			require.Equal(t, "to", wrong.Field, name)
		}
		require.ErrorIs(t, e.OfferTransfer(t.Context(), by, &models.Transfer{ClientID: "agt_none", ToID: &e.a.ID}), models.ErrNotFound)
		require.NoError(t, e.DecommissionClient(t.Context(), by, e.agent.ID, models.AnyVersion))
		require.Error(t, e.OfferTransfer(t.Context(), by, &models.Transfer{ClientID: e.agent.ID, ToID: &e.a.ID}))
		rows, _, err := e.Transfers(t.Context(), models.TransferFilter{}, models.Page{})
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// An owner names people as they sign in. An offer to nobody is one like any other.
func TestAnOwnersOffer(t *testing.T) {
	eachEstate(t, func(t *testing.T, e *estate) {
		ctx := t.Context()
		offer := func(as models.By, to *string, name string) (*models.Transfer, error) {
			tr := &models.Transfer{ClientID: e.agent.ID, ToID: to, Named: name}
			return tr, e.OfferTransfer(ctx, as, tr)
		}
		_, err := offer(models.By{SubjectID: e.b.ID}, &e.a.ID, e.a.Username)
		require.ErrorIs(t, err, models.ErrNotFound, "it is not hers to offer")
		_, err = offer(e.owners, nil, "bell\x07")
		require.Error(t, err)
		lost, err := offer(e.owners, nil, "no-such-person")
		require.NoError(t, err)
		require.Equal(t, models.TransferOpen, lost.State)
		require.Equal(t, []string{""}, e.notices(lost.ID), "as for somebody")
		real, err := offer(e.owners, &e.a.ID, e.a.Username)
		require.NoError(t, err)
		require.Equal(t, []string{""}, e.notices(real.ID))
		require.Empty(t, e.notices(lost.ID))
		require.Equal(t, models.TransferCancelled, e.state(lost.ID), "at most one is open")

		v, err := e.View(ctx)
		require.NoError(t, err)
		n, err := v.Offers(ctx, e.owner.ID)
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		for id, want := range map[string]string{real.ID: e.owner.ID, e.agent.ID: e.owner.ID, "agt_none": "", "psk_1": ""} {
			got, err := v.Answering(ctx, id)
			require.NoError(t, err)
			require.Equal(t, want, got, id)
		}
		for id, want := range map[string]string{real.ID: e.a.ID, lost.ID: "", "trf_none": ""} {
			got, err := e.OwnerOf(ctx, e.a.ID, id)
			require.NoError(t, err)
			require.Equal(t, want, got, id)
		}

		_, err = e.CancelTransfer(ctx, by, real.ID, e.b.ID)
		require.ErrorIs(t, err, models.ErrNotFound)
		_, err = e.CancelTransfer(ctx, by, real.ID, e.owner.ID)
		require.NoError(t, err)
		admins := e.offered(e.a)
		_, err = e.CancelTransfer(ctx, by, admins.ID, e.owner.ID)
		require.ErrorIs(t, err, models.ErrNotFound, "an administrator's is not theirs to take back")

		again, err := offer(e.owners, &e.b.ID, e.b.Username)
		require.NoError(t, err)
		_, err = e.SuspendUser(ctx, by, e.owner.ID)
		require.NoError(t, err)
		require.Equal(t, models.TransferCancelled, e.state(again.ID), "what somebody offered who was stopped is not taken")
	})
}

// To offer an agent to nobody is the same work as to offer it to somebody, statement by
// statement, so how long it takes tells nothing.
func TestAnOfferToNobodyTakesTheSameWork(t *testing.T) {
	eachEstate(t, func(t *testing.T, e *estate) {
		require.NoError(t, e.RemoveUser(t.Context(), by, e.b.ID, models.AnyVersion))
		var statements []string
		note := func(db *gorm.DB) { statements = append(statements, db.Statement.SQL.String()) }
		for _, db := range []*gorm.DB{e.Writer(), e.Reader()} {
			c := db.Callback()
			require.NoError(t, errors.Join(
				c.Create().After("*").Register("watch", note), c.Query().After("*").Register("watch", note), c.Row().After("*").Register("watch", note),
				c.Update().After("*").Register("watch", note), c.Delete().After("*").Register("watch", note), c.Raw().After("*").Register("watch", note)))
		}
		offer := func(name string, asked int) []string {
			statements = nil
			tr := &models.Transfer{ClientID: e.agent.ID, Named: name}
			u, err := e.UserNamed(t.Context(), name)
			if err == nil && u.Status == models.StatusActive { // as grants.OfferTo does
				tr.ToID, asked = &u.ID, asked-1
			}
			require.NoError(t, e.OfferTransfer(t.Context(), e.owners, tr))
			require.Zero(t, asked)
			return statements
		}
		offer(e.a.Username, 1) // from now on each takes another's place
		want := offer(e.a.Username, 1)
		require.Greater(t, len(want), 8)
		for name, asked := range map[string]int{"no-such-person": 0, e.b.Username: 0, e.a.Username: 1} {
			require.Equal(t, want, offer(name, asked), name)
			require.Equal(t, want, offer(name, asked), name)
		}
	})
}

func TestAnOfferEndsByItself(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		var moved atomic.Int64
		o.Now = func() time.Time { return time.Now().Add(time.Duration(moved.Load())) }
		e := newEstate(t, modelstest.Open(t, o))
		offer := e.offered(e.a)
		moved.Store(int64((models.TransferLife + 1) * time.Second))
		require.Equal(t, models.TransferExpired, e.state(offer.ID))
		f, err := e.FallOf(t.Context(), e.a.ID)
		require.NoError(t, err)
		require.Zero(t, f.Offers, "it has ended")
		_, err = e.AcceptTransfer(t.Context(), by, offer.ID, e.a.ID)
		require.ErrorIs(t, err, models.ErrUsed)
		require.Equal(t, e.owner.ID, e.ownerNow())
		next := e.offered(e.b)
		require.Equal(t, models.TransferExpired, e.state(offer.ID), "nobody took it back")
		for state, want := range map[string]string{models.TransferExpired: offer.ID, models.TransferOpen: next.ID} {
			rows, _, err := e.Transfers(t.Context(), models.TransferFilter{State: state, ClientID: e.agent.ID}, models.Page{})
			require.NoError(t, err)
			require.Len(t, rows, 1, state)
			require.Equal(t, want, rows[0].ID, state)
		}
	})
}

// What is told to end with somebody who is stopped is what ends, and nothing else, in
// every way in which a client or a user can be stopped.
func TestOffersFallWithWhoIsStopped(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx := t.Context()
		stops := map[string]func(id string) error{
			"suspended user":  func(id string) error { _, err := s.SuspendUser(ctx, by, id); return err },
			"removed user":    func(id string) error { return s.RemoveUser(ctx, by, id, models.AnyVersion) },
			"suspended agent": func(id string) error { _, err := s.SuspendClient(ctx, by, id); return err },
			"ended agent":     func(id string) error { return s.DecommissionClient(ctx, by, id, models.AnyVersion) },
		}
		for name, stop := range stops {
			mine, hers := newEstate(t, s), newEstate(t, s)
			second, _ := modelstest.Agent(t, s, "second-"+mine.agent.Name, mine.owner.ID)
			third, _ := modelstest.Agent(t, s, "third-"+mine.agent.Name, hers.owner.ID)
			all := map[string]*models.Transfer{
				"as the owner":         {ClientID: mine.agent.ID, ToID: &mine.a.ID, Named: mine.a.Username, OfferedBy: mine.owner.ID},
				"to nobody":            {ClientID: second.ID, Named: "nobody", OfferedBy: mine.owner.ID},
				"as an administrator":  {ClientID: hers.agent.ID, ToID: &mine.a.ID, OfferedBy: mine.owner.ID},
				"to them, by somebody": {ClientID: third.ID, ToID: &mine.owner.ID, Named: mine.owner.Username, OfferedBy: hers.owner.ID},
			}
			for _, o := range all {
				require.NoError(t, s.OfferTransfer(ctx, models.By{SubjectID: o.OfferedBy}, o))
			}
			stopped, ends := mine.owner.ID, []string{"as the owner", "to nobody", "to them, by somebody"}
			if strings.HasSuffix(name, "agent") {
				stopped, ends = mine.agent.ID, []string{"as the owner"}
			}
			f, err := s.FallOf(ctx, stopped)
			require.NoError(t, err)
			require.EqualValues(t, len(ends), f.Offers, name)
			require.NoError(t, stop(stopped), name)
			for what, o := range all {
				want := models.TransferOpen
				if slices.Contains(ends, what) {
					want = models.TransferCancelled
				}
				require.Equal(t, want, mine.state(o.ID), "%s: %s", name, what)
			}
			f, err = s.FallOf(ctx, stopped)
			require.NoError(t, err)
			require.Zero(t, f.Offers, name)
		}
	})
}

// Of everything that is done to one offer at once, one thing happens.
func TestOneAnswerCounts(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		for range 5 {
			e := newEstate(t, s)
			offer := e.offered(e.a)
			ctx := t.Context()
			var group sync.WaitGroup
			var won [3]atomic.Int64
			for i := range 12 {
				group.Go(func() {
					var err error
					switch i % 3 {
					case 0:
						_, err = s.AcceptTransfer(ctx, by, offer.ID, e.a.ID)
					case 1:
						_, err = s.CancelTransfer(ctx, by, offer.ID, "")
					case 2:
						_, err = s.DeclineTransfer(ctx, by, offer.ID, e.a.ID)
					}
					if err == nil {
						won[i%3].Add(1)
						return
					}
					if !errors.Is(err, models.ErrUsed) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			require.Equal(t, int64(1), won[0].Load()+won[1].Load()+won[2].Load())
			owner := e.owner.ID
			if won[0].Load() == 1 {
				owner = e.a.ID
			}
			require.Equal(t, owner, e.ownerNow())
		}
	})
}

// Two offers of one agent that are made at once leave one open.
func TestOneOfferIsOpen(t *testing.T) {
	eachEstate(t, func(t *testing.T, e *estate) {
		var group sync.WaitGroup
		for i := range 8 {
			to := e.a
			if i%2 == 1 {
				to = e.b
			}
			group.Go(func() {
				if err := e.OfferTransfer(t.Context(), by, &models.Transfer{ClientID: e.agent.ID, ToID: &to.ID}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		rows, _, err := e.Transfers(t.Context(), models.TransferFilter{State: models.TransferOpen}, models.Page{})
		require.NoError(t, err)
		require.Len(t, rows, 1)
	})
}

// Somebody stands for what an agent is for. Agents from before that was asked for can
// be changed without one, until they have one.
func TestAnAgentNeedsASponsor(t *testing.T) {
	eachEstate(t, func(t *testing.T, e *estate) {
		ctx := t.Context()
		set := func(edit func(*models.Client)) error {
			_, err := e.UpdateClient(ctx, by, e.agent.ID, models.AnyVersion, edit)
			return err
		}
		for _, sponsor := range []string{"", " ", "\t\n"} {
			var wrong *models.Invalid
			err := e.CreateClient(ctx, by, &models.Client{Kind: models.KindAgent, Name: "alone", OwnerID: &e.owner.ID, Sponsor: sponsor})
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, "sponsor", wrong.Field)
			require.ErrorAs(t, set(func(c *models.Client) { c.Sponsor = sponsor }), &wrong)
			require.Equal(t, "sponsor", wrong.Field)
		}
		require.NoError(t, set(func(c *models.Client) { c.Sponsor = "Somebody else" }))
		require.NoError(t, e.CreateClient(ctx, by, &models.Client{Kind: models.KindApplication, Name: "plain"}))

		require.NoError(t, e.Writer().Exec("update clients set sponsor = '' where id = ?", e.agent.ID).Error, "as it was before")
		require.NoError(t, set(func(c *models.Client) { c.Purpose = "Changed" }))
		offer := e.offered(e.a)
		_, err := e.AcceptTransfer(ctx, by, offer.ID, e.a.ID)
		require.NoError(t, err)
		require.NoError(t, set(func(c *models.Client) { c.Sponsor = "Finance" }))
		require.Error(t, set(func(c *models.Client) { c.Sponsor = "" }))
	})
}
