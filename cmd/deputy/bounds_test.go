package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
)

// shippedBounds are those of a start that sets none.
func shippedBounds(t *testing.T) bounds {
	t.Helper()
	c, err := settingsOf(t)
	require.NoError(t, err)
	return c.bounds
}

func TestBoundsAreTheDefaultsUnlessSet(t *testing.T) {
	require.Equal(t, limits.Defaults(), shippedBounds(t).config())
	t.Setenv("DEPUTY_CLIENT_RATE", "7")
	c, err := settingsOf(t, "--max-in-flight", "0", "--failure-burst", "3", "--max-connections", "9")
	require.NoError(t, err)
	require.Equal(t, bounds{FailureBurst: 3, ClientRate: 7, MaxInFlight: 0, MaxConnections: 9}, c.bounds)
	for _, wrong := range []string{"--client-rate=-1", "--failure-burst=1000001"} {
		c, err := settingsOf(t, wrong)
		require.NoError(t, err)
		require.Error(t, c.prepare(), wrong)
	}
}

func TestTimesOfRefreshTokens(t *testing.T) {
	c, err := settingsOf(t)
	require.NoError(t, err)
	require.Equal(t, grants.DefaultRefreshes(), c.refreshes())
	t.Setenv("DEPUTY_REFRESH_LIFE", "1m")
	c, err = settingsOf(t, "--refresh-grace", "0s")
	require.NoError(t, err)
	require.Equal(t, grants.Refreshes{Grace: 0, Life: 60}, c.refreshes())
	require.NoError(t, c.refreshes().Check())
	for flag, why := range map[string]string{
		"--refresh-grace=-1s": "0 to 300", "--refresh-grace=5m1s": "0 to 300", "--refresh-life=59s": "a minute", "--refresh-life=8761h": "a year",
	} {
		c, err := settingsOf(t, flag)
		require.NoError(t, err)
		require.ErrorContains(t, c.prepare(), why, flag)
	}
}

// Failures that were counted are in the ledger once the server has stopped.
func TestCountedFailuresAreWrittenAtTheEnd(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		for range 5 {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth("app_nobody", "wrong")
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		}
		require.NotContains(t, d.must("audit", "tail", "-n", "200"), "again=4 after=dec_")
		d.stop()
		require.Contains(t, d.must("audit", "tail", "-n", "200"), "why=bad_credentials again=4 after=dec_")
	})
}
