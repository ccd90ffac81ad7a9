package tests

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// Tests here wait for databases half of the time, so twice as many as there are
// processors go on at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
