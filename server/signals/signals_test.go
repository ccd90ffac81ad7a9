package signals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// blocked is a reader of logs that stopped reading.
type blocked struct {
	began chan struct{}
	free  chan struct{}
	once  sync.Once
	got   bytes.Buffer
}

func (b *blocked) Write(p []byte) (int, error) {
	b.once.Do(func() { close(b.began) })
	<-b.free
	return b.got.Write(p)
}

func TestSpoolNeverMakesItsCallersWait(t *testing.T) {
	out := &blocked{began: make(chan struct{}), free: make(chan struct{})}
	s := NewSpool(out)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	_, _ = s.Write(line)
	<-out.began // nothing moves from here on
	const more = 2 * maxSpooled / 1024
	for range more {
		n, err := s.Write(line)
		require.NoError(t, err)
		require.Len(t, line, n)
	}
	require.EqualValues(t, more/2, s.Dropped(), "what does not fit is dropped and counted")
	close(out.free)
	s.Close()
	require.Equal(t, (1+more/2)*1024, out.got.Len(), "closing writes all that was kept")
	require.Zero(t, (*Spool)(nil).Dropped())
	(*Spool)(nil).Close()
}

func TestSpoolKeepsLinesInOrderAndWhole(t *testing.T) {
	var out bytes.Buffer
	s := NewSpool(&out)
	log := slog.New(slog.NewJSONHandler(s, nil))
	for i := range 3 * 1000 {
		log.Info("request", "i", i)
		if i%1000 == 0 {
			time.Sleep(spoolDelay / 10) // let it write in between
		}
	}
	s.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3000)
	for i, line := range lines {
		require.Contains(t, line, fmt.Sprintf(`"i":%d}`, i))
	}
}

func TestAnEventSaysWhatIsKnown(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e := &Event{
		RequestID: "r1", Method: Method("POST"), Route: "/oauth2/token", IP: "192.0.2.1", Status: 200, Bytes: 12, TraceID: "t1",
		Action: "issue", Outcome: Granted, DecisionID: "dec_1", ClientID: "agt_1", ResourceID: "rsv_1",
		TokenID: "tok_2", ParentID: "tok_1", Epoch: 7, Reused: true, Retries: 1,
	}
	e.Write(context.Background(), log, e.Level(false, false), 1234567*time.Nanosecond)
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.NotEmpty(t, got["time"])
	delete(got, "time")
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "request", "request_id": "r1", "method": "POST", "route": "/oauth2/token", "ip": "192.0.2.1",
		"status": 200.0, "bytes": 12.0, "ms": 1.234, "trace_id": "t1", "action": "issue", "outcome": "granted", "decision_id": "dec_1",
		"client_id": "agt_1", "resource": "rsv_1", "jti": "tok_2", "parent_jti": "tok_1", "epoch": 7.0, "reused": true, "retries": 1.0,
	}, got)
}

func TestHowLoudAnEventIs(t *testing.T) {
	for _, c := range []struct {
		status int
		quiet  bool
		gone   bool
		err    error
		want   slog.Level
	}{
		{200, false, false, nil, slog.LevelInfo},
		{401, false, false, nil, slog.LevelInfo},
		{503, false, false, nil, slog.LevelInfo},
		{500, false, false, errors.New("x"), slog.LevelError},
		{503, false, true, errors.New("x"), slog.LevelInfo},
		{200, true, false, nil, slog.LevelDebug},
		{503, true, false, errors.New("x"), slog.LevelDebug},
	} {
		require.Equal(t, c.want, (&Event{Status: c.status, Err: c.err}).Level(c.quiet, c.gone), c)
	}
	(*Event)(nil).Because(io.EOF)
	(*Event)(nil).Limited("x")
	require.Equal(t, "OTHER", Method("<script>"))
}

func TestALabelTakesSoManyValues(t *testing.T) {
	w := newWords(3)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() { w.bound(fmt.Sprint("word", i)) })
	}
	wg.Wait()
	require.LessOrEqual(t, w.count.Load(), int64(3))
	require.Equal(t, "other", w.bound("one more"))
	count := 0
	w.seen.Range(func(any, any) bool { count++; return true })
	require.Equal(t, 3, count)
}

// Whoever gives no metrics and traces pays for none.
func TestNothingIsOff(t *testing.T) {
	var m *Metrics
	var tr *Traces
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	e := &Event{Status: 200}
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.Arrived()
		m.Answered("a", Granted, "")
		m.Decided(1, true)
		m.Stale()
		m.Alarm(AlarmPanic)
		m.Limited("x")
		m.Waited(1)
		m.Committed(1, 1, nil)
		m.Loaded(true)
		m.Left("/", 200, 1)
		same, span, id := tr.Request(r, "/")
		if same != r || id != "" {
			panic("a request that is not traced was changed")
		}
		Start(ctx, "facts").End()
		span.Close(e)
		e.Write(ctx, nil, slog.LevelInfo, 1)
	}))
	tr.Close(ctx)
}

func TestEndpointsOfTracesAreChecked(t *testing.T) {
	for _, bad := range []string{"localhost:4318", "ftp://x", "http://", "http://user:secret@x", "http://\x00"} {
		_, err := NewTraces(context.Background(), bad, slog.New(slog.DiscardHandler))
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestAnAddressInUseIsAnErrorAtOnce(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	first, err := Listen(context.Background(), "127.0.0.1:0", NewRegistry(), log)
	require.NoError(t, err)
	defer first.Close()
	_, err = Listen(context.Background(), first.Addr(), NewRegistry(), log)
	require.ErrorContains(t, err, "metrics: listen tcp "+first.Addr())
	require.ErrorContains(t, err, "address already in use")
}

func BenchmarkEvent(b *testing.B) {
	event := &Event{
		RequestID: "0199d1c2-6f6b-7c55-b0a7-000000000000", Method: "POST", Route: "/oauth2/token", IP: "192.0.2.1", Status: 200, Bytes: 900,
		Action: "issue:access_token:client_credentials", Outcome: Granted, DecisionID: "dec_0000000000000000000000000",
		ClientID: "agt_0000000000000000000000000", ResourceID: "rsv_0000000000000000000000000", TokenID: "tok_0000000000000000000000000", Epoch: 12345,
	}
	for name, level := range map[string]slog.Level{"written": slog.LevelInfo, "off": slog.LevelError} {
		b.Run(name, func(b *testing.B) {
			s := NewSpool(io.Discard)
			defer s.Close()
			log := slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: level}))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					event.Write(context.Background(), log, event.Level(false, false), 123*time.Microsecond)
				}
			})
		})
	}
}

// BenchmarkCounting is all that is counted for one token.
func BenchmarkCounting(b *testing.B) {
	for name, m := range map[string]*Metrics{"on": NewMetrics(NewRegistry()), "off": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m.Arrived()
					for range 3 {
						m.Loaded(true)
					}
					m.Decided(20*time.Microsecond, true)
					m.Waited(time.Millisecond)
					m.Answered("issue:access_token:client_credentials", Granted, "")
					m.Left("/oauth2/token", 200, time.Millisecond)
				}
			})
		})
	}
}

func BenchmarkUntraced(b *testing.B) {
	var tr *Traces
	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", nil)
	b.ReportAllocs()
	for b.Loop() {
		req, span, _ := tr.Request(r, "/oauth2/token")
		for range 5 {
			Start(req.Context(), "facts").End()
		}
		span.Close(nil)
	}
}
