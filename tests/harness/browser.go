package harness

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/people"
)

// Password is that of everybody Person makes.
const Password = "plum lantern orbit"

// Person makes a user who can sign in with Password.
func (s *Server) Person(username string) *models.User {
	s.TB.Helper()
	u := s.User(username)
	s.HasPassword(u)
	return u
}

// hashed is Password as it is stored: made once, for it is made to be slow.
var hashed = sync.OnceValues(func() (string, error) { return people.HashPassword(Password) })

// HasPassword lets a user sign in with Password.
func (s *Server) HasPassword(u *models.User) {
	s.TB.Helper()
	hash, err := hashed()
	require.NoError(s.TB, err)
	require.NoError(s.TB, s.Store.SetPassword(context.Background(), by, u.ID, hash, ""))
}

// Browser is what a person sits at: it keeps cookies, says where forms come from,
// and follows no redirects, so that tests see them.
type Browser struct {
	*Server
	IP     string      // if set, where a trusted proxy says that it is
	Header http.Header // of every request, over what a browser sends
	client *http.Client
}

// Browser opens one without cookies.
func (s *Server) Browser() *Browser {
	s.TB.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.TB, err)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Browser{Server: s, Header: http.Header{}, client: &http.Client{Jar: jar, CheckRedirect: stay}}
}

// Forgetful opens one that refuses cookies.
func (s *Server) Forgetful() *Browser {
	s.TB.Helper()
	b := s.Browser()
	b.client.Jar = nil
	return b
}

// Get opens a page.
func (b *Browser) Get(path string) Answer {
	b.TB.Helper()
	return b.do(http.MethodGet, path, "", "")
}

// Post sends a form of a page of this server.
func (b *Browser) Post(path string, form url.Values) Answer {
	b.TB.Helper()
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

// PostJSON sends JSON as a script of this server does.
func (b *Browser) PostJSON(path, body string) Answer {
	b.TB.Helper()
	return b.do(http.MethodPost, path, "application/json", body)
}

func (b *Browser) do(method, path, kind, body string) Answer {
	b.TB.Helper()
	req, err := http.NewRequest(method, b.URL+path, strings.NewReader(body))
	require.NoError(b.TB, err)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Origin", b.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if b.IP != "" {
		req.Header.Set("X-Forwarded-For", b.IP)
	}
	for name, values := range b.Header {
		req.Header[name] = values
	}
	resp, err := b.client.Do(req)
	require.NoError(b.TB, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.TB, err)
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
}

// SignIn sends the form to sign in, and goes on to where that leads.
func (b *Browser) SignIn(username, password string) Answer {
	b.TB.Helper()
	return b.Checked(b.Post("/login", url.Values{"username": {username}, "password": {password}}))
}

// Checked goes through where a browser that had no cookie shows that it keeps them.
func (b *Browser) Checked(a Answer) Answer {
	b.TB.Helper()
	path := strings.TrimPrefix(b.URL, b.Host)
	if to := strings.TrimPrefix(a.Header.Get("Location"), path); strings.HasPrefix(to, "/login/check") {
		return b.Get(to)
	}
	return a
}

// SignedIn tells whether the browser's account opens.
func (b *Browser) SignedIn() bool {
	b.TB.Helper()
	a := b.Get("/account/security")
	if a.Status != http.StatusOK {
		require.Equal(b.TB, http.StatusSeeOther, a.Status, a.Body)
		require.True(b.TB, strings.HasSuffix(a.Header.Get("Location"), "/login"), a.Header.Get("Location"))
	}
	return a.Status == http.StatusOK
}

// Cookie is the value of a cookie the browser keeps, "" if it keeps none.
func (b *Browser) Cookie(name string) string {
	b.TB.Helper()
	at, err := url.Parse(b.URL)
	require.NoError(b.TB, err)
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Keep puts a cookie into the browser, as whoever can write cookies does.
func (b *Browser) Keep(name, value string) {
	b.TB.Helper()
	at, err := url.Parse(b.URL)
	require.NoError(b.TB, err)
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}
