//go:build linux

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
	deputy, limit  []measured
	rest, loaded   float64 // resident megabytes
	start          time.Duration
	received, kept int // good answers, and rows of the ledger for them
	bad            int // answers that were not good
	repeated       int // pairs that were thrown away because the machine was not quiet
	complaint      string
}

func (r *row) lost() int { return r.received - r.kept }

func (r *row) failed() bool { return r.bad > 0 || r.lost() != 0 || len(r.share) == 0 }

// foreign is how many cores others took at most, in the pairs that count.
func (r *row) foreign() (most float64) {
	for _, m := range slices.Concat(r.deputy, r.limit) {
		most = max(most, m.foreign)
	}
	return most
}

// compare alternates series of a case with series of the bare limit.
func (b *bench) compare(ctx context.Context, e *estate, k kase) error {
	if err := e.slowDown(ctx, k.slow); err != nil {
		return err
	}
	p, err := b.serve(ctx, e, k.name, k.reuse, "")
	if err != nil {
		return err
	}
	r := &row{kase: k, start: p.start}
	if err := b.pairUp(ctx, e, p, r); err != nil {
		r.bad, r.complaint = r.bad+1, err.Error()
	}
	if err := p.stop(); err != nil {
		r.bad, r.complaint = r.bad+1, fmt.Sprintf("it did not end well: %v", err)
	}
	b.rows = append(b.rows, r)
	if r.failed() {
		b.failed = append(b.failed, k.name)
	}
	fmt.Fprintln(os.Stderr, r.brief())
	return ctx.Err()
}

// noisy is how many cores others may take before a pair of series is thrown
// away, as often as there are pairs to measure.
const noisy = 0.15

func (b *bench) pairUp(ctx context.Context, e *estate, p *program, r *row) error {
	time.Sleep(500 * time.Millisecond) // as it is at rest
	r.rest = p.memory()
	requests, err := r.prepare(e, p.Address(), r)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	mark, err := e.mark(ctx)
	if err != nil {
		return err
	}
	ours := load{conns: r.conns, next: requests, want: r.want}
	theirs := load{conns: r.conns, next: standard.ownTokens(), want: wantToken}
	// Not counted: every agent twice, so that what can be cached is.
	ours.count, ours.time = 2*min(e.agents, 100_000), 20*time.Second
	theirs.time = 500 * time.Millisecond
	if _, _, err := b.pair(p, ours, theirs, r); err != nil {
		return err
	}
	ours.count, ours.time, theirs.time = 0, b.seconds, b.seconds
	for spare := b.spare(); len(r.share) < b.pairs && ctx.Err() == nil; {
		d, l, err := b.pair(p, ours, theirs, r)
		if err != nil {
			return err
		}
		if spare > 0 && max(d.foreign, l.foreign) > noisy {
			spare--
			r.repeated++
			continue
		}
		r.deputy, r.limit = append(r.deputy, d), append(r.limit, l)
		r.share = append(r.share, d.rate()/l.rate())
	}
	r.kept, err = e.count(ctx, r.rows, mark)
	return err
}

func (b *bench) spare() int {
	if b.quick {
		return 0
	}
	return b.pairs
}

// pair drives Deputy and then the limit, and counts what Deputy answered.
func (b *bench) pair(p *program, ours, theirs load, r *row) (d, l measured, err error) {
	if d, err = b.series(p, ours); err != nil {
		return d, l, err
	}
	r.received, r.bad = r.received+d.ok, r.bad+d.failed
	if r.complaint == "" {
		r.complaint = d.complaint
	}
	r.loaded = max(r.loaded, p.memory())
	if l, err = b.series(b.limit, theirs); err == nil && l.failed > 0 {
		err = fmt.Errorf("the limit failed: %s", l.complaint)
	}
	return d, l, err
}

// measured is a series and what was taken for it.
type measured struct {
	series
	cpu     float64 // microseconds of the server a request
	foreign float64 // cores that others took meanwhile
}

// generation is what a request cost the generator, in microseconds.
func (m measured) generation() float64 {
	return float64(m.generator.Microseconds()) / float64(max(1, m.ok))
}

// series runs one load when the machine is quiet, and notes what others took of
// it meanwhile.
func (b *bench) series(p *program, l load) (measured, error) {
	b.quiet()
	all, own := busy(), p.cpu()
	s, err := drive(p.Address(), l)
	if err != nil {
		return measured{}, err
	}
	own = p.cpu() - own
	foreign := (busy() - all - own - s.generator).Seconds() / s.elapsed.Seconds()
	return measured{s, float64(own.Microseconds()) / float64(max(1, s.ok)), max(0, foreign)}, nil
}

// quiet waits for a quiet moment on this machine, though not for ever.
func (b *bench) quiet() {
	const look = 250 * time.Millisecond
	looks := 12
	if b.quick {
		looks = 1
	}
	for range looks {
		before := busy()
		time.Sleep(look)
		if (busy()-before).Seconds()/look.Seconds() < noisy {
			return
		}
	}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	switch n := len(s); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (s[n/2-1] + s[n/2]) / 2
	default:
		return s[n/2]
	}
}

// of takes the median of something over series.
func of(all []measured, what func(measured) float64) float64 {
	v := make([]float64, len(all))
	for i, s := range all {
		v[i] = what(s)
	}
	return median(v)
}
