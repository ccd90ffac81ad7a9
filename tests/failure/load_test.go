//go:build linux

package failure

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// answer is what became of one request.
type answer struct {
	ask
	id     string // X-Request-ID
	err    error  // there was no answer
	cut    bool   // there was one, but not to its end
	status int
	retry  string
	body   struct {
		Token  string `json:"access_token"`
		Error  string `json:"error"`
		Active bool   `json:"active"`
	}
	begun time.Time
	took  time.Duration
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

// unavailable is the one answer a client may get when Deputy cannot do its work:
// nothing that makes it throw its credentials or tokens away.
func (a *answer) unavailable() bool {
	return a.status == http.StatusServiceUnavailable && a.body.Error == "temporarily_unavailable" && a.retry != "" && a.body.Token == ""
}

// granted is a good answer to any request of a load.
func (a *answer) granted() bool {
	return a.status == http.StatusOK && (a.jti() != "" || strings.HasSuffix(a.path, "introspect") && a.body.Active)
}

// client waits longer than Deputy may take, so that it is Deputy's bound that shows.
func client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

func (w *world) send(c *http.Client, a ask) *answer {
	req := w.request(a)
	got := &answer{ask: a, id: req.Header.Get("X-Request-ID"), begun: time.Now()}
	defer func() { got.took = time.Since(got.begun) }()
	resp, err := c.Do(req)
	if err != nil {
		got.err = err
		return got
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	got.status, got.retry = resp.StatusCode, resp.Header.Get("Retry-After")
	if err == nil {
		err = json.Unmarshal(body, &got.body)
	}
	got.err, got.cut = err, err != nil
	return got
}

// token gets a token that must be granted.
func (w *world) token() string {
	w.t.Helper()
	a := w.send(http.DefaultClient, w.own())
	if !a.granted() {
		w.t.Fatalf("no token: %d %s %v", a.status, a.body.Error, a.err)
	}
	return a.body.Token
}

// load sends requests from several connections until it is stopped.
type load struct {
	stop func() []*answer

	mu      sync.Mutex
	answers []*answer
}

// drive begins a load. next makes the requests of one connection, turn by turn.
// A connection that is refused takes a rest and tries again.
func (w *world) drive(connections int, next func(turn int) ask) *load {
	l := &load{}
	done := make(chan struct{})
	var wg sync.WaitGroup
	c := client()
	for n := range connections {
		wg.Go(func() {
			for turn := n; ; turn++ {
				select {
				case <-done:
					return
				default:
				}
				a := w.send(c, next(turn))
				l.mu.Lock()
				l.answers = append(l.answers, a)
				l.mu.Unlock()
				if a.err != nil || a.status >= 500 {
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
	w.t.Cleanup(func() { l.stop() })
	return l
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

// awaitMore waits until n more answers are so.
func (w *world) awaitMore(l *load, what string, n int, so func(*answer) bool) time.Duration {
	w.t.Helper()
	begin, had := time.Now(), l.count(so)
	w.await(what, func() bool { return l.count(so) >= had+n })
	return time.Since(begin)
}

// sum sorts the answers of a load, whose requests were all good ones: what is
// neither granted nor unavailable must not be.
type sum struct {
	granted, unavailable, unanswered int
	longest                          time.Duration
	received                         []string // jtis
}

func summed(t *testing.T, answers []*answer) sum {
	t.Helper()
	var s sum
	wrong := 0
	for _, a := range answers {
		s.longest = max(s.longest, a.took)
		switch {
		case a.cut:
			wrong++
			t.Errorf("an answer was cut short: %v", a.err)
		case a.err != nil:
			s.unanswered++
		case a.granted():
			s.granted++
			if id := a.jti(); id != "" {
				s.received = append(s.received, id)
			}
		case a.unavailable():
			s.unavailable++
		default:
			if wrong++; wrong < 5 {
				t.Errorf("%s was answered %d %q, Retry-After %q", a.path, a.status, a.body.Error, a.retry)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("answers that must not be: %d", wrong)
	}
	return s
}

// allRecorded counts the tokens that were received against the rows there are of
// them, in the ledger and among the tokens.
func (w *world) allRecorded(received []string) {
	ledger := w.column("select token_id from ledger where kind = 'decision' and outcome = 'granted' and action like 'issue:%'")
	rows := w.column("select t.id from tokens t join ledger l on l.id = t.decision_id and l.token_id = t.id")
	found, twice := 0, map[string]bool{}
	for _, id := range received {
		if ledger[id] == 1 && rows[id] == 1 && !twice[id] {
			found++
		}
		twice[id] = true
	}
	w.t.Logf("tokens received %d / rows found %d / lost %d (rows in all: %d)", len(received), found, len(received)-found, len(rows))
	if found != len(received) || len(ledger) != len(rows) {
		w.t.Errorf("tokens received %d, with a row each in ledger and tokens %d; rows in the ledger %d, of tokens %d", len(received), found, len(ledger), len(rows))
	}
}

// column reads one column of text and counts each value.
func (w *world) column(query string) map[string]int {
	w.t.Helper()
	rows, err := w.database().Query(query)
	must(w.t, err)
	out := map[string]int{}
	for rows.Next() {
		var v string
		must(w.t, rows.Scan(&v))
		out[v]++
	}
	must(w.t, errors.Join(rows.Err(), rows.Close()))
	return out
}
