//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/deputyauth/deputy/tests/process"
)

// program is a server that runs beside this one and is measured.
type program struct {
	*process.Server
	name  string
	start time.Duration // from being spawned to the first good answer of /readyz
	also  []int         // processes whose children work for it: Postgres
}

// spawn starts a server on a free port and waits until it is ready. Its address
// replaces {addr} in env and args.
func spawn(ctx context.Context, dir, name string, env []string, bin string, args ...string) (*program, error) {
	addr, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	for _, words := range [][]string{env, args} {
		for i, w := range words {
			words[i] = strings.ReplaceAll(w, "{addr}", addr)
		}
	}
	p := &program{name: name, Server: &process.Server{
		URL: "http://" + addr, Binary: bin, Args: args, Env: append(os.Environ(), env...), Log: filepath.Join(dir, name+".log"),
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if p.start, err = p.Start(ctx); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// stop ends the server as an operator would, and by force if that is not enough.
func (p *program) stop() error {
	code, err := p.Terminate(40 * time.Second)
	if err == nil && code != 0 && p.name != "limit" { // which knows no orderly end
		err = fmt.Errorf("exit code %d", code)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p.name, err)
	}
	return err
}

// cpu is what the server has taken so far, its database included.
func (p *program) cpu() time.Duration {
	total := cpuOf(p.PID())
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
func (p *program) memory() float64 {
	resident, _ := p.Memory("VmRSS")
	return float64(resident) / (1 << 20)
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
