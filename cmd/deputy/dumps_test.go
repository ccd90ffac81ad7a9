//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// dumpsEnv has the test say, in a process of its own, what is left of core dumps.
const dumpsEnv = "DEPUTY_TEST_DUMPS"

func TestNothingIsDumped(t *testing.T) {
	if os.Getenv(dumpsEnv) != "" {
		require.NoError(t, withoutDumps())
		var limit unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_CORE, &limit))
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		require.NoError(t, err)
		fmt.Printf("limits %d %d, dumpable %d\n", limit.Cur, limit.Max, dumpable)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingIsDumped$", "-test.v")
	cmd.Env = append(os.Environ(), dumpsEnv+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "limits 0 0, dumpable 0")
}
