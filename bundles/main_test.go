package bundles

import (
	"flag"
	"os"
	"testing"
)

// TestMain asks for more random worlds than rapid would by itself.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	if !chosen {
		if err := flag.Set("rapid.checks", "2500"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
