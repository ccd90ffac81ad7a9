package tests

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/word"
	"github.com/deputyauth/deputy/tests/harness"
)

// handover is an agent, its owner, and somebody who could take their place.
type handover struct {
	*harness.Server
	olivia, joe *models.User
	agent       *harness.Client
	sales       *models.ResourceServer
	hers, his   *harness.Browser
}

func eachHandover(t *testing.T, o harness.Options, test func(t *testing.T, w *handover)) {
	t.Helper()
	eachAccounts(t, o, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		w := &handover{Server: s, olivia: s.Person("olivia"), joe: s.Person("joe")}
		w.agent = s.Agent("reporter", w.olivia)
		w.sales = s.Service("sales", nil)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.PutScope(ctx, by, &models.Scope{ResourceID: w.sales.ID, Name: "sales:export", Risk: models.RiskHigh, Description: "Export customer records", Downstream: []models.ScopeRef{}})
			return err
		})
		s.Allow(w.agent.ID, w.sales, "sales:export")
		w.hers, w.his = s.Browser(), s.Browser()
		require.Equal(t, http.StatusSeeOther, w.hers.SignIn("olivia", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, w.his.SignIn("joe", harness.Password).Status)
		test(t, w)
	})
}

// offer is what an administrator offers to Joe.
func (w *handover) offer() string {
	w.TB.Helper()
	t := &models.Transfer{ClientID: w.agent.ID, ToID: &w.joe.ID}
	require.NoError(w.TB, w.Store.OfferTransfer(context.Background(), models.By{ClientID: w.agent.ID}, t))
	return t.ID
}

// offers sends Olivia's form.
func (w *handover) offers(to string) harness.Answer {
	w.TB.Helper()
	return w.hers.Post("/account/agents/"+w.agent.ID+"/offer", url.Values{"to": {to}})
}

func (w *handover) owner() string {
	w.TB.Helper()
	c, err := w.Store.Client(context.Background(), w.agent.ID)
	require.NoError(w.TB, err)
	return *c.OwnerID
}

func (w *handover) tries() int {
	w.TB.Helper()
	return w.Form("/oauth2/token", w.agent, harness.OwnForm(w.sales.Identifier, "sales:export")).Status
}

// told is the only mail that is sent by now, of those since the last look.
func (w *handover) told(to string) word.Envelope {
	w.TB.Helper()
	*w.Mailbox = word.Mailbox{}
	for range 3 { // to whom, by which channel; the mail; and one more look
		require.NoError(w.TB, w.Endpoint.Notify(context.Background()))
	}
	mails := w.Mailbox.Mails()
	require.Len(w.TB, mails, 1)
	require.True(w.TB, strings.HasPrefix(mails[0].To.Address, to+"@"), mails[0].To.Address)
	return mails[0]
}

var offerPath = regexp.MustCompile(`/account/transfers/trf_[0-9a-z]{26}`)

// From the owner's page to the other's mailbox, their page, and their yes.
func TestTransfers_AnAgentIsHandedOn(t *testing.T) {
	eachHandover(t, harness.Options{}, func(t *testing.T, w *handover) {
		require.Contains(t, w.hers.Get("/account").Body, "Agents you answer for")
		mine := w.hers.Get("/account/agents/" + w.agent.ID)
		require.Contains(t, mine.Body, "You answer for this agent")
		require.Equal(t, http.StatusNotFound, w.his.Get("/account/agents/"+w.agent.ID).Status, "it is nothing of his")

		a := w.offers("joe")
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.Contains(t, a.Body, "You answer for it until they accept")
		require.Equal(t, w.olivia.ID, w.owner())

		mails := []word.Envelope{w.told("joe")}
		require.Equal(t, "You are asked to answer for reporter", mails[0].Subject)
		require.Contains(t, mails[0].Text, "olivia asks you to answer for the agent reporter")
		path := offerPath.FindString(mails[0].Text)
		require.NotEmpty(t, path, mails[0].Text)
		require.Equal(t, w.URL+path, mails[0].Link)

		stranger := w.Browser().Get(path)
		require.Equal(t, strings.TrimPrefix(w.URL, w.Host)+"/login?return="+strings.TrimPrefix(path, "/account/transfers/"), stranger.Header.Get("Location"))
		require.Equal(t, http.StatusNotFound, w.hers.Get(path).Status, "it is not for her to answer")
		require.Equal(t, http.StatusNotFound, w.hers.Post(path+"/accept", nil).Status)

		require.Contains(t, w.his.Get("/account").Body, path)
		page := w.his.Get(path)
		require.Equal(t, http.StatusOK, page.Status)
		for _, said := range []string{"Export customer records", "risk-high", "olivia", "Quality", "who answers for it now"} {
			require.Contains(t, page.Body, said)
		}
		done := w.his.Post(path+"/accept", nil)
		require.Equal(t, http.StatusOK, done.Status, done.Body)
		require.Contains(t, done.Body, "from now on")
		require.Equal(t, w.joe.ID, w.owner())
		require.Equal(t, http.StatusNotFound, w.hers.Get("/account/agents/"+w.agent.ID).Status)
		require.Equal(t, http.StatusOK, w.his.Get("/account/agents/"+w.agent.ID).Status)

		rows := ownRows(t, w.Server, w.joe.ID)
		var actions []string
		for _, r := range rows[:3] {
			actions = append(actions, r.Action)
		}
		require.Equal(t, []string{"acceptTransfer", "acceptTransfer", "account:acceptAgent"}, actions)
		require.Contains(t, rows[0].Detail, `"decision":"`+rows[2].ID+`"`)
		for _, again := range []string{"/accept", "/decline"} {
			late := w.his.Post(path+again, nil)
			require.Equal(t, http.StatusConflict, late.Status)
			require.Contains(t, late.Body, "You have accepted this.")
		}
		answer := w.told("olivia")
		require.Equal(t, "Somebody else answers for reporter now", answer.Subject)
		require.Contains(t, answer.Text, "joe accepted on "+w.Clock.Now().UTC().Format("2 January 2006, 15:04 UTC")+" to answer for the agent reporter")
		require.Contains(t, answer.Text, "because you answered for the agent until then")
		require.Equal(t, w.URL+"/account", answer.Link, "the agent's page is not hers any more")
		require.Equal(t, "tellAnswer", w.LastEntry().Action)
	})
}

// In German it is German, in the letter too.
func TestTransfers_AreToldInTheLanguageSomebodyChose(t *testing.T) {
	eachHandover(t, harness.Options{}, func(t *testing.T, w *handover) {
		require.Equal(t, http.StatusOK, w.his.Post("/account/word", url.Values{"lang": {"de"}}).Status)
		id := w.offer()
		mail := w.told("joe")
		require.Equal(t, "Sie werden gebeten, für reporter einzustehen", mail.Subject)
		require.Contains(t, mail.HTML, "für den Agenten <bdi>reporter</bdi> einzustehen")
		require.Contains(t, w.his.Get("/account/transfers/"+id+"?ui_locales=de").Body, "Annehmen")
	})
}

// Who declines is left alone, and so is the agent.
func TestTransfers_Declined(t *testing.T) {
	eachHandover(t, harness.Options{Named: true}, func(t *testing.T, w *handover) {
		w.Clock.Advance(16 * time.Minute) // saying no takes no recent sign-in
		id := w.offer()
		done := w.his.Post("/account/transfers/"+id+"/decline", nil)
		require.Equal(t, http.StatusOK, done.Status, done.Body)
		require.Contains(t, done.Body, "Nothing has changed")
		require.NotContains(t, w.his.Get("/account").Body, id)
		require.Equal(t, w.olivia.ID, w.owner())
		require.NoError(t, w.Endpoint.Notify(context.Background()))
		require.Empty(t, w.Mailbox.Mails(), "it is over before word of it went out, and no person offered it")

		require.Equal(t, http.StatusOK, w.his.Post("/account/word", url.Values{"lang": {"de"}}).Status)
		for _, c := range []struct {
			offers *models.User
			named  string
			link   string
		}{{w.olivia, "joe", "/account/agents/" + w.agent.ID}, {w.Person("ann"), "", "/account"}} {
			tr := &models.Transfer{ClientID: w.agent.ID, ToID: &w.joe.ID, Named: c.named}
			require.NoError(t, w.Store.OfferTransfer(context.Background(), models.By{SubjectID: c.offers.ID}, tr))
			require.Equal(t, http.StatusOK, w.his.Post("/account/transfers/"+tr.ID+"/decline", nil).Status)
			answer := w.told(c.offers.Username)
			require.Equal(t, "Your offer of reporter was declined", answer.Subject)
			require.Contains(t, answer.Text, "joe declined on "+w.Clock.Now().UTC().Format("2 January 2006, 15:04 UTC"))
			require.Equal(t, w.URL+c.link, answer.Link)
		}
	})
}

// Accepting and offering take a recent sign-in, and lead back from it.
func TestTransfers_TakeARecentSignIn(t *testing.T) {
	eachHandover(t, harness.Options{Named: true}, func(t *testing.T, w *handover) {
		w.Clock.Advance(16 * time.Minute)
		id := w.offer()
		a := w.his.Post("/account/transfers/"+id+"/accept", nil)
		require.Equal(t, http.StatusSeeOther, a.Status)
		require.Equal(t, "/login?return="+id, a.Header.Get("Location"))
		require.Contains(t, whyNot(t, ownRows(t, w.Server, w.joe.ID)[0]), "sign_in_too_old")
		require.Equal(t, w.olivia.ID, w.owner())
		require.Equal(t, http.StatusOK, w.his.Get("/login?return="+id).Status)
		in := w.his.Post("/login", url.Values{"username": {"joe"}, "password": {harness.Password}, "return": {id}})
		require.Equal(t, "/account/transfers/"+id, in.Header.Get("Location"))
		require.Equal(t, http.StatusOK, w.his.Post("/account/transfers/"+id+"/accept", nil).Status)

		a = w.offers("joe")
		require.Equal(t, http.StatusNotFound, a.Status, "it is not hers any more")
		back := w.Agent("second", w.olivia)
		a = w.hers.Post("/account/agents/"+back.ID+"/offer", url.Values{"to": {"joe"}})
		require.Equal(t, "/login?return="+back.ID, a.Header.Get("Location"))
		in = w.hers.Post("/login", url.Values{"username": {"olivia"}, "password": {harness.Password}, "return": {back.ID}})
		require.Equal(t, "/account/agents/"+back.ID, in.Header.Get("Location"))
	})
}

// madeIDs makes two answers comparable that differ in what was made for each.
var madeIDs = regexp.MustCompile(`trf_[0-9a-z]{26}|[0-9a-f]{8}-[0-9a-f-]{27}`)

// Whether somebody is called so is told by nothing: not by what is answered, not by
// what the page shows then, nor by what taking it back says.
func TestTransfers_DoNotTellWhoThereIs(t *testing.T) {
	eachHandover(t, harness.Options{Named: true}, func(t *testing.T, w *handover) {
		suspended := w.Person("sue")
		_, err := w.Store.SuspendUser(context.Background(), models.By{System: "test"}, suspended.ID)
		require.NoError(t, err)
		gone := w.Person("gus")
		require.NoError(t, w.Store.RemoveUser(context.Background(), models.By{System: "test"}, gone.ID, models.AnyVersion))
		var first []string
		for i, name := range []string{"joe", "sue", "gus", "max"} {
			var seen []string
			for _, a := range []harness.Answer{w.offers(name), w.hers.Get("/account/agents/" + w.agent.ID), w.hers.Get("/account")} {
				require.Equal(t, http.StatusOK, a.Status, name)
				require.Contains(t, a.Body, name)
				seen = append(seen, strings.ReplaceAll(madeIDs.ReplaceAllString(a.Body, "ID"), name, "NAME"))
			}
			path := offerPath.FindString(w.hers.Get("/account/agents/" + w.agent.ID).Body)
			a := w.hers.Post(path+"/withdraw", nil)
			require.Equal(t, http.StatusOK, a.Status, a.Body)
			seen = append(seen, strings.ReplaceAll(madeIDs.ReplaceAllString(a.Body, "ID"), name, "NAME"))
			if i == 0 {
				first = seen
			}
			require.Equal(t, first, seen, name)
		}
		require.Equal(t, http.StatusOK, w.offers("max").Status)
		for range 3 {
			require.NoError(t, w.Endpoint.Notify(context.Background()))
		}
		require.Empty(t, w.Mailbox.Mails(), "word of it goes nowhere")
		require.Contains(t, w.Last("giveUpWord").Detail, "nobody is called so")
		for _, wrong := range []string{"", "  ", "olivia", "OLIVIA "} {
			require.Equal(t, http.StatusUnprocessableEntity, w.offers(wrong).Status, "%q", wrong)
		}
		require.Equal(t, http.StatusOK, w.offers(" Joe ").Status, "as people sign in")
		rows, _, err := w.Store.Transfers(context.Background(), models.TransferFilter{State: models.TransferOpen}, models.Page{})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, w.joe.ID, *rows[0].ToID)
	})
}

// Nobody floods others with offers, and policy says so.
func TestTransfers_AFewADay(t *testing.T) {
	eachHandover(t, harness.Options{Named: true}, func(t *testing.T, w *handover) {
		for range 20 {
			require.Equal(t, http.StatusOK, w.offers("joe").Status)
		}
		a := w.offers("joe")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.Contains(t, a.Body, "too often today")
		require.Equal(t, []string{"offers_exhausted"}, whyNot(t, ownRows(t, w.Server, w.olivia.ID)[0]))
	})
}

// Policy decides whose it is to offer and to answer; the queries are the second line.
func TestTransfers_AreDecidedByPolicy(t *testing.T) {
	eachHandover(t, harness.Options{Named: true}, func(t *testing.T, w *handover) {
		w.Person("eve")
		eve := w.Browser()
		require.Equal(t, http.StatusSeeOther, eve.SignIn("eve", harness.Password).Status)
		id := w.offer()
		for _, path := range []string{
			"/account/transfers/" + id + "/accept", "/account/transfers/" + id + "/decline", "/account/transfers/" + id + "/withdraw",
			"/account/transfers/trf_00000000000000000000000000/accept", "/account/transfers/" + w.agent.ID + "/accept",
		} {
			require.Equal(t, http.StatusNotFound, eve.Post(path, nil).Status, path)
			require.Equal(t, []string{"object_foreign"}, whyNot(t, w.LastEntry()), path)
		}
		require.Equal(t, http.StatusNotFound, w.hers.Post("/account/transfers/"+id+"/withdraw", nil).Status, "an administrator offered it")
		require.Equal(t, http.StatusOK, w.his.Post("/account/transfers/"+id+"/accept", nil).Status)
		require.Equal(t, w.joe.ID, w.owner())
	})
}

// The same with a floor that does not look whose it is.
func TestTransfers_QueriesAreTheSecondLine(t *testing.T) {
	floor := harness.Sabotaged(t, "floor/account/account.rego", `(?s)reasons contains \{"code": "object_foreign".*?\n\}\n`)
	eachHandover(t, harness.Options{Named: true, Floor: floor}, func(t *testing.T, w *handover) {
		id := w.offer()
		for _, how := range []string{"/accept", "/decline", "/withdraw"} {
			require.Equal(t, http.StatusNotFound, w.hers.Post("/account/transfers/"+id+how, nil).Status, how)
		}
		require.NoError(t, w.Endpoint.OfferTo(context.Background(), models.By{SubjectID: w.olivia.ID}, w.agent.ID, "joe"))
		require.ErrorIs(t, w.Endpoint.OfferTo(context.Background(), models.By{SubjectID: w.joe.ID}, w.agent.ID, "olivia"), models.ErrNotFound)
	})
}

// An agent that stood still because its owner left goes on when somebody accepts.
func TestTransfers_AnOrphanGoesOn(t *testing.T) {
	eachHandover(t, harness.Options{}, func(t *testing.T, w *handover) {
		require.Equal(t, http.StatusOK, w.tries())
		require.NoError(t, w.Store.RemoveUser(context.Background(), models.By{System: "test"}, w.olivia.ID, models.AnyVersion))
		require.Equal(t, http.StatusBadRequest, w.tries())
		id := w.offer()
		require.Equal(t, http.StatusBadRequest, w.tries())
		require.Contains(t, w.his.Get("/account/transfers/"+id).Body, "It stands still at the moment")
		require.Equal(t, http.StatusOK, w.his.Post("/account/transfers/"+id+"/accept", nil).Status)
		require.Equal(t, http.StatusOK, w.tries())
	})
}

// Who was asked and who takes it back come at once. One of them wins, and the
// agent is whose the offer says.
func TestTransfers_AcceptAndWithdrawRace(t *testing.T) {
	eachHandover(t, harness.Options{}, func(t *testing.T, w *handover) {
		for range 4 {
			require.Equal(t, w.olivia.ID, w.owner())
			require.Equal(t, http.StatusOK, w.offers("joe").Status)
			path := offerPath.FindString(w.hers.Get("/account/agents/" + w.agent.ID).Body)
			require.NotEmpty(t, path)
			var group sync.WaitGroup
			accepted := make([]int, 3)
			for i := range accepted {
				group.Go(func() { accepted[i] = w.his.Post(path+"/accept", nil).Status })
			}
			group.Go(func() { w.hers.Post(path+"/withdraw", nil) })
			group.Wait()
			wins := 0
			for _, status := range accepted {
				if status == http.StatusOK {
					wins++
				}
			}
			tr, err := w.Store.Transfer(context.Background(), strings.TrimPrefix(path, "/account/transfers/"))
			require.NoError(t, err)
			if tr.State == models.TransferCancelled {
				require.Zero(t, wins)
				require.Equal(t, w.olivia.ID, w.owner())
				continue
			}
			require.Equal(t, models.TransferAccepted, tr.State)
			require.Equal(t, 1, wins, "%v", accepted)
			require.Equal(t, w.joe.ID, w.owner())
			w.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateClient(ctx, by, w.agent.ID, models.AnyVersion, func(c *models.Client) { c.OwnerID = &w.olivia.ID })
				return err
			})
		}
	})
}
