//go:build linux

package replicas

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/process"
)

// follower hears of what is stopped from the event feed, and comes back
// to where it was whenever its stream ends.
type follower struct {
	at func() *replica // where it is sent
	as agent

	mu     sync.Mutex
	last   string               // id
	heard  map[string]time.Time // client -> when it was told that they are suspended
	twice  int
	resets int
}

func (s *scene) follow(as agent, at func() *replica) *follower {
	s.Helper()
	f := &follower{at: at, as: as, heard: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			f.stream(ctx)
			time.Sleep(10 * time.Millisecond) // it comes back soon, not at once
		}
	})
	s.Cleanup(func() { cancel(); reading.Wait() })
	s.Await("the event stream", func() bool { return f.where() != "" })
	return f
}

func (f *follower) where() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *follower) stream(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.at().URL+"/events", nil)
	if err != nil {
		return
	}
	req.SetBasicAuth(f.as.ID, f.as.Secret)
	if last := f.where(); last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := process.NewClient().Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		f.line(lines.Text())
	}
}

func (f *follower) line(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := strings.CutPrefix(text, "id: "); ok {
		f.last = id
		return
	}
	data, ok := strings.CutPrefix(text, "data: ")
	if !ok {
		return
	}
	var e struct {
		Type     string `json:"type"`
		ClientID string `json:"client_id"`
	}
	if json.Unmarshal([]byte(data), &e) != nil {
		return
	}
	switch {
	case e.Type == "reset":
		f.resets++
	case e.Type == "client-suspended" && !f.heard[e.ClientID].IsZero():
		f.twice++
	case e.Type == "client-suspended":
		f.heard[e.ClientID] = time.Now()
	}
}

// of waits until it hears that a client is suspended.
func (f *follower) of(s *scene, clientID string) time.Time {
	s.Helper()
	var at time.Time
	s.Await("the follower to hear", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		at = f.heard[clientID]
		return !at.IsZero()
	})
	return at
}

// once checks that it heard everything, and nothing twice.
func (f *follower) once(s *scene) {
	s.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Len(s, f.heard, s.stopped)
	require.Zero(s, f.twice)
	require.Zero(s, f.resets)
}
