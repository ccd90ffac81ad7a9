package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/tokens"
)

// own gets a token of the orchestrator.
func (d *devServer) own() string {
	out := d.must("token", "get", "--as", "orchestrator", "--resource", "https://orchestrator.example", "--scope", "agent:orchestrate")
	return strings.TrimSpace(out[strings.Index(out, "eyJ"):])
}

func TestKeysRotateWhileTokensLive(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		old := d.own()
		require.Contains(t, d.must("keys", "rotate", "--lead", "0s"), "tokens  ES256    signs from")
		next := d.own()
		header := func(raw string) string { return raw[:strings.Index(raw, ".")] }
		require.NotEqual(t, header(old), header(next), "another key signs")
		for _, raw := range []string{old, next} {
			require.Contains(t, d.must("token", "inspect", raw), "signature: good")
		}
		require.Regexp(t, `(?m)^ok    jwks +2 keys`, d.must("doctor", d.url))
		require.Len(t, regexp.MustCompile(`(?m)^key_\w+  tokens`).FindAllString(d.must("keys", "list"), -1), 2)

		require.Eventually(t, func() bool {
			return strings.Contains(d.must("audit", "verify"), "The ledger holds.") && !strings.Contains(d.must("audit", "verify"), " 0 signed heads")
		}, 10*time.Second, 50*time.Millisecond)
		verifier := regexp.MustCompile(`(?m)^deputy-ledger\+\S+$`).FindString(d.must("keys", "rotate", "--ledger"))
		require.NotEmpty(t, verifier)
		listed := regexp.MustCompile(`(?m)^deputy-ledger\+\S+$`).FindAllString(d.must("keys", "list"), -1)
		require.Len(t, listed, 2, "the ones before it, too")
		require.Equal(t, verifier, listed[1])
		d.own()
		require.Eventually(t, func() bool {
			return strings.Contains(d.must("audit", "verify"), "; 0 entries are newer")
		}, 10*time.Second, 50*time.Millisecond, "heads of both keys are verified")
		out, err := d.deputy("audit", "verify", "--key", verifier)
		require.ErrorContains(t, err, "does not hold", "the new key alone does not vouch for what the old one signed")
		require.Contains(t, out, "the signature does not hold")
	})
}

func TestMasterKeyIsChanged(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		token := d.own()
		file := filepath.Join(d.dir, "master.key")
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		old, next := strings.TrimSpace(string(body)), tokens.GenerateMasterKey()
		if dialect == "sqlite" {
			_, err = d.deputy("keys", "rewrap", "--master-key", next, "--master-key-previous", old)
			require.ErrorContains(t, err, "database in use")
		}
		d.stop()
		for why, args := range map[string][]string{
			"set DEPUTY_MASTER_KEY":    {"--master-key", next},
			"is the previous one":      {"--master-key", next, "--master-key-previous", next},
			"another master key":       {"--master-key", next, "--master-key-previous", tokens.GenerateMasterKey()},
			"previous master key: the": {"--master-key", next, "--master-key-previous", "short"},
		} {
			_, err = d.deputy(append([]string{"keys", "rewrap"}, args...)...)
			require.ErrorContains(t, err, why)
		}
		require.Contains(t, d.must("keys", "rewrap", "--master-key", next, "--master-key-previous", old), "are sealed under the new master key")
		require.Contains(t, d.must("audit", "tail", "-n", "1"), "rewrapKeys")
		addr := strings.Replace(strings.TrimPrefix(d.url, "http://"), "localhost", "127.0.0.1", 1)
		require.NoError(t, os.WriteFile(file, []byte(next), 0o600))
		d.start(addr, nil, true)
		require.Contains(t, d.must("token", "inspect", token), "signature: good")
		d.own()
		require.Contains(t, d.must("audit", "verify"), "The ledger holds.")
	})
}
