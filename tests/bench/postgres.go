//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/deputyauth/deputy/tests/process"
)

// postgresServer is a Postgres of this run's own, which does what a production
// one does to keep what was committed.
type postgresServer struct {
	cmd  *exec.Cmd
	port string
	made int
}

// startPostgres makes a cluster in a folder below dir and serves it on loopback
// TCP, as production would be reached.
func startPostgres(ctx context.Context, dir string) (*postgresServer, error) {
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	// Its own folder beside ours, which nobody but us may enter.
	home, err := os.MkdirTemp(filepath.Dir(dir), "deputy-bench-pg-")
	if err != nil {
		return nil, err
	}
	attr, err := asPostgres(home)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(home, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
	initdb.Dir, initdb.SysProcAttr = home, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	addr, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p := &postgresServer{port: port}
	p.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", home, "-h", "127.0.0.1", "-p", port,
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on", "-c", "shared_buffers=256MB", "-c", "max_connections=100")
	p.cmd.Dir, p.cmd.SysProcAttr = home, attr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.await(ctx)
}

func (p *postgresServer) url(database string) string {
	return "postgres://postgres@127.0.0.1:" + p.port + "/" + database + "?sslmode=disable"
}

func (p *postgresServer) await(ctx context.Context) (err error) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = p.exec(ctx, "select 1"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("postgres did not start: %w", err)
}

func (p *postgresServer) exec(ctx context.Context, query string) error {
	db, err := sql.Open("pgx", p.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, query)
	return err
}

// database makes an empty database and returns its name.
func (p *postgresServer) database(ctx context.Context) (string, error) {
	p.made++
	name := fmt.Sprintf("bench%d", p.made)
	return name, p.exec(ctx, "create database "+name)
}

// stop ends the server and removes what it kept.
func (p *postgresServer) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	_ = p.cmd.Wait()
	return os.RemoveAll(p.cmd.Dir)
}

// postgresBinaries finds the newest server that is installed.
func postgresBinaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, newest := "", -1
	for _, file := range found {
		dir := filepath.Dir(file)
		if n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))); n > newest {
			best, newest = dir, n
		}
	}
	if best != "" {
		return best, nil
	}
	if file, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(file), nil
	}
	return "", errors.New("no Postgres: initdb was not found")
}

// asPostgres says how to run Postgres, which refuses to be root, and gives it
// the folder.
func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("as root, Postgres needs a user to run as: %w", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, errors.Join(err1, err2, os.Chown(dir, uid, gid))
}
