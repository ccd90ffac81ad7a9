package signals

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are everything Deputy counts. A label is a code or a route that
// Deputy knows, never an id and never what somebody sent. Methods on nil do
// nothing.
type Metrics struct {
	decisions    *prometheus.CounterVec
	decisionTime prometheus.Histogram
	reuse        *prometheus.CounterVec
	stale        prometheus.Counter
	alarms       *prometheus.CounterVec

	requestTime *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	limited     *prometheus.CounterVec

	ledgerWait     prometheus.Histogram
	batchRecords   prometheus.Histogram
	commitTime     prometheus.Histogram
	commitFailures prometheus.Counter
	cacheHits      prometheus.Counter
	cacheMisses    prometheus.Counter

	actions, reasons, limits *words
}

// fast are the buckets of what happens inside Deputy, slow those of requests.
var (
	fast = []float64{1e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1}
	slow = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 10}
)

// Registry is where metrics are registered, and read from.
type Registry = prometheus.Registry

// NewRegistry makes an empty one.
func NewRegistry() *Registry { return prometheus.NewRegistry() }

// NewMetrics makes the metrics and registers them, with those of the Go runtime
// and the process.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: counters("deputy_decisions_total",
			"Questions that were answered, by policy action, outcome (granted, refused, or failed when the fault is Deputy's) and the code of the decisive reason; house stands for every code of house policy's own.", "action", "outcome", "reason"),
		decisionTime: histogram("deputy_decision_seconds", "Time policy took to answer one question.", fast),
		reuse: counters("deputy_decision_reuse_total",
			"Questions by whether a decision on the very same facts could be used again (hit) or policy was evaluated (miss).", "result"),
		stale: counter("deputy_stale_retries_total", "Decisions that were taken anew because a fact changed before they were recorded."),
		alarms: counters("deputy_alarms_total",
			"Things that must never happen: policy granted more than a party has (seat_belt), policy gave no valid answer (policy_error), or a handler panicked (panic).", "kind"),

		requestTime: histograms("deputy_http_request_seconds", "Time from reading a request's header to the end of its answer, by route and class of status.", slow, "route", "status"),
		inFlight:    gauge("deputy_http_requests_in_flight", "Requests that are being worked on."),
		limited:     counters("deputy_limited_total", "Requests that were turned away by a limit before any work was done for them, by the limit.", "limit"),

		ledgerWait:     histogram("deputy_ledger_wait_seconds", "Time a request waited until its ledger entry was durable.", slow),
		batchRecords:   histogram("deputy_ledger_batch_records", "Records in one ledger commit.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}),
		commitTime:     histogram("deputy_ledger_commit_seconds", "Time one ledger commit took.", slow),
		commitFailures: counter("deputy_ledger_commit_failures_total", "Ledger commits that failed: nobody in them got an answer but an error."),
		cacheHits:      counter("deputy_facts_cache_hits_total", "Facts that were in memory when a decision needed them."),
		cacheMisses:    counter("deputy_facts_cache_misses_total", "Facts that were read from the database because they were not in memory."),

		actions: newWords(200), reasons: newWords(200), limits: newWords(50),
	}
	r.MustRegister(
		m.decisions, m.decisionTime, m.reuse, m.stale, m.alarms, m.requestTime, m.inFlight, m.limited,
		m.ledgerWait, m.batchRecords, m.commitTime, m.commitFailures, m.cacheHits, m.cacheMisses,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, kind := range []string{AlarmSeatBelt, AlarmPolicy, AlarmPanic} {
		m.alarms.WithLabelValues(kind) // so that an alert can be written before the first one
	}
	for _, result := range []string{"hit", "miss"} {
		m.reuse.WithLabelValues(result)
	}
	return m
}

// Kinds of alarm.
const (
	AlarmSeatBelt = "seat_belt"
	AlarmPolicy   = "policy_error"
	AlarmPanic    = "panic"
)

// Answered counts a question by how it was answered.
func (m *Metrics) Answered(action, outcome, reason string) {
	if m != nil {
		m.decisions.WithLabelValues(m.actions.bound(action), outcome, m.reasons.bound(reason)).Inc()
	}
}

// Decided notes how long policy took, and whether it was asked at all.
func (m *Metrics) Decided(took time.Duration, reused bool) {
	if m == nil {
		return
	}
	m.decisionTime.Observe(took.Seconds())
	if reused {
		m.reuse.WithLabelValues("hit").Inc()
	} else {
		m.reuse.WithLabelValues("miss").Inc()
	}
}

// Stale counts a decision that was taken anew.
func (m *Metrics) Stale() {
	if m != nil {
		m.stale.Inc()
	}
}

// Alarm counts what must never happen.
func (m *Metrics) Alarm(kind string) {
	if m != nil {
		m.alarms.WithLabelValues(kind).Inc()
	}
}

// Limited counts a request that the limit of this name turned away.
func (m *Metrics) Limited(limit string) {
	if m != nil {
		m.limited.WithLabelValues(m.limits.bound(limit)).Inc()
	}
}

// Arrived counts a request in, Left out again.
func (m *Metrics) Arrived() {
	if m != nil {
		m.inFlight.Inc()
	}
}

// Left notes a request that was answered. route is as registered.
func (m *Metrics) Left(route string, status int, took time.Duration) {
	if m != nil {
		m.inFlight.Dec()
		m.requestTime.WithLabelValues(route, class(status)).Observe(took.Seconds())
	}
}

// Waited notes how long a request waited for its ledger entry.
func (m *Metrics) Waited(took time.Duration) {
	if m != nil {
		m.ledgerWait.Observe(took.Seconds())
	}
}

// Committed notes one commit of the ledger.
func (m *Metrics) Committed(records int, took time.Duration, err error) {
	if m == nil {
		return
	}
	m.batchRecords.Observe(float64(records))
	m.commitTime.Observe(took.Seconds())
	if err != nil {
		m.commitFailures.Inc()
	}
}

// Loaded counts a fact by whether it was in memory.
func (m *Metrics) Loaded(hit bool) {
	switch {
	case m == nil:
	case hit:
		m.cacheHits.Inc()
	default:
		m.cacheMisses.Inc()
	}
}

func class(status int) string {
	switch status / 100 {
	case 1:
		return "1xx"
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	case 5:
		return "5xx"
	}
	return "none"
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}
