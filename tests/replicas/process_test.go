//go:build linux

package replicas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/tokens"
)

// binary is Deputy as anybody would run it.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "deputy-replicas")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "deputy")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, "github.com/deputyauth/deputy/cmd/deputy")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// full says that this is make replicas: fifty rounds, and times are held to.
var full = os.Getenv("REPLICAS") == "full"

// rounds is how often a test goes through what it does.
func rounds(usually int) int {
	if full {
		return 50
	}
	return usually
}

// patience is how long something may take on a busy machine before it counts
// as not happening at all.
const patience = time.Minute

// site is one database and what all replicas on it have in common.
type site struct {
	*testing.T
	dsn    string
	issuer string
	env    []string
	args   []string
}

func newSite(t *testing.T, dsn string, args ...string) *site {
	t.Helper()
	s := &site{T: t, dsn: dsn, issuer: "http://" + freeAddress(t), args: args}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DEPUTY_") {
			s.env = append(s.env, kv)
		}
	}
	// One client asks as fast as it can, and fails on purpose; and these tests share
	// a small machine.
	s.env = append(s.env, "DEPUTY_MASTER_KEY="+tokens.GenerateMasterKey(), "DEPUTY_ISSUER="+s.issuer, "DEPUTY_DATABASE_URL="+dsn,
		"DEPUTY_DATA_DIR="+t.TempDir(), "DEPUTY_CLIENT_RATE=0", "DEPUTY_FAILURE_BURST=0", "DEPUTY_POLICY_DEADLINE=10s")
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, probe.Close()) }()
	return probe.Addr().String()
}

// replica is a server in a process of its own.
type replica struct {
	*site
	url     string
	process *exec.Cmd
	ended   chan struct{} // closed when the process is gone
	log     *buffer
}

// buffer is what a process wrote, readable while it writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// replica is one that is not started yet. When the test ends, so does it.
func (s *site) replica() *replica {
	r := &replica{site: s, url: "http://" + freeAddress(s.T), log: &buffer{}}
	s.Cleanup(func() {
		r.kill()
		if s.Failed() {
			lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
			s.Logf("the log of %s ends:\n%s", r.url, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
	return r
}

// launch starts the process and does not wait for it.
func (r *replica) launch() {
	r.Helper()
	r.process = exec.Command(binary, append([]string{"serve", "--no-access-log", "--listen", strings.TrimPrefix(r.url, "http://")}, r.args...)...)
	r.process.Env, r.process.Stdout, r.process.Stderr = r.env, r.log, r.log
	r.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(r, r.process.Start())
	ended, process := make(chan struct{}), r.process
	r.ended = ended
	go func() {
		_ = process.Wait()
		close(ended)
	}()
}

// start starts the server and returns once it is ready.
func (r *replica) start() {
	r.Helper()
	r.launch()
	r.awaitReady()
}

func (r *replica) awaitReady() {
	r.Helper()
	r.await("a replica to be ready", func() bool {
		select {
		case <-r.ended:
			r.Fatalf("the replica ended: %s", r.log)
		default:
		}
		return r.ready()
	})
}

func (r *replica) ready() bool {
	resp, err := http.Get(r.url + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// kill ends the process as a power cut ends it.
func (r *replica) kill() {
	if r.process == nil {
		return
	}
	_ = r.process.Process.Kill()
	<-r.ended
}

// signal stops the process in its tracks, or lets it go on.
func (r *replica) signal(sig syscall.Signal) {
	r.Helper()
	require.NoError(r, r.process.Process.Signal(sig))
}

// await polls until it happens.
func (s *site) await(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// run runs another command of the binary on the same database.
func (s *site) run(args ...string) (out string, code int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = s.env
	body, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatalf("%v: %v", args, err)
	}
	return string(body), cmd.ProcessState.ExitCode()
}

// verified proves the ledger with deputy audit verify.
func (s *site) verified() {
	s.Helper()
	out, code := s.run("audit", "verify")
	require.Zero(s, code, out)
	require.Contains(s, out, "The ledger holds.")
	s.Logf("audit verify: %s", strings.TrimSpace(out))
}
