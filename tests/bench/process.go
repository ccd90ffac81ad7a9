//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that runs beside this one.
type process struct {
	name  string
	addr  string
	cmd   *exec.Cmd
	log   string        // file of what it says
	start time.Duration // from being spawned to the first good answer of /readyz
	done  chan error
	also  []int // processes whose children work for it: Postgres
}

// spawn starts a server on a free port and waits until it is ready. Its address
// replaces {addr} in env and args.
func spawn(ctx context.Context, dir, name string, env []string, bin string, args ...string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	for _, words := range [][]string{env, args} {
		for i, w := range words {
			words[i] = strings.ReplaceAll(w, "{addr}", addr)
		}
	}
	p := &process{name: name, addr: addr, log: filepath.Join(dir, name+".log"), done: make(chan error, 1)}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(bin, args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	if err := p.ready(ctx); err != nil {
		said, _ := os.ReadFile(p.log)
		return nil, errors.Join(fmt.Errorf("%s: %w: %s", name, err, tail(said)), p.stop())
	}
	p.start = time.Since(begin)
	return p, nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	for tick := time.NewTicker(time.Millisecond); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// stop ends the server as an operator would, and by force if that is not enough.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		p.done <- err
		if exit := (*exec.ExitError)(nil); p.name == "limit" && errors.As(err, &exit) {
			return nil // it knows no orderly end
		}
		return err
	case <-time.After(40 * time.Second):
		return errors.Join(fmt.Errorf("%s did not stop", p.name), p.cmd.Process.Kill())
	}
}

// cpu is what the server has taken so far, its database included.
func (p *process) cpu() time.Duration {
	total := cpuOf(p.cmd.Process.Pid)
	for _, parent := range p.also {
		total += cpuOf(parent)
		for _, child := range children(parent) {
			total += cpuOf(child)
		}
	}
	return total
}

// ticks a second in /proc, on every Linux there is.
const tick = 10 * time.Millisecond

// cpuOf is user and system time of a process, and of its children that ended.
func cpuOf(pid int) time.Duration {
	f := statOf(pid)
	if len(f) < 15 {
		return 0
	}
	var sum int64
	for _, field := range f[11:15] { // utime stime cutime cstime
		n, _ := strconv.ParseInt(field, 10, 64)
		sum += n
	}
	return time.Duration(sum) * tick
}

// statOf is /proc/PID/stat from the state on: field 3 of proc(5) is the first.
func statOf(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

func children(parent int) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if f := statOf(pid); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// memory is the resident set of the server alone, in megabytes.
func (p *process) memory() float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}

// busy is the CPU everybody on this machine has taken since it started.
func busy() time.Duration {
	b, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(b), "\n")
	var sum int64
	for i, field := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // name, idle, iowait, guests (counted in user)
			continue
		}
		n, _ := strconv.ParseInt(field, 10, 64)
		sum += n
	}
	return time.Duration(sum) * tick
}
