package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience is how long tests wait for what should come at once, on busy machines.
const Patience = 20 * time.Second

// Told is an event as a follower got it.
type Told struct {
	ID, Type string // of the stream's lines
	At       time.Time
	Data     map[string]any
}

// String is a member of the event, "" if it is not there.
func (t Told) String(name string) string {
	v, _ := t.Data[name].(string)
	return v
}

// Stream is somebody who follows events.
type Stream struct {
	s      *Server
	Status int
	Header http.Header
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	last string // id
	told []Told
	body strings.Builder // of an answer that is no stream
}

// Follow follows events from after an id, "" for from now on; auth says who follows.
func (s *Server) Follow(lastID string, auth func(*http.Request)) *Stream {
	s.TB.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/events", nil)
	require.NoError(s.TB, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	auth(req)
	return s.stream(req, cancel)
}

// FollowByForm follows events from now on, by POST.
func (s *Server) FollowByForm(form url.Values) *Stream {
	s.TB.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/events", strings.NewReader(form.Encode()))
	require.NoError(s.TB, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.stream(req, cancel)
}

func (s *Server) stream(req *http.Request, cancel context.CancelFunc) *Stream {
	s.TB.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.TB, err)
	st := &Stream{s: s, Status: resp.StatusCode, Header: resp.Header, cancel: cancel, done: make(chan struct{})}
	s.TB.Cleanup(st.Cut)
	begun := make(chan struct{})
	go func() {
		defer close(st.done)
		defer resp.Body.Close()
		st.read(bufio.NewScanner(resp.Body), sync.OnceFunc(func() { close(begun) }))
	}()
	if st.Status == http.StatusOK {
		select {
		case <-begun:
		case <-st.done:
		case <-time.After(Patience):
			require.Fail(s.TB, "nothing came")
		}
	}
	return st
}

// read understands the stream as browsers do (WHATWG HTML section 9.2.6).
func (st *Stream) read(lines *bufio.Scanner, begun func()) {
	var e Told
	id, data := "", ""
	for lines.Scan() {
		line := lines.Text()
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case st.Status != http.StatusOK:
			st.body.WriteString(line)
		case line == "":
			st.mu.Lock()
			if id != "" {
				st.last = id
			}
			if data != "" {
				e.ID, e.At = id, time.Now()
				_ = json.Unmarshal([]byte(data), &e.Data)
				st.told = append(st.told, e)
			}
			st.mu.Unlock()
			e, data = Told{}, ""
			begun()
		case name == "id":
			id = value
		case name == "event":
			e.Type = value
		case name == "data":
			data += value
		}
	}
}

// Cut hangs up.
func (st *Stream) Cut() {
	st.cancel()
	<-st.done
}

// Ended waits for the server to end the stream.
func (st *Stream) Ended() bool {
	select {
	case <-st.done:
		return true
	case <-time.After(Patience):
		return false
	}
}

// Last is the id of what came last.
func (st *Stream) Last() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.last
}

// Told are the events that came.
func (st *Stream) Told() []Told {
	st.mu.Lock()
	defer st.mu.Unlock()
	return append([]Told{}, st.told...)
}

// Body is an answer that is no stream, in JSON.
func (st *Stream) Body() (out map[string]any) {
	<-st.done
	_ = json.Unmarshal([]byte(st.body.String()), &out)
	return out
}

// Until waits for an event that is the last to be looked at, and gives those up to it.
func (st *Stream) Until(last func(Told) bool) []Told {
	st.s.TB.Helper()
	for end := time.Now().Add(Patience); ; {
		told := st.Told()
		for i, t := range told {
			if last(t) {
				return told[:i+1]
			}
		}
		require.True(st.s.TB, time.Now().Before(end), "it did not come; there were %v", told)
		select {
		case <-st.done:
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// As authenticates a client that operates a service.
func (c *Client) As(req *http.Request) { req.SetBasicAuth(c.ID, c.Secret) }

// Bearer sends a token.
func Bearer(token string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token) }
}
