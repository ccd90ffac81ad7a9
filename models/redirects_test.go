package models_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// Whatever a browser and a server could read as two places is not registered.
func TestRedirectURIsAreHeldToOneReading(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		try := func(kind, uri string) error {
			return s.CreateClient(t.Context(), models.By{System: "test"}, &models.Client{
				Kind: kind, Name: "client-" + strings.ToLower(models.NewID("x")), OwnerID: anOwner(t, s), Sponsor: "Testing", RedirectURIs: []string{uri},
			})
		}
		for _, uri := range []string{
			"https://app.example/cb", "https://app.example", "https://app.example:8443/cb?tenant=1", "http://127.0.0.1/cb", "http://[::1]:9000/cb", "http://localhost:1/cb",
		} {
			require.NoError(t, try(models.KindAgent, uri), uri)
		}
		require.NoError(t, try(models.KindApplication, "com.example.app:/cb"))
		for _, uri := range []string{
			"", "/cb", "app.example/cb", "https://", "https:///cb", "https:app.example", "http://app.example/cb", "http://localhost.evil.example/cb", "http://127.0.0.2/cb",
			"https://user@app.example/cb", "https://app.example@evil.example/cb", "https://app.example\\@evil.example", "https://app.example/cb#x", "https://app.example/cb#",
			"https://app.example/a/../cb", "https://app.example/..;/cb", "https://app.example/%2e%2e/cb", "https://app.example/a%2fb", "https://app.example//cb",
			"https://*.example/cb", "https://app.example/*", "https://app.example/c b", "https://app.example/c\nb", "https://äpp.example/cb",
			"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "myapp:/cb", "com.example.app:/cb", "https://app.example/" + strings.Repeat("x", 2000),
		} {
			require.Error(t, try(models.KindAgent, uri), uri)
		}
		for _, uri := range []string{"javascript:alert(1)", "myapp:/cb", "com.example.app:/cb#x"} {
			require.Error(t, try(models.KindApplication, uri), uri)
		}
	})
}

// Grant types of people are for who was set up for them.
func TestGrantTypesAreForWhoCanUseThem(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		machine := []string{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"}
		people := []string{"authorization_code", "refresh_token"}
		back := []string{"https://app.example/cb"}
		create := func(c models.Client) (*models.Client, error) {
			c.Kind, c.Name, c.OwnerID, c.Sponsor = models.KindAgent, "client-"+models.NewID("x"), anOwner(t, s), "Testing"
			err := s.CreateClient(t.Context(), models.By{System: "test"}, &c)
			return &c, err
		}
		plain, err := create(models.Client{RedirectURIs: back})
		require.NoError(t, err)
		require.Equal(t, machine, plain.GrantTypes)
		require.Equal(t, models.AuthAny, plain.AuthMethod)
		public, err := create(models.Client{RedirectURIs: back, AuthMethod: models.AuthNone})
		require.NoError(t, err)
		require.Equal(t, people, public.GrantTypes)
		for name, c := range map[string]models.Client{
			"no redirect":           {GrantTypes: people},
			"public and a machine":  {GrantTypes: machine, AuthMethod: models.AuthNone},
			"public, no redirect":   {AuthMethod: models.AuthNone},
			"unknown method":        {AuthMethod: "tls_client_auth"},
			"implicit":              {GrantTypes: []string{"implicit"}},
			"a redirect, two times": {RedirectURIs: append(back, back...)},
		} {
			_, err := create(c)
			require.Error(t, err, name)
		}
		_, err = s.UpdateClient(t.Context(), models.By{System: "test"}, public.ID, models.AnyVersion, func(c *models.Client) { c.RedirectURIs = nil })
		require.Error(t, err, "the grant type needs one")
	})
}

func anOwner(t *testing.T, s *models.Store) *string {
	u := modelstest.User(t, s, "owner-"+models.NewID("x"))
	return &u.ID
}

func TestRedirectsDigestIsOfTheSet(t *testing.T) {
	t.Parallel()
	a, b := "https://a.example", "https://b.example"
	require.Equal(t, models.RedirectsDigest([]string{a, b}), models.RedirectsDigest([]string{b, a}))
	require.NotEqual(t, models.RedirectsDigest([]string{a, b}), models.RedirectsDigest([]string{a}))
	require.NotEqual(t, models.RedirectsDigest([]string{a + b}), models.RedirectsDigest([]string{a, b}))
}
