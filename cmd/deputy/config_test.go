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

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
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
