//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package models

import "os"

// lockFile does nothing where there is no flock: nobody keeps a second server
// from the database there.
func lockFile(*os.File) error { return nil }
