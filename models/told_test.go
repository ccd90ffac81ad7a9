package models_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func (p *people) asked(delivery string, channels ...string) *models.Approval {
	p.Helper()
	user, client := modelstest.User(p, p.Store, "u-"+models.NewID("x")[20:]), modelstest.Application(p, p.Store, "app-"+models.NewID("x")[20:])
	a := &models.Approval{Kind: models.ApprovalCIBA, ClientID: client.ID, SubjectID: user.ID, Delivery: delivery, ExpiresAt: p.Now() + 300}
	t := models.Telling{Channels: channels, Seal: func(a *models.Approval, secret string) []byte { return []byte("sealed for " + a.ID) }}
	_, err := p.Ask(p.Context(), by, a, t)
	require.NoError(p, err)
	return a
}

func kinds(notices []models.Notice) (kinds []string) {
	for _, n := range notices {
		kinds = append(kinds, n.Kind+" "+n.Channel)
	}
	return kinds
}

func TestWhoIsToldOfAnApproval(t *testing.T) {
	eachPeople(t, func(p *people) {
		a := p.asked(models.DeliveryPoll, "mail", "push")
		require.ElementsMatch(p, []string{"word mail", "word push"}, kinds(p.due()), "each channel for itself")
		require.NoError(p, p.DenyApproval(p.Context(), by, a.ID, false))
		p.advance(2 * time.Minute)
		require.Empty(p, p.due(), "it does not wait any more")

		a = p.asked(models.DeliveryPing)
		require.Empty(p, p.due())
		require.NoError(p, p.CancelApproval(p.Context(), by, a.ID))
		pinged := p.due()
		require.Equal(p, []string{"ping "}, kinds(pinged))
		require.NoError(p, p.NoticeSent(p.Context(), pinged[0]))

		a = p.asked(models.DeliveryPush)
		require.NoError(p, p.DenyApproval(p.Context(), by, a.ID, false))
		told := p.due()
		require.Equal(p, []string{"push "}, kinds(told))
		require.NoError(p, p.NoticeSent(p.Context(), told[0]))
		p.asked(models.DeliveryPush)
		p.advance(299 * time.Second)
		require.Empty(p, p.due())
		p.advance(2 * time.Second)
		require.Equal(p, []string{"push "}, kinds(p.due()), "nobody answered, which is told as well")
	})
}
