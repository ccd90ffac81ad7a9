package main

import (
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever opens the sample is asked, and it shows what it was given, or that it got
// nothing.
func TestSampleAsksWhoeverOpensIt(t *testing.T) {
	d := startDev(t, "sqlite")
	at := regexp.MustCompile(`Open (http://127\.0\.0\.1:\d+)`).FindStringSubmatch(d.welcome)
	require.NotNil(t, at, d.welcome)
	password := regexp.MustCompile(`joe ([a-z2-7]{26})`).FindStringSubmatch(d.welcome)
	b := newBrowser(d.url)
	for _, c := range [][2]string{{"deny", "access_denied: The user said no."}, {"allow", "<code>sales:read</code>"}} {
		answer, shown := c[0], c[1]
		p, err := b.open(t.Context(), at[1]+"/begin")
		require.NoError(t, err)
		if f := p.form("/login"); f != nil {
			f.values.Set("username", "joe")
			f.values.Set("password", password[1])
			p, err = b.send(t.Context(), p, f)
			require.NoError(t, err)
		}
		f := p.form("/consent")
		require.NotNil(t, f, p.title)
		f.tick([]string{"sales:read", "sales:export"})
		f.values.Set("answer", answer)
		p, err = b.send(t.Context(), p, f)
		require.NoError(t, err)
		for _, want := range []string{shown, "belongs to nothing that was asked"} { // once
			resp, err := http.Get(p.away.String())
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Contains(t, string(body), want)
		}
	}
}
