package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/upkeep"
)

// settingsOf parses the serve command as a start would, without starting.
func settingsOf(t *testing.T, args ...string) (serveCmd, error) {
	t.Helper()
	var cli commands
	parser, err := kong.New(&cli, kong.Configuration(settings), kong.Resolvers(secretFiles{}),
		kong.Writers(io.Discard, io.Discard), kong.BindTo(context.Background(), (*context.Context)(nil)), kong.Bind(streams{}))
	require.NoError(t, err)
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return cli.Serve, err
}

func TestFlagsGoBeforeEnvironmentBeforeFileBeforeDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deputy.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"listen": "127.0.0.1:1", "log-level": "warn", "data-dir": "from-file"}`), 0o600))
	c, err := settingsOf(t, "--config", file)
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1:1", "warn", "from-file"}, []string{c.Listen, c.LogLevel, c.DataDir})

	t.Setenv("DEPUTY_LISTEN", "127.0.0.1:2")
	t.Setenv("DEPUTY_DATA_DIR", "from-env")
	c, err = settingsOf(t, "--config", file, "--data-dir", "from-flag")
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1:2", "warn", "from-flag"}, []string{c.Listen, c.LogLevel, c.DataDir})

	require.NoError(t, os.WriteFile(file, []byte(`{"lisent": "127.0.0.1:1"}`), 0o600))
	_, err = settingsOf(t, "--config", file)
	require.ErrorContains(t, err, `there is no setting "lisent"`)
	require.NoError(t, os.WriteFile(file, []byte(`{`), 0o600))
	_, err = settingsOf(t, "--config", file)
	require.ErrorContains(t, err, "settings file")
}

func TestSecretsComeFromFilesAndAreNotPrinted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("swordfish\n"), 0o600))
	t.Setenv("DEPUTY_MASTER_KEY_FILE", file)
	c, err := settingsOf(t)
	require.NoError(t, err)
	require.Equal(t, Secret("swordfish"), c.MasterKey)

	t.Setenv("DEPUTY_MASTER_KEY", "from-env")
	c, err = settingsOf(t)
	require.NoError(t, err)
	require.Equal(t, Secret("from-env"), c.MasterKey, "the variable itself goes first")

	t.Setenv("DEPUTY_MASTER_KEY", "")
	t.Setenv("DEPUTY_MASTER_KEY_FILE", file+".missing")
	_, err = settingsOf(t)
	require.ErrorContains(t, err, "DEPUTY_MASTER_KEY_FILE")

	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", Secret("swordfish"))
	require.NotContains(t, log.String()+fmt.Sprint(Secret("swordfish"))+fmt.Sprintf("%v", struct{ S Secret }{"swordfish"}), "swordfish")
}

func TestLengthsOfTimeAreReadInDaysToo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deputy.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"archive-after": "30d"}`), 0o600))
	c, err := settingsOf(t, "--config", file, "--rotate-keys-every", "36h")
	require.NoError(t, err)
	require.Equal(t, upkeep.Config{ArchiveAfter: 30 * 24 * time.Hour, RotateEvery: 36 * time.Hour}, c.upkeep())
	c, err = settingsOf(t)
	require.NoError(t, err)
	require.Equal(t, upkeep.Config{ArchiveAfter: 90 * 24 * time.Hour, RotateEvery: 90 * 24 * time.Hour}, c.upkeep(), "nothing is archived unless it is said where to")
	c, err = settingsOf(t, "--rotate-keys-every", "0")
	require.NoError(t, err)
	require.Zero(t, c.upkeep().RotateEvery)
	for _, wrong := range []string{"", "d", "-1d", "-1h", "90", "1.5d", "40000d", "9000000h90d", "soon"} {
		_, err := settingsOf(t, "--archive-after="+wrong)
		require.Error(t, err, wrong)
	}
}

// What could never be done is refused at the start.
func TestUpkeepIsCheckedAtTheStart(t *testing.T) {
	for _, args := range [][]string{
		{"--archive-dir", filepath.Join(t.TempDir(), "none")}, {"--archive-dir", t.TempDir(), "--archive-after", "47h"}, {"--rotate-keys-every", "23h"},
	} {
		c, err := settingsOf(t, append(args, "--issuer", "http://localhost:8080")...)
		require.NoError(t, err)
		c.MasterKey = Secret(tokens.GenerateMasterKey())
		require.Error(t, c.prepare(), "%v", args)
	}
	c, err := settingsOf(t, "--archive-dir", t.TempDir(), "--archive-after", "2d", "--rotate-keys-every", "1d", "--issuer", "http://localhost:8080", "--data-dir", t.TempDir())
	require.NoError(t, err)
	c.MasterKey = Secret(tokens.GenerateMasterKey())
	require.NoError(t, c.prepare())
}
