package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// withoutDumps keeps what is in this process's memory out of core dumps, and from
// whoever runs as the same user: nobody may attach to it, or read its environment in
// /proc. The limit alone does not hold where dumps are piped into a program (core(5)).
func withoutDumps() error {
	var errs []error
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		errs = append(errs, fmt.Errorf("limit core dumps: %w", err))
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		errs = append(errs, fmt.Errorf("make the process not dumpable: %w", err))
	}
	return errors.Join(errs...)
}
