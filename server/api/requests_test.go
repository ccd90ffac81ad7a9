package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/grants"
)

func TestAMisspeltFilterNeverListsEverything(t *testing.T) {
	c := newClient(t)
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			at := parameter.ReplaceAllString(path, "x_1")
			c.do(method, at+"?nosuch=1", nil).problem(http.StatusBadRequest, "invalid_request", "nosuch")
			c.do(method, at+"?access_token=x", nil).problem(http.StatusBadRequest, "invalid_request", "access_token")
		}
	}
	for query, field := range map[string]string{
		"username=a&username=b": "username", "username=": "username", "username": "username", "status=gone": "status", "Status=active": "Status",
		"username=%00": "username", "username=%ff": "username", "id=x": "id", "label_value=x": "label_value",
	} {
		c.do(http.MethodGet, "/users?"+query, nil).problem(http.StatusBadRequest, "invalid_request", field)
	}
	c.do(http.MethodGet, "/users?username=%zz", nil).problem(http.StatusBadRequest, "invalid_request", "")
	c.do(http.MethodGet, "/users?a=b;c=d", nil).problem(http.StatusBadRequest, "invalid_request", "")
	c.do(http.MethodGet, "/clients?label_value=x", nil).problem(http.StatusBadRequest, "invalid_request", "label_value")
	c.do(http.MethodGet, "/tokens?live=maybe", nil).problem(http.StatusBadRequest, "invalid_request", "live")
}

func TestBodiesThatCannotBeUnderstood(t *testing.T) {
	c := newClient(t)
	for body, field := range map[string]string{
		"":                                      "",
		"{":                                     "",
		"null":                                  "",
		"[]":                                    "",
		`"x"`:                                   "",
		`{"username": "a"} {}`:                  "",
		`{"username": "a"}x`:                    "",
		`{"username": 1}`:                       "username",
		`{"username": null}`:                    "username",
		`{"username": "a", "labels": []}`:       "labels",
		`{"username": "a", "labels": {"x": 1}}`: "labels.x",
		`{"username": "a", "password": "x"}`:    "password",
		`{"username": "a", "Name": "x"}`:        "Name",
		`{"username": "a", "id": "usr_1"}`:      "id",
		`{"username": "a", "status": "active"}`: "status",
		`{"username": "a", "name": "x\u0000y"}`: "",
		`{"username": "a", "expires_at": "soon"}`: "expires_at",
	} {
		c.do(http.MethodPost, "/users", body).problem(http.StatusBadRequest, "invalid_request", field)
	}
	c.do(http.MethodPost, "/clients", `{"kind": "application", "name": "x", "max_ttl": 60.5}`).problem(http.StatusBadRequest, "invalid_request", "max_ttl")
	c.do(http.MethodPost, "/clients", `{"kind": "application", "name": "x", "max_ttl": 60.0}`).problem(http.StatusBadRequest, "invalid_request", "max_ttl")
	require.Empty(t, c.do(http.MethodGet, "/users", nil).ids("id"), "nothing of it was stored")
}

func TestValuesThatCannotBeStored(t *testing.T) {
	c := newClient(t)
	for body, field := range map[string]string{
		`{}`:                                     "username",
		`{"username": ""}`:                       "username",
		`{"username": "Joe"}`:                    "username",
		`{"username": "a", "email": "x"}`:        "email",
		`{"username": "a", "labels": {"": "x"}}`: "labels",
		`{"username": "a", "name": "` + long(201) + `"}`:         "name",
		`{"username": "a", "name": "bell\u0007"}`:                "name",
		`{"username": "a", "labels": {"x":"` + long(257) + `"}}`: "labels.x",
	} {
		c.do(http.MethodPost, "/users", body).problem(http.StatusUnprocessableEntity, "invalid_value", field)
	}
	for body, field := range map[string]string{
		`{"name": "x"}`:                                                                                       "kind",
		`{"kind": "robot", "name": "x"}`:                                                                      "kind",
		`{"kind": "agent", "name": "x"}`:                                                                      "owner_id",
		`{"kind": "agent", "name": "x", "owner_id": ""}`:                                                      "owner_id",
		`{"kind": "agent", "name": "x", "owner_id": "usr_none"}`:                                              "owner_id",
		`{"kind": "agent", "name": "x", "owner_id": "agt_1"}`:                                                 "owner_id",
		`{"kind": "application", "name": "x", "max_ttl": 0}`:                                                  "max_ttl",
		`{"kind": "application", "name": "x", "max_ttl": 86401}`:                                              "max_ttl",
		`{"kind": "application", "name": "x", "grant_types": ["any"]}`:                                        "grant_types.0",
		`{"kind": "application", "name": "x", "default_scopes": [{"resource_server_id": "x", "scope": "y"}]}`: "default_scopes.0.resource_server_id",
	} {
		c.do(http.MethodPost, "/clients", body).problem(http.StatusUnprocessableEntity, "invalid_value", field)
	}
	c.do(http.MethodPost, "/roles", object{"name": "r", "scopes": []any{object{"resource_server_id": "rsv_x", "scope": "y"}}}).
		problem(http.StatusUnprocessableEntity, "invalid_value", "scopes")
	c.do(http.MethodPost, "/resource-servers", object{"name": "r", "identifier": "no uri"}).problem(http.StatusUnprocessableEntity, "invalid_value", "identifier")
	c.do(http.MethodPost, "/resource-servers", object{"name": "r", "identifier": "https://a", "max_depth": 9}).problem(http.StatusUnprocessableEntity, "invalid_value", "max_depth")
	c.do(http.MethodPost, "/resource-servers", object{"name": "r", "identifier": "https://a", "operator_id": "app_none"}).problem(http.StatusUnprocessableEntity, "invalid_value", "operator_id")
}

func long(n int) string { return strings.Repeat("x", n) }

func TestPatchNamesOnlyWhatMayChange(t *testing.T) {
	c := newClient(t)
	for _, k := range kinds(c) {
		at := k.path + "/" + c.create(k.path, k.create)
		for _, field := range []string{"id", "version", "created_at", "kind", "identifier", "self_grant_id", "nosuch"} {
			c.do(http.MethodPatch, at, object{field: "x"}).problem(http.StatusBadRequest, "invalid_request", field)
		}
		if k.path != "/resource-servers" && k.path != "/upstreams" {
			c.do(http.MethodPatch, at, object{"status": "active"}).problem(http.StatusBadRequest, "invalid_request", "status")
		}
	}
}

func TestContentTypes(t *testing.T) {
	c := newClient(t)
	user := modelstest.User(t, c.store, "joe").ID
	for contentType, status := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON": 201,
		"": 415, "text/json": 415, "application/x-www-form-urlencoded": 415, "application/merge-patch+json": 415, "application/jsonx": 415, ";": 415,
	} {
		name := fmt.Sprintf("u%x", contentType)
		a := c.do(http.MethodPost, "/users", object{"username": name}, "Content-Type", contentType)
		require.Equal(t, status, a.Status, contentType)
		if status == 415 {
			a.problem(http.StatusUnsupportedMediaType, "unsupported_media_type", "")
		}
	}
	for contentType, status := range map[string]int{"application/json": 200, "application/merge-patch+json": 200, "application/json-patch+json": 415, "": 415} {
		require.Equal(t, status, c.do(http.MethodPatch, "/users/"+user, object{"name": "J"}, "Content-Type", contentType).Status, contentType)
	}
}

func TestOversizeBodies(t *testing.T) {
	c := newClient(t)
	c.do(http.MethodPost, "/users", `{"username": "a", "name": "`+long(maxBody)+`"}`).problem(http.StatusRequestEntityTooLarge, "content_too_large", "")
	fits := `{"username": "a"` + strings.Repeat(" ", maxBody-len(`{"username": "a"}`)) + `}`
	require.Len(t, fits, maxBody)
	c.do(http.MethodPost, "/users", fits).is(http.StatusCreated)

	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Prefix+"/users", bytes.NewReader([]byte(fits+" ")))
	req.ContentLength = -1 // chunked
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer x")
	c.send(req).problem(http.StatusRequestEntityTooLarge, "content_too_large", "")
}

func TestPathsThatNameNothing(t *testing.T) {
	c := newClient(t)
	for _, path := range []string{
		"/", "/nosuch", "/clients/", "/clients/x/nosuch", "/clients/nobody", "/clients/%00", "/clients/%ff", "/clients/a%2Fb",
		"/users/agt_1", "/tokens/tok_1", "/grants/gnt_1", "/audit/entries/dec_1", "/audit", "/clients/x/credentials",
	} {
		c.do(http.MethodGet, path, nil).problem(http.StatusNotFound, "not_found", "")
	}
	c.do(http.MethodPost, "/clients//suspend", nil).problem(http.StatusNotFound, "not_found", "")
	a := c.do(http.MethodPut, "/clients", object{})
	a.problem(http.StatusMethodNotAllowed, "method_not_allowed", "")
	require.ElementsMatch(t, []string{"GET", "POST"}, strings.Split(a.Header.Get("Allow"), ", "))
}

func TestRequestBodiesAreClosed(t *testing.T) {
	c := newClient(t)
	for name, s := range c.doc.Components.Schemas {
		if s.Value.Type.Is("object") && (strings.HasSuffix(name, "Input") || strings.HasSuffix(name, "Patch") || strings.HasSuffix(name, "Rotation")) && name != "LabelsPatch" {
			require.NotNil(t, s.Value.AdditionalProperties.Has, name)
			require.False(t, *s.Value.AdditionalProperties.Has, name)
		}
	}
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			for _, content := range op.RequestBody.Value.Content {
				require.Regexp(t, "(Input|Patch|Rotation)$", content.Schema.Ref, "%s %s", method, path)
			}
		}
	}
	require.NoError(t, c.doc.Validate(context.Background(), openapi3.IsOpenAPI31OrLater()))
}

// TestHostileTextIsNoDatabaseFault: what one database cannot store is refused
// before it gets there, on both.
func TestHostileTextIsNoDatabaseFault(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		c := newClientOn(t, s, nil)
		for _, text := range []string{"%00", "%ff", "%ed%a0%80", "%27%22", "%E2%82%AC"} {
			for _, path := range []string{"/clients/", "/users/", "/resource-servers/rsv_deputy/scopes/", "/audit/entries/"} {
				require.Less(t, c.do(http.MethodDelete, path+text, nil).Status, 500)
				require.Less(t, c.do(http.MethodGet, path+text, nil).Status, 500)
			}
			for path, item := range c.doc.Paths.Map() {
				if item.Get == nil || strings.Contains(path, "{") {
					continue
				}
				for _, p := range item.Get.Parameters {
					require.Less(t, c.do(http.MethodGet, path+"?"+p.Value.Name+"="+text, nil).Status, 500)
				}
			}
		}
		for _, text := range []string{`\u0000`, `\ud800`, "\xff", `'\"`, "€"} {
			for _, body := range []string{
				`{"username": "a", "labels": {"x": "%s"}}`, `{"username": "%s"}`, `{"username": "b", "name": "%s"}`, `{"username": "c", "email": "%s"}`,
			} {
				require.Less(t, c.do(http.MethodPost, "/users", strings.Replace(body, "%s", text, 1)).Status, 500, text)
			}
			scope := `{"name": "r%s", "scopes": [{"resource_server_id": "rsv_deputy", "scope": "` + text + `"}]}`
			require.Less(t, c.do(http.MethodPost, "/roles", scope).Status, 500, text)
		}
	})
}

func TestWhatWentWrongStaysInside(t *testing.T) {
	c := newClient(t)
	secret := errors.New("pq: password authentication failed")
	for err, want := range map[error]Problem{
		secret: {Type: "urn:deputy:problem:internal", Status: 500},
		fmt.Errorf("listUsers: %w: %w", models.ErrUnavailable, secret): {Type: "urn:deputy:problem:unavailable", Status: 503},
		fmt.Errorf("x: %w", models.ErrVersion):                         {Type: "urn:deputy:problem:version_mismatch", Status: 412},
	} {
		got := problemOf(err)
		require.Equal(t, want.Type, got.Type)
		require.Equal(t, want.Status, got.Status)
		body, _ := json.Marshal(got)
		require.NotContains(t, string(body), "password")
	}
	require.NoError(t, c.store.Close())
	a := c.do(http.MethodGet, "/users", nil)
	a.problem(http.StatusServiceUnavailable, "unavailable", "")
	require.Equal(t, "1", a.Header.Get("Retry-After"))
	require.Equal(t, "dec_admitted", a.JSON["decision_id"])
}

// TestBelowAnIssuerWithAPath: the API lives below the issuer, wherever that is.
func TestBelowAnIssuerWithAPath(t *testing.T) {
	c := newClient(t)
	engine := gin.New()
	require.NoError(t, Register(engine.Group("/auth"), Config{
		Issuer: issuer + "/auth", Endpoint: everybody{}, Store: c.store, Keys: c.keys, Call: func(*gin.Context) grants.Call { return grants.Call{} },
	}))
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/auth"+Prefix+"/users", strings.NewReader(`{"username": "joe"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer x")
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, req)
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	require.Regexp(t, "^/auth"+Prefix+"/users/usr_", w.Header().Get("Location"))

	w = httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth"+Prefix+"/users", nil))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `resource_metadata="https://deputy.example/.well-known/oauth-protected-resource/auth/api/v1"`, "RFC 9728 section 3.1")
}
