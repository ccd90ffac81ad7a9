package harness

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

var by = models.By{System: "test"}

// Client is a client and what it authenticates with.
type Client struct {
	*models.Client
	Secret       string
	CredentialID string
	Key          *ecdsa.PrivateKey // set by WithKey
}

// User makes a user.
func (s *Server) User(username string) *models.User {
	s.TB.Helper()
	u := &models.User{Username: username, Name: username}
	require.NoError(s.TB, s.Store.CreateUser(context.Background(), by, u))
	return u
}

// Agent makes an agent of owner, with a secret.
func (s *Server) Agent(name string, owner *models.User) *Client {
	s.TB.Helper()
	return s.client(&models.Client{Kind: models.KindAgent, Name: name, OwnerID: &owner.ID, Sponsor: "Quality"})
}

// Application makes an application without owner, with a secret.
func (s *Server) Application(name string) *Client {
	s.TB.Helper()
	return s.client(&models.Client{Kind: models.KindApplication, Name: name})
}

func (s *Server) client(c *models.Client) *Client {
	s.TB.Helper()
	require.NoError(s.TB, s.Store.CreateClient(context.Background(), by, c))
	cred := &models.Credential{ClientID: c.ID, Kind: models.CredentialSecret}
	secret, err := s.Store.CreateCredential(context.Background(), by, cred)
	require.NoError(s.TB, err)
	return &Client{Client: c, Secret: secret, CredentialID: cred.ID}
}

// WithKey gives the client an ES256 key to sign assertions with.
func (s *Server) WithKey(c *Client) *Client {
	s.TB.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s.TB, err)
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), Algorithm: "ES256", KeyID: "k1", Use: "sig"})
	require.NoError(s.TB, err)
	_, err = s.Store.CreateCredential(context.Background(), by, &models.Credential{ClientID: c.ID, Kind: models.CredentialKey, PublicJWK: string(jwk)})
	require.NoError(s.TB, err)
	c.Key = key
	return c
}

// Assertion signs a client assertion of RFC 7523; edit may spoil it.
func (s *Server) Assertion(c *Client, edit func(header, claims map[string]any)) string {
	s.TB.Helper()
	now := s.Clock.Now()
	claims := jwt.MapClaims{
		"iss": c.ID, "sub": c.ID, "aud": s.URL, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["typ"], t.Header["kid"] = "client-authentication+jwt", "k1"
	if edit != nil {
		edit(t.Header, claims)
	}
	signed, err := t.SignedString(c.Key)
	require.NoError(s.TB, err)
	return signed
}

// Service makes a resource server at https://<name>.example, operated by
// operator if there is one, with scopes of low risk.
func (s *Server) Service(name string, operator *Client, scopes ...string) *models.ResourceServer {
	s.TB.Helper()
	return s.ServiceAt(name, "https://"+name+".example", operator, scopes...)
}

// ServiceAt makes one with an identifier of its own.
func (s *Server) ServiceAt(name, identifier string, operator *Client, scopes ...string) *models.ResourceServer {
	s.TB.Helper()
	r := &models.ResourceServer{Name: name, Identifier: identifier}
	if operator != nil {
		r.OperatorID = &operator.ID
	}
	require.NoError(s.TB, s.Store.CreateResourceServer(context.Background(), by, r))
	for _, sc := range scopes {
		s.Scope(r, sc)
	}
	return r
}

// Scope defines a scope; to names what it leads to, as resource server and name in turn.
func (s *Server) Scope(r *models.ResourceServer, name string, to ...models.ScopeRef) {
	s.TB.Helper()
	_, err := s.Store.PutScope(context.Background(), by, &models.Scope{ResourceID: r.ID, Name: name, Risk: models.RiskLow, Downstream: to})
	require.NoError(s.TB, err)
}

// Allow gives a principal a new role with scopes at r.
func (s *Server) Allow(principalID string, r *models.ResourceServer, scopes ...string) *models.Role {
	s.TB.Helper()
	role := &models.Role{Name: "role-" + models.NewID("x")[2:]}
	for _, sc := range scopes {
		role.Scopes = append(role.Scopes, models.ScopeRef{ResourceID: r.ID, Name: sc})
	}
	require.NoError(s.TB, s.Store.CreateRole(context.Background(), by, role))
	require.NoError(s.TB, s.Store.CreateAssignment(context.Background(), by, &models.Assignment{RoleID: role.ID, PrincipalID: principalID}))
	return role
}

// Do runs a store operation that must succeed.
func (s *Server) Do(fn func(ctx context.Context, st *models.Store, by models.By) error) {
	s.TB.Helper()
	require.NoError(s.TB, fn(context.Background(), s.Store, by))
}
