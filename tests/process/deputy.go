//go:build linux

package process

import (
	"context"
	"path/filepath"
	"syscall"
	"time"
)

// Deputy is a server of a site.
type Deputy struct {
	*Server
	site *Site
}

// Deputy is one that is not started yet; the first one is at the issuer's address.
// When the test ends, so does it.
func (s *Site) Deputy() *Deputy {
	s.t.Helper()
	d := &Deputy{site: s, Server: &Server{URL: s.Issuer, Binary: s.Binary, Log: filepath.Join(s.t.TempDir(), "log")}}
	if s.first {
		d.URL = s.freeURL()
	}
	s.first = true
	s.t.Cleanup(func() {
		d.Kill()
		if s.t.Failed() {
			s.t.Logf("the log of %s ends:\n%s", d.URL, d.Tail(30))
		}
	})
	return d
}

// Launch starts the process and does not wait for it.
func (d *Deputy) Launch() {
	d.site.t.Helper()
	d.Args = append([]string{"serve", "--listen", d.Address()}, d.site.Args...)
	d.Env = d.site.Env
	d.site.must(d.Server.Launch())
}

// AwaitReady returns once the server is ready.
func (d *Deputy) AwaitReady() {
	d.site.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	d.site.must(d.Server.AwaitReady(ctx))
}

// Start starts the server and returns once it is ready, and how long that took.
func (d *Deputy) Start() time.Duration {
	d.site.t.Helper()
	begun := time.Now()
	d.Launch()
	d.AwaitReady()
	return time.Since(begun)
}

// Ready tells whether the server says so.
func (d *Deputy) Ready() bool { return d.Server.Ready(context.Background()) }

// AwaitEnd waits until the process is gone and returns its exit code.
func (d *Deputy) AwaitEnd() int {
	d.site.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(Patience):
		d.site.t.Fatalf("the server did not end")
	}
	return d.process.ProcessState.ExitCode()
}

// Terminate asks the process to end and returns its exit code.
func (d *Deputy) Terminate() int {
	d.site.t.Helper()
	code, err := d.Server.Terminate(Patience)
	d.site.must(err)
	return code
}

// Signal stops the process in its tracks, or lets it go on.
func (d *Deputy) Signal(sig syscall.Signal) {
	d.site.t.Helper()
	d.site.must(d.Server.Signal(sig))
}
