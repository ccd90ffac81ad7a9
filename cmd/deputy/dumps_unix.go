//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// withoutDumps keeps what is in this process's memory out of core dumps.
func withoutDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	return nil
}
