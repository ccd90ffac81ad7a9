package tests

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server"
	adminapi "github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/tests/harness"
)

// eachAccounts runs fn on a server for each database.
func eachAccounts(t *testing.T, o harness.Options, fn func(t *testing.T, s *harness.Server)) {
	t.Parallel()
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			fn(t, harness.New(t, dialect, o))
		})
	}
}

const signInPage = `<form method="post" action="/login" `

func TestAccounts_SignInAndOut(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		b := s.Browser()
		page := b.Get("/login")
		require.Equal(t, http.StatusOK, page.Status)
		require.Contains(t, page.Body, signInPage)
		require.Empty(t, page.Header.Values("Set-Cookie"), "nobody has signed in, so there is nothing to keep")
		require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
		require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		require.False(t, b.SignedIn())

		in := b.SignIn("Alice", harness.Password)
		require.Equal(t, http.StatusSeeOther, in.Status, in.Body)
		require.Equal(t, "/account", in.Header.Get("Location"))
		require.True(t, b.SignedIn())
		entry := s.LastEntry()
		require.Equal(t, []string{"signIn", alice.ID, models.OutcomeDone}, []string{entry.Action, entry.SubjectID, entry.Outcome})

		secret := b.Cookie("deputy_session")
		require.True(t, strings.HasPrefix(secret, models.SessionPrefix))
		out := b.Post("/logout", nil)
		require.Equal(t, http.StatusOK, out.Status)
		require.False(t, b.SignedIn())
		b.Keep("deputy_session", secret)
		require.False(t, b.SignedIn(), "the session is over, not only its cookie")
	})
}

func TestAccounts_Cookies(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Person("alice")
		master := s.Master()
		persons, err := people.New(people.Config{Issuer: "https://deputy.example/auth", Store: s.Store, Master: master, Failures: s.Endpoint, Limits: s.Limits.Config, Now: s.Clock.Now})
		require.NoError(t, err)
		secure, err := server.New(server.Config{
			Issuer: "https://deputy.example/auth", Store: s.Store, Endpoint: s.Endpoint, People: persons, Word: s.Word, Keys: s.Keys, Log: harness.Silent(),
			Policy: func() adminapi.PolicyStatus { return adminapi.PolicyStatus(s.Engine.Status()) },
		})
		require.NoError(t, err)
		form := url.Values{"username": {"alice"}, "password": {harness.Password}}.Encode()
		for _, c := range []struct {
			name, path, prefix string
			handler            http.Handler
			secure             bool
		}{
			{"https", "https://deputy.example/auth", "__Host-", secure.Handler(), true},
			{"loopback", s.URL, "", s.Handler, false},
		} {
			req := httptest.NewRequest(http.MethodPost, c.path+"/login", strings.NewReader(form))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, req)
			require.Equal(t, http.StatusSeeOther, w.Code, w.Body)
			found := map[string]*http.Cookie{}
			for _, cookie := range w.Result().Cookies() {
				found[cookie.Name] = cookie
				require.Equal(t, c.secure, cookie.Secure, c.name)
				require.True(t, cookie.HttpOnly)
				require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
				require.Equal(t, "/", cookie.Path)
				require.Empty(t, cookie.Domain)
			}
			require.Len(t, found, 2)
			require.Zero(t, found[c.prefix+"deputy_session"].MaxAge, "it ends with the browser")
			require.Equal(t, int(people.DeviceLife/time.Second), found[c.prefix+"deputy_device"].MaxAge)
		}
	})
}

// Whatever is wrong, the page is the same, and holds what was typed but the password.
func TestAccounts_WrongIsWrong(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Person("alice")
		suspended := s.Person("sleepy")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, suspended.ID)
			return err
		})
		s.User("keyless")
		pages := map[string]bool{}
		for _, username := range []string{"alice", "nobody", "sleepy", "keyless", `"><script>`} {
			password := harness.Password
			if username == "alice" {
				password = "another password"
			}
			b := s.Browser()
			a := b.SignIn(username, password)
			require.Equal(t, http.StatusUnauthorized, a.Status)
			require.Empty(t, a.Header.Values("Set-Cookie"))
			require.NotContains(t, a.Body, password)
			require.NotContains(t, a.Body, "<script>")
			require.Contains(t, a.Body, `id="password-wrong"`)
			if username[0] != '"' {
				require.Contains(t, a.Body, `value="`+username+`"`)
				pages[strings.ReplaceAll(a.Body, username, "NAME")] = true
			}
			require.False(t, b.SignedIn())
			entry := s.LastEntry()
			require.Equal(t, []string{"login", models.KindFailure}, []string{entry.Action, entry.Kind})
			require.NotContains(t, entry.Detail, password)
			require.NotContains(t, entry.Detail, "nobody")
			require.NotContains(t, entry.Detail, "script")
		}
		require.Len(t, pages, 1)
	})
}

// A session somebody planted in the browser is not the one that is signed in to.
func TestAccounts_SessionFixation(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Person("mallory")
		s.Person("alice")
		mallory, alice := s.Browser(), s.Browser()
		require.Equal(t, http.StatusSeeOther, mallory.SignIn("mallory", harness.Password).Status)
		planted := mallory.Cookie("deputy_session")
		alice.Keep("deputy_session", planted)
		require.Equal(t, http.StatusSeeOther, alice.SignIn("alice", harness.Password).Status)
		require.NotEqual(t, planted, alice.Cookie("deputy_session"))
		require.Contains(t, alice.Get("/account/security").Body, "alice")
		require.False(t, mallory.SignedIn(), "what was planted is over")

		first := alice.Cookie("deputy_session")
		require.Equal(t, http.StatusSeeOther, alice.SignIn("alice", harness.Password).Status)
		require.NotEqual(t, first, alice.Cookie("deputy_session"), "each sign-in has a secret of its own")
		for _, invented := range []string{"x", "dpt_ses_" + strings.Repeat("0", 69), strings.Repeat("a", 4000)} {
			b := s.Browser()
			b.Keep("deputy_session", invented)
			require.False(t, b.SignedIn())
		}
	})
}

// No form can be sent from elsewhere.
// crossSite are all forms there are, which take nothing that other sites send.
var crossSite = []string{
	"/login", "/login/otp", "/login/passkey", "/login/passkey/finish", "/logout", "/setup/x", "/recover/x", "/invite/x", "/consent",
	"/account/agents/x/revoke", "/account/consents/x/revoke", "/account/password", "/account/totp", "/account/totp/confirm", "/account/totp/remove",
	"/account/agents/x/offer", "/account/transfers/x/accept", "/account/transfers/x/decline", "/account/transfers/x/withdraw",
	"/account/sessions/end", "/account/sessions/x/end", "/account/passkeys/begin", "/account/passkeys/finish", "/account/passkeys/x/remove",
	"/approvals/x", "/device", "/login/upstream/x", "/account/identities/link/x", "/account/identities/x/remove",
	"/account/word", "/account/word/test", "/account/word/code", "/account/word/code/remove", "/account/word/push", "/account/word/push/x/remove",
}

func TestAccounts_CrossSite(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		s.Person("alice")
		b := s.Browser()
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://sub.localhost"}},
			{"Sec-Fetch-Site": {""}, "Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {""}, "Origin": {"null"}},
		} {
			b.Header = header
			for _, path := range crossSite {
				a := b.Post(path, url.Values{"username": {"alice"}, "password": {harness.Password}})
				require.Equal(t, http.StatusForbidden, a.Status, path)
				require.Empty(t, a.Header.Values("Set-Cookie"), path)
			}
		}
		b.Header = nil
		require.True(t, b.SignedIn())
	})
}

// What goes on after signing in is never an address from outside.
func TestAccounts_OpenRedirect(t *testing.T) {
	eachAccounts(t, harness.Options{Path: "/auth"}, func(t *testing.T, s *harness.Server) {
		s.Person("alice")
		for _, back := range []string{
			"https://evil.example", "//evil.example", `/\evil.example`, "/%2f%2fevil.example", "javascript:alert(1)", "atz_", "atz_../../evil", "/account", "atz_" + strings.Repeat("a", 26) + "/..", "\r\nLocation: https://evil.example",
		} {
			b := s.Browser()
			require.NotContains(t, b.Get("/login?return="+url.QueryEscape(back)).Body, `name="return"`)
			a := b.Post("/login", url.Values{"username": {"alice"}, "password": {harness.Password}, "return": {back}})
			require.Equal(t, http.StatusSeeOther, a.Status)
			require.Equal(t, "/auth/login/check", a.Header.Get("Location"), back)
			require.Equal(t, "/auth/account", b.Checked(a).Header.Get("Location"), back)
			require.Equal(t, "/auth/account", b.Get("/login/check?return="+url.QueryEscape(back)).Header.Get("Location"), back)
		}
	})
}

// An attacker's thousand failures from elsewhere keep the owner out for a minute
// at most, and not at all where they signed in before.
func TestAccounts_NobodyIsLockedOut(t *testing.T) {
	defaults := limits.Defaults()
	o := harness.Options{Limits: &defaults, TrustedProxies: []string{"127.0.0.1"}}
	eachAccounts(t, o, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		s.Person("alice")
		home := s.Browser()
		home.IP = "203.0.113.1"
		require.Equal(t, http.StatusSeeOther, home.SignIn("alice", harness.Password).Status)
		attacker, limited := s.Browser(), 0
		for i := range 1000 {
			attacker.IP = "198.51." + string(rune('0'+i%10)) + "." + string(rune('0'+i/10%10))
			a := attacker.SignIn("alice", "guess")
			if a.Status == http.StatusTooManyRequests {
				limited++
				require.NotEmpty(t, a.Header.Get("Retry-After"))
			}
		}
		require.Greater(t, limited, 990)
		require.True(t, home.SignedIn())
		require.Equal(t, http.StatusSeeOther, home.SignIn("alice", harness.Password).Status, "her own browser")
		cafe := s.Browser()
		cafe.IP = "203.0.113.99"
		require.Equal(t, http.StatusTooManyRequests, cafe.SignIn("alice", harness.Password).Status)
		s.Clock.Advance(time.Minute)
		require.Equal(t, http.StatusSeeOther, cafe.SignIn("alice", harness.Password).Status)

		rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{Kind: models.KindFailure}, -1, 200)
		require.NoError(t, err)
		require.Less(t, len(rows), 150, "failures are counted, not each written")
	})
}

func TestAccounts_SuspendedIsOutAtOnce(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		b := s.Browser()
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		require.True(t, b.SignedIn())
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, alice.ID)
			return err
		})
		require.False(t, b.SignedIn())
		require.Equal(t, http.StatusSeeOther, b.Post("/account/sessions/end", nil).Status)
		require.Equal(t, http.StatusUnauthorized, b.SignIn("alice", harness.Password).Status)
	})
}

func (w accountsLinks) make(purpose string, user *models.User) string {
	w.t.Helper()
	l := &models.Link{Purpose: purpose, ExpiresAt: w.s.Store.Now() + 600}
	if user != nil {
		l.UserID = &user.ID
	}
	token, err := w.s.Store.CreateLink(context.Background(), models.By{System: "test"}, l)
	require.NoError(w.t, err)
	return token
}

type accountsLinks struct {
	t *testing.T
	s *harness.Server
}

func TestAccounts_Recovery(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		links := accountsLinks{t, s}
		elsewhere := s.Browser()
		require.Equal(t, http.StatusSeeOther, elsewhere.SignIn("alice", harness.Password).Status)
		token := links.make(models.LinkRecover, alice)
		at := "/recover/" + token
		require.Contains(t, s.Browser().Get(at).Body, "alice")
		for _, bad := range []url.Values{
			{"password": {"short"}, "again": {"short"}}, {"password": {"password1"}, "again": {"password1"}},
			{"password": {"quiet marble river"}, "again": {"quiet marble"}}, {},
		} {
			a := s.Browser().Post(at, bad)
			require.Equal(t, http.StatusUnprocessableEntity, a.Status)
			require.NotContains(t, a.Body, "quiet marble")
			require.Contains(t, a.Body, `-wrong"`)
		}
		require.True(t, elsewhere.SignedIn(), "the link was not used yet")

		var won atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			b := s.Browser()
			all.Go(func() {
				a := b.Post(at, url.Values{"password": {"quiet marble river"}, "again": {"quiet marble river"}})
				if a.Status == http.StatusSeeOther && b.SignedIn() {
					won.Add(1)
				} else if a.Status != http.StatusNotFound && a.Status != http.StatusTooManyRequests {
					t.Errorf("status %d: %s", a.Status, a.Body)
				}
			})
		}
		all.Wait()
		require.Equal(t, int64(1), won.Load())
		require.Equal(t, http.StatusNotFound, s.Browser().Get(at).Status)
		require.False(t, elsewhere.SignedIn())
		require.Equal(t, http.StatusUnauthorized, s.Browser().SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, s.Browser().SignIn("alice", "quiet marble river").Status)

		late := links.make(models.LinkInvite, s.User("late"))
		s.Clock.Advance(10 * time.Minute)
		require.Equal(t, http.StatusNotFound, s.Browser().Get("/invite/"+late).Status)
	})
}

func TestAccounts_SetUp(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("vault", agent, "read")
		s.Allow(agent.ID, service, "read")
		require.NotEmpty(t, s.Own(agent, service.Identifier, "read"), "tokens do not wait for people")
		b := s.Browser()
		require.Contains(t, b.Get("/login").Body, "Nobody administers this server yet")
		links := accountsLinks{t, s}
		token, other := links.make(models.LinkSetup, nil), links.make(models.LinkSetup, nil)
		at := "/setup/" + token
		require.Contains(t, b.Get(at).Body, `action="`+at+`"`)
		form := url.Values{"name": {"Ada"}, "username": {"Ada Lovelace"}, "email": {"ada@example.com"}, "password": {"quiet marble river"}, "again": {"quiet marble river"}}
		a := b.Post(at, form)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.Contains(t, a.Body, "A username may hold letters")
		require.Contains(t, a.Body, "Ada Lovelace")
		require.NotContains(t, a.Body, "quiet marble")
		form.Set("username", "owner")
		require.Contains(t, b.Post(at, form).Body, "Somebody else has this username")
		form.Set("username", "ada")
		require.Equal(t, http.StatusSeeOther, b.Post(at, form).Status)
		require.True(t, b.SignedIn())
		for _, dead := range []string{at, "/setup/" + other, "/setup/x", "/recover/" + other} {
			require.Equal(t, http.StatusNotFound, s.Browser().Post(dead, form).Status, dead)
		}
		require.NotContains(t, s.Browser().Get("/login").Body, "Nobody administers this server yet")
		ada, err := s.Store.UserNamed(context.Background(), "ada")
		require.NoError(t, err)
		roles, _, err := s.Store.Assignments(context.Background(), models.AdminRoleID, ada.ID, models.Page{})
		require.NoError(t, err)
		require.Len(t, roles, 1)
	})
}

var secretOnPage = regexp.MustCompile(`<code class="secret">([A-Z2-7 ]+)</code>`)

func TestAccounts_SecondFactor(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		s.Person("alice")
		b := s.Browser()
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		page := b.Post("/account/totp", nil)
		require.Equal(t, http.StatusOK, page.Status, page.Body)
		require.Contains(t, page.Body, "otpauth://totp/")
		secret := strings.ReplaceAll(secretOnPage.FindStringSubmatch(page.Body)[1], " ", "")
		code := func() url.Values {
			made, err := totp.GenerateCode(secret, s.Clock.Now())
			require.NoError(t, err)
			return url.Values{"code": {made[:3] + " " + made[3:]}}
		}
		wrong := b.Post("/account/totp/confirm", url.Values{"code": {"000000x"}})
		require.Equal(t, http.StatusUnauthorized, wrong.Status)
		require.Equal(t, secret, strings.ReplaceAll(secretOnPage.FindStringSubmatch(wrong.Body)[1], " ", ""), "the app has it already")
		require.Equal(t, http.StatusSeeOther, s.Browser().SignIn("alice", harness.Password).Status, "it is not asked for before it works")
		require.Equal(t, http.StatusOK, b.Post("/account/totp/confirm", code()).Status)

		next := s.Browser()
		require.Equal(t, "/login", next.Get("/login/otp").Header.Get("Location"))
		half := next.SignIn("alice", harness.Password)
		require.Equal(t, "/login/otp", half.Header.Get("Location"))
		require.False(t, next.SignedIn(), "half is nothing")
		require.Empty(t, next.Cookie("deputy_session"))
		require.Equal(t, http.StatusUnauthorized, next.Post("/login/otp", code()).Status, "the code that confirmed it is used")
		s.Clock.Advance(30 * time.Second)
		used := code()
		pending := next.Cookie("deputy_signin")
		require.Equal(t, http.StatusSeeOther, next.Post("/login/otp", used).Status)
		require.True(t, next.SignedIn())
		require.Empty(t, next.Cookie("deputy_signin"))
		require.Contains(t, s.LastEntry().Detail, `"acr":"2","amr":["pwd","otp","mfa"]`)

		replay := s.Browser()
		replay.Keep("deputy_signin", pending)
		s.Clock.Advance(30 * time.Second)
		require.Equal(t, http.StatusNotFound, replay.Post("/login/otp", code()).Status, "the step was completed")
		require.Equal(t, "/login/otp", replay.SignIn("alice", harness.Password).Header.Get("Location"))
		require.Equal(t, http.StatusUnauthorized, replay.Post("/login/otp", used).Status, "each code once")
		s.Clock.Advance(people.SecondStep)
		require.Equal(t, http.StatusNotFound, replay.Post("/login/otp", code()).Status, "five minutes are over")

		require.Equal(t, http.StatusUnprocessableEntity, b.Post("/account/totp/remove", nil).Status, "b signed in with a password alone")
		require.Equal(t, http.StatusOK, next.Post("/account/totp/remove", nil).Status)
		require.Equal(t, "/account", s.Browser().SignIn("alice", harness.Password).Header.Get("Location"))
	})
}

func TestAccounts_ChangePasswordAndSessions(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Person("alice")
		s.Person("bob")
		here, there, bobs := s.Browser(), s.Browser(), s.Browser()
		for _, b := range []*harness.Browser{here, there} {
			require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		}
		require.Equal(t, http.StatusSeeOther, bobs.SignIn("bob", harness.Password).Status)
		form := url.Values{"current": {"not it, sorry"}, "password": {"quiet marble river"}, "again": {"quiet marble river"}}
		wrong := here.Post("/account/password", form)
		require.Equal(t, http.StatusUnauthorized, wrong.Status)
		require.Contains(t, wrong.Body, `id="current-wrong"`)
		form.Set("current", harness.Password)
		require.Equal(t, http.StatusOK, here.Post("/account/password", form).Status)
		require.True(t, here.SignedIn())
		require.False(t, there.SignedIn())

		require.Equal(t, http.StatusSeeOther, there.SignIn("alice", "quiet marble river").Status)
		list := here.Get("/account/sessions").Body
		require.Contains(t, list, "Firefox, Linux")
		found := regexp.MustCompile(`/account/sessions/(ses_[0-9a-z]+)/end`).FindAllStringSubmatch(list, -1)
		require.Len(t, found, 1, "all but this one")
		require.Equal(t, http.StatusSeeOther, bobs.Post(found[0][0], nil).Status)
		require.True(t, there.SignedIn(), "bob ends nobody else's")
		require.Equal(t, http.StatusSeeOther, here.Post(found[0][0], nil).Status)
		require.False(t, there.SignedIn())
		require.Equal(t, http.StatusSeeOther, there.SignIn("alice", "quiet marble river").Status)
		require.Equal(t, http.StatusSeeOther, here.Post("/account/sessions/end", nil).Status)
		require.False(t, there.SignedIn())
		require.True(t, here.SignedIn())
		require.True(t, bobs.SignedIn())
	})
}
