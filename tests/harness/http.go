package harness

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
)

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any
}

// String is a member of the JSON answer, "" if it is not there.
func (a Answer) String(name string) string {
	v, _ := a.JSON[name].(string)
	return v
}

// Form posts a form; as authenticates with client_secret_basic if not nil.
func (s *Server) Form(path string, as *Client, form url.Values) Answer {
	s.TB.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	require.NoError(s.TB, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if as != nil {
		req.SetBasicAuth(as.ID, as.Secret)
	}
	return s.Send(req)
}

// Send sends a request.
func (s *Server) Send(req *http.Request) Answer {
	s.TB.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.TB, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.TB, err)
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	if len(body) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		require.NoError(s.TB, json.Unmarshal(body, &a.JSON), a.Body)
	}
	return a
}

// Types of tokens and grants as requests write them.
const (
	TokenType     = "urn:ietf:params:oauth:token-type:access_token"
	ExchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// OwnForm asks for a token of the client's own.
func OwnForm(resource, scope string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {scope}}
}

// ExchangeForm asks to exchange a token.
func ExchangeForm(subject, resource, scope string) url.Values {
	return url.Values{
		"grant_type": {ExchangeGrant}, "subject_token": {subject}, "subject_token_type": {TokenType},
		"resource": {resource}, "scope": {scope},
	}
}

// Own gets a token that must be granted.
func (s *Server) Own(as *Client, resource, scope string) string {
	s.TB.Helper()
	return s.granted(s.Form("/oauth2/token", as, OwnForm(resource, scope)))
}

// Exchange trades a token, which must be granted.
func (s *Server) Exchange(as *Client, subject, resource, scope string) string {
	s.TB.Helper()
	return s.granted(s.Form("/oauth2/token", as, ExchangeForm(subject, resource, scope)))
}

func (s *Server) granted(a Answer) string {
	s.TB.Helper()
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	return a.String("access_token")
}

// Active introspects a token as a client.
func (s *Server) Active(as *Client, token string) bool {
	s.TB.Helper()
	a := s.Form("/oauth2/introspect", as, url.Values{"token": {token}})
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	active, _ := a.JSON["active"].(bool)
	return active
}

// Parallel asks n times at once.
func Parallel(n int, ask func(i int) Answer) []Answer {
	answers := make([]Answer, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = ask(i) })
	}
	all.Wait()
	return answers
}
