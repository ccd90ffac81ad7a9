package api

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// kind of objects with a version: how to make one, change it, and what is there
// afterwards besides what the server adds.
type kind struct {
	path                  string
	create, patch, became object
	kept                  bool // the record stays after DELETE
}

func kinds(c *client) []kind {
	owner := modelstest.User(c.t, c.store, "owner").ID
	service := modelstest.Service(c.t, c.store, "service", "read", "write")
	operator := modelstest.Application(c.t, c.store, "operator").ID
	ref := func(scope string) object { return object{"resource_server_id": service.ID, "scope": scope} }
	return []kind{
		{
			path: "/clients", kept: true,
			create: object{
				"kind": "agent", "name": "helper", "purpose": "Helps", "owner_id": owner, "sponsor": "Sales", "expires_at": "2040-01-02T03:04:05Z",
				"labels": object{"team": "a", "tier": "gold"}, "grant_types": []any{"client_credentials"}, "default_scopes": []any{ref("read")}, "max_ttl": 60.0,
			},
			patch:  object{"purpose": "Helps more", "labels": object{"team": "b", "tier": nil}},
			became: object{"purpose": "Helps more", "labels": object{"team": "b"}},
		},
		{
			path: "/users", kept: true,
			create: object{"username": "joe", "name": "Joe", "email": "joe@example.com", "expires_at": "2040-01-02T03:04:05Z", "labels": object{"site": "x"}},
			patch:  object{"name": "Joseph"},
			became: object{"name": "Joseph"},
		},
		{
			path:   "/groups",
			create: object{"name": "sales", "description": "Who sells"},
			patch:  object{"name": "selling"},
			became: object{"name": "selling"},
		},
		{
			path:   "/roles",
			create: object{"name": "reader", "description": "Reads", "scopes": []any{ref("read")}},
			patch:  object{"scopes": []any{ref("read"), ref("write")}},
			became: object{"scopes": []any{ref("read"), ref("write")}},
		},
		{
			path: "/upstreams",
			create: object{
				"name": "Workforce", "issuer": "https://login.example/t1", "client_id": "deputy", "scopes": []any{"openid", "profile"}, "acr_values": []any{"gold"}, "status": "active",
			},
			patch:  object{"name": "Work", "status": "suspended"},
			became: object{"name": "Work", "status": "suspended"},
		},
		{
			path: "/resource-servers",
			create: object{
				"identifier": "https://api.example", "name": "api", "description": "An API", "operator_id": operator, "token_ttl": 120.0, "max_depth": 2.0,
			},
			patch:  object{"max_depth": 0.0, "status": "suspended"},
			became: object{"max_depth": 0.0, "status": "suspended"},
		},
	}
}

func subset(t *testing.T, want, got object) {
	t.Helper()
	for k, v := range want {
		require.Equal(t, v, got[k], k)
	}
}

func TestObjectsComeBackAsTheyWereMadeAndChanged(t *testing.T) {
	c := newClient(t)
	for _, k := range kinds(c) {
		made := c.do(http.MethodPost, k.path, k.create)
		body := made.is(http.StatusCreated)
		subset(t, k.create, body)
		at := k.path + "/" + body["id"].(string)
		require.Equal(t, Prefix+at, made.Header.Get("Location"))
		require.Equal(t, `"1"`, made.Header.Get("ETag"))

		read := c.do(http.MethodGet, at, nil)
		require.Equal(t, body, read.is(http.StatusOK))
		require.Equal(t, `"1"`, read.Header.Get("ETag"))
		require.Contains(t, c.do(http.MethodGet, k.path, nil).ids("id"), body["id"])

		patched := c.do(http.MethodPatch, at, k.patch, "Content-Type", "application/merge-patch+json", "If-Match", `"1"`)
		require.Equal(t, `"2"`, patched.Header.Get("ETag"))
		want := maps.Clone(body)
		maps.Copy(want, k.became)
		want["version"], want["updated_at"] = 2.0, patched.JSON["updated_at"]
		require.Equal(t, want, patched.is(http.StatusOK), "a patch keeps what it does not name")
		require.Equal(t, want, c.do(http.MethodGet, at, nil).is(http.StatusOK))

		again := c.do(http.MethodPatch, at, object{}, "If-Match", "*").is(http.StatusOK)
		want["version"], want["updated_at"] = 3.0, again["updated_at"]
		require.Equal(t, want, again, "an empty patch keeps everything")

		c.do(http.MethodDelete, at, nil, "If-Match", `"2"`).problem(http.StatusPreconditionFailed, "version_mismatch", "")
		require.Empty(t, c.do(http.MethodDelete, at, nil, "If-Match", `"3"`).is(http.StatusNoContent))
		if k.kept {
			require.Equal(t, "decommissioned", c.do(http.MethodGet, at, nil).is(http.StatusOK)["status"])
			c.do(http.MethodPatch, at, k.patch).problem(http.StatusUnprocessableEntity, "invalid_value", "status")
		} else {
			c.do(http.MethodGet, at, nil).problem(http.StatusNotFound, "not_found", "")
			c.do(http.MethodDelete, at, nil).problem(http.StatusNotFound, "not_found", "")
		}
	}
}

func TestPatchOfAnOldVersionIsRefused(t *testing.T) {
	c := newClient(t)
	for _, k := range kinds(c) {
		at := k.path + "/" + c.create(k.path, k.create)
		c.do(http.MethodPatch, at, k.patch).is(http.StatusOK)
		before := c.do(http.MethodGet, at, nil).Body
		for _, stale := range []string{`"1"`, `"3"`, `"999999999999999999"`} {
			c.do(http.MethodPatch, at, k.patch, "If-Match", stale).problem(http.StatusPreconditionFailed, "version_mismatch", "")
		}
		for _, not := range []string{`2`, `"x"`, `W/"2"`, `"0"`, `"1", "2"`} {
			c.do(http.MethodPatch, at, k.patch, "If-Match", not).problem(http.StatusBadRequest, "invalid_request", "If-Match")
		}
		require.Equal(t, before, c.do(http.MethodGet, at, nil).Body)
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	c := newClient(t)
	for _, k := range kinds(c) {
		c.create(k.path, k.create)
		c.do(http.MethodPost, k.path, k.create).problem(http.StatusConflict, "conflict", "")
	}
}

func TestNullTakesOptionalValuesAway(t *testing.T) {
	c := newClient(t)
	owner := modelstest.User(t, c.store, "owner").ID
	app := c.create("/clients", object{"kind": "application", "name": "widget", "owner_id": owner, "expires_at": "2040-01-02T03:04:05Z"})
	body := c.do(http.MethodPatch, "/clients/"+app, `{"owner_id": null, "expires_at": null}`).is(http.StatusOK)
	require.NotContains(t, body, "owner_id")
	require.NotContains(t, body, "expires_at")

	agent := c.create("/clients", object{"kind": "agent", "name": "helper", "owner_id": owner, "sponsor": "Sales"})
	c.do(http.MethodPatch, "/clients/"+agent, `{"owner_id": null}`).problem(http.StatusUnprocessableEntity, "invalid_value", "owner_id")
	c.do(http.MethodPatch, "/clients/"+agent, `{"name": null}`).problem(http.StatusBadRequest, "invalid_request", "name")
	c.do(http.MethodPatch, "/clients/"+agent, `{"labels": null}`).problem(http.StatusBadRequest, "invalid_request", "labels")

	service := c.create("/resource-servers", object{"identifier": "https://a.example", "name": "a", "operator_id": agent})
	require.NotContains(t, c.do(http.MethodPatch, "/resource-servers/"+service, `{"operator_id": null}`).is(http.StatusOK), "operator_id")

	user := c.create("/users", object{"username": "joe", "expires_at": "2040-01-02T03:04:05Z"})
	require.NotContains(t, c.do(http.MethodPatch, "/users/"+user, `{"expires_at": null}`).is(http.StatusOK), "expires_at")
}

func TestExpiryOfANewClient(t *testing.T) {
	c := newClient(t)
	owner := modelstest.User(t, c.store, "owner").ID
	expiry := func(name, kind, expires string) any {
		body := `{"kind": "` + kind + `", "name": "` + name + `", "owner_id": "` + owner + `", "sponsor": "Sales"` + expires + `}`
		return c.do(http.MethodPost, "/clients", body).is(http.StatusCreated)["expires_at"]
	}
	require.Nil(t, expiry("app-unsaid", "application", ""))
	require.Nil(t, expiry("agent-never", "agent", `, "expires_at": null`))
	require.Equal(t, "2040-01-02T02:04:05Z", expiry("agent-said", "agent", `, "expires_at": "2040-01-02T03:04:05.9+01:00"`))
	unsaid, err := time.Parse(time.RFC3339, expiry("agent-unsaid", "agent", "").(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(90*24*time.Hour), unsaid, time.Minute)

	for _, not := range []string{`"tomorrow"`, `"2040-02-31T00:00:00Z"`, `"1970-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `""`, `17`} {
		body := `{"kind": "application", "name": "x", "expires_at": ` + not + `}`
		require.Equal(t, http.StatusBadRequest, c.do(http.MethodPost, "/clients", body).Status, not)
		require.Equal(t, http.StatusBadRequest, c.do(http.MethodPatch, "/users/usr_1", `{"expires_at": `+not+`}`).Status, not)
	}
}

func TestDefaultsOfNewObjects(t *testing.T) {
	c := newClient(t)
	body := c.do(http.MethodPost, "/clients", object{"kind": "application", "name": "widget"}).is(http.StatusCreated)
	subset(t, object{
		"purpose": "", "sponsor": "", "status": "active", "labels": object{}, "default_scopes": []any{}, "max_ttl": 3600.0,
		"grant_types": []any{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"},
	}, body)
	body = c.do(http.MethodPost, "/clients", object{"kind": "application", "name": "mute", "grant_types": []any{}}).is(http.StatusCreated)
	require.Equal(t, []any{}, body["grant_types"])

	body = c.do(http.MethodPost, "/resource-servers", object{"identifier": "https://a.example/", "name": "a"}).is(http.StatusCreated)
	subset(t, object{"identifier": "https://a.example", "status": "active", "token_ttl": 600.0, "max_depth": 4.0}, body)
	body = c.do(http.MethodPost, "/resource-servers", object{"identifier": "https://b.example", "name": "b", "max_depth": 0}).is(http.StatusCreated)
	require.Equal(t, 0.0, body["max_depth"])
	c.do(http.MethodPost, "/resource-servers", object{"identifier": "https://c.example", "name": "c", "token_ttl": 0}).problem(http.StatusUnprocessableEntity, "invalid_value", "token_ttl")
}

func TestSuspendAndRestore(t *testing.T) {
	c := newClient(t)
	for path, id := range map[string]string{
		"/clients/": modelstest.Application(t, c.store, "widget").ID, "/users/": modelstest.User(t, c.store, "joe").ID,
	} {
		a := c.do(http.MethodPost, path+id+"/suspend", nil)
		require.Equal(t, "suspended", a.is(http.StatusOK)["status"])
		require.Equal(t, `"2"`, a.Header.Get("ETag"))
		require.Equal(t, "suspended", c.do(http.MethodGet, path+id, nil).JSON["status"])
		require.Equal(t, "active", c.do(http.MethodPost, path+id+"/restore", nil).is(http.StatusOK)["status"])
		for _, verb := range []string{"/suspend", "/restore"} {
			c.do(http.MethodPost, path+"usr_nobody"+verb, nil).problem(http.StatusNotFound, "not_found", "")
		}
		c.do(http.MethodDelete, path+id, nil).is(http.StatusNoContent)
		c.do(http.MethodPost, path+id+"/restore", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "status")
	}
}

func TestGroupMembers(t *testing.T) {
	c := newClient(t)
	user, app := modelstest.User(t, c.store, "joe").ID, modelstest.Application(t, c.store, "widget").ID
	group := c.create("/groups", object{"name": "outer"})
	inner := c.create("/groups", object{"name": "inner"})
	members := "/groups/" + group + "/members"
	for _, id := range []string{user, app, inner} {
		c.do(http.MethodPut, members+"/"+id, nil).is(http.StatusNoContent)
		c.do(http.MethodPut, members+"/"+id, nil).is(http.StatusNoContent)
	}
	require.Equal(t, []string{app, inner, user}, c.do(http.MethodGet, members, nil).ids("member_id"))
	c.do(http.MethodPut, "/groups/"+inner+"/members/"+group, nil).problem(http.StatusUnprocessableEntity, "invalid_value", "member_id")
	c.do(http.MethodPut, members+"/usr_nobody", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "member_id")
	c.do(http.MethodPut, "/groups/grp_none/members/"+user, nil).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodDelete, members+"/"+user, nil).is(http.StatusNoContent)
	c.do(http.MethodDelete, members+"/"+user, nil).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodGet, "/groups/grp_none/members", nil).problem(http.StatusNotFound, "not_found", "")
}

func TestAssignments(t *testing.T) {
	c := newClient(t)
	w := modelstest.NewWorld(t, c.store, "w")
	body := object{"role_id": w.Role.ID, "principal_id": w.Owner.ID}
	made := c.do(http.MethodPost, "/assignments", body)
	subset(t, body, made.is(http.StatusCreated))
	at := "/assignments/" + made.JSON["id"].(string)
	require.Equal(t, Prefix+at, made.Header.Get("Location"))
	c.do(http.MethodPost, "/assignments", body).problem(http.StatusConflict, "conflict", "")
	c.do(http.MethodPost, "/assignments", object{"role_id": "rol_none", "principal_id": w.Owner.ID}).problem(http.StatusUnprocessableEntity, "invalid_value", "role_id")
	c.do(http.MethodPost, "/assignments", object{"role_id": w.Role.ID, "principal_id": "usr_none"}).problem(http.StatusUnprocessableEntity, "invalid_value", "principal_id")
	c.do(http.MethodDelete, at, nil).is(http.StatusNoContent)
	c.do(http.MethodDelete, at, nil).problem(http.StatusNotFound, "not_found", "")
}

func TestScopesOfAResourceServer(t *testing.T) {
	c := newClient(t)
	other := modelstest.Service(t, c.store, "other", "read")
	service := c.create("/resource-servers", object{"identifier": "https://a.example", "name": "a"})
	scopes := "/resource-servers/" + service + "/scopes"
	down := object{"resource_server_id": other.ID, "scope": "read"}
	for path, name := range map[string]string{"agent:chat": "agent:chat", "files%2Fread": "files/read", "a%2Bb": "a+b", "a+c": "a+c", "50%25": "50%", "x%252Fy": "x%2Fy"} {
		at := scopes + "/" + path
		made := c.do(http.MethodPut, at, object{"risk": "high", "description": "Does it", "downstream": []any{down}})
		require.Equal(t, object{
			"resource_server_id": service, "name": name, "description": "Does it", "risk": "high", "downstream": []any{down},
		}, made.is(http.StatusCreated))
		require.Equal(t, http.StatusOK, c.do(http.MethodPut, at, object{"risk": "low"}).Status)
		require.Equal(t, http.StatusOK, c.do(http.MethodPut, made.Header.Get("Location")[len(Prefix):], object{"risk": "low"}).Status, "Location leads back")
	}
	require.Equal(t, []string{"50%", "a+b", "a+c", "agent:chat", "files/read", "x%2Fy"}, c.do(http.MethodGet, scopes, nil).ids("name"))
	c.do(http.MethodDelete, scopes+"/files%2Fread", nil).is(http.StatusNoContent)
	c.do(http.MethodDelete, scopes+"/files%2Fread", nil).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodPut, scopes+"/a%20b", object{"risk": "low"}).problem(http.StatusUnprocessableEntity, "invalid_value", "name")
	c.do(http.MethodPut, scopes+"/x", object{"risk": "huge"}).problem(http.StatusUnprocessableEntity, "invalid_value", "risk")
	c.do(http.MethodPut, scopes+"/x", object{"risk": "low", "downstream": []any{object{"resource_server_id": other.ID, "scope": "none"}}}).
		problem(http.StatusUnprocessableEntity, "invalid_value", "downstream")
	c.do(http.MethodPut, "/resource-servers/rsv_none/scopes/x", object{"risk": "low"}).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodGet, "/resource-servers/rsv_none/scopes", nil).problem(http.StatusNotFound, "not_found", "")
}

func TestDeputysOwnAPIStays(t *testing.T) {
	c := newClient(t)
	c.do(http.MethodDelete, "/resource-servers/rsv_deputy", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "id")
	c.do(http.MethodDelete, "/resource-servers/rsv_deputy/scopes/users:read", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "resource_server_id")
	c.do(http.MethodPatch, "/resource-servers/rsv_deputy", object{"status": "suspended"}).problem(http.StatusUnprocessableEntity, "invalid_value", "status")
	c.do(http.MethodDelete, "/roles/rol_admin", nil).problem(http.StatusUnprocessableEntity, "invalid_value", "id")
}

// A provider's client secret goes in and never comes out.
func TestUpstreamSecretsAreSealed(t *testing.T) {
	c := newClient(t)
	made := c.do(http.MethodPost, "/upstreams", object{"name": "W", "issuer": "https://login.example", "client_id": "deputy", "client_secret": "hush hush"})
	body := made.is(http.StatusCreated)
	require.NotContains(t, made.Body, "hush")
	require.Equal(t, true, body["has_secret"])
	id := body["id"].(string)
	require.Equal(t, []any{"openid"}, body["scopes"])
	require.Contains(t, body["redirect_uri"], "/login/upstream/"+id+"/callback")
	row, err := c.store.Upstream(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, id+" hush hush", string(row.Sealed))
	require.Equal(t, true, c.do(http.MethodPatch, "/upstreams/"+id, object{"name": "X"}).is(http.StatusOK)["has_secret"], "it stays unless it is named")
	c.do(http.MethodPatch, "/upstreams/"+id, object{"client_secret": "another"}).is(http.StatusOK)
	row, err = c.store.Upstream(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, id+" another", string(row.Sealed))
	c.do(http.MethodPatch, "/upstreams/"+id, `{"client_secret": null}`).is(http.StatusOK)
	row, err = c.store.Upstream(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, row.Sealed)
	c.do(http.MethodPatch, "/upstreams/"+id, object{"issuer": "https://evil.example"}).problem(http.StatusBadRequest, "invalid_request", "issuer")
	c.do(http.MethodPost, "/upstreams", object{"name": "W", "issuer": "http://login.example", "client_id": "deputy"}).problem(http.StatusUnprocessableEntity, "invalid_value", "issuer")
}

func TestIdentitiesAreListedAndUnlinked(t *testing.T) {
	c := newClient(t)
	alice, bob := modelstest.User(t, c.store, "alice").ID, modelstest.User(t, c.store, "bob").ID
	row := &models.Identity{UserID: alice, Issuer: "https://login.example", Subject: "a-1"}
	require.NoError(t, c.store.LinkIdentity(t.Context(), models.By{System: "test"}, row))
	items := c.do(http.MethodGet, "/users/"+alice+"/identities", nil).is(http.StatusOK)["items"].([]any)
	require.Len(t, items, 1)
	subset(t, object{"id": row.ID, "issuer": "https://login.example", "subject": "a-1"}, items[0].(map[string]any))
	c.do(http.MethodDelete, "/users/"+bob+"/identities/"+row.ID, nil).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodDelete, "/users/"+alice+"/identities/"+row.ID, nil).is(http.StatusNoContent)
	require.Empty(t, c.do(http.MethodGet, "/users/"+alice+"/identities", nil).is(http.StatusOK)["items"])
	c.do(http.MethodGet, "/users/usr_nobody/identities", nil).problem(http.StatusNotFound, "not_found", "")
}
