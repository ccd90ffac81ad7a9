package models_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// code is what the user granted the client in a sitting.
func (s *sitting) code() (raw string, g *models.Grant) {
	s.t.Helper()
	c := s.give([]string{"sales:read"}, "sales:read")
	g = &models.Grant{Kind: "authorization_code", ClientID: s.client.ID, SubjectID: s.user.ID, ExpiresAt: s.Now() + 1000}
	raw, err := s.NewCode(s.t.Context(), modelstest.By(), g, map[string]string{s.sales.ID: c.ID},
		&models.Code{Challenge: "c", Scopes: map[string][]string{s.sales.ID: {"sales:read"}}})
	require.NoError(s.t, err)
	return raw, g
}

// spend records a token that uses up a code or refresh token.
func (s *sitting) spend(g *models.Grant, spent models.Spent, next *models.RefreshToken) error {
	v, err := s.View(s.t.Context())
	require.NoError(s.t, err)
	id := models.NewID(models.PrefixToken)
	return s.Append(s.t.Context(), &models.Record{
		Entry: models.Entry{ID: models.NewID(models.PrefixDecision), Kind: models.KindDecision, Outcome: models.OutcomeGranted, Detail: "{}"},
		Token: &models.Token{ID: id, Txn: id, GrantID: g.ID, ClientID: g.ClientID, SubjectID: g.SubjectID, ResourceID: s.sales.ID, ExpiresAt: s.Now() + 9},
		Spent: &spent, Refresh: next, View: v,
	})
}

func TestCodesAndRefreshTokensAreSpentOnce(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		raw, g := s.code()
		refresh := models.RefreshPrefix + "first"
		first := models.RefreshToken{Hash: models.HashCode(refresh), GrantID: g.ID, ClientID: g.ClientID, CreatedAt: s.Now(), ExpiresAt: s.Now() + 99}

		require.Equal(t, 1, s.race(20, func() error { return s.spend(g, models.Spent{Hash: models.HashCode(raw), At: s.Now()}, &first) }))
		require.Equal(t, 1, s.race(20, func() error {
			return s.spend(g, models.Spent{Refresh: true, Hash: first.Hash, At: s.Now()}, nil)
		}))
		require.ErrorIs(t, s.spend(g, models.Spent{Hash: models.HashCode("never"), At: s.Now()}, nil), models.ErrStale)
		tokens, _, err := s.Tokens(t.Context(), models.TokenFilter{GrantID: g.ID}, models.Page{})
		require.NoError(t, err)
		require.Len(t, tokens, 2, "what was refused left no token")

		v, err := s.View(t.Context())
		require.NoError(t, err)
		byCode, err := v.ByCode(t.Context(), raw)
		require.NoError(t, err)
		require.NotZero(t, byCode.Code.UsedAt)
		require.Equal(t, []string{s.sales.ID}, byCode.Resources())
		require.Contains(t, v.Deps, "grant:"+g.ID)
		byRefresh, err := v.ByRefreshToken(t.Context(), refresh)
		require.NoError(t, err)
		require.NotZero(t, byRefresh.Refresh.UsedAt)
		require.Equal(t, byCode.Code, byRefresh.Code)
		require.Equal(t, byCode.Grant, byRefresh.Grant)
		nothing, err := v.ByCode(t.Context(), refresh)
		require.NoError(t, err)
		require.Nil(t, nothing, "a refresh token is no code")
	})
}

// race counts those of n attempts at once that succeed. The others must be told
// that what they saw is no more.
func (s *sitting) race(n int, attempt func() error) int {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = attempt() })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(s.t, err, models.ErrStale)
	}
	return won
}

// An assertion that is replayed must not use up the code it comes with, nor a code
// that is spent the assertion: either may be tried again.
func TestARefusedRecordSpendsNothing(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		raw, g := s.code()
		record := func(once *models.Once) *models.Record {
			return &models.Record{
				Entry: models.Entry{ID: models.NewID(models.PrefixDecision), Kind: models.KindDecision, Outcome: models.OutcomeGranted, Detail: "{}"},
				Spent: &models.Spent{Hash: models.HashCode(raw), At: s.Now()}, Once: once,
			}
		}
		used, fresh := &models.Once{Purpose: "p", Value: "1", ExpiresAt: s.Now() + 9}, &models.Once{Purpose: "p", Value: "2", ExpiresAt: s.Now() + 9}
		require.NoError(t, s.Append(t.Context(), &models.Record{Entry: models.Entry{ID: models.NewID(models.PrefixDecision), Detail: "{}"}, Once: used}))
		require.ErrorIs(t, s.Append(t.Context(), record(used)), models.ErrUsed)
		require.NoError(t, s.spend(g, models.Spent{Hash: models.HashCode(raw), At: s.Now()}, nil), "it was not spent")
		require.ErrorIs(t, s.Append(t.Context(), record(fresh)), models.ErrStale)
		require.NoError(t, s.Append(t.Context(), &models.Record{Entry: models.Entry{ID: models.NewID(models.PrefixDecision), Detail: "{}"}, Once: fresh}), "it was not used")
	})
}

func TestACodeRestsOnConsents(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		g := &models.Grant{Kind: "authorization_code", ClientID: s.client.ID, SubjectID: s.user.ID, ExpiresAt: s.Now() + 1000}
		_, err := s.NewCode(t.Context(), modelstest.By(), g, map[string]string{}, &models.Code{Scopes: map[string][]string{s.sales.ID: {"sales:read"}}})
		require.ErrorContains(t, err, "consent")
		_, err = s.Grant(t.Context(), g.ID)
		require.ErrorIs(t, err, models.ErrNotFound, "nothing of it was begun")
	})
}
