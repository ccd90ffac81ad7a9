//go:build linux

package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a program that serves HTTP, in a process of its own. It may be started
// again after it ended.
type Server struct {
	URL    string // where it will serve, without a path
	Binary string
	Args   []string
	Env    []string // all of it
	Log    string   // file of what it says, begun anew at every start

	process *exec.Cmd
	ended   chan struct{} // closed when the process is gone
}

// Launch starts the process and does not wait for it. Should this process end, so does
// that one.
func (s *Server) Launch() error {
	log, err := os.Create(s.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	process, ended := exec.Command(s.Binary, s.Args...), make(chan struct{})
	process.Env, process.Stdout, process.Stderr = s.Env, log, log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := process.Start(); err != nil {
		return err
	}
	s.process, s.ended = process, ended
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	return nil
}

// Start starts the server and returns once it is ready, and how long that took.
func (s *Server) Start(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	if err := s.Launch(); err != nil {
		return 0, err
	}
	err := s.AwaitReady(ctx)
	return time.Since(begun), err
}

// AwaitReady returns once the server is ready, or has ended.
func (s *Server) AwaitReady(ctx context.Context) error {
	for tick := time.NewTicker(time.Millisecond); !s.Ready(ctx); {
		select {
		case <-s.ended:
			return fmt.Errorf("it ended: %v\n%s", s.process.ProcessState, s.Tail(30))
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w\n%s", ctx.Err(), s.Tail(30))
		case <-tick.C:
		}
	}
	return nil
}

var looker = &http.Client{Timeout: 20 * time.Second}

// Ready tells whether /readyz says so.
func (s *Server) Ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := looker.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Address is where it listens.
func (s *Server) Address() string { return strings.TrimPrefix(s.URL, "http://") }

// PID is that of the process.
func (s *Server) PID() int { return s.process.Process.Pid }

// Ended is closed when the process is gone.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Signal sends a signal to the process.
func (s *Server) Signal(sig syscall.Signal) error { return s.process.Process.Signal(sig) }

// DumpedCore tells whether the process that ended left its memory behind.
func (s *Server) DumpedCore() bool {
	status, ok := s.process.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.CoreDump()
}

// Kill ends the process as a power cut ends it, if it was ever started.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.ended
}

// Terminate asks the process to end and returns its exit code. One that does not end
// is killed.
func (s *Server) Terminate(patience time.Duration) (code int, err error) {
	_ = s.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		err = errors.New("it did not end")
		s.Kill()
	}
	return s.process.ProcessState.ExitCode(), err
}

// Said is what the process wrote since it was started.
func (s *Server) Said() string {
	said, _ := os.ReadFile(s.Log)
	return string(said)
}

// Tail is the end of that.
func (s *Server) Tail(lines int) string { return Tail(s.Said(), lines) }

// Tail is the last lines of a text.
func Tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Memory is what the kernel says of the memory of the process, in bytes: VmRSS of now,
// VmHWM at most.
func (s *Server) Memory(field string) (int64, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field+":" {
			kilobytes, err := strconv.ParseInt(f[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel tells no %s", field)
}
