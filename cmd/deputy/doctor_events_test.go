package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/grants"
)

// refusesFollowers answers as a server refuses who wants to follow.
func refusesFollowers(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="deputy"`)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
}

// streaming begins a stream with text, and leaves it open.
func streaming(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func TestDoctorFollowsEvents(t *testing.T) {
	const begins = "retry: 1000\nid: 1.abcdefgh\n\n"
	stranger := refusesFollowers(http.StatusUnauthorized, "invalid_client")
	bearer := func(yes http.HandlerFunc) http.HandlerFunc { // a client that operates nothing, and may follow all
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer at" {
				yes(w, r)
				return
			}
			refusesFollowers(http.StatusBadRequest, "unauthorized_client")(w, r)
		}
	}
	for _, one := range []struct {
		name   string
		events http.HandlerFunc
		token  string // what the token endpoint answers
		want   []string
	}{
		{"a service", streaming(begins), "", []string{}},
		{"an administrator", bearer(streaming(begins)), `{"access_token":"at"}`, []string{}},
		{"neither", bearer(streaming(begins)), "", []string{"warn events: stream"}},
		{"without the right", bearer(refusesFollowers(http.StatusForbidden, "insufficient_scope")), `{"access_token":"at"}`, []string{"warn events: stream"}},
		{"wrong secret", stranger, "", []string{"fail events: stream"}},
		{"too many", refusesFollowers(http.StatusTooManyRequests, "slow_down"), "", []string{"warn events: stream"}},
		{"a proxy that does not answer", refusesFollowers(http.StatusBadGateway, ""), "", []string{"fail events: stream"}},
		{"a proxy that gathers all of it", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "", []string{"fail events: stream"}},
		{"a proxy that gathers what is in it", streaming(""), "", []string{"fail events: stream"}},
		{"something else", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "", []string{"fail events: stream"}},
		{"a stream that ends", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") }, "", []string{"fail events: stream"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			f := newFakeServer(t)
			f.events = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					stranger(w, r)
					return
				}
				one.events(w, r)
			}
			if one.token != "" {
				f.pages["/auth/oauth2/token"] = one.token
			}
			d := &doctor{now: time.Now, print: func(finding) {}}
			p := &patient{doctor: d, http: http.DefaultClient, as: credentials{"app_a", "secret"}}
			if one.name[:7] == "a proxy" {
				p.patience = 300 * time.Millisecond
			}
			p.examine(t.Context(), f.issuer)
			found := byCheck(t, d.found)
			require.Contains(t, found, "events: stream")
			require.Equal(t, one.want, unwell(found))
		})
	}
	t.Run("nobody else's server", func(t *testing.T) {
		f := newFakeServer(t)
		asked := 0
		f.events = func(http.ResponseWriter, *http.Request) { asked++ }
		for name := range f.pages {
			delete(f.pages, name)
		}
		d := &doctor{now: time.Now, print: func(finding) {}}
		(&patient{doctor: d, http: http.DefaultClient, as: credentials{"app_a", "secret"}}).examine(t.Context(), f.issuer)
		require.Zero(t, asked, "what is not known to be the issuer is shown no secret")
	})
}

// What the doctor opens is what a server serves.
func TestDoctorFollowsAServer(t *testing.T) {
	o := newOperator(t, "sqlite")
	secret := o.shows("administrator's secret", `DEPUTY_CLIENT_SECRET=(\S+)`, "admin", "create")
	store, err := models.Open(o.data)
	require.NoError(t, err)
	apps, _, err := store.Clients(t.Context(), models.ClientFilter{Name: "admin"}, models.Page{})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	o.serve()
	var out bytes.Buffer
	look := func(more ...string) string {
		out.Reset()
		require.NoError(t, run(context.Background(), append([]string{"doctor", o.url}, more...), &out, &out), out.String())
		return out.String()
	}
	require.Regexp(t, `(?m)^ok    events +services find the feed`, look())
	require.NotContains(t, out.String(), "events: stream")
	require.Regexp(t, `(?m)^ok    events: stream +it opens for an administrator`, look("--client-id", apps[0].ID, "--client-secret", secret))
}

// receiver registers one for all events, and has something happen age ago that it was
// not told.
func (c *clinic) receiver(age time.Duration) {
	c.t.Helper()
	o := c.data
	o.Now = func() time.Time { return c.now.Add(-age) }
	s, err := models.Open(o)
	require.NoError(c.t, err)
	defer s.Close()
	r := &models.EventReceiver{URL: "https://siem.example/events"}
	require.NoError(c.t, s.CreateEventReceiver(c.t.Context(), modelstest.By(), r))
	u := modelstest.User(c.t, s, "gone")
	_, err = s.SuspendUser(c.t.Context(), modelstest.By(), u.ID)
	require.NoError(c.t, err)
	left, err := grants.LeftUntold(c.t.Context(), s, r)
	require.NoError(c.t, err)
	require.Equal(c.t, 1, left.Events)
	require.Equal(c.t, o.Now().UnixMilli(), left.Oldest)
}

// failing has every receiver fail for so long.
func (c *clinic) failing(since time.Duration) {
	c.t.Helper()
	c.exec("update event_receivers set failing_since = %d, tries = 3", c.now.Add(-since).Unix())
}
