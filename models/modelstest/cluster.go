package modelstest

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a Postgres of a test's own, which the test may stop, start and
// pause. What it has committed survives being stopped in any way.
type Cluster struct {
	tb    testing.TB
	dir   string
	start io.WriteCloser // each line that is written to it starts the server once
}

// restartable starts the command once for each line of its standard input, and
// at the end of it stops the last and cleans up behind it.
const restartable = `dir=$1; shift; while read -r _; do "$@" 2>>"$dir/log" & done; kill -CONT $!; kill -QUIT $!; wait; rm -rf "$dir"`

// NewCluster starts a server with a migrated database. Without Postgres it skips
// the test, or fails it if CI=true.
func NewCluster(tb testing.TB) *Cluster {
	tb.Helper()
	bin := binaries()
	switch {
	case bin == "" && os.Getenv("CI") != "true":
		tb.Skip(errNoBinaries)
	case bin == "":
		tb.Fatal(errNoBinaries)
	}
	dir, err := os.MkdirTemp("", "deputy-pg")
	check(tb, err)
	attr, err := unprivileged(dir)
	check(tb, err)
	data, err := initialize(bin, dir, attr)
	check(tb, err)
	// Not synced to disk, which only the death of the machine could show.
	cmd := exec.Command("sh", "-c", restartable, "sh", dir, filepath.Join(bin, "postgres"), "-D", data, "-k", dir,
		"-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	c := &Cluster{tb: tb, dir: dir}
	c.start, err = cmd.StdinPipe()
	check(tb, err)
	check(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = c.start.Close()
		_ = cmd.Wait()
	})
	c.Start()
	check(tb, migrate(c.URL()))
	return c
}

// URL of the cluster's database.
func (c *Cluster) URL() string { return "postgres:///postgres?host=" + c.dir + "&user=postgres" }

// Start starts the server and returns once it answers.
func (c *Cluster) Start() {
	c.tb.Helper()
	_, err := io.WriteString(c.start, "start\n")
	check(c.tb, err)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, c.URL())
		if err == nil {
			_ = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			c.tb.Fatalf("postgres did not start: %v\n%s", err, log)
		}
	}
}

// Stop ends the server at once, as a crash would, and returns when it is gone.
func (c *Cluster) Stop() {
	c.tb.Helper()
	pid := c.pid()
	check(c.tb, syscall.Kill(pid, syscall.SIGQUIT))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(c.pidFile()); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			c.tb.Fatal("postgres did not stop")
		}
	}
}

// Pause freezes every process of the server: connections stay, nobody answers.
func (c *Cluster) Pause() { c.tb.Helper(); c.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (c *Cluster) Resume() { c.tb.Helper(); c.signal(syscall.SIGCONT) }

// signal signals the server and then, since it makes no new ones, its children.
func (c *Cluster) signal(sig syscall.Signal) {
	c.tb.Helper()
	server := c.pid()
	check(c.tb, syscall.Kill(server, sig))
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	check(c.tb, err)
	for _, file := range stats {
		body, _ := os.ReadFile(file) // it may have ended since
		_, after, _ := strings.Cut(string(body), ") ")
		fields := strings.Fields(after) // state, parent, …
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) > 1 && fields[1] == strconv.Itoa(server) {
			_ = syscall.Kill(pid, sig)
		}
	}
}

func (c *Cluster) pidFile() string { return filepath.Join(c.dir, "data", "postmaster.pid") }

func (c *Cluster) pid() int {
	c.tb.Helper()
	body, err := os.ReadFile(c.pidFile())
	check(c.tb, err)
	first, _, _ := strings.Cut(string(body), "\n")
	pid, err := strconv.Atoi(first)
	check(c.tb, err)
	return pid
}
