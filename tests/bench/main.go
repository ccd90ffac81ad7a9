//go:build linux

// Command bench measures the real Deputy, over loopback, against the bare limit
// of a token endpoint, in the same run. docs/performance.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/deputyauth/deputy/tests/process"
)

// bench is one run.
type bench struct {
	dir      string // everything temporary
	binary   string // deputy
	postgres *postgresServer
	profiles string // folder of CPU profiles, "" for none
	seconds  time.Duration
	pairs    int
	quick    bool
	only     []string
	limit    *program

	started  int
	rows     []*row
	findings []finding
	failed   []string
}

func main() {
	beLimit()
	debug.SetGCPercent(800) // the generator must not be what is measured
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// limitEnv makes this program the bare limit, serving at the address it holds.
const limitEnv = "DEPUTY_BENCH_LIMIT"

func beLimit() {
	if addr := os.Getenv(limitEnv); addr != "" {
		fmt.Fprintln(os.Stderr, serveLimit(addr))
		os.Exit(1)
	}
}

// spawnLimit starts the bare limit in a process of its own.
func (b *bench) spawnLimit(ctx context.Context) (*program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return spawn(ctx, b.dir, "limit", []string{limitEnv + "={addr}"}, self)
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	var only, db, seconds string
	flag.StringVar(&only, "only", env("BENCH_ONLY", ""), "cases to run: names or patterns, with commas; main: the main ones; empty: all")
	flag.StringVar(&db, "db", env("BENCH_DB", "sqlite"), "sqlite or postgres")
	flag.StringVar(&seconds, "seconds", env("BENCH_SECONDS", ""), "length of one series (3; 1 if quick)")
	flag.IntVar(&b.pairs, "pairs", 0, "how often each case is alternated with the bare limit (4; 2 if quick)")
	flag.BoolVar(&b.quick, "quick", os.Getenv("BENCH") == "quick", "short series, small worlds")
	flag.StringVar(&b.profiles, "profile", env("BENCH_PROFILE", ""), "folder for a CPU profile of every server that is started")
	flag.StringVar(&b.dir, "dir", env("BENCH_DIR", ""), "folder for the databases, on the disk to measure (the system's temporary folder)")
	flag.Parse()
	if err := b.configure(only, seconds); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.dir, "deputy-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.build(ctx); err != nil {
		return err
	}
	if db == "postgres" {
		if b.postgres, err = startPostgres(ctx, b.dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.postgres.stop()) }()
	}
	if b.limit, err = b.spawnLimit(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.limit.stop()) }()
	return b.measure(ctx)
}

func (b *bench) configure(only, seconds string) error {
	if only != "" {
		b.only = strings.Split(only, ",")
	}
	length, pairs := 3.0, 4
	if b.quick {
		length, pairs = 1, 2
	}
	if seconds != "" {
		var err error
		if length, err = strconv.ParseFloat(seconds, 64); err != nil {
			return fmt.Errorf("-seconds: %w", err)
		}
	}
	if b.pairs == 0 {
		b.pairs = pairs
		if n, err := strconv.Atoi(os.Getenv("BENCH_PAIRS")); err == nil {
			b.pairs = n
		}
	}
	b.seconds = time.Duration(length * float64(time.Second))
	if b.pairs < 1 || b.seconds <= 0 {
		return errors.New("there must be at least one pair of series of some length")
	}
	if b.profiles == "" {
		return nil
	}
	var err error
	if b.profiles, err = filepath.Abs(b.profiles); err != nil {
		return err
	}
	return os.MkdirAll(b.profiles, 0o755)
}

// build makes the binary that is measured, as a release is built.
func (b *bench) build(ctx context.Context) error {
	b.binary = filepath.Join(b.dir, "deputy")
	return process.Build(ctx, "", b.binary, "-trimpath", "-tags", "nomsgpack")
}

// measure runs what was asked for and prints the tables.
func (b *bench) measure(ctx context.Context) error {
	b.head(os.Stdout)
	if b.wanted(startName) {
		if err := b.start(ctx); err != nil {
			return fmt.Errorf("%s: %w", startName, err)
		}
	}
	var worlds []world // in the order of the cases
	for _, k := range b.cases() {
		if !slices.Contains(worlds, k.world) {
			worlds = append(worlds, k.world)
		}
	}
	for _, w := range worlds {
		if err := b.inhabit(ctx, w); err != nil {
			return err
		}
	}
	b.derive()
	b.table(os.Stdout)
	if len(b.failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(b.failed, ", "))
	}
	return nil
}

// inhabit loads a world and runs its cases on it.
func (b *bench) inhabit(ctx context.Context, w world) error {
	here := slices.DeleteFunc(b.cases(), func(k kase) bool { return k.world != w || !b.wanted(k.name) })
	special := map[string]func(context.Context, *estate) error{}
	if w == standard {
		special[openName], special[swapName] = b.open, b.swap
	}
	maps.DeleteFunc(special, func(name string, _ func(context.Context, *estate) error) bool { return !b.wanted(name) })
	if len(here)+len(special) == 0 {
		return nil
	}
	e, err := b.settle(ctx, w)
	if err != nil {
		return err
	}
	defer func() { _ = e.leave() }()
	fmt.Fprintf(os.Stderr, "loaded %s in %s\n", e.world, e.loaded.Round(time.Millisecond))
	for _, k := range here {
		if err := b.compare(ctx, e, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	if err := e.slowDown(ctx, 0); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(special)) {
		if err := special[name](ctx, e); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
