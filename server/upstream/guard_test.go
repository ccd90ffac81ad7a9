package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Nothing but the internet is reached, and this machine where that is allowed.
func TestOnlyTheInternetIsReached(t *testing.T) {
	for _, closed := range []string{
		"10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "203.0.113.9",
		"::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
	} {
		for _, loopback := range []bool{false, true} {
			if reachable(netip.MustParseAddr(closed), loopback) == nil {
				t.Errorf("%s is reached", closed)
			}
		}
	}
	for _, open := range []string{"8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if err := reachable(netip.MustParseAddr(open), false); err != nil {
			t.Error(err)
		}
	}
	for _, local := range []string{"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"} {
		if reachable(netip.MustParseAddr(local), false) == nil || reachable(netip.MustParseAddr(local), true) != nil {
			t.Errorf("%s is reached without being allowed, or not although it is", local)
		}
	}
}

// Whoever a name leads to is what counts, and a server on this machine is told from
// the internet at the moment of connecting.
func TestNothingHereIsFetched(t *testing.T) {
	asked := false
	web := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(web.Close)
	for _, at := range []string{web.URL, strings.Replace(web.URL, "127.0.0.1", "localhost", 1), strings.Replace(web.URL, "https:", "http:", 1)} {
		c := New(time.Now, false)
		_, err := c.Address(context.Background(), Provider{Issuer: at}, Visit{})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", at, err)
		}
	}
	if asked {
		t.Error("it was asked")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somewhere else was asked") }))
	t.Cleanup(elsewhere.Close)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/near":
			http.Redirect(w, r, "/long", http.StatusFound)
		default:
			_, _ = w.Write(bytes.Repeat([]byte("a"), maxAnswer+10))
		}
	}))
	t.Cleanup(web.Close)
	client := guarded(true)
	for _, path := range []string{"/away", "/round"} {
		if resp, err := client.Get(web.URL + path); err == nil {
			resp.Body.Close()
			t.Errorf("%s was followed", path)
		}
	}
	resp, err := client.Get(web.URL + "/near")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) != maxAnswer {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

// What a provider publishes is read once an hour, and who it says it is must be so.
func TestDocumentIsReadOnce(t *testing.T) {
	reads, issuer := 0, ""
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reads++
		_, _ = io.WriteString(w, `{"issuer":"`+issuer+`","authorization_endpoint":"`+issuer+`/a","token_endpoint":"`+issuer+`/t","jwks_uri":"`+issuer+`/j"}`)
	}))
	t.Cleanup(web.Close)
	now := time.Now()
	c := New(func() time.Time { return now }, true)
	p := Provider{Issuer: web.URL, ClientID: "deputy", Scopes: []string{"openid"}, ACRValues: []string{"gold"}}
	issuer = "https://other.example"
	if _, err := c.Address(t.Context(), p, Visit{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("another issuer: %v", err)
	}
	issuer = web.URL
	for range 3 {
		at, err := c.Address(t.Context(), p, Visit{State: "s", Nonce: "n", Verifier: "v", MaxAge: 9, Strong: true, Hint: "alice", Locales: "de en"})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"max_age=9", "acr_values=gold", "login_hint=alice", "ui_locales=de+en", "nonce=n", "state=s"} {
			if !strings.Contains(at, part) {
				t.Errorf("%s lacks %s", at, part)
			}
		}
		if strings.Contains(at, "prompt=") {
			t.Errorf("%s asks anew", at)
		}
	}
	if reads != 2 {
		t.Errorf("read %d times", reads)
	}
	now = now.Add(keepDocument)
	if _, err := c.Address(t.Context(), p, Visit{}); err != nil || reads != 3 {
		t.Errorf("an hour later: read %d times, %v", reads, err)
	}
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"issuer":"`+web.URL+`","authorization_endpoint":"javascript:alert(1)","token_endpoint":"`+web.URL+`/t","jwks_uri":"`+web.URL+`/j"}`)
	})
	now = now.Add(keepDocument)
	if at, err := c.Address(t.Context(), p, Visit{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("people are sent to %q, %v", at, err)
	}
}
