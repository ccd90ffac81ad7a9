package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

func dial(t *testing.T, s *harness.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Host, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// closedWithin drips a byte now and then and returns how long the server put up with it.
func closedWithin(conn net.Conn, longest time.Duration, drip string) time.Duration {
	begin := time.Now()
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		close(gone)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Since(begin) < longest {
		select {
		case <-gone:
			return time.Since(begin)
		case <-tick.C:
			_, _ = io.WriteString(conn, drip)
		}
	}
	return longest
}

// Two hundred callers that send a header, or a body, byte by byte are cut off,
// and take nobody's place meanwhile.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	config := limits.Defaults()
	config.MaxInFlight = 4
	s := harness.New(t, "sqlite", harness.Options{Limits: &config})
	agent, service := s.Agent("agent", s.User("owner")), s.Service("service", nil, "read")
	s.Allow(agent.ID, service, "read")
	kinds := map[string]struct {
		begin, drip string
		within      time.Duration
	}{
		"header": {"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nX-Slow: ", "x", 5 * time.Second},
		"silent": {"", "", 5 * time.Second},
		"body": {"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			"Content-Length: 60000\r\n\r\n", "x", 15 * time.Second},
	}
	var slow sync.WaitGroup
	var mu sync.Mutex
	took := map[string]time.Duration{}
	for kind, k := range kinds {
		for range 67 {
			conn := dial(t, s)
			_, err := io.WriteString(conn, k.begin)
			require.NoError(t, err)
			slow.Go(func() {
				d := closedWithin(conn, 40*time.Second, k.drip)
				mu.Lock()
				defer mu.Unlock()
				took[kind] = max(took[kind], d)
			})
		}
	}
	for range 20 {
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read")).Status)
	}
	slow.Wait()
	t.Logf("201 slow connections, cut off after at most %v; requests beside them: 20, refused: 0", took)
	for kind, k := range kinds {
		require.Less(t, took[kind], k.within+10*time.Second, kind) // a busy machine is late
	}
}

// Beyond the bound, a new connection takes the place of an idle one; if none is
// idle, it is closed.
func TestConnectionsAreBounded(t *testing.T) {
	config := limits.Defaults()
	config.MaxConnections = 8
	s := harness.New(t, "sqlite", harness.Options{Limits: &config})
	ask := func(conn net.Conn) error {
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	atMost := func(n int64, what string, args ...any) { // a closed one is counted until the server notices
		t.Helper()
		require.Eventually(t, func() bool { return s.Limits.Connections.Open() <= n }, 10*time.Second, time.Millisecond, append([]any{what}, args...)...)
	}
	for i := range 50 { // who leaves them idle keeps nobody out
		require.NoError(t, ask(dial(t, s)), "connection %d", i)
		atMost(8, "connection %d", i)
	}
	for i := range 8 { // now all in use: in the middle of a request
		conn := dial(t, s)
		_, err := io.WriteString(conn, "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
		require.NoError(t, err)
		atMost(8, "connection %d", i)
	}
	require.Eventually(t, func() bool { return ask(dial(t, s)) != nil }, 4*time.Second, time.Millisecond, "there is no place")
	atMost(8, "in the end")
}

// What is too large is refused before it costs anything.
func TestSizes(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	get := func(path string, edit func(http.Header)) int {
		req, err := http.NewRequest(http.MethodGet, s.Host+path, nil)
		require.NoError(t, err)
		if edit != nil {
			edit(req.Header)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, get("/healthz?"+strings.Repeat("x", 8000), nil))
	require.Equal(t, http.StatusRequestURITooLong, get("/healthz?"+strings.Repeat("x", 9000), nil))
	require.Equal(t, http.StatusRequestURITooLong, get("/"+strings.Repeat("x/", 5000), nil))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, get("/healthz", func(h http.Header) { h.Set("X", strings.Repeat("x", 40<<10)) }))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, get("/healthz", func(h http.Header) {
		for i := range 5000 {
			h.Set(fmt.Sprintf("X-%d", i), "x")
		}
	}))
}

// JSON may be nested as deep as any description of the API needs, and no deeper.
func TestDepthOfJSON(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	boss := s.Agent("boss", s.User("owner"))
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: boss.ID})
	})
	token := s.Own(boss, s.URL+"/api/v1", "users:write")
	post := func(body string) harness.Answer {
		req, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/users", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		return s.Send(req)
	}
	for _, nest := range []string{"[", `{"a":`} {
		a := post(strings.Repeat(nest, 200_000))
		require.Equal(t, http.StatusBadRequest, a.Status)
		require.Contains(t, a.String("detail"), "nested more than 32 deep")
	}
	require.Equal(t, http.StatusCreated, post(`{"username": "bracket", "name": "`+strings.Repeat(`[{\"`, 20)+`"}`).Status, "brackets in text are text")
}
