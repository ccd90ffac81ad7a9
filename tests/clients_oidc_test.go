package tests

import (
	"context"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// go-oidc finds the server by its issuer alone, with a path and without, and takes
// its keys.
func TestGoOIDCClient_DiscoversTheServer(t *testing.T) {
	for _, path := range []string{"", "/tenants/t1"} {
		s := harness.New(t, "sqlite", harness.Options{Path: path})
		provider, err := oidc.NewProvider(context.Background(), s.URL)
		require.NoError(t, err)
		require.Equal(t, s.URL+"/oauth2/authorize", provider.Endpoint().AuthURL)
		require.Equal(t, s.URL+"/oauth2/token", provider.Endpoint().TokenURL)

		agent := s.Agent("agent", s.User("owner"))
		service := s.Service("service", agent, "read")
		s.Allow(agent.ID, service, "read")
		token := s.Own(agent, service.Identifier, "read")
		var said struct {
			JWKS string `json:"jwks_uri"`
		}
		require.NoError(t, provider.Claims(&said))
		keys := oidc.NewRemoteKeySet(context.Background(), said.JWKS)
		_, err = keys.VerifySignature(context.Background(), token)
		require.NoError(t, err)
		_, err = keys.VerifySignature(context.Background(), token[:len(token)-2]+"AA")
		require.Error(t, err)

		_, err = oidc.NewProvider(context.Background(), s.URL+"/")
		require.Error(t, err, "the issuer is compared byte by byte")
	}
}
