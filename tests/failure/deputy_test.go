//go:build linux

package failure

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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/deputyauth/deputy/server/tokens"
)

// binary is Deputy as anybody would run it.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "deputy-failure")
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

// rounds is how often a test goes through what it does, FAILURE_ROUNDS if set.
func rounds(usually int) int {
	if n, err := strconv.Atoi(os.Getenv("FAILURE_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return usually
}

// patience is how long something may take on a busy machine before it counts
// as not happening at all.
const patience = time.Minute

// deputy is a server in a process of its own.
type deputy struct {
	t       *testing.T
	url     string
	address string
	env     []string
	dir     string // of the SQLite database, "" on Postgres
	dsn     string // of Postgres
	args    []string

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

// newDeputy says how to run a server on a database; dsn is empty for SQLite in dir.
func newDeputy(t *testing.T, dir, dsn string, args ...string) *deputy {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := probe.Addr().String()
	must(t, probe.Close())
	d := &deputy{t: t, url: "http://" + address, address: address, dir: dir, dsn: dsn, args: args}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DEPUTY_") {
			d.env = append(d.env, kv)
		}
	}
	d.env = append(d.env, "DEPUTY_MASTER_KEY="+tokens.GenerateMasterKey(), "DEPUTY_ISSUER="+d.url, "DEPUTY_DATABASE_URL="+dsn, "DEPUTY_DATA_DIR="+dir,
		// One client asks as fast as it can, and fails on purpose; and these tests
		// share a small machine. Policy that takes long has a deadline of its own.
		"DEPUTY_CLIENT_RATE=0", "DEPUTY_FAILURE_BURST=0", "DEPUTY_POLICY_DEADLINE=10s")
	t.Cleanup(func() {
		d.kill()
		if t.Failed() && d.log != nil {
			t.Logf("the server's log ends:\n%s", tail(d.log.String(), 30))
		}
	})
	return d
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// launch starts the process and does not wait for it.
func (d *deputy) launch() {
	d.t.Helper()
	d.log = &buffer{}
	d.process = exec.Command(binary, append([]string{"serve", "--listen", d.address}, d.args...)...)
	d.process.Env, d.process.Stdout, d.process.Stderr = d.env, d.log, d.log
	d.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(d.t, d.process.Start())
	ended, process := make(chan struct{}), d.process
	d.ended = ended
	go func() {
		_ = process.Wait()
		close(ended)
	}()
}

// start starts the server and returns once it is ready, and how long that took.
func (d *deputy) start() time.Duration {
	d.t.Helper()
	begin := time.Now()
	d.launch()
	d.await("the server to be ready", func() bool {
		select {
		case <-d.ended:
			d.t.Fatalf("the server ended: %s", d.log)
		default:
		}
		return d.ready()
	})
	return time.Since(begin)
}

func (d *deputy) ready() bool {
	resp, err := http.Get(d.url + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// await polls until it happens.
func (d *deputy) await(what string, happened func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// kill ends the process as a power cut ends it.
func (d *deputy) kill() {
	if d.process == nil {
		return
	}
	_ = d.process.Process.Kill()
	<-d.ended
}

// terminate asks the process to end and returns its exit code.
func (d *deputy) terminate() int {
	d.t.Helper()
	must(d.t, d.process.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Fatal("the server did not end")
	}
	return d.process.ProcessState.ExitCode()
}

// run runs another command of the binary on the same database.
func (d *deputy) run(args ...string) (out string, code int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = d.env
	body, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatalf("%v: %v", args, err)
	}
	return string(body), cmd.ProcessState.ExitCode()
}

// verified proves the ledger with deputy audit verify.
func (d *deputy) verified() {
	out, code := d.run("audit", "verify")
	if code != 0 || !strings.Contains(out, "The ledger holds.") {
		d.t.Fatalf("audit verify: exit code %d\n%s", code, tail(out, 20))
	}
	d.t.Logf("audit verify: %s", strings.TrimSpace(out))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// statusField reads a number that the kernel keeps of a process, in its own unit.
func statusField(t *testing.T, pid int, name string) int64 {
	t.Helper()
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for _, line := range strings.Split(string(body), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			must(t, err)
			return n
		}
	}
	t.Fatalf("the kernel tells no %s", name)
	return 0
}
