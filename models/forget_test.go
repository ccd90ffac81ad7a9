package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// A server that fell behind what is known of changes begins anew: it neither goes on
// with old facts, nor writes what was decided on them.
func TestChangesAreForgottenSafely(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		s, behind := modelstest.Open(t, o), modelstest.Open(t, o)
		ctx := t.Context()
		w := modelstest.NewWorld(t, s, "w")
		v, err := behind.View(ctx)
		require.NoError(t, err)
		require.Equal(t, models.StatusActive, principal(t, v, w.Agent.ID).Status)
		unrelated, err := behind.View(ctx)
		require.NoError(t, err)
		principal(t, unrelated, w.Owner.ID)

		_, err = s.UpdateClient(ctx, modelstest.By(), w.Agent.ID, models.AnyVersion, func(c *models.Client) { c.Status = models.StatusSuspended })
		require.NoError(t, err)
		modelstest.User(t, s, "somebody")
		epoch := s.Epoch()
		require.NoError(t, s.PurgeChanges(ctx, epoch), "as many are to be kept as there were")
		require.EqualValues(t, epoch, changesFrom(t, s, 0))
		require.NoError(t, s.PurgeChanges(ctx, 1))
		require.EqualValues(t, 1, changesFrom(t, s, 0), "the last one stays")

		require.ErrorIs(t, behind.Append(ctx, viewed(w.Token(s), unrelated)), models.ErrStale, "whether it was touched is not known any more")
		require.NoError(t, behind.Refresh(ctx))
		v, err = behind.View(ctx)
		require.NoError(t, err)
		require.Equal(t, models.StatusSuspended, principal(t, v, w.Agent.ID).Status)
		require.NoError(t, behind.Append(ctx, viewed(w.Token(s), v)))

		stale, err := behind.View(ctx)
		require.NoError(t, err)
		modelstest.User(t, s, "later")
		modelstest.User(t, s, "latest")
		require.NoError(t, s.PurgeChanges(ctx, 0))
		require.Zero(t, changesFrom(t, s, 0))
		by := modelstest.By()
		by.Seen = stale
		require.ErrorIs(t, behind.CreateUser(ctx, by, &models.User{Username: "eve", Name: "Eve"}), models.ErrStale)
		require.NoError(t, behind.Refresh(ctx))
		require.Equal(t, s.Epoch(), behind.Epoch())
		require.NoError(t, s.PurgeChanges(ctx, 0), "twice does no harm")
	})
}

// viewed is the record of a token that was decided on in a view.
func viewed(token models.Token, v *models.View) *models.Record {
	r := modelstest.Granted(token)
	r.View = v
	return r
}

// changesFrom counts the epochs of changes after one.
func changesFrom(t *testing.T, s *models.Store, epoch int64) (n int64) {
	t.Helper()
	require.NoError(t, s.Reader().Raw("select count(distinct epoch) from changes where epoch > ?", epoch).Scan(&n).Error)
	return n
}
