package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/tokens"
)

// serving is `deputy serve` as it is started in production, with these flags.
func serving(t *testing.T, flags ...string) (url string, log *safeBuffer, stop func()) {
	t.Helper()
	t.Setenv("DEPUTY_MASTER_KEY", tokens.GenerateMasterKey())
	log = &safeBuffer{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--issuer", "http://localhost:1", "--data-dir", t.TempDir()}, flags...), io.Discard, log)
	}()
	address := regexp.MustCompile(`"deputy serves".*"address":"([^"]+)"`)
	require.Eventually(t, func() bool { return address.MatchString(log.String()) || len(ended) > 0 }, time.Minute, 10*time.Millisecond)
	m := address.FindStringSubmatch(log.String())
	require.NotEmpty(t, m, log.String())
	return "http://" + m[1], log, func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

func read(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}

func TestServeIsWatched(t *testing.T) {
	url, log, stop := serving(t, "--metrics-listen", "127.0.0.1:0")
	m := regexp.MustCompile(`"metrics are served","url":"([^"]+)"`).FindStringSubmatch(log.String())
	require.NotEmpty(t, m, log.String())
	read(t, url+"/oauth2/jwks")
	read(t, url+"/healthz")
	metrics := read(t, m[1])
	require.Contains(t, metrics, `deputy_http_request_seconds_count{route="/oauth2/jwks",status="2xx"} 1`)
	require.Regexp(t, `deputy_policy_info\{floor="[0-9a-f]+",house="[0-9a-f]+"\} 1`, metrics)
	for _, name := range []string{
		"deputy_ledger_queue_records", "deputy_ledger_head_age_seconds", "deputy_facts_epoch", "deputy_facts_age_seconds",
		"deputy_policy_loaded_timestamp_seconds", "deputy_policy_newest_refused", "deputy_log_lines_dropped_total",
	} {
		require.Regexp(t, `(?m)^`+name+` [0-9]`, metrics)
	}
	out := &safeBuffer{}
	require.NoError(t, run(context.Background(), []string{"healthcheck", "--url", url}, out, out))
	stop()
	require.Contains(t, log.String(), `"route":"/oauth2/jwks","status":200`, "what waited was written at the end")
	require.NotContains(t, log.String(), "/healthz")
	_, err := http.Get(m[1])
	require.Error(t, err, "it ends with the server")
}

func TestServeWithoutSignals(t *testing.T) {
	url, log, stop := serving(t, "--metrics-listen", "", "--no-access-log")
	read(t, url+"/oauth2/jwks")
	stop()
	require.NotContains(t, log.String(), "metrics")
	require.NotContains(t, log.String(), "/oauth2/jwks")
}

// An address somebody chose is had or told; the usual one is not worth dying for.
func TestMetricsAtAnAddressThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	log := &safeBuffer{}
	_, err = signalFlags{LogLevel: "info", MetricsListen: taken.Addr().String()}.watch(context.Background(), log, false)
	require.ErrorContains(t, err, "metrics: listen tcp "+taken.Addr().String()+": bind: address already in use")

	usual, err := net.Listen("tcp", autoMetrics)
	if err == nil { // else somebody has it already, which is as good
		defer usual.Close()
	}
	w, err := signalFlags{LogLevel: "info", MetricsListen: "auto"}.watch(context.Background(), log, false)
	require.NoError(t, err)
	w.close(context.Background())
	require.Contains(t, log.String(), "their usual address is taken")

	_, err = signalFlags{LogLevel: "info", OTLPEndpoint: "nowhere"}.watch(context.Background(), log, false)
	require.ErrorContains(t, err, "OTLP endpoint")
}

func TestHealthcheckNamesWhatFails(t *testing.T) {
	require.NoError(t, notReady(200, strings.NewReader(`{}`)))
	err := notReady(503, strings.NewReader(`{"checks":{"policy":{"status":"warn","detail":"w"},"ledger":{"status":"fail","detail":"L."},"database":{"status":"fail","detail":"D."}}}`))
	require.EqualError(t, err, "not ready: database: D. ledger: L.")
	require.EqualError(t, notReady(502, strings.NewReader(`<html>`)), "not ready: status 502")
	err = run(context.Background(), []string{"healthcheck", "--url", "http://127.0.0.1:1"}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "does not answer")
}
