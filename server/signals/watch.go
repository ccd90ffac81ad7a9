package signals

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are asked for their state whenever metrics are read. All are required.
type Sources struct {
	Queue    func() int           // records waiting for a ledger commit
	Epoch    func() int64         // up to which changes of facts have been applied
	FactsAge func() time.Duration // since facts were last compared with the database
	HeadAge  func() time.Duration // since the ledger's head was last signed here
	Deaf     func() time.Duration // since the database stopped telling of changes, 0 if it tells
	Policy   func() Policy
	Dropped  func() int64 // log lines

	Failing func() map[string]time.Time // what is done by itself: since when it fails, zero if it does not
}

// Policy is what is known of the policies that serve.
type Policy struct {
	Floor, House string // revisions
	Loaded       time.Time
	Refused      bool // a newer house policy was unfit
}

// Watch registers what is read from its source.
func Watch(r prometheus.Registerer, s Sources) {
	read := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	read("deputy_ledger_queue_records", "Records that wait for the next ledger commit.", func() float64 { return float64(s.Queue()) })
	read("deputy_ledger_head_age_seconds", "Time since this process last saw to it that the ledger's head is signed; it does so every second.", func() float64 { return s.HeadAge().Seconds() })
	read("deputy_facts_epoch", "Number of the last change that the facts in memory take into account.", func() float64 { return float64(s.Epoch()) })
	read("deputy_facts_age_seconds", "Time since the facts in memory were last compared with the database; it is done four times a second.", func() float64 { return s.FactsAge().Seconds() })
	read("deputy_listener_down_seconds", "Time since the database stopped telling of changes by other replicas, 0 while it tells; polling finds them meanwhile.", func() float64 { return s.Deaf().Seconds() })
	read("deputy_policy_loaded_timestamp_seconds", "When the house policy that serves was loaded, in unix time.", func() float64 { return float64(s.Policy().Loaded.Unix()) })
	read("deputy_policy_newest_refused", "1 while a house policy newer than the one that serves is unfit.", func() float64 {
		if s.Policy().Refused {
			return 1
		}
		return 0
	})
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "deputy_log_lines_dropped_total", Help: "Access log lines that were dropped because whoever reads the log was too slow.",
	}, func() float64 { return float64(s.Dropped()) }))
	r.MustRegister(revisions{s.Policy}, chores{s.Failing})
}

// chores tells which of the things that are done by themselves fail: one series each.
type chores struct {
	failing func() map[string]time.Time
}

var upkeepFailing = prometheus.NewDesc("deputy_upkeep_failing", "1 while the last attempt at something that this process does by itself has failed (archive_ledger, rotate_keys, rotate_ledger_key), 0 else. Each is tried again.", []string{"task"}, nil)

// Describe is prometheus.Collector.
func (chores) Describe(to chan<- *prometheus.Desc) { to <- upkeepFailing }

// Collect is prometheus.Collector.
func (c chores) Collect(to chan<- prometheus.Metric) {
	for task, since := range c.failing() {
		failing := 0.0
		if !since.IsZero() {
			failing = 1
		}
		to <- prometheus.MustNewConstMetric(upkeepFailing, prometheus.GaugeValue, failing, task)
	}
}

// revisions tells which policies serve: one series, whatever was loaded before.
type revisions struct{ policy func() Policy }

var policyInfo = prometheus.NewDesc("deputy_policy_info", "The revisions of the policies that serve, in its labels; the value is 1.", []string{"floor", "house"}, nil)

// Describe is prometheus.Collector.
func (revisions) Describe(to chan<- *prometheus.Desc) { to <- policyInfo }

// Collect is prometheus.Collector.
func (r revisions) Collect(to chan<- prometheus.Metric) {
	p := r.policy()
	to <- prometheus.MustNewConstMetric(policyInfo, prometheus.GaugeValue, 1, p.Floor, p.House)
}
