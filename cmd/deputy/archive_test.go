package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
)

// oldLedger fills a database with what happened ten days ago, and a little of today.
func oldLedger(t *testing.T, dialect string) (verifier string) {
	t.Helper()
	o := modelstest.Database(t, dialect)
	t.Setenv("DEPUTY_DATABASE_URL", o.URL)
	t.Setenv("DEPUTY_DATA_DIR", o.Dir)
	now := time.Now().Add(-10 * 24 * time.Hour)
	o.Now = func() time.Time { return now }
	s, err := models.Open(o)
	require.NoError(t, err)
	master, err := tokens.NewMasterKey(tokens.GenerateMasterKey())
	require.NoError(t, err)
	ring, err := tokens.NewKeyring(t.Context(), "https://deputy.example", s, master, o.Now)
	require.NoError(t, err)
	w := modelstest.NewWorld(t, s, "w")
	for range 10 {
		modelstest.Issue(t, s, w.Token(s))
	}
	require.NoError(t, s.SignHead(t.Context(), ring.LedgerSigner()))
	now = time.Now()
	modelstest.Issue(t, s, w.Token(s))
	require.NoError(t, s.SignHead(t.Context(), ring.LedgerSigner()))
	keys, err := s.LedgerKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return keys[0].PublicJWK
}

// audit runs a command on the database of the environment.
func audit(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), append([]string{"audit"}, args...), &out, &out)
	return out.String(), err
}

// day is the date of so many days ago.
func day(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }

func TestTheLedgersPastIsArchived(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		verifier := oldLedger(t, dialect)
		file := filepath.Join(t.TempDir(), "ledger.jsonl")
		for _, young := range []string{day(0), day(1), "yesterday"} {
			_, err := audit("archive", "--before", young, file)
			require.ErrorContains(t, err, "--before")
		}
		head := filepath.Join(t.TempDir(), "head")
		_, err := audit("verify", "--save-head", head)
		require.NoError(t, err)
		out, err := audit("archive", "--before", day(20), file)
		require.NoError(t, err)
		require.Contains(t, out, "nothing to archive")
		require.NoFileExists(t, file)

		out, err = audit("archive", "--before", day(5), file)
		require.NoError(t, err, out)
		require.Regexp(t, `Entries 0 to \d+, and 0 facts, are in \S+ and no longer in the ledger`, out)
		sum := regexp.MustCompile(`SHA-256 (\w{64})`).FindStringSubmatch(out)[1]
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		out, err = audit("verify", "--head", head)
		require.NoError(t, err, out)
		require.Regexp(t, `The first \d+ entries are archived`, out)
		out, err = audit("tail", "-n", "1")
		require.NoError(t, err)
		require.Contains(t, out, "archiveLedger")
		id := regexp.MustCompile(`chg_\w+`).FindString(out)
		out, err = audit("show", id)
		require.NoError(t, err)
		require.Contains(t, out, sum, "the ledger says which file")
		require.Contains(t, out, "ledger.jsonl")

		_, err = audit("archive", "--before", day(5), file)
		require.ErrorContains(t, err, "file exists", "nothing is overwritten")
		out, err = audit("archive", "--before", day(5), file+".2")
		require.NoError(t, err)
		require.Contains(t, out, "nothing to archive")

		provenAlone(t, file, verifier, sum)
	})
}

// provenAlone proves an archive where there is no database.
func provenAlone(t *testing.T, file, verifier, sum string) {
	t.Helper()
	t.Setenv("DEPUTY_DATABASE_URL", "")
	t.Setenv("DEPUTY_DATA_DIR", filepath.Join(t.TempDir(), "none"))
	out, err := audit("verify-archive", "--key", verifier, "--print", file)
	require.NoError(t, err, "no database is needed")
	require.Contains(t, out, sum)
	require.Equal(t, 10, strings.Count(out, " granted "))
	_, err = audit("verify-archive", "--key", verifier, file, file)
	require.ErrorContains(t, err, "begins at entry 0")
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(body, []byte(`"granted"`), []byte(`"refused"`), 1), 0o600))
	_, err = audit("verify-archive", "--key", verifier, file)
	require.ErrorContains(t, err, "not those that were signed")
}
