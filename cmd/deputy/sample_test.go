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

// Whoever is elsewhere finds the request in their inbox, and the sample shows what it
// was given for that.
func TestSampleAsksSomebodyElsewhere(t *testing.T) {
	d := startDev(t, "sqlite")
	at := regexp.MustCompile(`Open (http://127\.0\.0\.1:\d+)`).FindStringSubmatch(d.welcome)
	password := regexp.MustCompile(`alice ([a-z2-7]{26})`).FindStringSubmatch(d.welcome)
	see := func(path string) (where, text string) {
		resp, err := http.Get(path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.Request.URL.String(), string(body)
	}
	waits, text := see(at[1] + "/ask?who=alice")
	require.Contains(t, text, "It waits for an answer")
	b := newBrowser(d.url)
	p, err := b.open(t.Context(), d.url+"/approvals")
	require.NoError(t, err)
	f := p.form("/login")
	require.NotNil(t, f, p.title)
	f.values.Set("username", "alice")
	f.values.Set("password", password[1])
	_, err = b.send(t.Context(), p, f)
	require.NoError(t, err)
	var inbox struct{ Waiting []string }
	require.NoError(t, b.json(t.Context(), "/approvals/waiting", &inbox))
	require.Len(t, inbox.Waiting, 1)
	p, err = b.open(t.Context(), d.url+"/approvals/"+inbox.Waiting[0])
	require.NoError(t, err)
	f = p.form("/approvals/" + inbox.Waiting[0])
	require.NotNil(t, f, p.title)
	f.tick([]string{"sales:export"})
	f.values.Set("answer", "allow")
	_, err = b.send(t.Context(), p, f)
	require.NoError(t, err)
	_, text = see(waits)
	require.Contains(t, text, "<code>sales:export</code>", "exactly what she ticked")
	_, text = see(waits)
	require.Contains(t, text, "Nobody was asked this")
	_, text = see(at[1] + "/ask?who=nobody")
	require.Contains(t, text, "names no user")
}
