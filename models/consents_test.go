package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
)

// sitting is a user, a client, and two services of which one leads to the other.
type sitting struct {
	*models.Store
	t            *testing.T
	user         *models.User
	client       *models.Client
	sales, files *models.ResourceServer
}

func newSitting(t *testing.T, s *models.Store) *sitting {
	user := modelstest.User(t, s, "joe")
	client := &models.Client{
		Kind: models.KindAgent, Name: "assistant", OwnerID: &user.ID, Sponsor: "Testing", RedirectURIs: []string{"https://a.example/cb"},
		GrantTypes: []string{"authorization_code", "refresh_token"},
	}
	require.NoError(t, s.CreateClient(t.Context(), modelstest.By(), client))
	files := modelstest.Service(t, s, "files", "files:get")
	sales := modelstest.Service(t, s, "sales", "sales:list")
	modelstest.Scope(t, s, sales.ID, "sales:read", models.ScopeRef{ResourceID: files.ID, Name: "files:get"})
	return &sitting{s, t, user, client, sales, files}
}

func (s *sitting) give(asked []string, ticked ...string) *models.Consent {
	s.t.Helper()
	c := &models.Consent{ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, Scopes: ticked, ExpiresAt: s.Now() + 100}
	require.NoError(s.t, s.GiveConsent(s.t.Context(), modelstest.By(), c, asked))
	return c
}

// grant rests on a consent; its first token is for sales.
func (s *sitting) grant(c *models.Consent) models.Token {
	s.t.Helper()
	g := &models.Grant{Kind: "authorization_code", ClientID: s.client.ID, SubjectID: s.user.ID, ExpiresAt: s.Now() + 1000}
	require.NoError(s.t, s.BeginGrant(s.t.Context(), modelstest.By(), g, map[string]string{s.sales.ID: c.ID}))
	id := models.NewID(models.PrefixToken)
	return modelstest.Issue(s.t, s.Store, models.Token{
		ID: id, Txn: id, GrantID: g.ID, ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, Scopes: c.Scopes, ExpiresAt: s.Now() + 300,
	})
}

func (s *sitting) of(t models.Token) *policies.Consent {
	s.t.Helper()
	v, err := s.View(s.t.Context())
	require.NoError(s.t, err)
	fact, err := v.ConsentOf(s.t.Context(), t.GrantID, t.Txn)
	require.NoError(s.t, err)
	at, err := v.ConsentAt(s.t.Context(), t.GrantID, s.sales.ID)
	require.NoError(s.t, err)
	require.Equal(s.t, fact, at)
	return fact
}

func TestConsentIsWhatTheUserTicked(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		both := []string{"sales:list", "sales:read"}
		first := s.give(both, "sales:read")
		token := s.grant(first)
		require.Equal(t, &policies.Consent{
			ID: first.ID, Client: s.client.ID, Subject: s.user.ID, Resource: s.sales.ID, Scopes: map[string]bool{"sales:read": true},
			ExpiresAt: first.ExpiresAt, RedirectsOK: true,
			Reach: map[string]map[string][]string{s.sales.ID: {"sales:read": {"sales:read"}}, s.files.ID: {"files:get": {"sales:read"}}},
		}, s.of(token))

		more := s.give([]string{"sales:list"}, "sales:list")
		require.Equal(t, first.ID, more.ID, "it grows")
		require.Equal(t, both, more.Scopes, "what was not asked about stays")
		less := s.give(both, "sales:list")
		require.Equal(t, []string{"sales:list"}, less.Scopes, "what was asked about and not ticked goes")
		require.Equal(t, map[string]bool{"sales:list": true}, s.of(token).Scopes, "for tokens there are, too")

		view, err := s.View(t.Context())
		require.NoError(t, err)
		all, err := view.ConsentsTo(t.Context(), s.user.ID, s.client.ID)
		require.NoError(t, err)
		require.Len(t, all, 1)
		none, err := view.ConsentsTo(t.Context(), s.user.ID, "agt_other")
		require.NoError(t, err)
		require.Empty(t, none)
		rows, _, err := s.Consents(t.Context(), models.ConsentFilter{SubjectID: s.user.ID, Live: true}, models.Page{})
		require.NoError(t, err)
		require.Len(t, rows, 1)
	})
}

// What was taken back stays so for what rested on it, even if the user agrees anew.
func TestConsentTakenBackStaysSo(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		both := []string{"sales:list", "sales:read"}
		token := s.grant(s.give(both, both...))
		id := s.of(token).ID

		require.NoError(t, s.RevokeConsent(t.Context(), modelstest.By(), id, "sales:read"))
		require.Equal(t, map[string]bool{"sales:list": true}, s.of(token).Scopes)
		require.NotContains(t, s.of(token).Reach, s.files.ID, "what followed from it is gone as well")
		require.NoError(t, s.RevokeConsent(t.Context(), modelstest.By(), id, "sales:unheard"))
		require.False(t, s.of(token).Revoked)
		require.NoError(t, s.RevokeConsent(t.Context(), modelstest.By(), id, "sales:list"))
		require.True(t, s.of(token).Revoked, "with the last scope goes the consent")
		require.NoError(t, s.RevokeConsent(t.Context(), modelstest.By(), id, ""), "twice is no error")

		again := s.give(both, both...)
		require.NotEqual(t, id, again.ID)
		require.True(t, s.of(token).Revoked)
		require.False(t, s.of(s.grant(again)).Revoked)
		rows, _, err := s.Consents(t.Context(), models.ConsentFilter{ClientID: s.client.ID}, models.Page{})
		require.NoError(t, err)
		require.Len(t, rows, 2)
	})
}

// A decision that rests on a consent goes stale when it is taken back.
func TestConsentTakenBackMakesDecisionsStale(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		c := s.give(nil, "sales:list")
		token := s.grant(c)
		byToken, err := s.View(t.Context())
		require.NoError(t, err)
		_, err = byToken.ConsentOf(t.Context(), token.GrantID, token.Txn)
		require.NoError(t, err)
		byPair, err := s.View(t.Context())
		require.NoError(t, err)
		_, err = byPair.ConsentsTo(t.Context(), s.user.ID, s.client.ID)
		require.NoError(t, err)
		require.NoError(t, s.RevokeConsent(t.Context(), modelstest.By(), c.ID, ""))
		for _, view := range []*models.View{byToken, byPair} {
			record := modelstest.Refused(s.Store, s.client.ID)
			record.View = view
			require.ErrorIs(t, s.Append(t.Context(), record), models.ErrStale)
		}
	})
}

// Codes go to where they went when the user was asked, or the user is asked again.
func TestConsentIsForWhereCodesGo(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		first := s.give(nil, "sales:list")
		token := s.grant(first)
		_, err := s.UpdateClient(t.Context(), modelstest.By(), s.client.ID, models.AnyVersion, func(c *models.Client) {
			c.RedirectURIs = append(c.RedirectURIs, "https://evil.example/cb")
		})
		require.NoError(t, err)
		require.False(t, s.of(token).RedirectsOK)
		require.NotEqual(t, first.ID, s.give(nil, "sales:list").ID, "it is another consent")
	})
}

func TestConsentsAreHeldToSense(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		for name, spoil := range map[string]func(*models.Consent){
			"of nothing":     func(c *models.Consent) { c.Scopes = nil },
			"of no scope":    func(c *models.Consent) { c.Scopes = []string{"a b"} },
			"in the past":    func(c *models.Consent) { c.ExpiresAt = s.Now() },
			"beyond time":    func(c *models.Consent) { c.ExpiresAt = models.Never + 1 },
			"to nobody":      func(c *models.Consent) { c.ClientID = "agt_nobody" },
			"of nobody":      func(c *models.Consent) { c.SubjectID = "usr_nobody" },
			"at no resource": func(c *models.Consent) { c.ResourceID = "rsv_nowhere" },
		} {
			c := &models.Consent{ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, Scopes: []string{"sales:list"}, ExpiresAt: s.Now() + 100}
			spoil(c)
			require.Error(t, s.GiveConsent(t.Context(), modelstest.By(), c, nil), name)
		}
		require.ErrorIs(t, s.RevokeConsent(t.Context(), modelstest.By(), "cns_none", ""), models.ErrNotFound)
		_, err := s.Consent(t.Context(), "cns_none")
		require.ErrorIs(t, err, models.ErrNotFound)
	})
}
