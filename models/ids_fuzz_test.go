package models_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// An id names the one thing it is the id of, or nothing. Text of any kind is no
// fault of the database, and no pattern.
func FuzzIDs(f *testing.F) {
	s := modelstest.New(f, "sqlite")
	w := modelstest.NewWorld(f, s, "w")
	token := modelstest.Issue(f, s, w.Token(s))
	for _, id := range []string{w.Agent.ID, w.Owner.ID, w.Service.ID, w.Role.ID, token.ID, token.DecisionID, w.Agent.SelfGrantID, "", "%", "agt_%", "' or 1=1 --", "\x00", "\xff", strings.ToUpper(w.Agent.ID), w.Agent.ID + " "} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		ctx := t.Context()
		found := func(got string, err error) {
			t.Helper()
			if err == nil {
				require.Equal(t, id, got)
				return
			}
			require.True(t, errors.Is(err, models.ErrNotFound), "%v", err)
		}
		if c, err := s.Client(ctx, id); err == nil || c != nil {
			found(c.ID, err)
			require.True(t, models.HasPrefix(id, models.PrefixAgent) || models.HasPrefix(id, models.PrefixApplication))
		}
		if r, err := s.ResourceServer(ctx, id); err == nil || r != nil {
			found(r.ID, err)
		}
		if k, err := s.Token(ctx, id); err == nil || k != nil {
			found(k.ID, err)
		}
		if e, err := s.EntryByID(ctx, id); err == nil || e != nil {
			found(e.ID, err)
		}
		v, err := s.View(ctx)
		require.NoError(t, err)
		p, err := v.Principal(ctx, id)
		require.NoError(t, err)
		if p != nil {
			require.Equal(t, id, p.Value.ID)
		}
		state, err := v.TokenState(ctx, id)
		require.NoError(t, err)
		require.Equal(t, id == token.ID, state.Known)
		live, _, err := v.Credentials(ctx, id)
		require.NoError(t, err)
		require.Equal(t, id == w.Agent.ID, len(live) > 0)
	})
}
