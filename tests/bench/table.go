//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// head says what was measured, where.
func (b *bench) head(w io.Writer) {
	db := "SQLite, synchronous=FULL"
	if b.postgres != nil {
		db = "PostgreSQL, fsync and synchronous_commit on"
	}
	fmt.Fprintf(w, "Deputy against the bare limit L. %s, %s, %d cores, %s.\n", model(), runtime.Version(), runtime.NumCPU(), db)
	fmt.Fprintf(w, "fdatasync on %s: %s. %d pairs of %s each, alternating.\n\n", b.dir, flush(b.dir), b.pairs, b.seconds)
}

func model() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return runtime.GOARCH
}

// flush is the median of what it takes to make a small write durable.
func flush(dir string) time.Duration {
	f, err := os.CreateTemp(dir, "flush")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range 200 {
		begin := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil || syscall.Fdatasync(int(f.Fd())) != nil {
			return 0
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[len(took)/2].Round(time.Microsecond)
}

func (r *row) brief() string {
	s := fmt.Sprintf("%-24s %.2f L", r.name, median(r.share))
	if r.failed() {
		s += "  FAILED: " + r.complaint
	}
	return s
}

// table prints what was measured: each case beside the limit, what the servers
// took, and the goals.
func (b *bench) table(out io.Writer) {
	columns(out, "case\tconns\tof L (min-max)\treq/s\tL req/s\tp50 ms\tp99 ms\tL p50\tL p99\tnon-2xx\treceived/rows/lost", func(line func(string, ...any)) {
		for _, r := range b.rows {
			if len(r.share) == 0 {
				line("%s\t%d\tFAILED", r.name, r.conns)
				continue
			}
			line("%s\t%d\t%.2f (%.2f-%.2f)\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%d/%d/%d",
				r.name, r.conns, median(r.share), slices.Min(r.share), slices.Max(r.share), of(r.deputy, perSecond), of(r.limit, perSecond),
				of(r.deputy, p50), of(r.deputy, p99), of(r.limit, p50), of(r.limit, p99), r.bad, r.received, r.kept, r.lost())
		}
	})
	columns(out, "case\tworld\tCPU us\tL CPU us\tof L by CPU\tgenerator us\tothers' cores\trepeated\tMB at rest\tMB loaded\tready after", func(line func(string, ...any)) {
		for _, r := range b.rows {
			line("%s\t%s\t%.1f\t%.1f\t%.2f\t%.1f\t%.2f\t%d\t%.0f\t%.0f\t%s", r.name, r.world, of(r.deputy, perRequest), of(r.limit, perRequest),
				of(r.limit, perRequest)/max(1, of(r.deputy, perRequest)), of(r.deputy, measured.generation), r.foreign(), r.repeated, r.rest, r.loaded, r.start.Round(time.Millisecond))
		}
	})
	columns(out, "goal\tmust\taim\tmeasured\tholds\t", func(line func(string, ...any)) {
		for _, r := range b.rows {
			if r.goal == nil {
				continue
			}
			f := finding{what: r.what + ", share of L", must: r.goal.must, aim: r.goal.aim, value: median(r.share), more: true, unit: " L"}
			if r.failed() {
				line("%s\t%.2f\t%.2f\t-\tFAILED\t%s", f.what, f.must, f.aim, r.complaint)
				continue
			}
			line("%s\t%.2f\t%.2f\t%.2f%s\t%s\t", f.what, f.must, f.aim, f.value, f.unit, f.verdict())
		}
		for _, f := range b.findings {
			line("%s\t%g\t%g\t%.2f %s\t%s\t%s", f.what, f.must, f.aim, f.value, f.unit, f.verdict(), f.note)
		}
	})
}

// columns prints lines of tab-separated fields under a heading.
func columns(out io.Writer, heading string, fill func(line func(string, ...any))) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, heading)
	fill(func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) })
	_ = w.Flush()
	fmt.Fprintln(out)
}

func p50(m measured) float64        { return m.quantile(0.50) }
func p99(m measured) float64        { return m.quantile(0.99) }
func perSecond(m measured) float64  { return m.rate() }
func perRequest(m measured) float64 { return m.cpu }
