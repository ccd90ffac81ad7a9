package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A backup is held against a head that was kept elsewhere: an older one fits, a newer one
// shows how much is lost.
func TestRestoreHoldsABackupAgainstKeptHeads(t *testing.T) {
	d := startDev(t, "sqlite")
	key, err := os.ReadFile(filepath.Join(d.dir, "master.key"))
	require.NoError(t, err)
	head := func(name string) string {
		t.Helper()
		d.own()
		require.Eventually(t, func() bool { return strings.Contains(d.must("audit", "verify"), "; 0 entries are newer") }, 10*time.Second, 50*time.Millisecond)
		file := filepath.Join(t.TempDir(), name)
		d.must("audit", "verify", "--save-head", file)
		return file
	}
	before := head("before")
	file := filepath.Join(t.TempDir(), "deputy.backup")
	require.Contains(t, d.must("backup", file), "The master key is not in it")
	after := head("after")
	d.stop()

	elsewhere := t.TempDir()
	restore := func(args ...string) (string, error) {
		return d.deputy(append([]string{"restore", file, "--data-dir", elsewhere, "--master-key", strings.TrimSpace(string(key))}, args...)...)
	}
	out, err := restore("--head", before, "--head", after)
	require.ErrorContains(t, err, "the ledger does not hold: 1 findings")
	require.Contains(t, out, "the end was cut off")
	require.NoFileExists(t, filepath.Join(elsewhere, "deputy.db"))
	out, err = restore("--head", before)
	require.NoError(t, err, out)
	left, err := filepath.Glob(filepath.Join(elsewhere, "*"))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{filepath.Join(elsewhere, "deputy.db"), filepath.Join(elsewhere, "deputy.lock")}, left)
	info, err := os.Stat(filepath.Join(elsewhere, "deputy.db"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = restore("--head", before)
	require.ErrorContains(t, err, "is not overwritten")
	_, err = d.deputy("backup", filepath.Join(t.TempDir(), "none"), "--data-dir", t.TempDir())
	require.ErrorContains(t, err, "there is no database")
}
