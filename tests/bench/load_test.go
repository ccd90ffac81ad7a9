//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnswersAreReadNoSoonerThanTheyAreWhole(t *testing.T) {
	fixed := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
	chunked := "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for name, c := range map[string]struct {
		answer string
		status int
	}{"with a length": {fixed, 200}, "in chunks": {chunked, 503}} {
		t.Run(name, func(t *testing.T) {
			for n := range c.answer {
				_, _, whole := parse([]byte(c.answer[:n]))
				require.False(t, whole, "%d of %d bytes", n, len(c.answer))
			}
			status, body, whole := parse([]byte(c.answer))
			require.True(t, whole)
			require.Equal(t, c.status, status)
			require.True(t, strings.HasPrefix(string(body), "hello"))
		})
	}
}

// answering serves forms: answer gets each body.
func answering(t *testing.T, answer func(w http.ResponseWriter, form string)) (addr string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer(w, string(body))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestEveryRequestIsSentOnceAndEveryAnswerJudged(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	addr := answering(t, func(w http.ResponseWriter, form string) {
		mu.Lock()
		seen[form]++
		mu.Unlock()
		switch form {
		case "n=3":
			http.Error(w, "no", http.StatusInternalServerError)
		case "n=4":
			fmt.Fprint(w, "something else")
		case "n=5": // larger than what net/http gives a length to
			fmt.Fprint(w, "good "+strings.Repeat("x", 10_000))
		default:
			fmt.Fprint(w, "good")
		}
	})
	var requests [][]byte
	for n := range 100 {
		requests = append(requests, post("/", fmt.Sprintf("n=%d", n)))
	}
	answers := 0
	out, err := drive(addr, load{conns: 7, count: 100, next: inOrder(requests), want: []byte("good"), each: func([]byte) { answers++ }})
	require.NoError(t, err)
	require.Equal(t, []int{98, 2, 98}, []int{out.ok, out.failed, answers})
	require.Len(t, out.latency, 98)
	require.IsNonDecreasing(t, out.latency)
	require.Contains(t, []string{"500 no\n", "200 something else"}, out.complaint)
	require.Len(t, seen, 100)
	for form, n := range seen {
		require.Equal(t, 1, n, form)
	}
}

func TestALoadEndsWhenItsTimeIsOver(t *testing.T) {
	addr := answering(t, func(w http.ResponseWriter, _ string) { fmt.Fprint(w, "good") })
	out, err := drive(addr, load{conns: 4, time: 200 * time.Millisecond, next: inOrder([][]byte{post("/", "a=b")}), want: []byte("good")})
	require.NoError(t, err)
	require.Greater(t, out.ok, 4)
	require.Zero(t, out.failed)
	require.GreaterOrEqual(t, out.elapsed, 200*time.Millisecond)
	require.Positive(t, out.rate())
}

// On a schedule, the time a request waited for its turn is the server's to
// answer for.
func TestAScheduleCountsFromTheInstantARequestWasDue(t *testing.T) {
	var once atomic.Bool
	addr := answering(t, func(w http.ResponseWriter, _ string) {
		if once.CompareAndSwap(false, true) {
			time.Sleep(300 * time.Millisecond)
		}
		fmt.Fprint(w, "good")
	})
	out, err := drive(addr, load{conns: 1, rate: 100, time: 500 * time.Millisecond, next: inOrder([][]byte{post("/", "a=b")}), want: []byte("good")})
	require.NoError(t, err)
	require.Equal(t, 50, out.ok)
	require.Zero(t, out.unsent)
	require.Greater(t, out.quantile(0.5), 10.0, "those behind the slow one waited too")
	require.GreaterOrEqual(t, out.quantile(1), 300.0)
}

func TestAScheduleNobodyCanKeepIsGivenUp(t *testing.T) {
	addr := answering(t, func(w http.ResponseWriter, _ string) {
		time.Sleep(20 * time.Millisecond)
		fmt.Fprint(w, "good")
	})
	out, err := drive(addr, load{conns: 1, rate: 1000, time: 200 * time.Millisecond, next: inOrder([][]byte{post("/", "a=b")}), want: []byte("good")})
	require.NoError(t, err)
	require.Positive(t, out.ok)
	require.Equal(t, 200, out.ok+out.unsent)
}

func TestAServerThatHangsUpIsAnError(t *testing.T) {
	addr := answering(t, func(w http.ResponseWriter, _ string) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	_, err := drive(addr, load{conns: 1, count: 1, next: inOrder([][]byte{post("/", "a=b")})})
	require.ErrorIs(t, err, errClosed)
}
