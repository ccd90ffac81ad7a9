package tests

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// What other authorization servers got wrong in administration, storage and
// records. docs/traps.md lists every lesson.

// authorizer: a delegated token that reached the server's own admin API had all
// rights there, whatever its scopes.
func TestTrap_ADelegatedTokenAdministersWithinItsScopes(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		r := newRivals(s, "a", "clients:read clients:write users:read")
		helper := r.narrow
		desk := s.Service("desk", helper)
		s.Scope(desk, "desk:use", models.ScopeRef{ResourceID: models.SelfID, Name: "clients:read"}, models.ScopeRef{ResourceID: models.SelfID, Name: "clients:write"})
		s.Allow(r.admin.ID, desk, "desk:use")
		sent := s.Own(r.admin, desk.Identifier, "desk:use")
		require.Equal(t, http.StatusUnauthorized, api(s, sent, http.MethodGet, "/clients", nil).Status, "it is for the desk")

		token := s.Exchange(helper, sent, s.URL+"/api/v1", "clients:read")
		require.Equal(t, http.StatusOK, api(s, token, http.MethodGet, "/clients", nil).Status)
		before := changes(s)
		for _, call := range []adminCall{
			{http.MethodPost, "/clients", object{"kind": "application", "name": "mine"}},
			{http.MethodGet, "/users", nil},
			{http.MethodPost, "/assignments", object{"role_id": models.AdminRoleID, "principal_id": helper.ID}},
			{http.MethodPost, "/keys/rotate", object{}},
		} {
			require.Equal(t, http.StatusForbidden, api(s, token, call.method, call.path, call.body).Status, call.path)
		}
		require.Equal(t, before, changes(s))
		require.Equal(t, "invalid_scope", refused(t, s.Form("/oauth2/token", helper, harness.ExchangeForm(sent, s.URL+"/api/v1", "users:read"))), "not within reach")

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.DeleteRole(ctx, by, r.role.ID, models.AnyVersion)
		})
		require.Equal(t, http.StatusForbidden, api(s, token, http.MethodGet, "/clients", nil).Status, "the actor holds it no more")
	})
}

// KC CVE-2026-9705: a management token brought back a client that an
// administrator had disabled.
func TestTrap_ASuspendedClientDoesNotRestoreItself(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		r := newRivals(s, "a", "clients:suspend clients:write credentials:write")
		token := r.token(r.narrow, "clients:suspend", "clients:write", "credentials:write")
		at := "/clients/" + r.narrow.ID
		require.Equal(t, http.StatusOK, api(s, r.token(r.admin), http.MethodPost, at+"/suspend", nil).Status)
		before := changes(s)
		for _, call := range []adminCall{
			{http.MethodPost, at + "/restore", nil},
			{http.MethodPatch, at, object{"name": "phoenix"}},
			{http.MethodPost, at + "/credentials", object{"kind": "secret"}},
		} {
			require.Equal(t, http.StatusUnauthorized, api(s, token, call.method, call.path, call.body).Status, call.path)
		}
		require.Equal(t, before, changes(s))
		require.Equal(t, "unauthorized_client", refused(t, s.Form("/oauth2/token", r.narrow, harness.OwnForm(s.URL+"/api/v1", "clients:suspend"))))
	})
}

// authentik CVE-2025-64521 and KC CVE-2026-2733: whoever was disabled was still
// served at one endpoint or another.
func TestTrap_ASuspendedClientIsServedNowhere(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		held := s.Own(agent, service.Identifier, "read")
		other := s.Agent("other", s.User("other-owner"))
		s.Allow(other.ID, service, "read")
		sent := s.Own(other, service.Identifier, "read")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, agent.ID)
			return err
		})
		require.Equal(t, "unauthorized_client", refused(t, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read"))))
		require.Equal(t, "unauthorized_client", refused(t, s.Form("/oauth2/token", nil, asserting(service, s.Assertion(agent, nil)))))
		require.Equal(t, "unauthorized_client", refused(t, s.Form("/oauth2/token", agent, harness.ExchangeForm(sent, service.Identifier, "read"))))
		require.False(t, s.Active(agent, sent), "a service that is no more is told nothing")
		require.False(t, s.Active(agent, held))
		require.Equal(t, http.StatusOK, s.Form("/oauth2/revoke", agent, url.Values{"token": {sent}}).Status)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.RestoreClient(ctx, by, agent.ID)
			return err
		})
		require.True(t, s.Active(agent, sent), "nor could it end what is somebody else's")
	})
}

// Hydra GHSA-r9w3-57w2-gch2: pagination tokens were believed, and spliced into SQL.
func TestTrap_ForgedCursorsAreData(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		r := newRivals(s, "a", "audit:read")
		mine, theirs := r.group("mine", r.narrow.ID), r.group("theirs", r.admin.ID, r.target.ID)
		token := r.token(r.admin)
		lists := map[string]string{
			"/groups/" + mine.ID + "/members":                r.admin.ID,
			"/clients/" + r.narrow.ID + "/credentials":       r.admin.CredentialID,
			"/clients?owner_id=" + *r.narrow.OwnerID:         r.admin.ID,
			"/assignments?role_id=" + r.role.ID:              models.AdminRoleID,
			"/audit/entries?client_id=" + r.narrow.ID:        r.admin.ID,
			"/resource-servers/" + models.SelfID + "/scopes": "no such",
		}
		keys := []string{
			"' or '1'='1", "x' union select id, name, '', '' from clients --", "'; drop table ledger; --", `" or ""="`, "\\", "%", "_", "*", "0 or 1=1",
			"(select min(id) from clients)", theirs.ID, r.admin.ID, "-1", "0", "9223372036854775807", "99999999999999999999", "1e3", " ", "!", "~~~~", strings.Repeat("z", 4000),
		}
		before := s.LastEntry().Seq
		for list, secret := range lists {
			sep := "?"
			if strings.Contains(list, "?") {
				sep = "&"
			}
			for _, key := range keys {
				a := api(s, token, http.MethodGet, list+sep+"cursor="+base64.RawURLEncoding.EncodeToString([]byte(key)), nil)
				require.Less(t, a.Status, 500, "%s %q: %s", list, key, a.Body)
				if a.Status == http.StatusOK {
					require.NotContains(t, a.Body, secret, "%s %q", list, key)
				}
			}
		}
		require.EqualValues(t, before+int64(len(lists)*len(keys)), s.LastEntry().Seq, "the ledger is there, with each call in it")
	})
}

// authentik: a client that asked for no scope got every scope; Keycloak's full
// scope default smells alike.
func TestTrap_NoScopeRequestedIsNotEveryScope(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		token := s.Own(agent, service.Identifier, "read")
		for _, scope := range []string{"", " ", "   "} {
			require.Equal(t, "invalid_scope", refused(t, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, scope))), "%q", scope)
			require.Equal(t, "invalid_scope", refused(t, s.Form("/oauth2/token", agent, harness.ExchangeForm(token, service.Identifier, scope))), "%q", scope)
		}
		for _, scope := range []string{"*", "read *", ".*", "all", "openid", "READ", "read,write", "read%20write"} {
			require.Equal(t, "invalid_scope", refused(t, s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, scope))), "%q", scope)
		}
	})
}

// cerbos, dex, spire: what could not be written down was done all the same.
func TestTrap_WithoutARecordThereIsNoToken(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		s.Own(agent, service.Identifier, "read")
		require.NoError(t, s.Store.Close())
		for name, form := range map[string]url.Values{
			"a grant": harness.OwnForm(service.Identifier, "read"), "a refusal": harness.OwnForm(service.Identifier, "write"), "a mistake": {"grant_type": {"x"}},
		} {
			a := s.Form("/oauth2/token", agent, form)
			require.Equal(t, http.StatusServiceUnavailable, a.Status, name)
			require.Equal(t, "temporarily_unavailable", a.String("error"), "never a code that makes a client throw its credentials away")
			require.NotContains(t, a.JSON, "access_token")
			require.NotEmpty(t, a.Header.Get("Retry-After"))
		}
		require.Equal(t, http.StatusServiceUnavailable, s.Form("/oauth2/introspect", agent, url.Values{"token": {"x"}}).Status, "nor a quiet inactive")
	})
}

// setec: the audit log read the wall clock, and not the clock decisions are made by.
func TestTrap_TheLedgerGoesByTheClockOfTheDecision(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		s.Clock.Advance(30 * 24 * time.Hour)
		for _, scope := range []string{"read", "write"} {
			s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, scope))
			require.WithinDuration(t, s.Clock.Now(), time.UnixMilli(s.LastEntry().At), time.Minute)
		}
		_, claims := claimsOf(t, s.Own(agent, service.Identifier, "read"))
		require.InDelta(t, s.Clock.Now().Unix(), claims["iat"], 60)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, agent.ID)
			return err
		})
		require.WithinDuration(t, s.Clock.Now(), time.UnixMilli(s.LastEntry().At), time.Minute)
	})
}

// zitadel, coder: what went wrong inside was told outside, word for word.
func TestTrap_CausesStayInside(t *testing.T) {
	trap(t, func(t *testing.T, s *harness.Server) {
		agent, service := keyed(s)
		token := s.Own(agent, service.Identifier, "read")
		require.NoError(t, s.Store.Close())
		for _, a := range []harness.Answer{
			s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read")),
			s.Form("/oauth2/introspect", agent, url.Values{"token": {token}}),
			s.Form("/oauth2/revoke", agent, url.Values{"token": {token}}),
			api(s, token, http.MethodGet, "/clients", nil),
			get(t, s, "/readyz"),
		} {
			require.Equal(t, http.StatusServiceUnavailable, a.Status)
			for _, inside := range []string{"sql", "pgx", "closed", "deputy.db", "github.com", "goroutine", ".go:"} {
				require.NotContains(t, strings.ToLower(a.Body), inside)
			}
		}
	})
}
