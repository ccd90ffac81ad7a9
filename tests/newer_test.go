package tests

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// A replica that is being replaced leaves to the newer ones what it does not know to tell,
// says so now and then, and tells the rest.
func TestNewer_NoticesWaitForWhoKnowsThem(t *testing.T) {
	t.Parallel()
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		ctx := context.Background()
		s.ask()
		taken, err := s.Store.DueNotices(ctx, 16)
		require.NoError(t, err)
		require.Len(t, taken, 1)
		wanted, foreign := taken[0], taken[0]
		foreign.Kind = "hologram"
		require.NoError(t, s.Store.SpreadNotice(ctx, foreign, []models.Notice{{Channel: wanted.Channel, SubjectID: wanted.SubjectID}}))
		var log bytes.Buffer
		old := grants.New(grants.Config{
			Issuer: s.URL, Store: s.Store, Policy: s.Engine, Advice: s.Engine, Keys: s.Keys, Now: s.Clock.Now, Word: s.Word, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		for range 3 {
			require.NoError(t, old.Notify(ctx))
		}
		require.Equal(t, 1, strings.Count(log.String(), "hologram"))
		s.Clock.Advance(10 * time.Minute)
		require.NoError(t, old.Notify(ctx))
		require.Equal(t, 2, strings.Count(log.String(), "hologram"))
		require.Empty(t, s.Mailbox.Mails())
		kinds, err := s.Store.UnknownNotices(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"hologram"}, kinds, "it waits")
	})
}
