package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// The bare limit: a handler that parses the form and signs the same claims,
// nothing else. What the others take is to be read as a multiple of it, from the
// same run.
func BenchmarkBareLimit(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Unix()
		t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": "http://localhost", "sub": r.PostFormValue("client_id"), "aud": r.PostFormValue("resource"),
			"scope": r.PostFormValue("scope"), "iat": now, "exp": now + 600, "jti": rand.Text(),
		})
		raw, err := t.SignedString(key)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": raw, "expires_in": 600, "token_type": "Bearer"})
	}))
	b.Cleanup(bare.Close)
	form := harness.OwnForm("https://service.example", "read")
	form.Set("client_id", "agt_bare")
	drive(b, bare.URL, "", "", form)
}

func BenchmarkClientCredentials(b *testing.B) {
	for _, dialect := range harness.Dialects {
		b.Run(dialect, func(b *testing.B) {
			s := harness.New(b, dialect, harness.Options{})
			agent := s.Agent("agent", s.User("owner"))
			service := s.Service("service", agent, "read")
			s.Allow(agent.ID, service, "read")
			drive(b, s.URL+"/oauth2/token", agent.ID, agent.Secret, harness.OwnForm(service.Identifier, "read"))
		})
	}
}

func BenchmarkTokenExchange(b *testing.B) {
	for _, dialect := range harness.Dialects {
		s := harness.New(b, dialect, harness.Options{})
		c := newChain(s)
		b.Run(dialect+"/first hop", func(b *testing.B) {
			drive(b, s.URL+"/oauth2/token", c.agents[0].ID, c.agents[0].Secret, harness.ExchangeForm(c.tokens[0], c.services[1].Identifier, "search:use"))
		})
		b.Run(dialect+"/third hop", func(b *testing.B) {
			drive(b, s.URL+"/oauth2/token", c.agents[2].ID, c.agents[2].Secret, harness.ExchangeForm(c.tokens[2], c.services[3].Identifier, "notes:use"))
		})
		b.Run(dialect+"/introspection", func(b *testing.B) {
			drive(b, s.URL+"/oauth2/introspect", c.agents[3].ID, c.agents[3].Secret, url.Values{"token": {c.tokens[3]}})
		})
	}
}

// drive posts the form from 32 connections; every answer must be a good one.
func drive(b *testing.B, url, id, secret string, form url.Values) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	body := form.Encode()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if id != "" {
				req.SetBasicAuth(id, secret)
			}
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Errorf("status %d", resp.StatusCode)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
