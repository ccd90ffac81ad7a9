package pages_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/word"
)

const password = "plum lantern orbit"

// shown is the last page that was asked for, in place of HTML.
type shown struct {
	status int
	name   string
	view   any
	locale string
}

func (s *shown) Page(c *gin.Context, status int, name string, view any) {
	*s = shown{status, name, view, c.GetString("ui_locales")}
	c.Status(status)
}

type unrecorded struct{}

func (unrecorded) NoteFailure(context.Context, grants.Call, grants.Failure) error { return nil }

// site serves the pages for one person, alice.
type site struct {
	t      *testing.T
	shown  shown
	asks   approvals
	engine *gin.Engine
	cookie *http.Cookie
}

func newSite(t *testing.T, store *models.Store) *site {
	t.Helper()
	master, err := tokens.NewMasterKey(tokens.GenerateMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	unlimited := limits.Defaults()
	unlimited.FailureBurst = 0
	persons, err := people.New(people.Config{Issuer: "https://auth.example", Store: store, Master: master, Failures: unrecorded{}, Limits: unlimited, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	s := &site{t: t, engine: gin.New()}
	err = pages.Register(&s.engine.RouterGroup, pages.Config{
		Issuer: "https://auth.example", People: persons, Store: store, Approvals: &s.asks, Word: word.New(word.Config{Store: store}), Render: &s.shown, Gate: limits.NewGate(4), Held: func(*gin.Context) {},
		Call: func(*gin.Context) grants.Call { return grants.Call{} }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) do(method, target string, form url.Values) *http.Response {
	s.t.Helper()
	req := httptest.NewRequest(method, "https://auth.example"+target, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s.cookie != nil {
		req.AddCookie(s.cookie)
	}
	w := httptest.NewRecorder()
	s.engine.ServeHTTP(w, req)
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-deputy_session" {
			s.cookie = c
		}
	}
	return w.Result()
}

func alice(t *testing.T, store *models.Store) {
	t.Helper()
	ctx, by := context.Background(), models.By{System: "test"}
	user := &models.User{Username: "alice"}
	hash, err := people.HashPassword(password)
	if err == nil {
		err = store.CreateUser(ctx, by, user)
	}
	if err == nil {
		err = store.SetPassword(ctx, by, user.ID, hash, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reporting is a client that asks for a user: the id of its visit.
func reporting(t *testing.T, store *models.Store, request models.VisitRequest, why ...string) (id string, party pages.Party) {
	t.Helper()
	ctx := context.Background()
	client := &models.Client{Kind: models.KindApplication, Name: "reporting", GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{"https://reports.example/cb"}}
	known, _, err := store.Clients(ctx, models.ClientFilter{Name: "reporting"}, models.Page{})
	require.NoError(t, err)
	if len(known) > 0 {
		client = &known[0]
	} else {
		require.NoError(t, store.CreateClient(ctx, models.By{System: "test"}, client))
	}
	v := &models.Visit{ClientID: client.ID, Request: request, ReturnTo: "https://reports.example/cb"}
	require.NoError(t, store.BeginVisit(ctx, v))
	require.NoError(t, store.AskVisit(ctx, v, "", why))
	return v.ID, pages.Party{ID: client.ID, Name: "reporting"}
}

// What waits for a sign-in says who asks, why, and for whom.
func TestSignInSaysWhatWaits(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		for name, c := range map[string]struct {
			why      []string
			hint     string
			prompt   []string
			signedIn bool
			want     pages.SignIn
		}{
			"nobody":              {why: []string{"nobody"}},
			"hint":                {why: []string{"nobody"}, hint: " bob ", want: pages.SignIn{Username: "bob"}},
			"hint that is none":   {why: []string{"nobody"}, hint: "a\nb"},
			"endless hint":        {why: []string{"nobody"}, hint: strings.Repeat("a", 300)},
			"too long ago":        {why: []string{"max_age"}, signedIn: true, want: pages.SignIn{Again: true, Username: "alice"}},
			"gone meanwhile":      {why: []string{"max_age"}},
			"hint over session":   {why: []string{"max_age"}, hint: "bob", signedIn: true, want: pages.SignIn{Again: true, Username: "bob"}},
			"anew":                {why: []string{"prompt"}, prompt: []string{"login"}, signedIn: true, want: pages.SignIn{Again: true, Username: "alice"}},
			"somebody else":       {why: []string{"prompt"}, prompt: []string{"select_account"}, signedIn: true, want: pages.SignIn{Again: true}},
			"another is meant":    {why: []string{"subject"}, signedIn: true, want: pages.SignIn{Again: true}},
			"bob is meant":        {why: []string{"subject"}, hint: "bob", signedIn: true, want: pages.SignIn{Again: true, Username: "bob"}},
			"step up":             {why: []string{"acr"}, signedIn: true, want: pages.SignIn{Again: true, Strong: true, Username: "alice"}},
			"strong, with nobody": {why: []string{"acr", "nobody"}, want: pages.SignIn{Strong: true}},
		} {
			t.Run(name, func(t *testing.T) {
				atz, asks := reporting(t, store, models.VisitRequest{LoginHint: c.hint, Prompt: c.prompt, UILocales: []string{"de", "en"}}, c.why...)
				s := newSite(t, store)
				if c.signedIn {
					s.do(http.MethodPost, "/login", url.Values{"username": {"alice"}, "password": {password}})
				}
				s.do(http.MethodGet, "/login?return="+atz, nil)
				c.want.Return, c.want.Passkeys, c.want.Waiting = atz, true, &pages.Waiting{Agent: asks}
				c.want.Notice = &pages.Notice{Code: "setup_needed"}
				require.Equal(t, shown{http.StatusOK, "signin", c.want, "de en"}, s.shown)
				s.do(http.MethodPost, "/login", url.Values{"username": {"carol"}, "password": {"wrong"}, "return": {atz}})
				view, ok := s.shown.view.(pages.SignIn)
				if !ok || s.shown.status != http.StatusUnauthorized || view.Username != "carol" || view.Return != atz || view.Waiting == nil || view.Strong != c.want.Strong {
					t.Errorf("after a wrong password: %+v", s.shown)
				}
				before := s.cookie
				if c.signedIn && before == nil {
					t.Fatal("there is no session")
				}
				answer := s.do(http.MethodPost, "/login", url.Values{"username": {"alice"}, "password": {password}, "return": {atz}})
				onward := "/oauth2/authorize/" + atz
				if !c.signedIn { // whether it keeps cookies is looked at first
					onward = "/login/check?return=" + atz
				}
				if at := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || at != onward {
					t.Errorf("%d, on to %q", answer.StatusCode, at)
				}
				if before != nil && before.Value == s.cookie.Value {
					t.Error("the session is the old one")
				}
			})
		}
	})
}

// A request that waits no longer is said to, before anybody signs in for it.
func TestSignInForNothing(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSite(t, store)
		atz, _ := reporting(t, store, models.VisitRequest{}, "nobody")
		require.NoError(t, store.CloseVisit(context.Background(), atz))
		for _, id := range []string{atz, "atz_01jd9g7t4k01jd9g7t4k01jd9g"} {
			s.do(http.MethodGet, "/login?return="+id, nil)
			require.Equal(t, shown{http.StatusNotFound, "error", pages.Failure{Code: "expired", Back: "/account"}, ""}, s.shown)
		}
	})
}

// An account page that wants a fresh sign-in is come back to, and the session
// goes on until then.
func TestSignInLeadsBackToTheAccount(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		for place, path := range map[string]string{"security": "/account/security", "passkeys": "/account/passkeys"} {
			s := newSite(t, store)
			in := url.Values{"username": {"alice"}, "password": {password}}
			s.do(http.MethodPost, "/login", in)
			s.do(http.MethodGet, "/login?return="+place, nil)
			if view := s.shown.view.(pages.SignIn); view.Return != place || !view.Again || view.Username != "alice" {
				t.Errorf("%s: %+v", place, view)
			}
			s.do(http.MethodGet, path, nil)
			if s.shown.name != place {
				t.Errorf("the session is over: %+v", s.shown)
			}
			in.Set("return", place)
			if at := s.do(http.MethodPost, "/login", in).Header.Get("Location"); at != path {
				t.Errorf("%s leads to %q", place, at)
			}
		}
	})
}
