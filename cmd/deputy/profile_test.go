package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCPUProfileIsWrittenWhenAskedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	stop, err := profileCPU(file)
	require.NoError(t, err)
	require.NoError(t, stop())
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, []byte{0x1f, 0x8b}, body[:2], "a gzipped profile")

	stop, err = profileCPU("")
	require.NoError(t, err)
	require.NoError(t, stop())
	_, err = profileCPU(filepath.Join(t.TempDir(), "nowhere", "cpu.pprof"))
	require.ErrorContains(t, err, "CPU profile")
}
