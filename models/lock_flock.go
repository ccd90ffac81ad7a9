//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package models

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the file for this process, or returns errLocked at once.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
