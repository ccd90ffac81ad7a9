package models_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
)

// plea is what a client asks its owner to let it do by itself, and the secret it polls with.
func plea(t *testing.T, s *models.Store, clientID, userID string) (*models.Approval, string) {
	t.Helper()
	a := &models.Approval{Kind: models.ApprovalMachine, ClientID: clientID, SubjectID: userID, Delivery: models.DeliveryPoll, ExpiresAt: s.Now() + 600,
		Request: models.ApprovalRequest{GrantType: "client_credentials", Scopes: []string{"sales:read"}, Resources: []string{}, ACRValues: []string{}}}
	asked, err := s.Ask(t.Context(), modelstest.By(), a, models.Telling{})
	require.NoError(t, err)
	return a, asked.Secret
}

// What a machine was allowed is one row, without a consent or a grant, and one of any
// number of tokens at once is issued for it.
func TestAMachinesApprovalIsSpentOnce(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		s := newSitting(t, store)
		_, g := s.code()
		a, secret := plea(t, store, s.client.ID, s.user.ID)
		spent := models.Spent{Approval: true, Hash: models.HashCode(secret), At: s.Now(), Token: "tok_1"}
		require.ErrorIs(t, s.spend(g, spent, nil), models.ErrStale, "nobody has answered it")

		payment := policies.Detail(`{"amount":"5","type":"payment"}`)
		allowed := models.Allowed{Subject: s.user.ID, Until: s.Now() + 100, Code: models.Code{
			Scopes: map[string][]string{s.sales.ID: {"sales:read"}}, Details: map[string][]policies.Detail{s.sales.ID: {payment}},
		}}
		require.NoError(t, s.AllowApproval(t.Context(), modelstest.By(), a.ID, allowed))
		require.ErrorIs(t, s.AllowApproval(t.Context(), modelstest.By(), a.ID, allowed), models.ErrUsed)
		view, err := s.View(t.Context())
		require.NoError(t, err)
		row, carried, err := view.ByApproval(t.Context(), secret)
		require.NoError(t, err)
		require.Nil(t, carried)
		require.Equal(t, models.ApprovalGranted{Scopes: allowed.Code.Scopes, Details: allowed.Code.Details}, row.Granted)
		require.Equal(t, []any{models.ApprovalApproved, allowed.Until, "", int64(0)}, []any{row.State, row.ApprovedUntil, row.GrantID, row.UsedAt})
		rows, _, err := s.Consents(t.Context(), models.ConsentFilter{ApprovalID: a.ID}, models.Page{})
		require.NoError(t, err)
		require.Empty(t, rows)

		require.Equal(t, 1, s.race(20, func() error { return s.spend(g, spent, nil) }))
		row, err = s.Approval(t.Context(), a.ID)
		require.NoError(t, err)
		require.Equal(t, []any{models.ApprovalUsed, "tok_1", spent.At}, []any{row.State, row.TokenID, row.UsedAt})
		used, _, err := s.Approvals(t.Context(), models.ApprovalFilter{State: models.ApprovalUsed}, models.Page{})
		require.NoError(t, err)
		require.Len(t, used, 1)
		require.ErrorIs(t, s.DenyApproval(t.Context(), modelstest.By(), a.ID, false), models.ErrUsed)

		denied, secret := plea(t, store, s.client.ID, s.user.ID)
		require.NoError(t, s.DenyApproval(t.Context(), modelstest.By(), denied.ID, false))
		spent.Hash = models.HashCode(secret)
		require.ErrorIs(t, s.spend(g, spent, nil), models.ErrStale)
	})
}

// The seal is over the grant type and the token, too: what was approved for one is no
// answer to another.
func TestAMachinesRequestIsSealed(t *testing.T) {
	t.Parallel()
	s := modelstest.Open(t, modelstest.Database(t, "sqlite"))
	client, user := modelstest.Application(t, s, "agent"), modelstest.User(t, s, "joe")
	a, _ := plea(t, s, client.ID, user.ID)
	body, err := json.Marshal(a.Request)
	require.NoError(t, err)
	require.Contains(t, string(body), `"grant_type":"client_credentials"`)
	seen := map[string]bool{a.Digest: true}
	for _, change := range []func(*models.ApprovalRequest){
		func(r *models.ApprovalRequest) { r.GrantType = "urn:ietf:params:oauth:grant-type:token-exchange" },
		func(r *models.ApprovalRequest) { r.Parent = "tok_1" },
		func(r *models.ApprovalRequest) { r.Scopes = []string{"sales:write"} },
	} {
		other := *a
		change(&other.Request)
		require.NoError(t, models.Seal(&other))
		require.False(t, seen[other.Digest])
		seen[other.Digest] = true
	}
	same := *a
	require.NoError(t, models.Seal(&same))
	require.Equal(t, a.Digest, same.Digest)
}

// Who may approve what an agent does by itself: its owner, and whom an administrator
// listed. That a user once consented to something does not make them one.
func TestWhoMayApproveForAMachine(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		ctx, by := t.Context(), modelstest.By()
		owner, joe := modelstest.User(t, s, "owner"), modelstest.User(t, s, "joe")
		agent, _ := modelstest.Agent(t, s, "agent", owner.ID)
		service := modelstest.Service(t, s, "service", "read")
		approver := func(id string) *policies.Approver {
			v, err := s.View(ctx)
			require.NoError(t, err)
			a, err := v.Approver(ctx, agent.ID, id)
			require.NoError(t, err)
			return a
		}
		require.Equal(t, &policies.Approver{Known: "owner", Status: models.StatusActive, ExpiresAt: approver(owner.ID).ExpiresAt}, approver(owner.ID))
		consent := &models.Consent{ClientID: agent.ID, SubjectID: joe.ID, ResourceID: service.ID, Scopes: []string{"read"}, ExpiresAt: s.Now() + 100}
		require.NoError(t, s.GiveConsent(ctx, by, consent, consent.Scopes))
		require.Empty(t, approver(joe.ID).Known)
		require.NoError(t, s.Acquaint(ctx, by, agent.ID, joe.ID))
		require.Equal(t, "listed", approver(joe.ID).Known)
		require.NoError(t, s.Estrange(ctx, by, agent.ID, joe.ID))
		require.Empty(t, approver(joe.ID).Known)
		for _, nobody := range []string{"", "usr_none", agent.ID} {
			require.Nil(t, approver(nobody), nobody)
		}
	})
}
