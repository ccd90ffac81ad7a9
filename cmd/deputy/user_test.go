package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/tokens"
)

// page asks for a page, following nothing; a form is posted.
func page(t *testing.T, address string, form url.Values) (status int, body string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(address)
	if form != nil {
		resp, err = client.PostForm(address, form)
	}
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// The people of the sample world sign in with the passwords in the box; a link
// lets one of them begin anew.
func TestPeopleOfTheSampleWorld(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			d := startDev(t, dialect)
			found := regexp.MustCompile(`alice ([a-z2-7]{26})   joe ([a-z2-7]{26})   olivia ([a-z2-7]{26})`).FindStringSubmatch(d.welcome)
			require.NotNil(t, found, d.welcome)
			require.NotContains(t, d.welcome, "/setup/", "olivia administers")
			for i, name := range []string{"alice", "joe", "olivia"} {
				status, body := page(t, d.url+"/login", url.Values{"username": {name}, "password": {found[i+1]}})
				require.Equal(t, http.StatusSeeOther, status, body)
			}
			list := d.must("user", "sessions", "joe")
			require.Equal(t, 2, strings.Count(list, "\n"), list)
			require.Contains(t, list, "127.0.0.1")
			require.Equal(t, "1 ended.\n", d.must("user", "sessions", "joe", "--end"))
			require.Equal(t, 1, strings.Count(d.must("user", "sessions", "joe"), "\n"))

			link := regexp.MustCompile(`http\S+/recover/\S+`).FindString(d.must("user", "link", "joe"))
			status, body := page(t, link, nil)
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, body, "joe")
			invite := regexp.MustCompile(`http\S+/invite/\S+`).FindString(d.must("user", "link", "joe", "--invite"))
			status, _ = page(t, invite, url.Values{"password": {"quiet marble river"}, "again": {"quiet marble river"}})
			require.Equal(t, http.StatusSeeOther, status)
			status, _ = page(t, link, nil)
			require.Equal(t, http.StatusNotFound, status, "one began anew already")
			for _, wrong := range [][]string{{"user", "link", "nobody"}, {"user", "sessions", "usr_nobody"}, {"admin", "link"}} {
				_, err := d.deputy(wrong...)
				require.Error(t, err)
			}
		})
	}
}

// A server that nobody administers prints a link, not into its log, and makes
// another when asked.
func TestSetupLinkIsPrinted(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := probe.Addr().String()
	require.NoError(t, probe.Close())
	dir := t.TempDir()
	for name, value := range map[string]string{"DEPUTY_DATA_DIR": dir, "DEPUTY_DATABASE_URL": "", "DEPUTY_MASTER_KEY": tokens.GenerateMasterKey(), "DEPUTY_LISTEN": addr, "DEPUTY_METRICS_LISTEN": ""} {
		t.Setenv(name, value)
	}
	start := func() (out, log *safeBuffer, stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		out, log = &safeBuffer{}, &safeBuffer{}
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, []string{"serve"}, out, log) }()
		require.Eventually(t, func() bool { return strings.Contains(log.String(), "deputy serves") || len(ended) > 0 }, time.Minute, 20*time.Millisecond)
		return out, log, func() {
			cancel()
			require.NoError(t, <-ended)
		}
	}
	pattern := regexp.MustCompile(`http\S+/setup/(dpt_lnk_\S+)`)
	out, log, stop := start()
	first := pattern.FindStringSubmatch(out.String())
	require.NotNil(t, first, out.String())
	require.NotContains(t, log.String(), first[1])
	var more bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"admin", "link"}, &more, &more))
	second := pattern.FindString(more.String())
	require.NotEqual(t, first[0], second)
	form := url.Values{"name": {"Ada"}, "username": {"ada"}, "password": {"quiet marble river"}, "again": {"quiet marble river"}}
	status, body := page(t, second, form)
	require.Equal(t, http.StatusSeeOther, status, body)
	status, _ = page(t, first[0], nil)
	require.Equal(t, http.StatusOK, status, "it was not used")
	form.Set("username", "mallory")
	status, _ = page(t, first[0], form)
	require.Equal(t, http.StatusNotFound, status, "but somebody administers")
	stop()
	require.NotContains(t, log.String(), "dpt_lnk_")

	out, _, stop = start()
	require.NotContains(t, out.String(), "/setup/")
	stop()
}
