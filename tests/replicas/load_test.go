//go:build linux

package replicas

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// ask is one request.
type ask struct {
	at        *replica
	path      string
	form      url.Values
	as        agent
	assertion string // in place of the secret
}

// own asks for a token, proven with an assertion if the agent shall.
func (w *world) own(at *replica, as agent) ask {
	return ask{at: at, path: "/oauth2/token", form: harness.OwnForm(w.service, "read"), as: as}
}

func (w *world) proven(at *replica, as agent) ask {
	a := w.own(at, as)
	a.assertion = w.assertion(as)
	return a
}

// inspect has the service look at a token.
func (w *world) inspect(at *replica, token string) ask {
	return ask{at: at, path: "/oauth2/introspect", form: url.Values{"token": {token}}, as: w.guard}
}

// answer is what became of one request.
type answer struct {
	ask
	err    error // there was no answer
	status int
	body   struct {
		Token  string `json:"access_token"`
		Error  string `json:"error"`
		Active bool   `json:"active"`
	}
	begun, ended time.Time
}

// jti names the token that was received, "" if none was.
func (a *answer) jti() string {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(a.body.Token, claims); err != nil {
		return ""
	}
	id, _ := claims["jti"].(string)
	return id
}

func (a *answer) granted() bool {
	return a.status == http.StatusOK && (a.body.Token != "" || strings.HasSuffix(a.path, "introspect") && a.body.Active)
}

// unavailable is the one answer a client may get when Deputy cannot do its work.
func (a *answer) unavailable() bool {
	return a.status == http.StatusServiceUnavailable && a.body.Error == "temporarily_unavailable" && a.body.Token == ""
}

// refused is the answer of policy: no.
func (a *answer) refused() bool {
	return a.err == nil && a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests
}

// client waits longer than Deputy may take, so that it is Deputy's bound that shows.
func client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

func (w *world) send(c *http.Client, a ask) *answer {
	form := url.Values{}
	for k, v := range a.form {
		form[k] = v
	}
	if a.assertion != "" {
		form.Set("client_assertion_type", harness.AssertionType)
		form.Set("client_assertion", a.assertion)
	}
	req, err := http.NewRequest(http.MethodPost, a.at.url+a.path, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err) // of the test's own making
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Request-ID", rand.Text())
	if a.assertion == "" {
		req.SetBasicAuth(a.as.id, a.as.secret)
	}
	got := &answer{ask: a, begun: time.Now()}
	resp, err := c.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		if body, err = io.ReadAll(resp.Body); err == nil {
			err = json.Unmarshal(body, &got.body)
		}
		got.status = resp.StatusCode
	}
	got.err, got.ended = err, time.Now()
	return got
}

// post calls the admin API and returns the status of the answer.
func (w *world) post(url, bearer, body string) int {
	w.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(w, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(w, err)
	return resp.StatusCode
}

// load sends requests from several connections until it is stopped.
type load struct {
	*world
	stop func() []*answer

	mu      sync.Mutex
	answers []*answer
}

// drive begins a load. next makes the requests of each connection, turn by turn; those
// of one turn are sent at once. A connection that fails takes a rest and tries again.
func (w *world) drive(connections int, next func(connection, turn int) []ask) *load {
	l := &load{world: w}
	done := make(chan struct{})
	var wg sync.WaitGroup
	c := client()
	for n := range connections {
		wg.Go(func() {
			for turn := 0; ; turn++ {
				select {
				case <-done:
					return
				default:
				}
				if l.turn(c, next(n, turn)) {
					time.Sleep(5 * time.Millisecond) // as a client that means well
				}
			}
		})
	}
	l.stop = sync.OnceValue(func() []*answer {
		close(done)
		wg.Wait()
		c.CloseIdleConnections()
		return l.answers
	})
	w.Cleanup(func() { l.stop() })
	return l
}

// turn sends requests at once, and tells whether one of them failed.
func (l *load) turn(c *http.Client, asks []ask) (failed bool) {
	got := make([]*answer, len(asks))
	var all sync.WaitGroup
	for i := range asks[1:] {
		all.Go(func() { got[i+1] = l.send(c, asks[i+1]) })
	}
	got[0] = l.send(c, asks[0])
	all.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, got...)
	return slices.ContainsFunc(got, func(a *answer) bool { return a.err != nil || a.status >= 400 })
}

// count counts the answers so far that are so.
func (l *load) count(so func(*answer) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, a := range l.answers {
		if so(a) {
			n++
		}
	}
	return n
}

// awaitMore waits until n more answers of each replica are so.
func (l *load) awaitMore(what string, n int, so func(*answer) bool, replicas ...*replica) {
	l.Helper()
	for _, r := range replicas {
		here := func(a *answer) bool { return a.at == r && so(a) }
		had := l.count(here)
		l.await(what, func() bool { return l.count(here) >= had+n })
	}
}

// percentile of durations, the longest for 100.
func percentile(of []time.Duration, p int) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(100 * time.Microsecond)
}
