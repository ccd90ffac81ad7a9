package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestVisitsAreAnsweredOnce(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		begin := func() *models.Visit {
			v := &models.Visit{ClientID: s.client.ID, ReturnTo: "https://a.example/cb", Request: models.VisitRequest{Scopes: []string{"sales:read"}, State: "s"}}
			require.NoError(t, s.BeginVisit(t.Context(), v))
			return v
		}
		allow := func(v *models.Visit, scopes ...string) (string, error) {
			return s.AllowVisit(t.Context(), modelstest.By(), models.Allowed{
				Visit: v.ID, Subject: s.user.ID, Until: s.Now() + 100, Code: models.Code{Scopes: map[string][]string{s.sales.ID: scopes}},
				Given: []models.Given{{Asked: []string{"sales:read", "sales:list"}, Consent: models.Consent{
					ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, Scopes: scopes, ExpiresAt: s.Now() + 100,
				}}},
			})
		}
		v := begin()
		same, err := s.Visit(t.Context(), v.ID)
		require.NoError(t, err)
		require.Equal(t, v.Request.State, same.Request.State)
		code, err := allow(v, "sales:list", "sales:read")
		require.NoError(t, err)
		view, err := s.View(t.Context())
		require.NoError(t, err)
		carried, err := view.ByCode(t.Context(), code)
		require.NoError(t, err)
		consent, err := view.ConsentAt(t.Context(), carried.Grant.ID, s.sales.ID)
		require.NoError(t, err)
		require.Equal(t, map[string]bool{"sales:list": true, "sales:read": true}, consent.Scopes)

		_, err = allow(v, "sales:list")
		require.ErrorIs(t, err, models.ErrUsed)
		require.ErrorIs(t, s.CloseVisit(t.Context(), v.ID), models.ErrUsed)
		_, err = s.Visit(t.Context(), v.ID)
		require.ErrorIs(t, err, models.ErrNotFound)

		// What is not ticked any more is taken back; nothing at all is no consent.
		_, err = allow(begin(), "sales:list")
		require.NoError(t, err)
		again, err := s.Consent(t.Context(), consent.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"sales:list"}, again.Scopes)

		closed := begin()
		require.NoError(t, s.CloseVisit(t.Context(), closed.ID))
		_, err = allow(closed, "sales:list")
		require.ErrorIs(t, err, models.ErrUsed)

		require.NoError(t, s.PurgeVisits(t.Context(), s.Now()+3600))
		_, err = allow(begin(), "sales:list")
		require.NoError(t, err)
	})
}

func TestPushedVisits(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		v := &models.Visit{ClientID: s.client.ID, ReturnTo: "https://a.example/cb"}
		token, err := s.PushVisit(t.Context(), v)
		require.NoError(t, err)
		_, err = s.Visit(t.Context(), v.ID)
		require.ErrorIs(t, err, models.ErrNotFound, "nobody has come with it")
		for _, wrong := range []string{"", token[:len(token)-1] + "-", token + "x"} {
			_, err = s.PushedVisit(t.Context(), wrong, s.client.ID)
			require.ErrorIs(t, err, models.ErrNotFound)
		}
		_, err = s.PushedVisit(t.Context(), token, "agt_other")
		require.ErrorIs(t, err, models.ErrNotFound)
		first, err := s.PushedVisit(t.Context(), token, s.client.ID)
		require.NoError(t, err)
		require.Equal(t, s.Now(), first.BeganAt)
		second, err := s.PushedVisit(t.Context(), token, s.client.ID)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.NoError(t, s.AskVisit(t.Context(), first, "ses_1", nil))
		asked, err := s.Visit(t.Context(), v.ID)
		require.NoError(t, err)
		require.Equal(t, "ses_1", asked.SessionID)
		require.NoError(t, s.CloseVisit(t.Context(), v.ID))
		_, err = s.PushedVisit(t.Context(), token, s.client.ID)
		require.ErrorIs(t, err, models.ErrNotFound)
	})
}

// A consent of which part was asked about anew does not last longer in the rest.
func TestConsentNotAskedAboutLastsNoLonger(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		c := s.give([]string{"sales:read"}, "sales:read")
		longer := &models.Consent{ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, Scopes: []string{"sales:list"}, ExpiresAt: c.ExpiresAt + 5000}
		require.NoError(t, s.GiveConsent(t.Context(), modelstest.By(), longer, []string{"sales:list"}))
		require.Equal(t, c.ExpiresAt, longer.ExpiresAt)
		require.Equal(t, []string{"sales:list", "sales:read"}, longer.Scopes)

		// Something else was asked about and is not wanted: nothing changes.
		other := &models.Consent{ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, ExpiresAt: s.Now() + 10}
		require.NoError(t, s.GiveConsent(t.Context(), modelstest.By(), other, []string{"sales:more"}))
		require.Equal(t, longer, other)

		// All of it was asked about, nothing is allowed: it is taken back.
		none := &models.Consent{ClientID: s.client.ID, SubjectID: s.user.ID, ResourceID: s.sales.ID, ExpiresAt: s.Now() + 100}
		require.NoError(t, s.GiveConsent(t.Context(), modelstest.By(), none, []string{"sales:list", "sales:read"}))
		require.NotZero(t, none.RevokedAt)
	})
}
