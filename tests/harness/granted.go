package harness

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// What authorization requests of tests say.
const (
	Redirect = "https://client.example/callback"
	Verifier = "a-verifier-of-at-least-forty-three-characters"
)

// Month bounds what people grant in tests, in seconds.
const Month = 31 * 24 * 3600

// ForPeople lets a client act for people who let it, in every way there is.
func (s *Server) ForPeople(c *Client) *Client {
	s.TB.Helper()
	_, err := s.Store.UpdateClient(context.Background(), by, c.ID, models.AnyVersion, func(m *models.Client) {
		m.RedirectURIs = []string{Redirect}
		m.GrantTypes = append(m.GrantTypes, "authorization_code", "refresh_token")
	})
	require.NoError(s.TB, err)
	return c
}

// Public makes an application that authenticates by nothing.
func (s *Server) Public(name string) *Client {
	s.TB.Helper()
	c := &models.Client{Kind: models.KindApplication, Name: name, AuthMethod: models.AuthNone, RedirectURIs: []string{Redirect},
		GrantTypes: []string{"authorization_code", "refresh_token"}}
	require.NoError(s.TB, s.Store.CreateClient(context.Background(), by, c))
	return &Client{Client: c}
}

// Granted is what a person granted, as the page would have stored it.
type Granted struct {
	Code     string
	Grant    *models.Grant
	Consents map[string]string // resource server id -> consent id
}

// Grant has a user grant a client scopes, and makes the code; edit may spoil it.
func (s *Server) Grant(user *models.User, c *Client, at map[string][]string, edit func(*models.Code)) Granted {
	s.TB.Helper()
	now := s.Clock.Now().Unix()
	g := Granted{Consents: map[string]string{}, Grant: &models.Grant{Kind: "authorization_code", ClientID: c.ID, SubjectID: user.ID, ExpiresAt: now + 2*Month}}
	for resource, scopes := range at {
		consent := &models.Consent{ClientID: c.ID, SubjectID: user.ID, ResourceID: resource, Scopes: scopes, ExpiresAt: now + 2*Month}
		require.NoError(s.TB, s.Store.GiveConsent(context.Background(), by, consent, scopes))
		g.Consents[resource] = consent.ID
	}
	code := &models.Code{RedirectURI: Redirect, Challenge: Challenge(Verifier), Scopes: at, AuthTime: now - 5, ACR: "1", AMR: []string{"pwd"}}
	if edit != nil {
		edit(code)
	}
	var err error
	g.Code, err = s.Store.NewCode(context.Background(), by, g.Grant, g.Consents, code)
	require.NoError(s.TB, err)
	return g
}

// Challenge is the code_challenge of a verifier (S256).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CodeForm redeems a code.
func CodeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {Redirect}, "code_verifier": {Verifier}}
}

// RefreshForm uses a refresh token.
func RefreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}
