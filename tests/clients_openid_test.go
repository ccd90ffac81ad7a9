package tests

import (
	"context"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// go-oidc signs alice in, with a secret and without: by the real pages, with the
// token it verifies and what the server says of her.
func TestGoOIDCClient_SignsAPersonIn(t *testing.T) {
	eachDance(t, func(t *testing.T, d *dance) {
		ctx := context.Background()
		provider, err := oidc.NewProvider(ctx, d.URL)
		require.NoError(t, err)
		for _, c := range d.clients() {
			d.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.OpenIDRoleID, PrincipalID: c.ID})
			})
			signsIn := func(scopes, answer string) (*oauth2.Token, error) {
				config := &oauth2.Config{
					ClientID: c.ID, ClientSecret: c.Secret, RedirectURL: harness.Redirect, Scopes: []string{scopes}, Endpoint: provider.Endpoint(),
				}
				verifier := oauth2.GenerateVerifier()
				back := d.goes(config.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(verifier)), answer)
				return config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
			}
			_, err := signsIn("openid profile", "deny")
			require.Error(t, err)

			token, err := signsIn("openid profile", "allow")
			require.NoError(t, err)
			d.isAlice(provider, c, token)
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			require.NoError(t, err)
			require.Equal(t, d.user.ID, info.Subject)
			var said struct {
				Name string `json:"preferred_username"`
			}
			require.NoError(t, info.Claims(&said))
			require.Equal(t, "alice", said.Name)

			// Beside what the client does for her, it learns who she is; she has less of the
			// work than is asked for, and the token for it is no key to who she is.
			token, err = signsIn("openid work:do work:ruin", "allow")
			require.NoError(t, err)
			d.isAlice(provider, c, token)
			_, access := claimsOf(t, token.AccessToken)
			require.Equal(t, "work:do", access["scope"])
			require.Equal(t, d.service.Identifier, access["aud"])
			_, err = provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			require.Error(t, err)
		}
	})
}

// isAlice verifies the ID token of a client.
func (d *dance) isAlice(provider *oidc.Provider, c *harness.Client, token *oauth2.Token) {
	d.TB.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: c.ID}).Verify(context.Background(), raw)
	require.NoError(d.TB, err)
	require.Equal(d.TB, d.user.ID, id.Subject)
	require.Equal(d.TB, "nonce-1", id.Nonce)
	require.NoError(d.TB, id.VerifyAccessToken(token.AccessToken))
	require.True(d.TB, id.Expiry.After(time.Now()))
}
