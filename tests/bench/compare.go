package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// row is one case as measured.
type row struct {
	kase
	share          []float64 // of the limit, pair by pair
	deputy, limit  []series
	cpu, limitCPU  []float64 // microseconds of the server a request
	generator      []float64 // microseconds of the generator a request
	foreign        float64   // cores that others took, at most
	rest, loaded   float64   // resident megabytes
	start          time.Duration
	received, kept int // good answers, and rows of the ledger for them
	bad            int // answers that were not good
	complaint      string
}

func (r row) lost() int { return r.received - r.kept }

func (r row) failed() bool { return r.bad > 0 || r.lost() != 0 || r.received == 0 }

// compare alternates series of a case with series of the bare limit.
func (b *bench) compare(ctx context.Context, e *estate, k kase) error {
	b.doing = k.name
	p, err := b.serve(ctx, e, k.reuse, "")
	if err != nil {
		return err
	}
	r := row{kase: k, start: p.start}
	err = b.pairUp(ctx, e, p, &r)
	if stopped := p.stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return err
	}
	b.rows = append(b.rows, r)
	if r.failed() {
		b.failed = append(b.failed, k.name)
	}
	fmt.Fprintln(os.Stderr, r.brief())
	return nil
}

func (b *bench) pairUp(ctx context.Context, e *estate, p *process, r *row) error {
	time.Sleep(500 * time.Millisecond) // as it is at rest
	r.rest, _ = p.memory()
	requests, err := r.prepare(ctx, e, p.addr)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	mark, err := e.mark(ctx)
	if err != nil {
		return err
	}
	limited := standard.ownTokens()
	for pair := -1; pair < b.pairs && ctx.Err() == nil; pair++ {
		length, count := b.seconds, 0
		if pair < 0 { // not counted: every agent once, so that what can be cached is
			length, count = min(b.seconds, time.Second), min(e.agents, 10_000)
		}
		d, err := b.series(p, load{conns: r.conns, time: length, count: count, next: requests, want: r.want}, r)
		if err != nil {
			return err
		}
		r.received, r.bad = r.received+d.ok, r.bad+d.failed
		if r.complaint == "" {
			r.complaint = d.complaint
		}
		l, err := b.series(b.limit, load{conns: r.conns, time: length, next: limited, want: wantToken}, r)
		if err != nil {
			return err
		}
		if l.failed > 0 {
			return fmt.Errorf("the limit failed: %s", l.complaint)
		}
		if pair >= 0 {
			r.deputy, r.limit = append(r.deputy, d.series), append(r.limit, l.series)
			r.share = append(r.share, d.rate()/l.rate())
			r.cpu, r.limitCPU = append(r.cpu, d.cpu), append(r.limitCPU, l.cpu)
			r.generator = append(r.generator, float64(l.generator.Microseconds())/float64(max(1, l.ok)))
		}
	}
	_, r.loaded = p.memory()
	r.kept, err = e.count(ctx, r.rows, mark)
	return err
}

// measured is a series and what the server took for it.
type measured struct {
	series
	cpu float64 // microseconds a request
}

// series runs one load when the machine is quiet, and notes what others took of
// it meanwhile.
func (b *bench) series(p *process, l load, r *row) (measured, error) {
	quiet()
	all, own := busy(), p.cpu()
	s, err := drive(p.addr, l)
	if err != nil {
		return measured{}, err
	}
	own = p.cpu() - own
	foreign := (busy() - all - own - s.generator).Seconds() / s.elapsed.Seconds()
	r.foreign = max(r.foreign, foreign)
	return measured{s, float64(own.Microseconds()) / float64(max(1, s.ok))}, nil
}

// quiet waits for a quiet moment on this machine, though not for ever.
func quiet() {
	const look = 250 * time.Millisecond
	for range 20 {
		before := busy()
		time.Sleep(look)
		if (busy()-before).Seconds()/look.Seconds() < 0.15 {
			return
		}
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// of takes the median of something over series.
func of(all []series, what func(series) float64) float64 {
	v := make([]float64, len(all))
	for i, s := range all {
		v[i] = what(s)
	}
	return median(v)
}
