package models_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
)

// between is what there is between a client and a user, and what that was read from.
func between(t *testing.T, s *models.Store, client, user string) (*policies.Acquaintance, *models.View) {
	t.Helper()
	v, err := s.View(t.Context())
	require.NoError(t, err)
	a, err := v.Acquaintance(t.Context(), client, user)
	require.NoError(t, err)
	return a, v
}

// A client knows its owner, who has consented to it, and who is listed, by name or by
// a group however deep; and nobody else.
func TestWhomAClientKnows(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by := t.Context(), modelstest.By()
		owner, joe, eve := modelstest.User(t, s, "owner"), modelstest.User(t, s, "joe"), modelstest.User(t, s, "eve")
		agent, _ := modelstest.Agent(t, s, "agent", owner.ID)
		other, _ := modelstest.Agent(t, s, "other", eve.ID)
		inner, outer := modelstest.Group(t, s, "inner", eve.ID), modelstest.Group(t, s, "outer")
		require.NoError(t, s.AddGroupMember(ctx, by, outer.ID, inner.ID))
		known := func(user *models.User) string {
			a, _ := between(t, s, agent.ID, user.ID)
			return a.Known
		}
		require.Equal(t, []string{"owner", "", ""}, []string{known(owner), known(joe), known(eve)})

		service := modelstest.Service(t, s, "service", "read")
		give := func(c *models.Consent) *models.Consent {
			c.SubjectID, c.ResourceID, c.Scopes, c.ExpiresAt = joe.ID, service.ID, []string{"read"}, s.Now()+100
			require.NoError(t, s.GiveConsent(ctx, by, c, c.Scopes))
			return c
		}
		give(&models.Consent{ClientID: other.ID})
		require.Empty(t, known(joe), "another's")
		standing := give(&models.Consent{ClientID: agent.ID})
		require.Equal(t, "consent", known(joe))
		require.NoError(t, s.RevokeConsent(ctx, by, standing.ID, ""))
		require.Empty(t, known(joe))
		asked := modelstest.Ask(t, s, agent.ID, joe.ID)
		allowed := models.Allowed{Subject: joe.ID, Until: s.Now() + 100, Code: models.Code{Scopes: map[string][]string{service.ID: {"read"}}, AMR: []string{"pwd"}}}
		require.NoError(t, s.AllowApproval(ctx, by, asked.ID, allowed))
		require.Empty(t, known(joe), "what answered one request opens no other")

		for range 2 {
			require.NoError(t, s.Acquaint(ctx, by, agent.ID, joe.ID))
		}
		require.Equal(t, "listed", known(joe))
		_, before := between(t, s, agent.ID, joe.ID)
		require.NoError(t, s.Estrange(ctx, by, agent.ID, joe.ID))
		require.ErrorIs(t, s.Estrange(ctx, by, agent.ID, joe.ID), models.ErrNotFound)
		require.Empty(t, known(joe))
		stale := &models.Approval{Kind: models.ApprovalCIBA, ClientID: agent.ID, SubjectID: joe.ID, Delivery: models.DeliveryPoll, ExpiresAt: s.Now() + 60}
		_, err := s.Ask(ctx, models.By{Seen: before}, stale, models.Telling{})
		require.ErrorIs(t, err, models.ErrStale, "what was seen is no longer so")

		require.NoError(t, s.Acquaint(ctx, by, agent.ID, outer.ID))
		require.Equal(t, "listed", known(eve))
		require.Empty(t, known(joe))
		require.NoError(t, s.DeleteGroup(ctx, by, outer.ID, models.AnyVersion))
		require.Empty(t, known(eve))
		rows, _, err := s.Acquaintances(ctx, agent.ID, models.Page{})
		require.NoError(t, err)
		require.Empty(t, rows, "it goes with its group")

		var invalid *models.Invalid
		for _, nobody := range []string{"usr_none", "grp_none", other.ID, service.ID, ""} {
			require.ErrorAs(t, s.Acquaint(ctx, by, agent.ID, nobody), &invalid, nobody)
		}
		require.ErrorIs(t, s.Acquaint(ctx, by, "agt_none", joe.ID), models.ErrNotFound)
	})
}

// What was asked and answered lately is counted, of this client and of all, as far back
// as policy looks.
func TestWhatWasAskedLatelyIsCounted(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		now := time.Unix(2_000_000_000, 0)
		o.Now = func() time.Time { return now }
		s := modelstest.Open(t, o)
		ctx, by := t.Context(), modelstest.By()
		joe, eve := modelstest.User(t, s, "joe"), modelstest.User(t, s, "eve")
		agent, other := modelstest.Application(t, s, "agent"), modelstest.Application(t, s, "other")
		lately := func() policies.Acquaintance {
			a, _ := between(t, s, agent.ID, joe.ID)
			return *a
		}
		require.Equal(t, policies.Acquaintance{}, lately())
		reported, denied := modelstest.Ask(t, s, agent.ID, joe.ID), modelstest.Ask(t, s, agent.ID, joe.ID)
		modelstest.Ask(t, s, agent.ID, joe.ID)
		modelstest.Ask(t, s, other.ID, joe.ID)
		modelstest.Ask(t, s, agent.ID, eve.ID)
		require.Equal(t, policies.Acquaintance{Waiting: 4, Pending: 3, Asked: 3}, lately())

		require.NoError(t, s.DenyApproval(ctx, by, reported.ID, true))
		first := now.Unix()
		now = now.Add(time.Minute)
		require.NoError(t, s.DenyApproval(ctx, by, denied.ID, false))
		second := now.Unix()
		require.Equal(t, policies.Acquaintance{Waiting: 2, Pending: 1, Asked: 3, Denials: 2, DeniedAt: second, ReportedAt: first}, lately())
		now = now.Add(10 * time.Minute)
		require.Equal(t, policies.Acquaintance{Asked: 3, Denials: 2, DeniedAt: second, ReportedAt: first}, lately(), "what waited is over")
		now = now.Add(time.Hour)
		require.Equal(t, policies.Acquaintance{Denials: 2, DeniedAt: second, ReportedAt: first}, lately())
		now = now.Add(24 * time.Hour)
		require.Equal(t, policies.Acquaintance{DeniedAt: second, ReportedAt: first}, lately())
		now = now.Add(30 * 24 * time.Hour)
		require.Equal(t, policies.Acquaintance{}, lately())
	})
}
