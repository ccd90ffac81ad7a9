package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// store opens the database beside the server.
func (d *devServer) store() *models.Store {
	d.t.Helper()
	s, err := database{DatabaseURL: Secret(d.db), DataDir: d.dir}.open()
	require.NoError(d.t, err)
	d.t.Cleanup(func() { require.NoError(d.t, s.Close()) })
	return s
}

// client is one of the sample world.
func (d *devServer) client(s *models.Store, name string) models.Client {
	d.t.Helper()
	found, _, err := s.Clients(context.Background(), models.ClientFilter{Name: name}, models.Page{})
	require.NoError(d.t, err)
	require.Len(d.t, found, 1)
	return found[0]
}

func TestApprovalsAreShownAndCancelled(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		store := d.store()
		agent, user := d.client(store, "search-agent"), func(name string) *models.User {
			u, err := store.UserNamed(context.Background(), name)
			require.NoError(t, err)
			return u
		}
		first, second := modelstest.Ask(t, store, agent.ID, user("joe").ID), modelstest.Ask(t, store, agent.ID, user("alice").ID)

		list := d.must("approval", "list")
		require.Regexp(t, first.ID+` +ciba +pending +search-agent +joe `, list)
		require.Contains(t, list, second.ID)
		require.NotContains(t, d.must("approval", "list", "--user", "alice"), first.ID)
		require.NotContains(t, d.must("approval", "list", "--state", "denied"), first.ID)
		require.Contains(t, d.must("approval", "list", "--agent", "search-agent", "--state", "pending"), first.ID)
		d.wrong("must be one of", "approval", "list", "--state", "lost")

		shown := d.must("approval", "show", first.ID)
		for _, line := range []string{`agent +search-agent\n`, `asks +joe\n`, `agent says +"Invoice 17"\n`, `compare +` + first.CompareCode + `\n`, `state +pending\n`} {
			require.Regexp(t, line, shown)
		}
		require.Equal(t, first.ID+" is cancelled.\n", d.must("approval", "cancel", first.ID))
		require.Regexp(t, `state +cancelled\n`, d.must("approval", "show", first.ID))
		d.wrong("404", "approval", "cancel", "apr_none")

		require.Contains(t, d.must("user", "suspend", "alice", "--dry-run"), "Requests to people that are not carried out any more: 1.")
		require.Contains(t, d.must("approval", "list", "--state", "pending"), second.ID)
		d.must("user", "suspend", "alice")
		require.Empty(t, d.must("approval", "list", "--state", "pending"))
		d.wrong("it is denied", "approval", "cancel", func() string {
			third := modelstest.Ask(t, store, agent.ID, user("joe").ID)
			require.NoError(t, store.DenyApproval(context.Background(), modelstest.By(), third.ID, true))
			require.Regexp(t, `state +denied, and reported\n`, d.must("approval", "show", third.ID))
			return third.ID
		}())
	})
}

func TestWhomAnAgentMayAsk(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		d.must("group", "add", "sales")
		require.Empty(t, d.must("agent", "ask", "search-agent", "list"))
		require.Equal(t, "search-agent may ask joe.\n", d.must("agent", "ask", "search-agent", "allow", "joe"))
		d.must("agent", "ask", "search-agent", "allow", "sales")
		list := d.must("agent", "ask", "search-agent", "list")
		require.Regexp(t, `usr_\w+ +joe\n`, list)
		require.Regexp(t, `grp_\w+ +sales\n`, list)
		require.Equal(t, "search-agent may no longer ask sales.\n", d.must("agent", "ask", "search-agent", "deny", "sales"))
		require.NotContains(t, d.must("agent", "ask", "search-agent", "list"), "sales")
		d.wrong("404", "agent", "ask", "search-agent", "deny", "sales")
		d.wrong("422", "agent", "ask", "search-agent", "allow", "chat-widget")
		d.wrong("whom?", "agent", "ask", "search-agent", "allow")
		d.wrong("whom?", "agent", "ask", "search-agent", "list", "joe")
		d.wrong("must be one of", "agent", "ask", "search-agent", "perhaps", "joe")
	})
}

func TestHowAnAgentIsTold(t *testing.T) {
	d := startDev(t, "sqlite")
	require.Regexp(t, `answers +poll\n`, d.must("agent", "show", "search-agent"))
	d.must("agent", "set", "search-agent", "--grant-type", "ciba,device_code", "--delivery", "ping", "--notification-endpoint", "https://agent.example/told")
	shown := d.must("agent", "show", "search-agent")
	require.Regexp(t, `grants +`+models.GrantCIBA+" "+models.GrantDevice+`\n`, shown)
	require.Regexp(t, `answers +ping https://agent.example/told\n`, shown)
	d.must("agent", "set", "search-agent", "--delivery", "push")
	require.Regexp(t, `answers +push https://agent.example/told\n`, d.must("agent", "show", "search-agent"))
	d.must("agent", "set", "search-agent", "--delivery", "poll")
	require.Regexp(t, `answers +poll\n`, d.must("agent", "show", "search-agent"))
	d.wrong("422", "agent", "set", "search-agent", "--delivery", "push")
	d.wrong("422", "agent", "set", "search-agent", "--delivery", "carrier")
}

// What a machine asks for by itself is shown with the token request it is for, what was
// allowed of it, and what became of that.
func TestAMachinesApprovalIsShown(t *testing.T) {
	const exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	d := startDev(t, "sqlite")
	store, ctx := d.store(), context.Background()
	agent, service := d.client(store, "search-agent"), modelstest.Service(t, store, "pantry", "pantry:open")
	joe, err := store.UserNamed(ctx, "joe")
	require.NoError(t, err)
	a := &models.Approval{Kind: models.ApprovalMachine, ClientID: agent.ID, SubjectID: joe.ID, Delivery: models.DeliveryPoll, ExpiresAt: store.Now() + 600,
		Request: models.ApprovalRequest{GrantType: exchange, Parent: "tok_1", Scopes: []string{"pantry:open"}, Resources: []string{}, ACRValues: []string{}}}
	_, err = store.Ask(ctx, modelstest.By(), a, models.Telling{})
	require.NoError(t, err)
	require.Regexp(t, a.ID+` +machine +pending +search-agent +joe `, d.must("approval", "list"))
	allowed := models.Allowed{Subject: joe.ID, Until: store.Now() + 600, Code: models.Code{Scopes: map[string][]string{service.ID: {"pantry:open"}}}}
	require.NoError(t, store.AllowApproval(ctx, modelstest.By(), a.ID, allowed))
	shown := d.must("approval", "show", a.ID)
	for _, line := range []string{`kind +machine\n`, `state +approved\n`, `to get it by +` + exchange + `\n`, `with token +tok_1\n`, `until +2`, `allowed +pantry:open at https://pantry.example\n`} {
		require.Regexp(t, line, shown)
	}
	require.Empty(t, d.must("approval", "list", "--state", "used"))
	for range 2 { // it was not carried out
		require.Equal(t, a.ID+" is cancelled.\n", d.must("approval", "cancel", a.ID))
	}
}
