package models_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func subscription(userID, endpoint string) *models.Subscription {
	return &models.Subscription{
		UserID: userID, Endpoint: endpoint, Device: "Firefox, Linux",
		P256dh: base64.RawURLEncoding.EncodeToString(make([]byte, 65)), Auth: base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdef")),
	}
}

func TestABrowserIsItsLastUsers(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by := t.Context(), modelstest.By()
		alice, joe := modelstest.User(t, s, "alice"), modelstest.User(t, s, "joe")
		require.NoError(t, s.Subscribe(ctx, by, subscription(alice.ID, "https://push.example/1")))
		require.NoError(t, s.Subscribe(ctx, by, subscription(alice.ID, "https://push.example/1")), "again is no error")
		row := subscription(joe.ID, "https://push.example/1")
		require.NoError(t, s.Subscribe(ctx, by, row))
		rows, err := s.Subscriptions(ctx, alice.ID)
		require.NoError(t, err)
		require.Empty(t, rows, "who had it before sees nothing of the next")
		require.ErrorIs(t, s.Unsubscribe(ctx, by, alice.ID, row.ID), models.ErrNotFound, "somebody else's")
		owner, err := s.OwnerOf(ctx, joe.ID, row.ID)
		require.NoError(t, err)
		require.Equal(t, joe.ID, owner)
		require.NoError(t, s.Unsubscribe(ctx, by, joe.ID, row.ID))
		require.ErrorIs(t, s.Unsubscribe(ctx, by, joe.ID, row.ID), models.ErrNotFound)

		entries, _, err := s.Entries(ctx, models.EntryFilter{Newest: true}, -1, 50)
		require.NoError(t, err)
		for _, e := range entries {
			require.NotContains(t, e.Detail, "push.example", "where it is sent to is for nobody to see")
			require.NotContains(t, e.Detail, row.Auth)
		}
	})
}

func TestTheOldestBrowserMakesRoom(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		alice := modelstest.User(t, s, "alice")
		for i := range 12 {
			require.NoError(t, s.Subscribe(t.Context(), modelstest.By(), subscription(alice.ID, fmt.Sprintf("https://push.example/%d", i))))
		}
		rows, err := s.Subscriptions(t.Context(), alice.ID)
		require.NoError(t, err)
		require.Len(t, rows, 10)
		require.Equal(t, "https://push.example/2", rows[0].Endpoint)
	})
}

func TestSubscriptionsAreChecked(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		alice := modelstest.User(t, s, "alice")
		for name, spoil := range map[string]func(*models.Subscription){
			"no address": func(r *models.Subscription) { r.Endpoint = "push" }, "script": func(r *models.Subscription) { r.Endpoint = "javascript:alert(1)" },
			"credentials": func(r *models.Subscription) { r.Endpoint = "https://a:b@push.example" }, "long": func(r *models.Subscription) { r.Endpoint += strings.Repeat("x", 2000) },
			"no point": func(r *models.Subscription) { r.P256dh = r.Auth }, "no secret": func(r *models.Subscription) { r.Auth = "" }, "no base64": func(r *models.Subscription) { r.Auth = "?" },
		} {
			row := subscription(alice.ID, "https://push.example/1")
			spoil(row)
			var inv *models.Invalid
			require.ErrorAs(t, s.Subscribe(t.Context(), modelstest.By(), row), &inv, name)
		}
		require.ErrorIs(t, s.Subscribe(t.Context(), modelstest.By(), subscription("usr_nobody", "https://push.example/1")), models.ErrNotFound)
	})
}

func TestThePushKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		var wg sync.WaitGroup
		got := make([]*models.PushKey, 8)
		errs := make([]error, 8)
		for i := range got {
			wg.Go(func() {
				got[i], errs[i] = s.PushKey(t.Context(), func() (*models.PushKey, error) {
					return &models.PushKey{ID: models.NewID(models.PrefixKey), Public: fmt.Sprint(i), Sealed: []byte("sealed")}, nil
				})
			})
		}
		wg.Wait()
		for i := range got {
			require.NoError(t, errs[i])
			require.Equal(t, got[0].ID, got[i].ID)
			require.Equal(t, "sealed", string(got[i].Sealed))
		}
	})
}

func TestSettingsOfWordAreRemembered(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		alice := modelstest.User(t, s, "alice")
		row, err := s.WordSettings(t.Context(), alice.ID)
		require.NoError(t, err)
		require.Equal(t, models.WordSettings{UserID: alice.ID}, row)
		for _, lang := range []string{"de", "en"} {
			require.NoError(t, s.SetWord(t.Context(), modelstest.By(), models.WordSettings{UserID: alice.ID, Lang: lang}))
			row, err = s.WordSettings(t.Context(), alice.ID)
			require.NoError(t, err)
			require.Equal(t, lang, row.Lang)
		}
	})
}
