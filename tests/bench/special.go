//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// finding is a measured value that is held against a goal of its own.
type finding struct {
	what      string
	must, aim float64
	value     float64
	more      bool // more is better
	unit      string
	note      string
}

func (f finding) verdict() string {
	good := func(bound float64) bool {
		if f.more {
			return f.value >= bound
		}
		return f.value <= bound
	}
	switch {
	case good(f.aim):
		return "aim"
	case good(f.must):
		return "yes"
	}
	return "NO"
}

const (
	openRate  = 5000 // requests a second
	openConns = 64
)

// open compares latencies at a fixed rate, each from the instant its request
// was due.
func (b *bench) open(ctx context.Context, e *estate) error {
	return b.serving(ctx, e, openName, "", func(p *program) error {
		ours := load{conns: openConns, rate: openRate, time: b.seconds, next: e.ownTokens(), want: wantToken}
		warm := ours
		warm.rate, warm.count, warm.time = 0, 2*e.agents, 20*time.Second
		if _, err := b.series(p, warm); err != nil {
			return err
		}
		theirs := ours
		theirs.next = standard.ownTokens()
		var ratios, own, limit []float64
		late := 0
		for range b.pairs {
			d, err := b.series(p, ours)
			if err != nil {
				return err
			}
			l, err := b.series(b.limit, theirs)
			if err != nil {
				return err
			}
			if d.failed > 0 {
				b.fail(openName, d.complaint)
			}
			late += d.unsent
			ratios, own, limit = append(ratios, d.quantile(0.99)/l.quantile(0.99)), append(own, d.quantile(0.99)), append(limit, l.quantile(0.99))
		}
		note := fmt.Sprintf("p99 %.2f ms, L %.2f ms", median(own), median(limit))
		if late > 0 {
			note += fmt.Sprintf("; %d requests never got their turn: it cannot keep up", late)
		}
		b.find(finding{what: fmt.Sprintf("p99 at %d req/s, open loop, against L's", openRate), must: 2, aim: 1.3, value: median(ratios), unit: "x", note: note})
		return nil
	})
}

// swap changes the house policy every second and a half under a steady load, and
// compares latencies with those of quiet times.
func (b *bench) swap(ctx context.Context, e *estate) error {
	dir := filepath.Join(e.dir, "policy")
	house, err := fs.Sub(policies.FS, "house")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, house); err != nil {
		return err
	}
	return b.serving(ctx, e, swapName, dir, func(p *program) error {
		steady := load{conns: 32, time: max(b.seconds, 2*time.Second), next: e.ownTokens(), want: wantToken}
		if _, err := b.series(p, load{conns: 32, count: 2 * e.agents, next: steady.next, want: wantToken}); err != nil {
			return err
		}
		full, err := b.series(p, steady)
		if err != nil {
			return err
		}
		steady.rate, steady.time = max(1, int(full.rate()*0.4)), max(2*b.seconds, 4*time.Second)
		mark, err := e.mark(ctx)
		if err != nil {
			return err
		}
		var ratios []float64
		bad := 0
		for range b.pairs {
			calm, err := b.series(p, steady)
			if err != nil {
				return err
			}
			stop := changing(filepath.Join(dir, "issue", "issue.rego"))
			changed, err := b.series(p, steady)
			if err := errors.Join(err, stop()); err != nil {
				return err
			}
			bad += calm.failed + changed.failed
			if bad > 0 {
				b.fail(swapName, calm.complaint+changed.complaint)
			}
			ratios = append(ratios, changed.quantile(0.99)/calm.quantile(0.99))
		}
		revisions, err := e.count(ctx, "select count(distinct policy) from ledger where seq >= %d", mark)
		if err == nil && revisions < 2 {
			err = errors.New("no other policy came into force while it was measured")
		}
		note := fmt.Sprintf("%d revisions served, %d answers not 2xx, at %d req/s", revisions, bad, steady.rate)
		b.find(finding{what: "p99 while the house policy is swapped, against before", must: 2, aim: 1.2, value: median(ratios), unit: "x", note: note})
		return err
	})
}

// changing appends a line to a file every second and a half until it is stopped.
func changing(file string) (stop func() error) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for n := 0; ; n++ {
			body, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, fmt.Appendf(body, "\n# change %d\n", n), 0o600)
			}
			if failed = err; failed != nil {
				return
			}
			select {
			case <-done:
				return
			case <-time.After(1500 * time.Millisecond):
			}
		}
	})
	return func() error {
		close(done)
		wg.Wait()
		return failed
	}
}

// start measures a first start on an empty database.
func (b *bench) start(ctx context.Context) error {
	var took, rest []float64
	for range 5 {
		e := &estate{master: newMasterKey()}
		var err error
		if e.dir, err = os.MkdirTemp(b.dir, "empty-"); err != nil {
			return err
		}
		if b.postgres != nil {
			name, err := b.postgres.database(ctx)
			if err != nil {
				return err
			}
			e.url = b.postgres.url(name)
			if err := migrate(ctx, models.Options{URL: e.url}); err != nil { // deputy migrate, as production does
				return err
			}
		}
		b.quiet()
		err = b.serving(ctx, e, startName, "", func(p *program) error {
			time.Sleep(500 * time.Millisecond)
			took, rest = append(took, p.start.Seconds()), append(rest, p.memory())
			return nil
		})
		if err := errors.Join(err, os.RemoveAll(e.dir)); err != nil {
			return err
		}
	}
	b.find(finding{what: "start to ready, empty database", must: 0.5, aim: 0.1, value: median(took), unit: "s"})
	b.find(finding{what: "memory at rest, empty database", must: 60, aim: 40, value: median(rest), unit: "MB"})
	return nil
}

// serving runs something on a started server, and ends the server after it.
func (b *bench) serving(ctx context.Context, e *estate, name, policyDir string, do func(*program) error) error {
	p, err := b.serve(ctx, e, name, true, policyDir)
	if err != nil {
		return err
	}
	return errors.Join(do(p), p.stop())
}

func (b *bench) find(f finding) {
	b.findings = append(b.findings, f)
	fmt.Fprintf(os.Stderr, "%s: %.2f%s %s\n", f.what, f.value, f.unit, f.note)
}

func (b *bench) fail(name, complaint string) {
	if !slices.Contains(b.failed, name) {
		b.failed = append(b.failed, name)
		fmt.Fprintf(os.Stderr, "%s FAILED: %s\n", name, complaint)
	}
}

// row is the case of that name as measured, nil if it was not or failed.
func (b *bench) row(name string) *row {
	for _, r := range b.rows {
		if r.name == name && !r.failed() {
			return r
		}
	}
	return nil
}

// derive reads from the rows what is a goal of its own: how throughput and
// memory go with what is registered.
func (b *bench) derive() {
	if r := b.row(ccName); r != nil {
		b.find(finding{what: "memory at rest, 1000 agents", must: 60, aim: 40, value: r.rest, unit: "MB"})
		b.find(finding{what: "memory under load, 1000 agents", must: 120, aim: 80, value: r.loaded, unit: "MB"})
	}
	ratio := func(what, of, to string, must, aim float64) {
		more, less := b.row(of), b.row(to)
		if more != nil && less != nil {
			b.find(finding{what: what, must: must, aim: aim, value: median(more.share) / median(less.share), more: true, unit: "x"})
		}
	}
	ratio("throughput with 10^6 agents against 10^3", ccName+"/agents1000000", ccName, 0.8, 0.9)
	ratio("throughput with 10^4 scopes held against 10", ccName+"/held10000", ccName+"/held10", 0.75, 0.9)
	ratio("the same, every decision evaluated", evaluatedName+"/held10000", evaluatedName+"/held10", 0.75, 0.9)
	if few, many := b.row(ccName), b.row(ccName+"/agents1000000"); few != nil && many != nil {
		per := func(a, c float64) float64 { return (c - a) * 1024 / float64(many.world.agents-few.world.agents) }
		b.find(finding{what: "memory per further agent, at rest", must: 0.6, aim: 0.4, value: per(few.rest, many.rest), unit: "KB",
			note: fmt.Sprintf("under load %.2f KB", per(few.loaded, many.loaded))})
	}
}
