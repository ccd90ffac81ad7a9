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

func (r row) brief() string {
	s := fmt.Sprintf("%-14s %.2f L", r.name, median(r.share))
	if r.failed() {
		s += "  FAILED: " + r.complaint
	}
	return s
}

// verdict says whether a goal holds.
func (g *goal) verdict(v float64) string {
	switch {
	case g == nil:
		return "-\t-\t"
	case v >= g.aim:
		return fmt.Sprintf("%.2f\t%.2f\taim", g.must, g.aim)
	case v >= g.must:
		return fmt.Sprintf("%.2f\t%.2f\tyes", g.must, g.aim)
	}
	return fmt.Sprintf("%.2f\t%.2f\tNO", g.must, g.aim)
}

// table prints what was measured.
func (b *bench) table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tconns\tof L (min-max)\tmust\taim\tholds\treq/s\tL req/s\tp50 ms\tp99 ms\tL p50\tL p99\tCPU us\tL CPU\tgen us\tforeign\tnon-2xx\treceived/rows/lost\t")
	for _, r := range b.rows {
		verdict := r.goal.verdict(median(r.share))
		if r.failed() {
			verdict = "-\t-\tFAILED"
		}
		fmt.Fprintf(w, "%s\t%d\t%.2f (%.2f-%.2f)\t%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\t%.1f\t%.2f\t%d\t%d/%d/%d\t\n",
			r.name, r.conns, median(r.share), slices.Min(r.share), slices.Max(r.share), verdict,
			of(r.deputy, series.rate), of(r.limit, series.rate),
			of(r.deputy, p50), of(r.deputy, p99), of(r.limit, p50), of(r.limit, p99),
			median(r.cpu), median(r.limitCPU), median(r.generator), r.foreign, r.bad, r.received, r.kept, r.lost())
	}
	_ = w.Flush()
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\twhat\tworld\tMB at rest\tMB at most\tready after\t")
	for _, r := range b.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%.0f\t%s\t\n", r.name, r.what, r.world, r.rest, r.loaded, r.start.Round(time.Millisecond))
	}
	_ = w.Flush()
	for _, r := range b.rows {
		if r.complaint != "" {
			fmt.Fprintf(out, "%s: %s\n", r.name, r.complaint)
		}
	}
}

func p50(s series) float64 { return s.quantile(0.50) }
func p99(s series) float64 { return s.quantile(0.99) }
