package models_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// fault is one thing wrong with an otherwise good row, and the field to blame.
type fault[T any] struct {
	name  string
	field string
	spoil func(*T)
}

// refuse stores each spoiled row and expects that it is refused without a trace.
func refuse[T any](t *testing.T, s *models.Store, create func(context.Context, models.By, *T) error, good func() *T, faults []fault[T]) {
	t.Helper()
	before := size(t, s)
	for _, f := range faults {
		row := good()
		f.spoil(row)
		err := create(t.Context(), by, row)
		var inv *models.Invalid
		require.ErrorAs(t, err, &inv, f.name)
		require.Equal(t, f.field, inv.Field, f.name)
	}
	require.Equal(t, before, size(t, s), "a refused change leaves no entry")
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		t.Run("client", func(t *testing.T) {
			good := func() *models.Client {
				return &models.Client{Kind: models.KindAgent, Name: "good", OwnerID: &w.Owner.ID, Sponsor: "Finance"}
			}
			refuse(t, s, s.CreateClient, good, clientFaults())
		})
		t.Run("user", func(t *testing.T) {
			refuse(t, s, s.CreateUser, func() *models.User { return &models.User{Username: "good"} }, userFaults())
		})
		t.Run("group", func(t *testing.T) {
			refuse(t, s, s.CreateGroup, func() *models.Group { return &models.Group{Name: "good"} }, []fault[models.Group]{
				{"no name", "name", func(g *models.Group) { g.Name = "" }},
				{"upper case", "name", func(g *models.Group) { g.Name = "Staff" }},
				{"long text", "description", func(g *models.Group) { g.Description = strings.Repeat("x", 1001) }},
			})
		})
		t.Run("role", func(t *testing.T) {
			good := func() *models.Role {
				return &models.Role{Name: "good", Scopes: []models.ScopeRef{{ResourceID: w.Service.ID, Name: "read"}}}
			}
			refuse(t, s, s.CreateRole, good, []fault[models.Role]{
				{"no name", "name", func(r *models.Role) { r.Name = "" }},
				{"long text", "description", func(r *models.Role) { r.Description = strings.Repeat("x", 1001) }},
				{"too many scopes", "scopes", func(r *models.Role) { r.Scopes = make([]models.ScopeRef, 10001) }},
				{"an unknown scope", "scopes", func(r *models.Role) { r.Scopes[0].Name = "none" }},
				{"another case", "scopes", func(r *models.Role) { r.Scopes[0].Name = "Read" }},
				{"another server's scope", "scopes", func(r *models.Role) { r.Scopes[0].ResourceID = "rsv_none" }},
			})
		})
		t.Run("resource server", func(t *testing.T) {
			good := func() *models.ResourceServer {
				return &models.ResourceServer{Identifier: "https://good.example", Name: "good"}
			}
			refuse(t, s, s.CreateResourceServer, good, serverFaults())
		})
	})
}

func TestInvalidParts(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		t.Run("scope", func(t *testing.T) {
			good := func() *models.Scope { return &models.Scope{ResourceID: w.Service.ID, Name: "good"} }
			put := func(ctx context.Context, by models.By, sc *models.Scope) error {
				_, err := s.PutScope(ctx, by, sc)
				return err
			}
			refuse(t, s, put, good, scopeFaults())
		})
		t.Run("credential", func(t *testing.T) {
			good := func() *models.Credential {
				return &models.Credential{ClientID: w.Agent.ID, Kind: models.CredentialSecret}
			}
			create := func(ctx context.Context, by models.By, c *models.Credential) error {
				_, err := s.CreateCredential(ctx, by, c)
				return err
			}
			refuse(t, s, create, good, []fault[models.Credential]{
				{"no kind", "kind", func(c *models.Credential) { c.Kind = "" }},
				{"unknown kind", "kind", func(c *models.Credential) { c.Kind = "password" }},
				{"a key without a key", "public_jwk", func(c *models.Credential) { c.Kind = models.CredentialKey }},
				{"a secret with a key", "public_jwk", func(c *models.Credential) { c.PublicJWK = "{}" }},
				{"long name", "name", func(c *models.Credential) { c.Name = strings.Repeat("x", 101) }},
				{"already expired", "expires_at", func(c *models.Credential) { c.ExpiresAt = s.Now() }},
				{"after never", "expires_at", func(c *models.Credential) { c.ExpiresAt = models.Never + 1 }},
			})
		})
	})
}

func clientFaults() []fault[models.Client] {
	empty, nobody := "", "usr_nobody"
	many := models.Labels{}
	for i := range 65 {
		many[fmt.Sprint("label", i)] = ""
	}
	return []fault[models.Client]{
		{"unknown kind", "kind", func(c *models.Client) { c.Kind = "robot" }},
		{"no owner", "owner_id", func(c *models.Client) { c.OwnerID = nil }},
		{"empty owner", "owner_id", func(c *models.Client) { c.OwnerID = &empty }},
		{"unknown owner", "owner_id", func(c *models.Client) { c.OwnerID = &nobody }},
		{"no name", "name", func(c *models.Client) { c.Name = "" }},
		{"upper case", "name", func(c *models.Client) { c.Name = "Good" }},
		{"a space", "name", func(c *models.Client) { c.Name = "go od" }},
		{"begins with a dot", "name", func(c *models.Client) { c.Name = ".good" }},
		{"ends in a line break", "name", func(c *models.Client) { c.Name = "good\n" }},
		{"long name", "name", func(c *models.Client) { c.Name = strings.Repeat("x", 129) }},
		{"long purpose", "purpose", func(c *models.Client) { c.Purpose = strings.Repeat("é", 1001) }},
		{"control character", "purpose", func(c *models.Client) { c.Purpose = "a\x00b" }},
		{"broken UTF-8", "purpose", func(c *models.Client) { c.Purpose = "a\xff" }},
		{"long sponsor", "sponsor", func(c *models.Client) { c.Sponsor = strings.Repeat("x", 201) }},
		{"bad label key", "labels", func(c *models.Client) { c.Labels = models.Labels{"a b": ""} }},
		{"long label key", "labels", func(c *models.Client) { c.Labels = models.Labels{strings.Repeat("x", 64): ""} }},
		{"long label", "labels.a", func(c *models.Client) { c.Labels = models.Labels{"a": strings.Repeat("x", 257)} }},
		{"too many labels", "labels", func(c *models.Client) { c.Labels = many }},
		{"expired before time began", "expires_at", func(c *models.Client) { c.ExpiresAt = -1 }},
		{"after never", "expires_at", func(c *models.Client) { c.ExpiresAt = models.Never + 1 }},
		{"no lifetime", "max_ttl", func(c *models.Client) { c.MaxTTL = -1 }},
		{"more than a day", "max_ttl", func(c *models.Client) { c.MaxTTL = 86401 }},
		{"unknown grant type", "grant_types", func(c *models.Client) { c.GrantTypes = []string{"password"} }},
		{"bad default scope", "default_scopes", func(c *models.Client) { c.DefaultScopes = []models.ScopeRef{{Name: "a b"}} }},
	}
}

func userFaults() []fault[models.User] {
	return []fault[models.User]{
		{"no name", "username", func(u *models.User) { u.Username = "" }},
		{"upper case", "username", func(u *models.User) { u.Username = "Alice" }},
		{"long name", "name", func(u *models.User) { u.Name = strings.Repeat("x", 201) }},
		{"not an address", "email", func(u *models.User) { u.Email = "alice" }},
		{"an address with a name", "email", func(u *models.User) { u.Email = "Alice <alice@example.com>" }},
		{"a header", "email", func(u *models.User) { u.Email = "alice@example.com\r\nBcc: x@example.com" }},
		{"long address", "email", func(u *models.User) { u.Email = strings.Repeat("x", 250) + "@example.com" }},
		{"bad label", "labels", func(u *models.User) { u.Labels = models.Labels{"": ""} }},
		{"after never", "expires_at", func(u *models.User) { u.ExpiresAt = models.Never + 1 }},
	}
}

func serverFaults() []fault[models.ResourceServer] {
	nobody := "agt_nobody"
	return []fault[models.ResourceServer]{
		{"no identifier", "identifier", func(r *models.ResourceServer) { r.Identifier = "" }},
		{"a fragment", "identifier", func(r *models.ResourceServer) { r.Identifier += "#x" }},
		{"no name", "name", func(r *models.ResourceServer) { r.Name = "" }},
		{"long text", "description", func(r *models.ResourceServer) { r.Description = strings.Repeat("x", 1001) }},
		{"unknown operator", "operator_id", func(r *models.ResourceServer) { r.OperatorID = &nobody }},
		{"no lifetime", "token_ttl", func(r *models.ResourceServer) { r.TokenTTL = -1 }},
		{"more than a day", "token_ttl", func(r *models.ResourceServer) { r.TokenTTL = 86401 }},
		{"below no depth", "max_depth", func(r *models.ResourceServer) { r.MaxDepth = -2 }},
		{"beyond the ceiling", "max_depth", func(r *models.ResourceServer) { r.MaxDepth = 9 }},
	}
}

func scopeFaults() []fault[models.Scope] {
	return []fault[models.Scope]{
		{"no name", "name", func(sc *models.Scope) { sc.Name = "" }},
		{"a space", "name", func(sc *models.Scope) { sc.Name = "a b" }},
		{"a secret", "name", func(sc *models.Scope) { sc.Name = "dpt_rft_x" }},
		{"a client secret", "name", func(sc *models.Scope) { sc.Name = models.SecretPrefix + "x" }},
		{"a quote", "name", func(sc *models.Scope) { sc.Name = `a"b` }},
		{"a backslash", "name", func(sc *models.Scope) { sc.Name = `a\b` }},
		{"not ASCII", "name", func(sc *models.Scope) { sc.Name = "é" }},
		{"long name", "name", func(sc *models.Scope) { sc.Name = strings.Repeat("x", 129) }},
		{"unknown risk", "risk", func(sc *models.Scope) { sc.Risk = "extreme" }},
		{"long text", "description", func(sc *models.Scope) { sc.Description = strings.Repeat("x", 501) }},
		{"too many ways", "downstream", func(sc *models.Scope) { sc.Downstream = make([]models.ScopeRef, 201) }},
		{"downstream of nothing", "downstream", func(sc *models.Scope) { sc.Downstream = []models.ScopeRef{{ResourceID: "rsv_none", Name: "x"}} }},
	}
}

// Statuses are set by updates only: what is created is active.
func TestInvalidStatus(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		_, err := s.UpdateClient(t.Context(), by, w.Agent.ID, models.AnyVersion, func(c *models.Client) { c.Status = "expired" })
		requireInvalid(t, err, "status")
		_, err = s.UpdateUser(t.Context(), by, w.Owner.ID, models.AnyVersion, func(u *models.User) { u.Status = "" })
		requireInvalid(t, err, "status")
		_, err = s.UpdateResourceServer(t.Context(), by, w.Service.ID, models.AnyVersion, func(r *models.ResourceServer) {
			r.Status = models.StatusDecommissioned
		})
		requireInvalid(t, err, "status")
	})
}

// Ids come from requests; Postgres refuses some bytes as text.
func TestUnstorableIDs(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		for _, id := range []string{"agt_\x00", "agt_\xff"} {
			_, err := s.Client(t.Context(), id)
			require.ErrorIs(t, err, models.ErrNotFound)
			v, err := s.View(t.Context())
			require.NoError(t, err)
			p, err := v.Principal(t.Context(), id)
			require.NoError(t, err)
			require.Nil(t, p)
			r, err := v.ResourceByName(t.Context(), "rsv"+id[3:])
			require.NoError(t, err)
			require.Nil(t, r)
		}
	})
}
