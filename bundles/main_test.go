package bundles

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// TestMain asks for more random worlds than rapid would by itself, and for less
// garbage collection: the tests compile the policies some five hundred times.
func TestMain(m *testing.M) {
	debug.SetGCPercent(300)
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	if !chosen {
		if err := flag.Set("rapid.checks", "2000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
