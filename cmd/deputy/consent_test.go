package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

func TestConsentsAreListedAndTakenBack(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		store, err := database{DatabaseURL: Secret(d.db), DataDir: d.dir}.open()
		require.NoError(t, err)
		defer store.Close()
		ctx := context.Background()
		joe, err := store.UserNamed(ctx, "joe")
		require.NoError(t, err)
		clients, _, err := store.Clients(ctx, models.ClientFilter{Name: "search-agent"}, models.Page{})
		require.NoError(t, err)
		services, _, err := store.ResourceServers(ctx, models.ResourceFilter{Name: "support-agent"}, models.Page{})
		require.NoError(t, err)
		consent := &models.Consent{
			ClientID: clients[0].ID, SubjectID: joe.ID, ResourceID: services[0].ID, Scopes: []string{"agent:analytics", "agent:chat"}, ExpiresAt: store.Now() + 1000,
		}
		require.NoError(t, store.GiveConsent(ctx, models.By{SubjectID: joe.ID}, consent, consent.Scopes))

		require.Contains(t, d.must("consent", "list", "--user", "joe", "--agent", "search-agent"), consent.ID)
		require.NotContains(t, d.must("consent", "list", "--user", "alice"), consent.ID)
		require.Contains(t, d.must("consent", "list", "--user", joe.ID), "agent:analytics agent:chat")
		require.NotContains(t, d.must("consent", "revoke", consent.ID, "--dry-run"), "Taken back")
		require.Contains(t, d.must("consent", "list"), consent.ID)
		require.Contains(t, d.must("consent", "revoke", consent.ID, "--scope", "agent:analytics"), "Taken back")
		require.NotContains(t, d.must("consent", "list"), "agent:analytics")
		require.Contains(t, d.must("consent", "revoke", consent.ID), "Nothing live hangs from it.")
		require.NotContains(t, d.must("consent", "list"), consent.ID)
		require.Contains(t, d.must("consent", "list", "--ended"), "revoked ")

		preapprove := []string{"consent", "preapprove", "--user", "joe", "--agent", "search-agent", "--resource", "https://support-agent.example", "--for", "24h", "--scope"}
		out := d.must(append(preapprove, "agent:chat agent:analytics")...)
		require.Contains(t, out, "search-agent may do agent:analytics agent:chat for joe until 20")
		require.Contains(t, d.must("consent", "list", "--user", "joe"), out[:strings.Index(out, ":")])
		_, err = d.deputy(append(preapprove, "agent:chat")...)
		require.ErrorContains(t, err, "409", "there is one")
		_, err = d.deputy("consent", "preapprove", "--user", "joe", "--agent", "search-agent", "--resource", "https://nobody.example", "--scope", "x")
		require.ErrorContains(t, err, `no resource server named "https://nobody.example"`)
		_, err = d.deputy("consent", "revoke", "cns_none")
		require.Error(t, err)
		_, err = d.deputy("consent", "list", "--user", "nobody")
		require.ErrorContains(t, err, `no user named "nobody"`)
	})
}
