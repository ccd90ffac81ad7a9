package modelstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deputyauth/deputy/models"
)

// server is the Postgres of this test process.
type server struct {
	url      func(database string) string
	template string    // how to copy a migrated database, "" if the server is not ours
	life     io.Closer // while it is open, a server of ours lives
}

var (
	errNoBinaries = errors.New("no Postgres: neither initdb and postgres nor DEPUTY_TEST_DATABASE_URL were found")
	start         = sync.OnceValues(startServer)
	databases     atomic.Int64
)

// Postgres returns the URL of a fresh, migrated database, dropped when tb is
// done. Without Postgres it skips the test, or fails it if CI=true.
func Postgres(tb testing.TB) string {
	tb.Helper()
	s := running(tb)
	if s.template != "" {
		return s.database(tb, s.template)
	}
	url := s.database(tb, "")
	if err := migrate(url); err != nil {
		tb.Fatal(err)
	}
	return url
}

// EmptyPostgres is Postgres without the migrations.
func EmptyPostgres(tb testing.TB) string {
	tb.Helper()
	return running(tb).database(tb, "")
}

func running(tb testing.TB) *server {
	tb.Helper()
	s, err := start()
	switch {
	case errors.Is(err, errNoBinaries) && os.Getenv("CI") != "true":
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
	return s
}

// database makes a database and drops it when tb is done.
func (s *server) database(tb testing.TB, like string) (url string) {
	tb.Helper()
	name := fmt.Sprintf("deputy_test_%d_%d", os.Getpid(), databases.Add(1))
	if err := s.exec("create database " + name + like); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.exec("drop database " + name + " with (force)"); err != nil {
			tb.Error(err)
		}
	})
	return s.url(name)
}

func (s *server) exec(sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// withDatabase is base with another database's name.
func withDatabase(base, database string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // connecting with it will say what is wrong
	}
	u.Path = "/" + database
	return u.String()
}

func migrate(url string) error {
	s, err := models.Open(models.Options{URL: url})
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(context.Background()), s.Close())
}

// startServer starts one server for the whole test process. Packages that
// import this one cannot hand it their TestMain, so the server looks after its
// own end: it stops when this process does, however it ends.
func startServer() (*server, error) {
	if base := os.Getenv("DEPUTY_TEST_DATABASE_URL"); base != "" {
		return &server{url: func(database string) string { return withDatabase(base, database) }}, nil
	}
	bin := binaries()
	if bin == "" {
		return nil, errNoBinaries
	}
	dir, err := os.MkdirTemp("", "deputy-pg")
	if err != nil {
		return nil, err
	}
	attr, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	life, err := run(bin, dir, attr)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &server{life: life, url: func(database string) string { return "postgres:///" + database + "?host=" + dir + "&user=postgres" }}
	const template = "deputy_template"
	if err := s.exec("create database " + template); err != nil {
		return nil, err
	}
	// Nobody syncs these files, and so copying them is several times as fast as what
	// Postgres does by default since 15: every page through its log.
	s.template = " template " + template + " strategy file_copy"
	if err := s.exec("create database deputy_copy" + s.template); err != nil {
		s.template = " template " + template // it is older, and copies files anyway
	}
	return s, migrate(s.url(template))
}

// supervise runs a server until its own standard input ends, which it does when
// the test process that holds the other end exits, and cleans up behind it.
const supervise = `dir=$1; shift; "$@" & read -r _; kill -QUIT $!; wait $!; rm -rf "$dir"`

// run makes a database cluster in dir and starts a server on it that can be
// reached through a socket in dir and no other way. The server lives until what
// run returns is closed.
func run(bin, dir string, attr *syscall.SysProcAttr) (io.Closer, error) {
	data, err := initialize(bin, dir, attr)
	if err != nil {
		return nil, err
	}
	args := []string{"-c", supervise, "sh", dir, filepath.Join(bin, "postgres"), "-D", data, "-k", dir}
	for _, setting := range []string{
		"listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=200",
	} {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command("sh", args...)
	cmd.Dir, cmd.SysProcAttr = dir, attr
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return life, awaitReady(log)
}

// initialize makes a database cluster in dir.
func initialize(bin, dir string, attr *syscall.SysProcAttr) (data string, err error) {
	data = filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	return data, nil
}

// awaitReady reads the server's log until it says that it is ready, and goes on
// reading behind its caller's back so that the server never waits for a reader.
func awaitReady(log io.Reader) error {
	lines := bufio.NewScanner(log)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), "ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return nil
		}
	}
	return fmt.Errorf("postgres did not start: %s", strings.Join(said, "\n"))
}

// unprivileged says how to run Postgres, which refuses to run as root, and
// gives it the directory.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is for the tests
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("as root, Postgres needs a user to run as: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

// binaries finds the directory that holds initdb and postgres, "" if none does.
func binaries() string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	packaged, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(packaged, func(a, b string) int { return release(b) - release(a) }) // newest first
	for _, dir := range append(dirs, packaged...) {
		_, err1 := exec.LookPath(filepath.Join(dir, "initdb"))
		_, err2 := exec.LookPath(filepath.Join(dir, "postgres"))
		if err1 == nil && err2 == nil {
			return dir
		}
	}
	return ""
}

// release is the number in /usr/lib/postgresql/15/bin.
func release(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}
