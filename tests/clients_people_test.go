package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

// A dance is alice at her browser and a client that others wrote, which asks for
// more than she has: she may do and undo work, and the client may ruin it too.
type dance struct {
	*visit
	asked []string
}

// eachDance runs a test on both databases. Failures count as they do by default.
func eachDance(t *testing.T, test func(t *testing.T, d *dance)) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			strict := limits.Defaults()
			s := &sitting{Server: harness.New(t, dialect, harness.Options{Limits: &strict})}
			s.user = s.Person("alice")
			s.agent = s.ForPeople(s.Agent("assistant", s.User("owner")))
			d := &dance{&visit{s, s.Browser()}, append([]string{"work:ruin"}, workScopes...)}
			d.at("service", "https://service.example")
			test(t, d)
		})
	}
}

// at is the service, which the assistant operates: alice holds two of its scopes,
// the assistant all three.
func (d *dance) at(name, identifier string) {
	d.TB.Helper()
	d.service = d.ServiceAt(name, identifier, d.agent, d.asked...)
	d.Allow(d.agent.ID, d.service, d.asked...)
	d.Allow(d.user.ID, d.service, workScopes...)
}

// goes is alice, whose browser a client has sent to uri. She signs in if she is asked
// to, answers what she is asked, and is sent back with what the client hears.
func (d *dance) goes(uri, answer string) url.Values {
	d.TB.Helper()
	a := d.b.Follow(d.signIn(d.b.Get(strings.TrimPrefix(uri, d.URL))))
	if a.Status == http.StatusOK {
		q := d.b.Question(a)
		a = d.b.Post("/consent", q.Form(answer, q.Ticked...))
	}
	return d.b.Back(a)
}

// clients are the two kinds there are: one with a secret, one without.
func (d *dance) clients() []*harness.Client {
	public := d.Public("app")
	d.Allow(public.ID, d.service, d.asked...)
	return []*harness.Client{d.agent, public}
}

func (d *dance) config(c *harness.Client, style oauth2.AuthStyle) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ID, ClientSecret: c.Secret, RedirectURL: harness.Redirect, Scopes: d.asked,
		Endpoint: oauth2.Endpoint{AuthURL: d.URL + "/oauth2/authorize", TokenURL: d.URL + "/oauth2/token", AuthStyle: style},
	}
}

// code has alice answer a request of config; redeem trades the code.
func (d *dance) code(config *oauth2.Config, answer string) (back url.Values, redeem func(context.Context) (*oauth2.Token, error)) {
	d.TB.Helper()
	verifier := oauth2.GenerateVerifier()
	to := config.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", d.service.Identifier))
	back = d.goes(to, answer)
	require.Equal(d.TB, "state-1", back.Get("state"))
	return back, func(ctx context.Context) (*oauth2.Token, error) {
		return config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	}
}

// narrowed is a token for alice with what she has of what was asked for.
func (d *dance) narrowed(token *oauth2.Token) {
	d.TB.Helper()
	require.Equal(d.TB, "Bearer", token.Type())
	require.Equal(d.TB, strings.Join(workScopes, " "), token.Extra("scope"), "she cannot ruin it, so nobody can for her")
	require.Equal(d.TB, d.user.ID, d.Form("/oauth2/introspect", d.agent, url.Values{"token": {token.AccessToken}}).String("sub"))
}

// golang.org/x/oauth2 does the whole dance, with and without a secret, in each of its
// ways to authenticate, and refreshes.
func TestGoOAuth2Client_ActsForAPerson(t *testing.T) {
	eachDance(t, func(t *testing.T, d *dance) {
		for _, c := range d.clients() {
			back, redeem := d.code(d.config(c, oauth2.AuthStyleAutoDetect), "deny")
			require.Equal(t, "access_denied", back.Get("error"))
			_, err := redeem(context.Background())
			var refused *oauth2.RetrieveError
			require.ErrorAs(t, err, &refused, "and there is no code to bring")

			for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
				config := d.config(c, style)
				_, redeem = d.code(config, "allow")
				token, err := redeem(context.Background())
				require.NoError(t, err)
				d.narrowed(token)

				stale := *token
				stale.Expiry = time.Now().Add(-time.Minute)
				fresh, err := config.TokenSource(context.Background(), &stale).Token()
				require.NoError(t, err)
				require.NotEqual(t, token.AccessToken, fresh.AccessToken)
				require.NotEqual(t, token.RefreshToken, fresh.RefreshToken)
				d.narrowed(fresh)
			}
		}
	})
}

// unheard garbles the secret that a client says in the Authorization header.
type unheard struct{ said int }

func (u *unheard) RoundTrip(r *http.Request) (*http.Response, error) {
	if id, _, basic := r.BasicAuth(); basic {
		u.said++
		r = r.Clone(r.Context())
		r.SetBasicAuth(id, "garbled")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// With no style set, golang.org/x/oauth2 authenticates in the header first and, upon
// any error, brings the same code again in the body. The first try must not use the
// code up, nor be held against the client, however often that happens.
func TestGoOAuth2Client_BringsTheSameCodeTwice(t *testing.T) {
	eachDance(t, func(t *testing.T, d *dance) {
		way := &unheard{}
		ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: way})
		const times = 15
		for i, c := range d.clients() {
			for range times {
				_, redeem := d.code(d.config(c, oauth2.AuthStyleAutoDetect), "allow")
				token, err := redeem(ctx)
				require.NoError(t, err)
				d.narrowed(token)
			}
			require.Equal(t, (i+1)*times, way.said)
		}
	})
}
