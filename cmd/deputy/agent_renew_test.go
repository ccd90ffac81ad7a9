package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// An agent replaces its own secret, as a timer has it do.
func TestAnAgentRenewsItsOwnSecret(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		ctx := context.Background()
		made := regexp.MustCompile(`client_id=(\S+)\nclient_secret=(\S+)`).FindStringSubmatch(d.must("agent", "create", "reporter", "--kind", "application"))
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte(made[2]+"\n"), 0o640))
		secret := func() string {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			return string(body)
		}
		renew := func(args ...string) (string, error) {
			return d.deputy(append([]string{"agent", "renew", file, "--client-id", made[1]}, args...)...)
		}
		works := func(secret string) bool {
			_, err := newRemote(d.url, credentials{made[1], secret}).clientCredentials(ctx, credentials{made[1], secret}, d.url+"/api/v1", "credentials:own")
			return err == nil
		}

		_, err := renew("--after", "0s")
		require.ErrorContains(t, err, "credentials:own", "it may not")
		d.must("role", "create", "renewer", d.url+"/api/v1 credentials:own")
		d.must("role", "give", "renewer", "reporter")

		out, err := renew()
		require.NoError(t, err)
		require.Contains(t, out, "it stays")
		require.Equal(t, made[2]+"\n", secret())
		_, err = renew("--after", "0s", "--overlap", "1m")
		require.ErrorContains(t, err, "overlap")
		require.Equal(t, made[2]+"\n", secret(), "nothing is lost")

		out, err = renew("--after", "0s")
		require.NoError(t, err)
		require.Contains(t, out, "took the place of")
		next := secret()
		require.NotEqual(t, made[2]+"\n", next)
		require.NotContains(t, out, next[:len(next)-1])
		require.True(t, works(made[2]), "for the overlap")
		require.True(t, works(next[:len(next)-1]))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
		left, err := os.ReadDir(filepath.Dir(file))
		require.NoError(t, err)
		require.Len(t, left, 1, "no part of it stays beside it")

		file = filepath.Join(filepath.Dir(file), strings.Repeat("x", 250)) // beside it is no room for a part
		require.NoError(t, os.WriteFile(file, []byte(next), 0o600))
		_, err = renew("--after", "0s")
		require.ErrorIs(t, err, syscall.ENAMETOOLONG)
		var all list[apiCredential]
		r, err := connection{URL: d.url, DataDir: d.dir}.admin()
		require.NoError(t, err)
		require.NoError(t, r.call(ctx, http.MethodGet, "/clients/"+made[1]+"/credentials", nil, &all))
		require.Len(t, all.Items, 2, "no secret was made that nobody has")
	})
}
