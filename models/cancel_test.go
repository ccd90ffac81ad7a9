package models_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// Whoever is stopped leaves no question behind: what waits is cancelled in the same
// change, in every way in which a client or a user can be stopped, and told before.
func TestWhoIsStoppedLeavesNoQuestions(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		ctx, by := t.Context(), modelstest.By()
		for name, stop := range map[string]func(client, user string) (stopped string, err error){
			"suspended-client": func(client, _ string) (string, error) {
				_, err := store.SuspendClient(ctx, by, client)
				return client, err
			},
			"deleted-client": func(client, _ string) (string, error) {
				return client, store.DecommissionClient(ctx, by, client, models.AnyVersion)
			},
			"suspended-user": func(_, user string) (string, error) {
				_, err := store.SuspendUser(ctx, by, user)
				return user, err
			},
			"deleted-user": func(_, user string) (string, error) {
				return user, store.RemoveUser(ctx, by, user, models.AnyVersion)
			},
			"suspended-owner": func(client, _ string) (string, error) {
				c, err := store.Client(ctx, client)
				require.NoError(t, err)
				_, err = store.SuspendUser(ctx, by, *c.OwnerID)
				return *c.OwnerID, err
			},
		} {
			owner, user := modelstest.User(t, store, name+"-owner"), modelstest.User(t, store, name+"-user")
			agent, _ := modelstest.Agent(t, store, name, owner.ID)
			other, _ := modelstest.Agent(t, store, name+"-other", modelstest.User(t, store, name+"-eve").ID)
			asked := modelstest.Ask(t, store, agent.ID, user.ID)
			answered := modelstest.Ask(t, store, agent.ID, user.ID)
			require.NoError(t, store.DenyApproval(ctx, by, answered.ID, false))
			foreign := modelstest.Ask(t, store, other.ID, "")
			mine := []models.ApprovalFilter{{ClientID: agent.ID, State: models.ApprovalPending}, {SubjectID: user.ID, State: models.ApprovalPending}}

			for _, id := range []string{agent.ID, user.ID, owner.ID} {
				f, err := store.FallOf(ctx, id)
				require.NoError(t, err)
				require.Equal(t, int64(1), f.Approvals, "%s: %s", name, id)
			}
			stopped, err := stop(agent.ID, user.ID)
			require.NoError(t, err, name)
			f, err := store.FallOf(ctx, stopped)
			require.NoError(t, err)
			require.Zero(t, f.Approvals, name)
			for _, filter := range mine {
				rows, _, err := store.Approvals(ctx, filter, models.Page{})
				require.NoError(t, err)
				require.Empty(t, rows, name)
			}
			for id, state := range map[string]string{
				asked.ID: models.ApprovalCancelled, answered.ID: models.ApprovalDenied, foreign.ID: models.ApprovalPending,
			} {
				a, err := store.Approval(ctx, id)
				require.NoError(t, err)
				require.Equal(t, state, a.State, name)
			}
			require.ErrorIs(t, store.AllowApproval(ctx, by, asked.ID, models.Allowed{Until: store.Now() + 100}), models.ErrUsed)
		}
		entries, _, err := store.Entries(ctx, models.EntryFilter{Action: "cancelApproval"}, -1, 50)
		require.NoError(t, err)
		require.Len(t, entries, 5, "each is in the ledger")
	})
}

// Restoring somebody asks nothing anew, and cancels nothing.
func TestRestoringCancelsNothing(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		ctx, by := t.Context(), modelstest.By()
		user := modelstest.User(t, store, "joe")
		agent, _ := modelstest.Agent(t, store, "agent", user.ID)
		asked := modelstest.Ask(t, store, agent.ID, user.ID)
		_, err := store.RestoreClient(ctx, by, agent.ID)
		require.NoError(t, err)
		_, err = store.RestoreUser(ctx, by, user.ID)
		require.NoError(t, err)
		a, err := store.Approval(ctx, asked.ID)
		require.NoError(t, err)
		require.Equal(t, models.ApprovalPending, a.State)
	})
}

// Nobody reads all approvals, either, to find those that wait.
func TestPendingApprovalsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	s := modelstest.New(t, "sqlite")
	for _, id := range []string{"agt_1", "usr_1"} {
		var steps []struct{ Detail string }
		require.NoError(t, s.Reader().Raw("explain query plan select * from approvals where "+models.PendingOf, models.BindPending(id, s.Now())).Scan(&steps).Error)
		var plan strings.Builder
		for _, step := range steps {
			require.NotRegexp(t, `^SCAN (approvals|clients)\b`, step.Detail)
			plan.WriteString(step.Detail + "\n")
		}
		for _, index := range []string{"approvals_client_idx (client_id=?)", "approvals_subject_idx (subject_id=?)"} {
			require.Contains(t, plan.String(), index)
		}
	}
}
