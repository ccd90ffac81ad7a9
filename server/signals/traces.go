package signals

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names the code that makes the spans.
const scope = "github.com/deputyauth/deputy"

// Traces exports spans over OTLP/HTTP. On nil, nothing is traced.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	carrier  propagation.TraceContext // W3C traceparent and tracestate
}

// NewTraces exports to the collector at endpoint, a base URL such as
// http://localhost:4318. Headers, sampling and the like are taken from the
// standard OTEL_ variables. Spans that cannot be exported are dropped and told
// in the log; requests never wait for the collector.
func NewTraces(ctx context.Context, endpoint string, log *slog.Logger) (*Traces, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("traces: the OTLP endpoint must be an http or https URL without credentials")
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "deputy")), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(told{exporter, log}), sdktrace.WithResource(about))
	return &Traces{provider: p, tracer: p.Tracer(scope)}, nil
}

// told logs what cannot be exported. The SDK would hand it to a global handler.
type told struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans is sdktrace.SpanExporter.
func (t told) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := t.SpanExporter.ExportSpans(ctx, spans); err != nil {
		t.log.Warn("traces were dropped", "spans", len(spans), "error", err)
	}
	return nil
}

// Close exports what is left, for as long as that takes within reason.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
}

// Request begins the span of a request, below the caller's if it sent a
// traceparent, and gives the trace's id.
func (t *Traces) Request(r *http.Request, route string) (*http.Request, Span, string) {
	if t == nil {
		return r, Span{}, ""
	}
	ctx := t.carrier.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, Method(r.Method)+" "+route, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), Span{span}, span.SpanContext().TraceID().String()
}

// Span is a part of a request that is timed. The zero value is none.
type Span struct{ span trace.Span }

// Start begins a part of the request that ctx is of. Where nothing is traced it
// costs a look at ctx.
func Start(ctx context.Context, name string) Span {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return Span{}
	}
	_, span := parent.TracerProvider().Tracer(scope).Start(ctx, name)
	return Span{span}
}

// End ends the part.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// Close ends the span of a request with what its event says. Ids and codes
// only: what is secret is in no event.
func (s Span) Close(e *Event) {
	if s.span == nil {
		return
	}
	defer s.span.End()
	if !s.span.IsRecording() {
		return
	}
	s.span.SetName(e.Method + " " + e.Route)
	s.span.SetAttributes(attribute.String("http.request.method", e.Method), attribute.String("http.route", e.Route),
		attribute.Int("http.response.status_code", e.Status), attribute.String("deputy.request_id", e.RequestID))
	for key, value := range map[string]string{
		"deputy.action": e.Action, "deputy.outcome": e.Outcome, "deputy.reason": e.Reason, "deputy.decision_id": e.DecisionID,
		"deputy.client_id": e.ClientID, "deputy.resource_id": e.ResourceID, "deputy.token_id": e.TokenID,
	} {
		if value != "" {
			s.span.SetAttributes(attribute.String(key, value))
		}
	}
	if e.Status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, e.Reason) // the cause is in the log
	}
}
