package tests

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/deputyauth/deputy/tests/harness"
)

// golang.org/x/oauth2, which knows nothing of Deputy, gets tokens in each of
// its ways to authenticate, and is told why it gets none.
func TestGoOAuth2Client(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", agent, "read", "write")
		s.Allow(agent.ID, service, "read")
		config := clientcredentials.Config{
			ClientID: agent.ID, ClientSecret: agent.Secret, TokenURL: s.URL + "/oauth2/token", Scopes: []string{"read"},
			EndpointParams: url.Values{"resource": {service.Identifier}},
		}
		for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
			config.AuthStyle = style
			token, err := config.Token(context.Background())
			require.NoError(t, err)
			require.Equal(t, "Bearer", token.Type())
			require.Equal(t, "read", token.Extra("scope"))
			require.True(t, s.Active(agent, token.AccessToken))
		}
		config.Scopes = []string{"read", "write"}
		_, err := config.Token(context.Background())
		var refused *oauth2.RetrieveError
		require.True(t, errors.As(err, &refused))
		require.Equal(t, "invalid_scope", refused.ErrorCode)
		require.Contains(t, refused.ErrorDescription, "agent does not hold scope write")
	})
}
