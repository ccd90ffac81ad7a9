package api

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func session(t *testing.T, s *models.Store, userID string) *models.Session {
	t.Helper()
	_, row, err := s.BeginSession(t.Context(), modelstest.By(), models.SignIn{Session: models.Session{
		UserID: userID, AuthTime: s.Now(), ACR: "1", AMR: []string{"pwd"}, IP: "192.0.2.7", UserAgent: "curl", ExpiresAt: s.Now() + 100,
	}})
	require.NoError(t, err)
	return row
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		c := newClientOn(t, store, nil)
		joe, eve := modelstest.User(t, store, "joe"), modelstest.User(t, store, "eve")
		row, theirs := session(t, store, joe.ID), session(t, store, eve.ID)
		list := c.do(http.MethodGet, "/users/"+joe.ID+"/sessions", nil)
		list.is(http.StatusOK)
		require.Contains(t, list.Body, row.ID)
		require.Contains(t, list.Body, "192.0.2.7")
		require.NotContains(t, list.Body, theirs.ID)
		require.NotContains(t, list.Body, "hash")
		c.do(http.MethodGet, "/users/usr_none/sessions", nil).problem(http.StatusNotFound, "not_found", "")
		c.do(http.MethodDelete, "/users/"+joe.ID+"/sessions/"+theirs.ID, nil).problem(http.StatusNotFound, "not_found", "")
		for range 2 {
			c.do(http.MethodDelete, "/users/"+joe.ID+"/sessions/"+row.ID, nil).is(http.StatusNoContent)
		}
		live, err := store.LiveSessions(t.Context(), joe.ID, 1000)
		require.NoError(t, err)
		require.Empty(t, live)
		live, err = store.LiveSessions(t.Context(), eve.ID, 1000)
		require.NoError(t, err)
		require.Len(t, live, 1)
	})
}

func TestLinksAreMade(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		c := newClientOn(t, store, nil)
		joe := modelstest.User(t, store, "joe")
		for _, purpose := range []string{"invite", "recover"} {
			a := c.do(http.MethodPost, "/users/"+joe.ID+"/links", object{"purpose": purpose, "lifetime": 60})
			a.is(http.StatusCreated)
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			token, found := strings.CutPrefix(a.JSON["url"].(string), issuer+"/"+purpose+"/")
			require.True(t, found, a.Body)
			l, err := store.Link(t.Context(), token, purpose)
			require.NoError(t, err)
			require.Equal(t, []any{joe.ID, a.JSON["id"]}, []any{*l.UserID, l.ID})
			require.InDelta(t, store.Now()+60, l.ExpiresAt, 5)
		}
		for field, body := range map[string]object{
			"purpose":  {"purpose": "setup"},
			"lifetime": {"purpose": "invite", "lifetime": 59},
		} {
			a := c.do(http.MethodPost, "/users/"+joe.ID+"/links", body)
			require.GreaterOrEqual(t, a.Status, 400, field)
			require.Contains(t, a.Body, field)
		}
		c.do(http.MethodPost, "/users/usr_none/links", object{"purpose": "invite"}).problem(http.StatusNotFound, "not_found", "")
	})
}

// A link for somebody is what they are: nobody gains by one what they do not carry.
func TestALinkConfersWhatTheUserHolds(t *testing.T) {
	g, _ := newMeddled(t)
	joe := modelstest.User(t, g.store, "joe")
	role := modelstest.Role(t, g.store, "keymaster", models.SelfID, "keys:write")
	require.NoError(t, g.store.CreateAssignment(t.Context(), modelstest.By(), &models.Assignment{RoleID: role.ID, PrincipalID: joe.ID}))
	body, at := object{"purpose": "recover"}, "/users/"+joe.ID+"/links"
	g.bearer = g.token("users:write")
	g.do(http.MethodPost, at, body).problem(http.StatusForbidden, "insufficient_scope", "")
	g.bearer = g.token("credentials:write")
	no := g.do(http.MethodPost, at, body)
	no.problem(http.StatusForbidden, "insufficient_scope", "")
	require.Contains(t, no.Header.Get("WWW-Authenticate"), `scope="credentials:write keys:write"`)
	g.bearer = g.token("credentials:write", "keys:write")
	g.do(http.MethodPost, at, body).is(http.StatusCreated)
}

func TestConsentsAreListedAndRevoked(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		c := newClientOn(t, store, nil)
		joe, agent := modelstest.User(t, store, "joe"), modelstest.Application(t, store, "helper")
		service := modelstest.Service(t, store, "service", "read", "write")
		consent := &models.Consent{ClientID: agent.ID, SubjectID: joe.ID, ResourceID: service.ID, Scopes: []string{"read", "write"}, ExpiresAt: store.Now() + 100}
		require.NoError(t, store.GiveConsent(t.Context(), modelstest.By(), consent, consent.Scopes))
		at, live := "/consents/"+consent.ID, "/consents?live=true&subject_id="+joe.ID+"&client_id="+agent.ID+"&resource_server_id="+service.ID
		one := c.do(http.MethodGet, at, nil)
		one.is(http.StatusOK)
		require.Equal(t, []any{"read", "write"}, one.JSON["scopes"])
		require.Contains(t, c.do(http.MethodGet, live, nil).Body, consent.ID)
		require.NotContains(t, c.do(http.MethodGet, "/consents?subject_id=usr_none", nil).Body, consent.ID)
		c.do(http.MethodPost, at+"/revoke?scope=write", nil).is(http.StatusNoContent)
		require.Equal(t, []any{"read"}, c.do(http.MethodGet, at, nil).JSON["scopes"])
		for range 2 {
			c.do(http.MethodPost, at+"/revoke", nil).is(http.StatusNoContent)
		}
		require.NotContains(t, c.do(http.MethodGet, live, nil).Body, consent.ID)
		require.NotEmpty(t, c.do(http.MethodGet, at, nil).JSON["revoked_at"])
		c.do(http.MethodGet, "/consents/cns_none", nil).problem(http.StatusNotFound, "not_found", "")
		c.do(http.MethodPost, "/consents/cns_none/revoke", nil).problem(http.StatusNotFound, "not_found", "")
	})
}

func TestConsentsAreGivenInAUsersPlace(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		c := newClientOn(t, store, nil)
		joe, agent := modelstest.User(t, store, "joe"), modelstest.Application(t, store, "helper")
		service := modelstest.Service(t, store, "service", "read", "write")
		body := func(more object) object {
			out := object{"client_id": agent.ID, "subject_id": joe.ID, "resource_server_id": service.ID, "scopes": []string{"read"}, "expires_at": "2040-01-02T03:04:05Z"}
			for k, v := range more {
				out[k] = v
			}
			return out
		}
		for field, value := range map[string]any{
			"scopes": []string{"unheard"}, "client_id": "agt_none", "expires_at": "1999-01-02T03:04:05Z",
		} {
			c.do(http.MethodPost, "/consents", body(object{field: value})).problem(http.StatusUnprocessableEntity, "invalid_value", field)
		}
		require.Equal(t, http.StatusUnprocessableEntity, c.do(http.MethodPost, "/consents", body(object{"subject_id": "usr_none"})).Status)
		made := c.do(http.MethodPost, "/consents", body(nil))
		made.is(http.StatusCreated)
		require.NotEmpty(t, made.JSON["preapproved_by"])
		again := c.do(http.MethodPost, "/consents", body(object{"scopes": []string{"write"}}))
		require.Equal(t, http.StatusConflict, again.Status, again.Body)
		require.Equal(t, []any{"read"}, c.do(http.MethodGet, "/consents/"+made.JSON["id"].(string), nil).JSON["scopes"])
	})
}

// An agent gets no authority over Deputy for a user from somebody who lacks it.
func TestAConsentConfersNoMoreThanIsCarried(t *testing.T) {
	g, _ := newMeddled(t)
	joe, agent := modelstest.User(t, g.store, "joe"), modelstest.Application(t, g.store, "helper")
	body := object{"client_id": agent.ID, "subject_id": joe.ID, "resource_server_id": models.SelfID, "scopes": []string{"keys:read"}, "expires_at": "2040-01-02T03:04:05Z"}
	g.bearer = g.token("consents:write")
	no := g.do(http.MethodPost, "/consents", body)
	no.problem(http.StatusForbidden, "insufficient_scope", "")
	require.Contains(t, no.Header.Get("WWW-Authenticate"), `scope="consents:write keys:read"`)
	g.bearer = g.token("consents:write", "keys:read")
	g.do(http.MethodPost, "/consents", body).is(http.StatusCreated)
}

// only is a blast radius in which nothing falls but what is named.
func only(what object) object {
	out := object{"tokens": 0.0, "refresh_tokens": 0.0, "grants": 0.0, "approvals": 0.0, "offers": 0.0, "owned_clients": 0.0, "holders": []any{}}
	maps.Copy(out, what)
	return out
}

// What would fall is told of whatever can be ended.
func TestBlastRadiusIsTold(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		c := newClientOn(t, store, nil)
		w := modelstest.NewWorld(t, store, "w")
		joe := modelstest.User(t, store, "joe")
		consent := &models.Consent{ClientID: w.Agent.ID, SubjectID: joe.ID, ResourceID: w.Service.ID, Scopes: []string{"read"}, ExpiresAt: store.Now() + 100}
		require.NoError(t, store.GiveConsent(t.Context(), modelstest.By(), consent, consent.Scopes))
		grant := &models.Grant{Kind: "authorization_code", ClientID: w.Agent.ID, SubjectID: joe.ID, ExpiresAt: store.Now() + 1000}
		require.NoError(t, store.BeginGrant(t.Context(), modelstest.By(), grant, map[string]string{w.Service.ID: consent.ID}))
		modelstest.Issue(t, store, w.Token(store))
		token := w.Token(store)
		token.GrantID, token.SubjectID = grant.ID, joe.ID
		modelstest.Issue(t, store, token)

		asked := modelstest.Ask(t, store, w.Agent.ID, joe.ID)
		secret := &models.Credential{ClientID: w.Agent.ID, Kind: models.CredentialSecret}
		_, err := store.CreateCredential(t.Context(), modelstest.By(), secret)
		require.NoError(t, err)
		held, _, err := store.Credentials(t.Context(), w.Agent.ID, models.Page{})
		require.NoError(t, err)
		require.NoError(t, store.OfferTransfer(t.Context(), modelstest.By(), &models.Transfer{ClientID: w.Agent.ID, ToID: &joe.ID}))
		told := func(tokens, grants, owned, approvals, offers float64) object {
			holders := []any{object{"client_id": w.Agent.ID, "tokens": tokens}}
			return object{"tokens": tokens, "refresh_tokens": 0.0, "grants": grants, "approvals": approvals, "offers": offers, "owned_clients": owned, "holders": holders}
		}
		for at, want := range map[string]object{
			"/clients/" + w.Agent.ID: told(2, 2, 0, 1, 1), "/users/" + w.Owner.ID: told(2, 2, 1, 1, 0),
			"/users/" + joe.ID: told(1, 1, 0, 1, 1), "/consents/" + consent.ID: told(1, 1, 0, 0, 0),
			"/grants/" + grant.ID: told(1, 1, 0, 0, 0), "/tokens/" + token.ID: told(1, 0, 0, 0, 0), "/resource-servers/" + w.Service.ID: told(2, 0, 0, 0, 0),
			"/approvals/" + asked.ID:                               only(object{"approvals": 1.0}),
			"/clients/" + w.Agent.ID + "/credentials/" + secret.ID: only(object{"credentials_left": float64(len(held) - 1)}),
		} {
			require.Equal(t, want, c.do(http.MethodGet, at+"/blast-radius", nil).is(http.StatusOK), at)
		}
		for _, at := range []string{"/clients/agt_none", "/users/usr_none", "/consents/cns_none", "/grants/gnt_none", "/tokens/tok_none", "/resource-servers/rsv_none", "/approvals/apr_none", "/clients/" + w.Agent.ID + "/credentials/crd_none"} {
			c.do(http.MethodGet, at+"/blast-radius", nil).problem(http.StatusNotFound, "not_found", "")
		}
	})
}
