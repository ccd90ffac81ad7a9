package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/deputyauth/deputy/tests/harness"
)

// tool tells who calls it, for whom, with what.
const tool = "who"

// mcpServer is a server of the Model Context Protocol that takes Deputy's tokens: it
// says where they come from (RFC 9728), and asks Deputy about each (RFC 7662).
func (d *dance) mcpServer() (endpoint string) {
	d.TB.Helper()
	who := func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		info := req.Extra.TokenInfo
		text := fmt.Sprintf("%v for %s: %s", info.Extra["actor"], info.UserID, strings.Join(info.Scopes, " "))
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "service", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: tool}, who)
	serves := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)

	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	d.TB.Cleanup(web.Close)
	endpoint = web.URL + "/mcp"
	metadata := web.URL + "/.well-known/oauth-protected-resource/mcp"
	mux.Handle("/mcp", auth.RequireBearerToken(d.knows(endpoint), &auth.RequireBearerTokenOptions{ResourceMetadataURL: metadata})(serves))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: endpoint, AuthorizationServers: []string{d.URL}, ScopesSupported: d.asked,
	}))
	return endpoint
}

// knows introspects a token as the service at audience.
func (d *dance) knows(audience string) auth.TokenVerifier {
	return func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		a := d.Form("/oauth2/introspect", d.agent, url.Values{"token": {token}})
		if a.JSON["active"] != true || a.String("aud") != audience {
			return nil, fmt.Errorf("%w: %s", auth.ErrInvalidToken, a.Body)
		}
		actor, _ := a.JSON["act"].(map[string]any)
		exp, _ := a.JSON["exp"].(float64)
		return &auth.TokenInfo{
			Scopes: strings.Fields(a.String("scope")), Expiration: time.Unix(int64(exp), 0), UserID: a.String("sub"), Extra: map[string]any{"actor": actor["sub"]},
		}, nil
	}
}

// errDenied is what a host of the protocol makes of a person's no.
var errDenied = errors.New("access_denied")

// handler is the SDK's own, registered beforehand, with alice to send to Deputy. Its
// first token has run out when it is first used, so that it refreshes.
func (d *dance) handler(c *harness.Client, answer string) *auth.AuthorizationCodeHandler {
	d.TB.Helper()
	known := &oauthex.ClientCredentials{ClientID: c.ID, Issuer: d.URL}
	if c.Secret != "" {
		known.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: c.Secret}
	}
	h, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: known, RedirectURL: harness.Redirect, RequestRefreshToken: true,
		AuthorizationCodeFetcher: func(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			require.NotContains(d.TB, args.URL, "offline_access", "it is not advertised")
			back := d.goes(args.URL, answer)
			if back.Get("error") != "" {
				return nil, fmt.Errorf("%w: %s", errDenied, back.Get("error_description"))
			}
			return &auth.AuthorizationResult{Code: back.Get("code"), State: back.Get("state"), Iss: back.Get("iss")}, nil
		},
		NewTokenSource: func(ctx context.Context, config *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
			stale := *token
			stale.Expiry = time.Now().Add(-time.Minute)
			return config.TokenSource(ctx, &stale), nil
		},
	})
	require.NoError(d.TB, err)
	return h
}

// The Go SDK of the Model Context Protocol finds Deputy from the service alone, sends
// alice there, and calls a tool with the token.
func TestGoMCPClient_ActsForAPerson(t *testing.T) {
	eachDance(t, func(t *testing.T, d *dance) {
		endpoint := d.mcpServer()
		d.at("mcp", endpoint)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		connect := func(h auth.OAuthHandler) (*mcp.ClientSession, error) {
			client := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, nil)
			return client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: endpoint, OAuthHandler: h, DisableStandaloneSSE: true, MaxRetries: -1}, nil)
		}
		for _, c := range d.clients() {
			_, err := connect(d.handler(c, "deny"))
			require.ErrorIs(t, err, errDenied)

			h := d.handler(c, "allow")
			session, err := connect(h)
			require.NoError(t, err)
			said, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool})
			require.NoError(t, err)
			require.Equal(t, c.ID+" for "+d.user.ID+": work:do work:undo", said.Content[0].(*mcp.TextContent).Text, "who acts, for whom, with what she has")
			require.NoError(t, session.Close())

			source, err := h.TokenSource(ctx)
			require.NoError(t, err)
			token, err := source.Token()
			require.NoError(t, err)
			d.narrowed(token)
			require.Equal(t, "refresh_token", d.kind(token.AccessToken), "its first token had run out")
		}
	})
}

// kind is the grant type by which a token was issued.
func (d *dance) kind(token string) string {
	d.TB.Helper()
	jti := d.Form("/oauth2/introspect", d.agent, url.Values{"token": {token}}).String("jti")
	e, err := d.Store.EntryByID(context.Background(), d.mustToken(jti).DecisionID)
	require.NoError(d.TB, err)
	return strings.TrimPrefix(e.Action, "issue:access_token:")
}
