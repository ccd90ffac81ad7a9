//go:build linux

package main

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the bare limit, as the program is.
func TestMain(m *testing.M) {
	beLimit()
	os.Exit(m.Run())
}
