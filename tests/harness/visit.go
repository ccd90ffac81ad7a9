package harness

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// Query is an authorization request for scopes at a resource server; more is added
// to it, or put in its place.
func (s *Server) Query(c *Client, r *models.ResourceServer, scope string, more url.Values) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {Redirect}, "state": {"state-1"},
		"code_challenge": {Challenge(Verifier)}, "code_challenge_method": {"S256"}, "scope": {scope},
	}
	if r != nil {
		q.Set("resource", r.Identifier)
	}
	for name, values := range more {
		q[name] = values
		if len(values) == 0 {
			q.Del(name)
		}
	}
	return q
}

// Authorize goes where a client sends the browser.
func (b *Browser) Authorize(q url.Values) Answer {
	b.TB.Helper()
	return b.Get("/oauth2/authorize?" + q.Encode())
}

// Follow goes on wherever this server sends the browser, and stops at a page or at
// what leads elsewhere.
func (b *Browser) Follow(a Answer) Answer {
	b.TB.Helper()
	for range 10 {
		to := a.Header.Get("Location")
		if to == "" || !strings.HasPrefix(to, "/") {
			return a
		}
		path := strings.TrimPrefix(b.URL, b.Host)
		require.True(b.TB, strings.HasPrefix(to, path+"/"), to)
		a = b.Get(strings.TrimPrefix(to, path))
	}
	b.TB.Fatal("round and round")
	return a
}

// Question is a consent page as it is shown.
type Question struct {
	Answer
	ID     string
	Scopes []string // what can be ticked, as the form sends it
	Ticked []string
	Until  []string // ends to choose from
}

var (
	hiddenID = regexp.MustCompile(`name="authorization" value="(atz_[0-9a-z]{26})"`)
	tick     = regexp.MustCompile(`name="scope" value="([^"]+)"( checked)?`)
	end      = regexp.MustCompile(`name="until" value="([0-9]+)"`)
)

// Question reads a consent page.
func (b *Browser) Question(a Answer) Question {
	b.TB.Helper()
	q := Question{Answer: a}
	id := hiddenID.FindStringSubmatch(a.Body)
	require.NotNil(b.TB, id, "%d %v %s", a.Status, a.Header, a.Body)
	q.ID = id[1]
	for _, m := range tick.FindAllStringSubmatch(a.Body, -1) {
		value := html.UnescapeString(m[1])
		q.Scopes = append(q.Scopes, value)
		if m[2] != "" {
			q.Ticked = append(q.Ticked, value)
		}
	}
	for _, m := range end.FindAllStringSubmatch(a.Body, -1) {
		q.Until = append(q.Until, m[1])
	}
	return q
}

// Form is what the page sends with some scopes ticked.
func (q Question) Form(answer string, scopes ...string) url.Values {
	return url.Values{"authorization": {q.ID}, "answer": {answer}, "scope": scopes, "until": {q.Until[len(q.Until)-1]}}
}

var refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]+)">`)

// Back is what the client hears: the query of where the browser is sent, at once or
// by the page between.
func (b *Browser) Back(a Answer) url.Values {
	b.TB.Helper()
	to := a.Header.Get("Location")
	if a.Status == http.StatusOK {
		m := refresh.FindStringSubmatch(a.Body)
		require.NotNil(b.TB, m, a.Body)
		to = html.UnescapeString(m[1])
	} else {
		require.Equal(b.TB, http.StatusSeeOther, a.Status, a.Body)
	}
	u, err := url.Parse(to)
	require.NoError(b.TB, err)
	require.Equal(b.TB, Redirect, u.Scheme+"://"+u.Host+u.Path, a.Body)
	require.Equal(b.TB, []string{b.URL}, u.Query()["iss"], "in success and error, once")
	return u.Query()
}
