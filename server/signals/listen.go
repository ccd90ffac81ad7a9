package signals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Listener serves /metrics, and nothing else, at an address of its own.
type Listener struct {
	server *http.Server
	addr   string
	done   chan struct{}
}

// Listen begins to serve what g gathers. An address that cannot be had is an
// error at once.
func Listen(ctx context.Context, addr string, g prometheus.Gatherer, log *slog.Logger) (*Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second, ErrorLog: errorLog}))
	m := &Listener{
		addr: l.Addr().String(), done: make(chan struct{}),
		server: &http.Server{
			Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: errorLog,
		},
	}
	go func() {
		defer close(m.done)
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	return m, nil
}

// Addr is where it listens.
func (l *Listener) Addr() string { return l.addr }

// Close stops at once: whoever reads metrics comes back.
func (l *Listener) Close() {
	if l == nil {
		return
	}
	_ = l.server.Close()
	<-l.done
}
