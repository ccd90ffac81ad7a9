package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"syscall"

	"github.com/deputyauth/deputy/server/signals"
)

// signalFlags are the settings of how the server is watched.
type signalFlags struct {
	LogLevel      string `env:"DEPUTY_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	AccessLog     bool   `env:"DEPUTY_ACCESS_LOG" default:"true" negatable:"" help:"Log one line per request; with --dev only at level debug. What fails on this side is logged in any case."`
	MetricsListen string `env:"DEPUTY_METRICS_LISTEN" default:"auto" help:"Address of /metrics, which is open to whoever reaches it; empty for none, auto for 127.0.0.1:9464 if that is free." placeholder:"ADDRESS"`
	OTLPEndpoint  string `name:"otlp-endpoint" env:"DEPUTY_OTLP_ENDPOINT,OTEL_EXPORTER_OTLP_ENDPOINT" help:"Collector to send traces to over OTLP/HTTP, such as http://localhost:4318; empty for none." placeholder:"URL"`
}

// autoMetrics is where metrics are if nothing else is said, by convention.
const autoMetrics = "127.0.0.1:9464"

// watch is everything through which the server is watched.
type watch struct {
	log      *slog.Logger
	access   *slog.Logger // nil without access log
	spool    *signals.Spool
	registry *signals.Registry
	metrics  *signals.Metrics
	listener *signals.Listener
	traces   *signals.Traces
}

// watch sets it up. What cannot be had as it was asked for is an error.
func (f signalFlags) watch(ctx context.Context, out io.Writer, text bool) (*watch, error) {
	w := &watch{log: f.logger(out, text), registry: signals.NewRegistry()}
	w.metrics = signals.NewMetrics(w.registry)
	if err := f.listen(ctx, w); err != nil {
		return nil, err
	}
	if f.OTLPEndpoint != "" {
		var err error
		if w.traces, err = signals.NewTraces(ctx, f.OTLPEndpoint, w.log); err != nil {
			w.listener.Close()
			return nil, err
		}
	}
	if f.AccessLog {
		w.spool = signals.NewSpool(out)
		w.access = f.logger(w.spool, text)
	}
	return w, nil
}

func (f signalFlags) listen(ctx context.Context, w *watch) (err error) {
	switch f.MetricsListen {
	case "":
		return nil
	case "auto":
		w.listener, err = signals.Listen(ctx, autoMetrics, w.registry, w.log)
		if errors.Is(err, syscall.EADDRINUSE) {
			w.log.Warn("metrics are not served: their usual address is taken; set --metrics-listen", "address", autoMetrics)
			return nil
		}
	default:
		w.listener, err = signals.Listen(ctx, f.MetricsListen, w.registry, w.log)
	}
	if err == nil {
		w.log.Info("metrics are served", "url", "http://"+w.listener.Addr()+"/metrics")
	}
	return err
}

func (f signalFlags) logger(w io.Writer, text bool) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // kong holds it to the four words
	opts := &slog.HandlerOptions{Level: level}
	if text {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// state is read from the server whenever metrics are.
func (w *watch) state(d *deputy) {
	signals.Watch(w.registry, signals.Sources{
		Queue: d.store.Queue, Epoch: d.store.Epoch, FactsAge: d.store.FactsAge, HeadAge: d.store.HeadAge, Deaf: d.store.Deaf, Dropped: w.spool.Dropped, Failing: d.upkeep.Failing,
		Policy: func() signals.Policy {
			s := d.engine.Status()
			return signals.Policy{Floor: s.Floor, House: s.House, Loaded: s.LoadedAt, Refused: s.LastError != ""}
		},
	})
}

// close comes after the last request: what is known of it still goes out.
func (w *watch) close(ctx context.Context) {
	w.listener.Close()
	w.spool.Close()
	w.traces.Close(ctx)
}
