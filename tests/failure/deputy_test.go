//go:build linux

package failure

import (
	"os"
	"strconv"
	"testing"

	"github.com/deputyauth/deputy/tests/process"
)

func TestMain(m *testing.M) { process.Main(m) }

// rounds is how often a test goes through what it does, FAILURE_ROUNDS if set.
func rounds(usually int) int {
	if n, err := strconv.Atoi(os.Getenv("FAILURE_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return usually
}

// deputy is the one server of a test, and its database.
type deputy struct {
	*process.Site
	*process.Deputy
	t *testing.T
}

// newDeputy says how to run a server on a database; dsn is empty for SQLite in dir.
func newDeputy(t *testing.T, dir, dsn string, args ...string) *deputy {
	t.Helper()
	s := process.NewSite(t, dir, dsn, args...)
	return &deputy{s, s.Deputy(), t}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
