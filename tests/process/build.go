//go:build linux

package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// Build makes Deputy from the source that a folder is part of, "" for the one at hand.
func Build(ctx context.Context, source, binary string, flags ...string) error {
	args := append([]string{"build", "-ldflags=-s -w", "-o", binary}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/deputyauth/deputy/cmd/deputy")...)
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// built is what Main built.
var built string

// Main is a TestMain: it builds Deputy once, and runs the tests.
func Main(m interface{ Run() int }) {
	dir, err := os.MkdirTemp("", "deputy-process-")
	if err == nil {
		built = filepath.Join(dir, "deputy")
		err = Build(context.Background(), "", built)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// FreeAddress is one on loopback that nobody listens at.
func FreeAddress() (string, error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return probe.Addr().String(), probe.Close()
}
