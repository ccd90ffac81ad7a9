package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/deputyauth/deputy/server/outbound"
)

// Whoever a name leads to is what counts, and a server on this machine is told from
// the internet at the moment of connecting.
func TestNothingHereIsFetched(t *testing.T) {
	asked := false
	web := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(web.Close)
	for _, at := range []string{web.URL, strings.Replace(web.URL, "127.0.0.1", "localhost", 1), strings.Replace(web.URL, "https:", "http:", 1)} {
		c := New(time.Now, outbound.Reach{})
		_, err := c.Address(context.Background(), Provider{Issuer: at}, Visit{})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", at, err)
		}
	}
	if asked {
		t.Error("it was asked")
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
	c := New(func() time.Time { return now }, outbound.Reach{Loopback: true})
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
