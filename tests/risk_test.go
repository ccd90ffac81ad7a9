package tests

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// What is risky is asked for each time, of somebody who has just shown who they are,
// and what is allowed of it counts for that alone.
func TestRiskIsTakenOnce(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.Clock.Stop()
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.PutScope(ctx, by, &models.Scope{ResourceID: v.service.ID, Name: "work:undo", Risk: models.RiskHigh})
			return err
		})
		q := v.asks(nil)
		require.Equal(t, []string{v.pair("work:undo"), v.pair("work:do")}, q.Scopes, "what is risky comes first")
		require.Equal(t, []string{v.pair("work:do")}, q.Ticked, "nobody takes a risk by not looking")
		back := v.b.Back(v.b.Post("/consent", q.Form("allow", q.Scopes...)))
		a := v.token(harness.CodeForm(back.Get("code")))
		access, refresh := v.must(a)
		require.Equal(t, "work:do work:undo", a.String("scope"))
		require.True(t, v.Active(v.agent, access))

		consents, _, err := v.Store.Consents(context.Background(), models.ConsentFilter{}, models.Page{})
		require.NoError(t, err)
		require.Len(t, consents, 1)
		approval := v.LastApproval()
		require.Equal(t, []string{approval.ID, models.ApprovalConsent, models.ApprovalApproved}, []string{consents[0].ApprovalID, approval.Kind, approval.State})
		require.Equal(t, v.Clock.Now().Unix()+3600, consents[0].ExpiresAt, "it does not last")

		a = v.token(harness.RefreshForm(refresh))
		v.must(a)
		require.Equal(t, "work:do", a.String("scope"), "nobody saw what is refreshed later")

		v.Clock.Advance(6 * time.Minute)
		again := v.b.Follow(v.b.Authorize(v.query(nil)))
		require.Contains(t, again.Body, `name="password"`, "who takes a risk has just shown who they are")
		silent := v.b.Back(v.b.Authorize(v.query(url.Values{"prompt": {"none"}})))
		require.Equal(t, "login_required", silent.Get("error"))
	})
}
