package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/server/tokens"
)

// A server that is started on an old database archives what is old, and makes the next
// signing key: once, also if it is started anew.
func TestServeKeepsHouse(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		o := newOperator(t, dialect)
		old := o.tenDaysAgo()
		archives := t.TempDir()
		t.Setenv("DEPUTY_ARCHIVE_DIR", archives)
		t.Setenv("DEPUTY_ARCHIVE_AFTER", "5d")
		t.Setenv("DEPUTY_ROTATE_KEYS_EVERY", "9d")
		files := func() []string {
			names, err := filepath.Glob(filepath.Join(archives, "ledger-*.jsonl"))
			require.NoError(t, err)
			return names
		}
		for range 2 {
			stop := o.serve()
			require.Eventually(t, func() bool { return len(files()) == 1 && strings.Count(o.published(), `"kid"`) == 2 }, time.Minute, 20*time.Millisecond)
			require.Contains(t, o.published(), old, "what it signed is verified yet")
			resp, err := http.Get(o.url + "/readyz")
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Contains(t, string(body), `"upkeep":{"status":"ok"}`)
			stop()
		}
		log := string(o.log.Bytes())
		require.Equal(t, 1, strings.Count(log, "the ledger's past was archived"))
		require.Equal(t, 1, strings.Count(log, "the next signing key was made"))
		require.NotContains(t, log, "upkeep failed")
		require.NoError(t, o.says("audit", "verify"), "%s", o.said)
		require.NoError(t, o.says("audit", "verify-archive", files()[0]), "%s", o.said)
	})
}

// tenDaysAgo fills the operator's database with what happened then, and names the key that
// signed.
func (o *operator) tenDaysAgo() (kid string) {
	o.t.Helper()
	then := time.Now().Add(-10 * 24 * time.Hour)
	data := o.data
	data.Now = func() time.Time { return then }
	s, err := models.Open(data)
	require.NoError(o.t, err)
	defer s.Close()
	require.NoError(o.t, s.Migrate(o.t.Context()))
	require.NoError(o.t, server.EnsureSelf(o.t.Context(), s, o.url))
	master, err := tokens.NewMasterKey(o.secrets["master key"])
	require.NoError(o.t, err)
	ring, err := tokens.NewKeyring(o.t.Context(), o.url, s, master, data.Now)
	require.NoError(o.t, err)
	w := modelstest.NewWorld(o.t, s, "w")
	for range 10 {
		modelstest.Issue(o.t, s, w.Token(s))
	}
	require.NoError(o.t, s.SignHead(o.t.Context(), ring.LedgerSigner()))
	keys, err := s.SigningKeys(o.t.Context())
	require.NoError(o.t, err)
	for _, k := range keys {
		if k.Purpose == models.KeyForTokens {
			kid = k.ID
		}
	}
	return kid
}

// published is the key set.
func (o *operator) published() string {
	o.t.Helper()
	resp, err := http.Get(o.url + "/oauth2/jwks")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(o.t, err)
	return string(body)
}

// A folder that is not there is said at the start, not when nobody looks any more.
func TestServeRefusesWhatItCannotKeep(t *testing.T) {
	o := newOperator(t, "sqlite")
	require.ErrorContains(t, run(t.Context(), []string{"serve", "--archive-dir", filepath.Join(t.TempDir(), "none")}, o.log, o.log), "folder of archives")
	require.NoFileExists(t, filepath.Join(o.data.Dir, "deputy.db"))
	require.NoError(t, os.WriteFile(filepath.Join(o.data.Dir, "file"), nil, 0o600))
	require.ErrorContains(t, run(t.Context(), []string{"serve", "--archive-dir", filepath.Join(o.data.Dir, "file")}, o.log, o.log), "folder of archives")
}
