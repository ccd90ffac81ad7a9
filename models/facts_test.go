package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
)

func view(t *testing.T, s *models.Store) *models.View {
	t.Helper()
	v, err := s.View(t.Context())
	require.NoError(t, err)
	return v
}

func principal(t *testing.T, v *models.View, id string) policies.Principal {
	t.Helper()
	f, err := v.Principal(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, f, id)
	return f.Value
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		owner := modelstest.User(t, s, "owner")
		one, two := modelstest.Service(t, s, "one", "read", "write"), modelstest.Service(t, s, "two", "read")
		reader, writer := modelstest.Role(t, s, "reader", one.ID, "read"), modelstest.Role(t, s, "writer", one.ID, "read", "write")
		elsewhere, unused := modelstest.Role(t, s, "elsewhere", two.ID, "read"), modelstest.Role(t, s, "unused", two.ID, "read")
		agent := &models.Client{
			Kind: models.KindAgent, Name: "agent", OwnerID: &owner.ID, Sponsor: "Finance", ExpiresAt: models.Never, Labels: models.Labels{"team": "a"}, MaxTTL: 60,
			GrantTypes: []string{"client_credentials"}, DefaultScopes: []models.ScopeRef{{ResourceID: one.ID, Name: "read"}, {ResourceID: one.ID, Name: "write"}},
		}
		require.NoError(t, s.CreateClient(t.Context(), by, agent))
		inner := modelstest.Group(t, s, "inner", agent.ID, owner.ID)
		middle := modelstest.Group(t, s, "middle", inner.ID)
		outer := modelstest.Group(t, s, "outer", middle.ID, inner.ID)
		stranger := modelstest.Group(t, s, "stranger")
		modelstest.Assign(t, s, reader.ID, agent.ID)
		modelstest.Assign(t, s, writer.ID, inner.ID)
		modelstest.Assign(t, s, elsewhere.ID, outer.ID)
		modelstest.Assign(t, s, elsewhere.ID, agent.ID)
		modelstest.Assign(t, s, unused.ID, stranger.ID)

		t.Run("an agent, with the roles behind each scope", func(t *testing.T) {
			require.Equal(t, policies.Principal{
				ID: agent.ID, Kind: "agent", Name: "agent", Status: "active", ExpiresAt: models.Never, Labels: map[string]string{"team": "a"},
				Scopes: map[string]map[string][]string{
					one.ID: {"read": {reader.ID, writer.ID}, "write": {writer.ID}},
					two.ID: {"read": {elsewhere.ID}},
				},
				Owner:      &policies.Owner{ID: owner.ID, Status: "active", ExpiresAt: models.Never},
				GrantTypes: []string{"client_credentials"}, Defaults: map[string][]string{one.ID: {"read", "write"}}, MaxTTL: 60,
				SelfGrant: agent.SelfGrantID,
			}, principal(t, view(t, s), agent.ID))
		})
		t.Run("a user", func(t *testing.T) {
			require.Equal(t, policies.Principal{
				ID: owner.ID, Kind: "user", Name: "owner", Status: "active", ExpiresAt: models.Never, Labels: map[string]string{},
				Scopes: map[string]map[string][]string{one.ID: {"read": {writer.ID}, "write": {writer.ID}}, two.ID: {"read": {elsewhere.ID}}},
			}, principal(t, view(t, s), owner.ID))
		})
	})
}

func TestPrincipalIs(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		agent := modelstest.NewWorld(t, s, "w").Agent
		t.Run("an application that nobody answers for", func(t *testing.T) {
			p := principal(t, view(t, s), modelstest.Application(t, s, "app").ID)
			require.Nil(t, p.Owner)
			require.Empty(t, p.Scopes)
		})
		t.Run("the same, by its digest, wherever it is loaded", func(t *testing.T) {
			a, err := view(t, s).Principal(t.Context(), agent.ID)
			require.NoError(t, err)
			b, err := view(t, s).Principal(t.Context(), agent.ID)
			require.NoError(t, err)
			require.Same(t, a, b, "the second is from the cache")
			_, err = s.UpdateClient(t.Context(), by, agent.ID, models.AnyVersion, func(c *models.Client) { c.Sponsor = "no fact of policy's" })
			require.NoError(t, err)
			c, err := view(t, s).Principal(t.Context(), agent.ID)
			require.NoError(t, err)
			require.NotSame(t, a, c)
			require.Equal(t, a.Digest, c.Digest)
		})
		t.Run("nobody", func(t *testing.T) {
			v, group := view(t, s), modelstest.Group(t, s, "group")
			for _, id := range []string{"agt_nobody", "usr_nobody", "grp_x", group.ID, "", "https://client.example/metadata"} {
				f, err := v.Principal(t.Context(), id)
				require.NoError(t, err)
				require.Nil(t, f, id)
			}
		})
	})
}

func TestResourceFact(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		operator := modelstest.Application(t, s, "operator")
		r := &models.ResourceServer{Identifier: "https://orders.example", Name: "orders", OperatorID: &operator.ID, TokenTTL: 60, MaxDepth: 2}
		require.NoError(t, s.CreateResourceServer(t.Context(), by, r))
		modelstest.Scope(t, s, r.ID, "read")
		_, err := s.PutScope(t.Context(), by, &models.Scope{ResourceID: r.ID, Name: "write", Risk: models.RiskHigh})
		require.NoError(t, err)
		v := view(t, s)
		for _, name := range []string{r.ID, "https://orders.example"} {
			f, err := v.ResourceByName(t.Context(), name)
			require.NoError(t, err)
			require.Equal(t, policies.Resource{
				ID: r.ID, Identifier: "https://orders.example", Name: "orders", Status: "active", Operator: operator.ID, TokenTTL: 60, MaxDepth: 2,
				Scopes: map[string]policies.Scope{"read": {Risk: "low"}, "write": {Risk: "high"}},
			}, f.Value)
		}
		for _, name := range []string{"rsv_none", "https://none.example", "https://ORDERS.example", ""} {
			f, err := v.ResourceByName(t.Context(), name)
			require.NoError(t, err)
			require.Nil(t, f, name)
		}
	})
}

func TestCredentialFacts(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		c := modelstest.Application(t, s, "app")
		first, _ := modelstest.Secret(t, s, c.ID)
		second, _ := modelstest.Secret(t, s, c.ID)
		look := func(want ...string) (cached bool) {
			t.Helper()
			v := view(t, s)
			rows, cached, err := v.Credentials(t.Context(), c.ID)
			require.NoError(t, err)
			require.Equal(t, want, ids(t, func(c models.Credential) string { return c.ID })(rows, "", nil))
			now, err := v.CredentialsNow(t.Context(), c.ID)
			require.NoError(t, err)
			require.Equal(t, want, ids(t, func(c models.Credential) string { return c.ID })(now, "", nil))
			return cached
		}
		require.False(t, look(first.ID, second.ID))
		require.True(t, look(first.ID, second.ID))
		require.NoError(t, s.RevokeCredential(t.Context(), by, c.ID, first.ID))
		require.False(t, look(second.ID))
		require.NoError(t, s.DecommissionClient(t.Context(), by, c.ID, models.AnyVersion))
		look([]string{}...)
	})
}

func TestTokenState(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		root := modelstest.Issue(t, s, w.Token(s))
		child := modelstest.Issue(t, s, modelstest.Exchange(root, "agt_b"))
		state := func(id string) models.TokenState {
			t.Helper()
			st, err := view(t, s).TokenState(t.Context(), id)
			require.NoError(t, err)
			return st
		}
		live := models.TokenState{
			Known: true, Txn: root.ID, Grant: policies.Grant{ID: root.GrantID, ExpiresAt: models.Never},
			ClientID: root.ClientID, SubjectID: root.SubjectID, ResourceID: root.ResourceID,
		}
		require.Equal(t, live, state(root.ID))
		live.ClientID = child.ClientID
		require.Equal(t, live, state(child.ID))
		require.Equal(t, models.TokenState{}, state("tok_none"))

		require.NoError(t, s.RevokeToken(t.Context(), by, child.ID))
		require.False(t, state(root.ID).Revoked)
		require.True(t, state(child.ID).Revoked)
		require.NoError(t, s.RevokeGrant(t.Context(), by, root.GrantID))
		require.True(t, state(root.ID).Revoked)
		require.True(t, state(root.ID).Grant.Revoked)
	})
}
