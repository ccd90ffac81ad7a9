//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

// withoutDumps does nothing where nobody dumps unless asked to.
func withoutDumps() error { return nil }
