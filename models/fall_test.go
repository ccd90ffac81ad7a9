package models_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// Everything that hangs from somebody is told before they are stopped: what they
// hold, what others made of it, and nothing else.
func TestFallIsAllThatHangs(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		ctx := t.Context()
		eve := modelstest.User(t, store, "eve")
		second, _ := modelstest.Agent(t, store, "second", eve.ID)
		third, _ := modelstest.Agent(t, store, "third", eve.ID)
		fall := func(id string) models.Fall {
			t.Helper()
			f, err := s.FallOf(ctx, id)
			require.NoError(t, err)
			return *f
		}
		require.Equal(t, models.Fall{Grants: 1, Owned: 1}, fall(s.user.ID), "the grant of the agent's own")

		consent := s.give([]string{"sales:list"}, "sales:list")
		first := s.grant(consent)
		hop := modelstest.Issue(t, store, modelstest.Exchange(first, second.ID))
		last := modelstest.Issue(t, store, modelstest.Exchange(hop, third.ID))
		own := models.NewID(models.PrefixToken)
		modelstest.Issue(t, store, models.Token{
			ID: own, Txn: own, GrantID: third.SelfGrantID, ClientID: third.ID, SubjectID: third.ID, ResourceID: s.sales.ID, ExpiresAt: s.Now() + 300,
		})
		r := modelstest.Granted(modelstest.Exchange(first, second.ID))
		r.Token.ExpiresAt = s.Now() - 1 // has expired
		r.Refresh = &models.RefreshToken{Hash: "f00d", GrantID: first.GrantID, ClientID: s.client.ID, CreatedAt: s.Now(), ExpiresAt: s.Now() + 99}
		require.NoError(t, s.Append(ctx, r))

		one := func(id string) models.Holder { return models.Holder{ClientID: id, Tokens: 1} }
		all := []models.Holder{one(s.client.ID), one(second.ID), one(third.ID)}
		require.Equal(t, models.Fall{Tokens: 3, RefreshTokens: 1, Grants: 2, Holders: all}, fall(s.client.ID))
		require.Equal(t, models.Fall{Tokens: 3, RefreshTokens: 1, Grants: 2, Owned: 1, Holders: all}, fall(s.user.ID))
		require.Equal(t, models.Fall{Tokens: 2, Grants: 1, Holders: all[1:]}, fall(second.ID))
		require.Equal(t, models.Fall{Tokens: 2, Grants: 1, Holders: []models.Holder{{ClientID: third.ID, Tokens: 2}}}, fall(third.ID))
		require.Equal(t, models.Fall{Tokens: 3, Grants: 2, Owned: 2, Holders: []models.Holder{{ClientID: third.ID, Tokens: 2}, one(second.ID)}}, fall(eve.ID))
		f, err := s.FallOfConsent(ctx, consent)
		require.NoError(t, err)
		require.Equal(t, &models.Fall{Tokens: 3, RefreshTokens: 1, Grants: 1, Holders: all}, f)

		require.NoError(t, s.RevokeToken(ctx, modelstest.By(), last.ID))
		require.Equal(t, models.Fall{Tokens: 2, RefreshTokens: 1, Grants: 2, Holders: all[:2]}, fall(s.client.ID))
		require.NoError(t, s.RevokeGrant(ctx, modelstest.By(), first.GrantID))
		require.Equal(t, models.Fall{Grants: 1}, fall(s.client.ID))
		require.Equal(t, models.Fall{Grants: 1}, fall(second.ID), "though it was another's grant")
		require.NoError(t, s.RevokeConsent(ctx, modelstest.By(), consent.ID, ""))
		consent, err = s.Consent(ctx, consent.ID)
		require.NoError(t, err)
		f, err = s.FallOfConsent(ctx, consent)
		require.NoError(t, err)
		require.Equal(t, &models.Fall{}, f)
	})
}

// A grant that rests on two consents is told of both; the tokens only of the one
// that their chain began with.
func TestFallOfAConsentIsItsOwn(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		ctx := t.Context()
		list := s.give([]string{"sales:list"}, "sales:list")
		files := &models.Consent{ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.files.ID, Scopes: []string{"files:get"}, ExpiresAt: s.Now() + 100}
		require.NoError(t, s.GiveConsent(ctx, modelstest.By(), files, files.Scopes))
		g := &models.Grant{Kind: "authorization_code", ClientID: s.client.ID, SubjectID: s.user.ID, ExpiresAt: s.Now() + 1000}
		require.NoError(t, s.BeginGrant(ctx, modelstest.By(), g, map[string]string{s.sales.ID: list.ID, s.files.ID: files.ID}))
		id := models.NewID(models.PrefixToken)
		modelstest.Issue(t, store, models.Token{
			ID: id, Txn: id, GrantID: g.ID, ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, ExpiresAt: s.Now() + 300,
		})
		for consent, tokens := range map[*models.Consent]int64{list: 1, files: 0} {
			f, err := s.FallOfConsent(ctx, consent)
			require.NoError(t, err)
			require.Equal(t, []int64{tokens, 1}, []int64{f.Tokens, f.Grants})
		}
	})
}

// What is newer than the heads of yesterday is found, however old the ledger is.
func TestFallLooksNoFurtherBackThanItMust(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		ahead := time.Duration(0)
		o.Now = func() time.Time { return time.Now().Add(ahead) }
		s := modelstest.Open(t, o)
		signer, _ := noteKey(t)
		w := modelstest.NewWorld(t, s, "w")
		second, _ := modelstest.Agent(t, s, "second", w.Owner.ID)
		for range 3 {
			token := modelstest.Issue(t, s, w.Token(s))
			modelstest.Issue(t, s, modelstest.Exchange(token, second.ID))
			require.NoError(t, s.SignHead(t.Context(), signer))
			f, err := s.FallOf(t.Context(), second.ID)
			require.NoError(t, err)
			require.Equal(t, int64(1), f.Tokens, "those before have expired")
			ahead += 5 * 24 * time.Hour
		}
	})
}

// Nobody reads all tokens, or all of the ledger, to count a few.
func TestFallIsFoundByIndexes(t *testing.T) {
	t.Parallel()
	s := modelstest.New(t, "sqlite")
	bound := map[string]any{"now": s.Now(), "user": "usr_1", "client": "agt_1", "first": 0, "last": 1}
	var steps []struct{ Detail string }
	require.NoError(t, s.Reader().Raw("explain query plan "+models.Hanging+" select count(*) from fallen union all select count(*) from roots", bound).Scan(&steps).Error)
	var plan strings.Builder
	for _, step := range steps {
		require.NotRegexp(t, `^SCAN (t|g|l|clients|tokens|grants|ledger)\b`, step.Detail)
		require.NotRegexp(t, `\((id|seq)>|AUTOMATIC`, step.Detail, "a time's tokens, or entries, of everybody")
		plan.WriteString(step.Detail + "\n")
	}
	for _, index := range []string{
		"grants_client_idx (client_id=?)", "grants_subject_idx (subject_id=?)", "ledger_client_idx (<expr>=? AND client_id=?)",
		"tokens_subject_idx (subject_id=?)", "tokens_parent_idx (parent_id=?)",
	} {
		require.Contains(t, plan.String(), index)
	}
}
