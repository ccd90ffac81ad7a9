package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/oauth"
)

// RFC 6750: the token of an Authorization header is what stands behind Bearer,
// whole, or there is none.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer eyJ.eyJ.x", "bearer x", "Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Basic YTpi", "DPoP x", "", "Bearer\tx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, reason := oauth.Bearer(http.Header{"Authorization": {header}})
		if reason == "" {
			require.NotEmpty(t, token)
			require.Equal(t, header[len("Bearer "):], token)
			require.True(t, strings.EqualFold(header[:len("Bearer ")], "Bearer "))
			require.False(t, strings.ContainsAny(token, " \t,"))
		} else {
			require.Empty(t, token)
		}
		_, reason = oauth.Bearer(http.Header{"Authorization": {header, "Bearer x"}})
		require.Equal(t, oauth.BearerSeveral, reason)
		if header != "" && !strings.ContainsAny(header, " \t,") {
			token, reason = oauth.Bearer(http.Header{"Authorization": {"Bearer " + header}})
			require.Empty(t, reason)
			require.Equal(t, header, token)
		}
	})
}

// fuzzed is the API on a database that is made anew now and then, so that what
// is created does not pile up and what is deleted comes back.
type fuzzed struct {
	base  string
	used  int
	api   *client
	world modelstest.World
	ids   map[string]string // by the segment of the path before the id
}

const renewAfter = 1500

// on gives the API for one input.
func (z *fuzzed) on(t *testing.T) *client {
	t.Helper()
	if z.used%renewAfter == 0 {
		z.renew(t)
	}
	z.used++
	one := *z.api
	one.t = t
	return &one
}

func (z *fuzzed) renew(t *testing.T) {
	t.Helper()
	if z.api != nil {
		require.NoError(t, z.api.store.Close())
	}
	dir, err := os.MkdirTemp(z.base, "db")
	require.NoError(t, err)
	store, err := models.Open(models.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	z.api = newClientOn(t, store, nil)
	w := modelstest.NewWorld(t, store, "w")
	group := modelstest.Group(t, store, "group", w.Agent.ID)
	secret, _ := modelstest.Secret(t, store, w.Agent.ID)
	token := modelstest.Issue(t, store, w.Token(store))
	for _, name := range []string{"app-b", "app-c", "app-d"} {
		modelstest.Application(t, store, name)
	}
	z.world = w
	z.ids = map[string]string{
		"clients": w.Agent.ID, "users": w.Owner.ID, "groups": group.ID, "members": w.Agent.ID, "roles": w.Role.ID, "assignments": w.Assignment.ID,
		"resource-servers": w.Service.ID, "scopes": "read", "grants": w.Agent.SelfGrantID, "tokens": token.ID, "credentials": secret.ID, "entries": token.DecisionID,
	}
}

// named puts ids that exist where a path has a name in braces.
func (z *fuzzed) named(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if i > 0 && strings.HasPrefix(s, "{") && z.ids[segments[i-1]] != "" {
			segments[i] = z.ids[segments[i-1]]
		}
	}
	return strings.Join(segments, "/")
}

// routed are the methods that come as far as the API; the server around it
// answers others.
var routed = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace,
}

// request is one as a client may send it; nil if it does not come as far as the API.
func request(method, path, query string, body []byte) *http.Request {
	unescaped, err := url.PathUnescape(path)
	if err != nil || !slices.Contains(routed, method) || !strings.HasPrefix(path, "/") {
		return nil
	}
	req := httptest.NewRequest(http.MethodGet, Prefix, bytes.NewReader(body))
	req.Method, req.URL = method, &url.URL{Path: Prefix + unescaped, RawPath: Prefix + path, RawQuery: query}
	req.Header.Set("Authorization", "Bearer x")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// Whatever an administrator sends is answered as openapi.yaml says, and never
// with a fault of ours. A path with a name in braces is filled with an id that exists.
func FuzzRequests(f *testing.F) {
	doc, err := GetSpec()
	require.NoError(f, err)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			body := []byte(nil)
			if op.RequestBody != nil {
				body = []byte(`{"name":"x","labels":{"a":"b"},"expires_at":"2040-01-02T03:04:05Z"}`)
			}
			f.Add(method, path, "", body)
		}
	}
	f.Add("POST", "/users", "", []byte(`{"username":"joe","email":"joe@example.com"}`))
	f.Add("POST", "/clients/{id}/credentials", "", []byte(`{"kind":"public_key","public_jwk":{"kty":"EC"}}`))
	f.Add("PATCH", "/clients/{id}", "", []byte(`{"labels":null,"max_ttl":1e9,"default_scopes":[{"resource_server_id":"x","scope":"y"}]}`))
	f.Add("POST", "/explain", "", []byte(`{"client_id":"agt_1","grant_type":"client_credentials","scopes":["read"],"resources":["https://w-service.example"],"at":"2040-01-02T03:04:05Z"}`))
	f.Add("POST", "/explain", "", []byte(`{"client_id":"agt_1","grant_type":"urn:ietf:params:oauth:grant-type:token-exchange","subject_token":"a.b.c","actor_token":"tok_1"}`))
	f.Add("GET", "/clients/%2e%2e%2f", "limit=1&cursor=YQ", []byte{})
	z := &fuzzed{base: f.TempDir()}
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		c := z.on(t)
		req := request(method, z.named(path), query, body)
		if req == nil {
			return
		}
		w := httptest.NewRecorder()
		c.mux.ServeHTTP(w, req.Clone(t.Context()))
		require.Less(t, w.Code, 500, w.Body)
		require.GreaterOrEqual(t, w.Code, 200)
		if w.Body.Len() == 0 || req.Method == http.MethodHead {
			return
		}
		a := answer{t: t, Status: w.Code, Header: w.Header(), Body: w.Body.String()}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.JSON), a.Body)
		c.conforms(req, a)
		for _, secret := range []string{z.world.Secret, "goroutine ", "SQLSTATE", "SQL logic error", "deputy.db"} {
			require.NotContains(t, a.Body, secret)
		}
	})
}

// lists are those that come in pages, with the member that names an item.
var lists = [][2]string{
	{"/clients", "id"}, {"/users", "id"}, {"/groups", "id"}, {"/roles", "id"}, {"/assignments", "id"}, {"/resource-servers", "id"}, {"/grants", "id"}, {"/tokens", "id"},
	{"/groups/{id}/members", "member_id"}, {"/resource-servers/{id}/scopes", "name"}, {"/clients/{id}/credentials", "id"}, {"/clients/{id}/effective-scopes", "scope"}, {"/audit/entries", "id"},
}

// Filters and cursors only ever take from a list: whatever they are, nothing is
// shown that the list does not hold, nothing twice, and nothing before the cursor.
func FuzzLists(f *testing.F) {
	for i := range lists {
		f.Add(uint8(i), "limit=2", "")
		f.Add(uint8(i), "limit=1", "~")
	}
	for _, query := range []string{
		"kind=agent&status=active", "owner_id=usr_1", "label=team&label_value=a", "live=true", "order=desc&since=2026-01-01T00:00:00Z", "name=%27+or+1%3D1+--",
		"identifier=HTTPS%3A%2F%2Fw-service.example", "username=w-owner", "limit=200", "limit=-1", "cursor=", "email=a%00",
	} {
		f.Add(uint8(len(query)), query, "' or '1'='1")
	}
	z := &fuzzed{base: f.TempDir()}
	var whole [][]string
	f.Fuzz(func(t *testing.T, which uint8, query, key string) {
		c := z.on(t)
		list := lists[int(which)%len(lists)]
		path := z.named(list[0])
		if z.used%renewAfter == 1 {
			whole = make([][]string, len(lists))
			for i, l := range lists {
				whole[i] = c.do(http.MethodGet, z.named(l[0])+"?limit=200", nil).ids(l[1])
			}
		}
		if key != "" {
			text, err := cursor(key).MarshalText()
			require.NoError(t, err)
			query += "&cursor=" + string(text)
		}
		req := request(http.MethodGet, path, query, nil)
		w := httptest.NewRecorder()
		c.mux.ServeHTTP(w, req)
		require.Less(t, w.Code, 500, w.Body)
		if w.Code != http.StatusOK {
			return
		}
		a := answer{t: t, Status: w.Code, Header: w.Header(), Body: w.Body.String()}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.JSON))
		shown := a.ids(list[1])
		for i, id := range shown {
			require.Contains(t, whole[int(which)%len(lists)], id, "outside the list")
			require.False(t, slices.Contains(shown[:i], id), "twice")
			if key != "" && list[0] != "/audit/entries" && list[0] != "/clients/{id}/effective-scopes" {
				require.Greater(t, id, key, "before the cursor")
			}
		}
	})
}
