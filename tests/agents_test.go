package tests

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// household is two people, the agents they let act for them, and services of which
// one leads to the next.
type household struct {
	*harness.Server
	joe, eve                *models.User
	assistant, other        *harness.Client
	seller, filer, keeper   *harness.Client
	sales, files, warehouse *models.ResourceServer
}

func newHousehold(s *harness.Server) *household {
	w := &household{Server: s, joe: s.Person("joe"), eve: s.Person("eve")}
	owner := s.User("owner")
	w.assistant, w.other = s.ForPeople(s.Agent("assistant", owner)), s.ForPeople(s.Agent("other-agent", owner))
	w.seller, w.filer, w.keeper = s.Agent("seller", owner), s.Agent("filer", owner), s.Agent("keeper", owner)
	w.warehouse = s.Service("warehouse", w.keeper, "warehouse:get")
	w.files = s.Service("files", w.filer)
	s.Scope(w.files, "files:get", models.ScopeRef{ResourceID: w.warehouse.ID, Name: "warehouse:get"})
	w.sales = s.Service("sales", w.seller, "sales:list")
	s.Scope(w.sales, "sales:read", models.ScopeRef{ResourceID: w.files.ID, Name: "files:get"})
	for _, id := range []string{w.joe.ID, w.eve.ID, w.assistant.ID, w.other.ID, w.seller.ID, w.filer.ID, w.keeper.ID} {
		s.Allow(id, w.sales, "sales:list", "sales:read")
		s.Allow(id, w.files, "files:get")
		s.Allow(id, w.warehouse, "warehouse:get")
	}
	return w
}

// consent is what a user ticked for an agent at sales.
func (w *household) consent(user *models.User, agent *harness.Client) *models.Consent {
	w.TB.Helper()
	both := []string{"sales:list", "sales:read"}
	c := &models.Consent{ClientID: agent.ID, SubjectID: user.ID, ResourceID: w.sales.ID, Scopes: both, ExpiresAt: w.Store.Now() + 86400}
	require.NoError(w.TB, w.Store.GiveConsent(context.Background(), models.By{SubjectID: user.ID}, c, both))
	return c
}

// token is a user's at sales, which rests on a consent.
func (w *household) token(c *models.Consent) string {
	w.TB.Helper()
	now := w.Store.Now()
	g := &models.Grant{Kind: "authorization_code", ClientID: c.ClientID, SubjectID: c.SubjectID, ExpiresAt: now + 86400}
	code, err := w.Store.NewCode(context.Background(), models.By{System: "test"}, g, map[string]string{w.sales.ID: c.ID},
		&models.Code{RedirectURI: harness.Redirect, Challenge: harness.Challenge(harness.Verifier), Scopes: map[string][]string{w.sales.ID: c.Scopes}})
	require.NoError(w.TB, err)
	as := w.assistant
	if c.ClientID == w.other.ID {
		as = w.other
	}
	a := w.Form("/oauth2/token", as, harness.CodeForm(code))
	require.Equal(w.TB, http.StatusOK, a.Status, a.Body)
	return a.String("access_token")
}

// heldTokens is one token of a user with the two exchanged from it.
type heldTokens struct{ first, child, grandchild string }

func (w *household) tokens(c *models.Consent) heldTokens {
	w.TB.Helper()
	first := w.token(c)
	child := w.Exchange(w.seller, first, w.files.Identifier, "files:get")
	return heldTokens{first, child, w.Exchange(w.filer, child, w.warehouse.Identifier, "warehouse:get")}
}

// active tells of each token whether it is, to the service it is for.
func (w *household) active(h heldTokens) []bool {
	w.TB.Helper()
	return []bool{w.Active(w.seller, h.first), w.Active(w.filer, h.child), w.Active(w.keeper, h.grandchild)}
}

func (w *household) signedIn(username string) *harness.Browser {
	w.TB.Helper()
	b := w.Browser()
	require.Equal(w.TB, http.StatusSeeOther, b.SignIn(username, harness.Password).Status)
	return b
}

var (
	all  = []bool{true, true, true}
	none = []bool{false, false, false}
)

func TestAgents_ShowWhatTheyMayAndDid(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		w := newHousehold(s)
		empty := w.signedIn("joe").Get("/account")
		require.Contains(t, empty.Body, "No agent acts for you")
		consent := w.consent(w.joe, w.assistant)
		w.tokens(consent)
		theirs := w.consent(w.eve, w.other)
		w.tokens(theirs)
		w.consent(w.eve, w.assistant)
		refused := w.Form("/oauth2/token", w.seller, harness.ExchangeForm(w.token(consent), w.files.Identifier, "files:unheard"))
		require.Equal(t, http.StatusBadRequest, refused.Status)
		b := w.signedIn("joe")
		list := b.Get("/account")
		require.Equal(t, http.StatusOK, list.Status, list.Body)
		require.Contains(t, list.Body, "/account/agents/"+w.assistant.ID)
		require.Contains(t, list.Body, "owner")
		require.Contains(t, list.Body, "2 permissions")
		require.NotContains(t, list.Body, ">never<")
		page := b.Get("/account/agents/" + w.assistant.ID)
		require.Equal(t, http.StatusOK, page.Status, page.Body)
		for _, want := range []string{consent.ID, "sales:list", "sales:read", "Got access to", "Let <strong><bdi>seller</bdi></strong> go on", "You allowed", "4 accesses"} {
			require.Contains(t, page.Body, want)
		}
		require.NotContains(t, page.Body, "files:unheard", "that was another agent's wish")
		for _, a := range []harness.Answer{empty, list, page, b.Get("/account/agents/" + w.assistant.ID + "/revoke")} {
			for _, foreign := range []string{w.eve.ID, theirs.ID, w.other.ID, "other-agent", *w.assistant.OwnerID, w.seller.ID} {
				require.NotContains(t, a.Body, foreign)
			}
		}
		for _, path := range []string{
			"/account/agents/" + w.other.ID, "/account/agents/" + w.other.ID + "/revoke", "/account/agents/agt_none", "/account/agents/x",
			"/account/consents/" + theirs.ID + "/revoke", "/account/consents/cns_none/revoke", "/account/consents/" + consent.ID + "/revoke?scope=sales:none",
		} {
			a := b.Get(path)
			require.Equal(t, http.StatusNotFound, a.Status, path)
			require.NotContains(t, a.Body, "other-agent")
		}
		w.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, w.assistant.ID)
			return err
		})
		require.Contains(t, b.Get("/account").Body, "Suspended")
	})
}

// What an administrator agreed to, or ended, in a person's place is told to that person
// alone, with the name of who did it.
func TestAgents_ShowWhatWasDoneInTheirPlace(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		w, admin := newHousehold(s), s.User("olivia")
		given := &models.Consent{ClientID: w.assistant.ID, SubjectID: w.joe.ID, ResourceID: w.sales.ID, Scopes: []string{"sales:list"}, ExpiresAt: s.Store.Now() + 86400}
		require.NoError(t, s.Store.Preapprove(context.Background(), models.By{SubjectID: admin.ID}, given))
		theirs := *given
		theirs.SubjectID = w.eve.ID
		require.NoError(t, s.Store.Preapprove(context.Background(), models.By{System: "command line"}, &theirs))
		require.NoError(t, s.Store.RevokeConsent(context.Background(), models.By{ClientID: w.other.ID}, given.ID, ""))

		joe := w.signedIn("joe").Get("/account/agents/" + w.assistant.ID).Body
		require.Contains(t, joe, "<strong><bdi>olivia</bdi></strong>, who administers here, allowed <strong><bdi>assistant</bdi></strong> in your place")
		require.Contains(t, joe, "<strong><bdi>other-agent</bdi></strong>, who administers here, took back")
		require.NotContains(t, joe, "You allowed")
		require.NotContains(t, joe, "You took back")
		eve := w.signedIn("eve").Get("/account/agents/" + w.assistant.ID).Body
		require.NotContains(t, eve, "olivia")
		require.NotContains(t, eve, "took back")
		require.Contains(t, eve, "in your place")
	})
}

func TestAgents_OlderDeedsArePaged(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		w := newHousehold(s)
		consent := w.consent(w.joe, w.assistant)
		for range 25 {
			w.token(consent)
		}
		b := w.signedIn("joe")
		first := b.Get("/account/agents/" + w.assistant.ID)
		require.Equal(t, 20, strings.Count(first.Body, "Got access to"))
		_, rest, _ := strings.Cut(first.Body, w.assistant.ID+"?before=")
		seq, _, found := strings.Cut(rest, `"`)
		require.True(t, found)
		second := b.Get("/account/agents/" + w.assistant.ID + "?before=" + seq)
		require.Equal(t, 5, strings.Count(second.Body, "Got access to"))
		require.Contains(t, second.Body, "You allowed")
		require.NotContains(t, second.Body, "Show older")
		require.Equal(t, http.StatusOK, b.Get("/account/agents/"+w.assistant.ID+"?before=-7x").Status)
	})
}

// With a scope goes what followed from it, and nothing else.
func TestAgents_OneScopeTakenBack(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		w := newHousehold(s)
		consent, others := w.consent(w.joe, w.assistant), w.consent(w.eve, w.assistant)
		held, theirs := w.tokens(consent), w.tokens(others)
		require.Equal(t, all, w.active(held))
		b, at := w.signedIn("joe"), "/account/consents/"+consent.ID+"/revoke"
		ask := b.Get(at + "?scope=sales:read")
		require.Equal(t, http.StatusOK, ask.Status)
		require.Contains(t, ask.Body, `name="scope" value="sales:read"`)
		require.Contains(t, ask.Body, "3 accesses that are open now lose it")
		require.Equal(t, all, w.active(held), "asking changes nothing")
		require.Equal(t, http.StatusNotFound, w.signedIn("eve").Post(at, url.Values{"scope": {"sales:read"}}).Status, "it is not hers")
		require.Equal(t, all, w.active(held))
		done := b.Post(at, url.Values{"scope": {"sales:read"}})
		require.Equal(t, http.StatusOK, done.Status, done.Body)
		require.Contains(t, done.Body, "is taken back")
		require.Contains(t, done.Body, "You took back")
		require.Equal(t, []bool{true, false, false}, w.active(held))
		require.Equal(t, all, w.active(theirs))
		entry := w.Last(models.ActionRevokeConsent)
		require.Equal(t, w.joe.ID, entry.SubjectID)
		require.Contains(t, entry.Detail, `"session":"ses_`)

		told := w.Form("/oauth2/introspect", w.seller, url.Values{"token": {held.first}})
		require.Equal(t, "sales:list", told.String("scope"))
		again := w.Form("/oauth2/token", w.seller, harness.ExchangeForm(held.first, w.files.Identifier, "files:get"))
		require.Equal(t, http.StatusBadRequest, again.Status)
		require.Equal(t, http.StatusNotFound, b.Post(at, url.Values{"scope": {"sales:read"}}).Status, "it is gone")
		last := b.Post(at, url.Values{"scope": {"sales:list"}})
		require.Equal(t, http.StatusOK, last.Status)
		require.Equal(t, none, w.active(held))
	})
}

func TestAgents_AllTakenBack(t *testing.T) {
	for _, way := range []string{"consent", "agent"} {
		t.Run(way, func(t *testing.T) {
			eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
				w := newHousehold(s)
				consent := w.consent(w.joe, w.assistant)
				held := w.tokens(consent)
				theirs, another := w.tokens(w.consent(w.eve, w.assistant)), w.tokens(w.consent(w.joe, w.other))
				at := "/account/consents/" + consent.ID + "/revoke"
				if way == "agent" {
					at = "/account/agents/" + w.assistant.ID + "/revoke"
				}
				b := w.signedIn("joe")
				require.Contains(t, b.Get(at).Body, "3 accesses that are open now end at once")
				require.Equal(t, http.StatusNotFound, b.Post("/account/agents/"+w.seller.ID+"/revoke", nil).Status)
				done := b.Post(at, nil)
				require.Equal(t, http.StatusOK, done.Status, done.Body)
				require.Equal(t, none, w.active(held))
				require.Equal(t, all, w.active(theirs))
				require.Equal(t, all, w.active(another))
				require.NotContains(t, b.Get("/account").Body, ">assistant<")
				require.Contains(t, b.Get("/account").Body, "other-agent")
				require.Contains(t, b.Get("/account/agents/"+w.assistant.ID).Body, "You took back", "what was, stays to be seen")
				if way == "agent" {
					require.Equal(t, http.StatusNotFound, b.Get(at).Status)
					require.Equal(t, http.StatusOK, b.Post(at, nil).Status, "twice is no error")
					grants, _, err := s.Store.Grants(context.Background(), w.assistant.ID, w.joe.ID, models.Page{})
					require.NoError(t, err)
					require.True(t, !slices.ContainsFunc(grants, func(g models.Grant) bool { return g.RevokedAt == 0 }) && len(grants) == 1)
				}
			})
		})
	}
}

// Nobody else takes it back: no other site, no one who has not signed in.
func TestAgents_NobodyElseTakesBack(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		w := newHousehold(s)
		consent := w.consent(w.joe, w.assistant)
		held := w.tokens(consent)
		b := w.signedIn("joe")
		for _, path := range []string{"/account/consents/" + consent.ID + "/revoke", "/account/agents/" + w.assistant.ID + "/revoke"} {
			for _, header := range []http.Header{
				{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {""}, "Origin": {"null"}},
			} {
				b.Header = header
				require.Equal(t, http.StatusForbidden, b.Post(path, nil).Status, path)
			}
			b.Header = nil
			require.Equal(t, http.StatusSeeOther, w.Browser().Post(path, nil).Status)
			require.Equal(t, http.StatusSeeOther, w.Browser().Get(path).Status)
		}
		require.Equal(t, all, w.active(held))
	})
}
