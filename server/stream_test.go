package server

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// Whoever does not read is cut off, and holds up nobody.
func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	cut := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o := newStream(w)
		o.patience = 100 * time.Millisecond
		var err error
		for err == nil {
			err = o.write(strings.Repeat("x", 1<<20))
		}
		cut <- err
	}))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)
	select {
	case err := <-cut:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(20 * time.Second):
		require.Fail(t, "it writes on and on")
	}
}

// What frames the events: where the follower is, at the beginning and with every beat.
func TestStreamsSayWhereTheyAre(t *testing.T) {
	t.Parallel()
	at, later := models.Position{Seq: 7, Check: "abcdefgh"}, models.Position{Seq: 9, Check: "01234567", Object: "agt_1"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := newStream(w)
		if err := o.begin(at, r.URL.Path == "/lost"); err == nil {
			_ = o.beat(later)
		}
	}))
	defer s.Close()
	for path, reset := range map[string]string{"/": "", "/lost": "event: reset\ndata: {\"type\":\"reset\"}\n"} {
		resp, err := http.Get(s.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Regexp(t, "^retry: 1000\nid: 7.abcdefgh\n"+reset+"\n: 20[^\n]+Z\nid: 9.01234567.agt_1\n\n$", string(body))
	}
}
