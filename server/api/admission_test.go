package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// guarded is the API behind the real policy, with what issues its tokens.
type guarded struct {
	*client
	endpoint *grants.Endpoint
	admin    models.Client
	secret   string
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	return newGuardedBy(t, func(real Admitter) Admitter { return real })
}

// newGuardedBy puts something between the API and its policy.
func newGuardedBy(t *testing.T, wrap func(Admitter) Admitter) *guarded {
	t.Helper()
	engine, err := bundles.New(bundles.Options{Deadline: 5 * time.Second})
	require.NoError(t, err)
	g := &guarded{}
	store := modelstest.New(t, "sqlite")
	bounds := limits.Defaults()
	bounds.FailureBurst, bounds.ClientRate = 0, 0 // everything here comes from one address
	g.client = newClientOn(t, store, func(keys *tokens.Keyring) Admitter {
		g.endpoint = grants.New(grants.Config{Issuer: issuer, Store: store, Policy: engine, Advice: engine, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Limits: limits.New(bounds, time.Now)})
		return wrap(g.endpoint)
	})
	g.admin = *modelstest.Application(t, store, "admin")
	_, g.secret = modelstest.Secret(t, store, g.admin.ID)
	modelstest.Assign(t, store, models.AdminRoleID, g.admin.ID)
	return g
}

// token issues a token of the administrator's for the API with these scopes.
func (g *guarded) token(scopes ...string) string {
	g.t.Helper()
	issued, err := g.endpoint.Token(g.t.Context(), grants.Call{}, oauth.TokenRequest{
		GrantType: oauth.ClientCredentials, Scopes: scopes, Resources: []string{issuer + Prefix},
		Client: oauth.ClientAuth{Method: oauth.SecretBasic, ID: g.admin.ID, Secret: g.secret},
	})
	require.NoError(g.t, err)
	return issued.AccessToken
}

// each operation of openapi.yaml, with the scopes it says it needs.
func (c *client) operations(visit func(method, path, id, scope string)) {
	c.t.Helper()
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			require.NotNil(c.t, op.Security, "%s names no scope", op.OperationID)
			require.Len(c.t, *op.Security, 1)
			require.NotEmpty(c.t, (*op.Security)[0]["bearer"])
			visit(method, path, op.OperationID, strings.Join((*op.Security)[0]["bearer"], " "))
		}
	}
}

func TestNoOperationWithoutAToken(t *testing.T) {
	g := newGuarded(t)
	g.bearer = ""
	count := 0
	g.operations(func(method, path, _, scope string) {
		count++
		a := g.do(method, parameter.ReplaceAllString(path, "x_1"), object{"nosuch": 1})
		a.problem(http.StatusUnauthorized, "invalid_token", "")
		require.Equal(t, `Bearer realm="deputy", scope="`+scope+`", resource_metadata="https://deputy.example/.well-known/oauth-protected-resource/api/v1"`, a.Header.Get("WWW-Authenticate"))
		require.NotEmpty(t, a.JSON["decision_id"])
	})
	require.Len(t, table(t), count)
	failures, _, err := g.store.Entries(t.Context(), models.EntryFilter{Kind: models.KindFailure}, -1, 200)
	require.NoError(t, err)
	require.Len(t, failures, count, "each was recorded")
}

func TestNoOperationWithoutItsScope(t *testing.T) {
	g := newGuarded(t)
	bearers := map[string]string{"policy:read": g.token("policy:read"), "users:read": g.token("users:read")}
	g.operations(func(method, path, id, scope string) {
		g.bearer = bearers["policy:read"]
		if scope == "policy:read" {
			g.do(method, path, nil).is(http.StatusOK)
			g.bearer = bearers["users:read"]
		}
		a := g.do(method, parameter.ReplaceAllString(path, "x_1"), object{"nosuch": 1})
		a.problem(http.StatusForbidden, "insufficient_scope", "")
		require.Contains(t, a.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`)
		require.Contains(t, a.Header.Get("WWW-Authenticate"), `scope="`+scope+`"`)
		entry, err := g.store.EntryByID(t.Context(), a.JSON["decision_id"].(string))
		require.NoError(t, err)
		require.Equal(t, policies.AdminPrefix+id, entry.Action)
		require.Equal(t, models.OutcomeRefused, entry.Outcome)
	})
}

func TestWithItsScopeEveryOperationIsReached(t *testing.T) {
	g := newGuarded(t)
	g.operations(func(method, path, id, scope string) {
		g.bearer = g.token(strings.Fields(scope)...)
		a := g.do(method, parameter.ReplaceAllString(path, "x_1"), nil)
		require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.Status, id)
		require.Less(t, a.Status, 500, id)
	})
}

func TestTokensThatDoNotCount(t *testing.T) {
	g := newGuarded(t)
	good := g.token("users:read")
	g.bearer = good
	g.do(http.MethodGet, "/users", nil).is(http.StatusOK)
	for name, headers := range map[string][]string{
		"nonsense": {"Bearer nonsense"}, "two headers": {"Bearer " + good, "Bearer " + good}, "two tokens": {"Bearer " + good + " " + good},
		"empty": {"Bearer "}, "list": {"Bearer " + good + ",Bearer x"}, "unsigned": {"Bearer " + good[:strings.LastIndex(good, ".")+1]},
	} {
		a := g.with(headers)
		a.problem(http.StatusUnauthorized, "invalid_token", "")
		require.Contains(t, a.Header.Get("WWW-Authenticate"), `error="invalid_token"`, name)
	}
	for _, headers := range [][]string{nil, {""}, {"Basic YTpi"}, {good}, {"DPoP " + good}} {
		a := g.with(headers)
		a.problem(http.StatusUnauthorized, "invalid_token", "")
		require.NotContains(t, a.Header.Get("WWW-Authenticate"), "error", "who sent no token made no error")
	}
	require.Equal(t, http.StatusOK, g.with([]string{"bearer " + good}).Status, "schemes have no case")
	g.do(http.MethodPost, "/clients/"+g.admin.ID+"/suspend", nil, "Authorization", "Bearer "+g.token("clients:suspend")).is(http.StatusOK)
	g.with([]string{"Bearer " + good}).problem(http.StatusUnauthorized, "invalid_token", "")
}

func (g *guarded) with(authorization []string) answer {
	g.t.Helper()
	req := httptest.NewRequestWithContext(g.t.Context(), http.MethodGet, Prefix+"/users", nil)
	req.Header["Authorization"] = authorization
	return g.send(req)
}

func TestTheLedgerSaysWhoAdministered(t *testing.T) {
	g := newGuarded(t)
	g.bearer = g.token("users:write")
	user := g.do(http.MethodPost, "/users", object{"username": "joe"}, "X-Request-ID", "req-7").is(http.StatusCreated)
	changes, _, err := g.store.Entries(t.Context(), models.EntryFilter{Action: "createUser"}, -1, 10)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	require.Equal(t, g.admin.ID, changes[0].ClientID)
	require.Contains(t, changes[0].Detail, user["id"].(string))
	require.Contains(t, changes[0].Detail, `"request_id":"req-7"`)
	decision := regexp.MustCompile(`"decision":"(dec_\w+)"`).FindStringSubmatch(changes[0].Detail)
	require.NotNil(t, decision)
	entry, err := g.store.EntryByID(t.Context(), decision[1])
	require.NoError(t, err)
	require.Equal(t, "admin:createUser", entry.Action)
	require.Equal(t, models.OutcomeGranted, entry.Outcome)

	body := g.do(http.MethodPost, "/users", object{"username": "joe"})
	body.problem(http.StatusConflict, "conflict", "")
	require.Regexp(t, "^dec_", body.JSON["decision_id"])
}

// blind admits nobody.
type blind struct {
	everybody
	err error
}

func (b blind) Admit(context.Context, grants.Call, string, string, ...string) (models.By, error) {
	return models.By{}, b.err
}

func TestWhenPolicyCannotAnswer(t *testing.T) {
	for code, want := range map[string]int{oauth.ServerError: 500, oauth.TemporarilyUnavailable: 503, oauth.AccessDenied: 500} {
		c := newClientOn(t, modelstest.New(t, "sqlite"), func(*tokens.Keyring) Admitter { return blind{err: oauth.Errorf(code, "No.")} })
		a := c.do(http.MethodGet, "/users", nil)
		require.Equal(t, want, a.Status)
		require.Empty(t, a.Header.Get("WWW-Authenticate"), "the token is not to blame")
	}
}

// table reads operations and what they need out of the policy: the scope first,
// then what their answers show.
func table(t *testing.T) map[string]string {
	t.Helper()
	text, err := policies.FS.ReadFile("floor/admin/admin.rego")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "required := {")
	require.True(t, found)
	rows, _, _ := strings.Cut(after, "}")
	out := map[string]string{}
	for _, row := range regexp.MustCompile(`"(\w+)": "([a-z:]+)"`).FindAllStringSubmatch(rows, -1) {
		out[row[1]] = row[2]
	}
	require.Len(t, out, strings.Count(rows, "\n")-1)
	_, after, found = strings.Cut(string(text), "shown := {")
	require.True(t, found)
	shown, _, _ := strings.Cut(after, "\n\n")
	for _, row := range regexp.MustCompile(`"(\w+)": \{([^}]+)\}`).FindAllStringSubmatch(shown, -1) {
		out[row[1]] += " " + strings.ReplaceAll(strings.Trim(row[2], `"`), `", "`, " ")
	}
	return out
}

// amounts reads out of the policy which rights effects of changes amount to.
func amounts(t *testing.T) (rights []string) {
	t.Helper()
	text, err := policies.FS.ReadFile("floor/admin/admin.rego")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "effects := {")
	require.True(t, found)
	rows, _, _ := strings.Cut(after, "}")
	for _, row := range regexp.MustCompile(`"effect:\w+": "([a-z:]+)"`).FindAllStringSubmatch(rows, -1) {
		rights = append(rights, row[1])
	}
	require.NotEmpty(t, rights)
	return rights
}

func TestTheSpecAndThePolicyAgree(t *testing.T) {
	c := newClient(t)
	spec, used := map[string]string{}, map[string]bool{}
	c.operations(func(_, _, id, scope string) {
		spec[id] = scope
		for _, one := range strings.Fields(scope) {
			used[one] = true
		}
	})
	require.Equal(t, table(t), spec)
	for _, right := range amounts(t) {
		used[right] = true
	}
	known := map[string]bool{}
	for _, s := range models.SelfScopes() {
		known[s.Name] = true
	}
	require.Equal(t, known, used, "every scope of the API is needed for something")
}

func TestEveryRouteIsAnOperation(t *testing.T) {
	s := &server{operations: operations(newClient(t).doc)}
	routed := []string{}
	for _, r := range s.engine().Routes() {
		routed = append(routed, r.Method+" "+r.Path)
		require.NotNil(t, s.operations[r.Method+" "+r.Path], r.Path)
	}
	for described := range s.operations {
		require.Contains(t, routed, described)
	}
}

func TestTheDescriptionIsOpen(t *testing.T) {
	c := newClient(t)
	c.bearer = ""
	a := c.do(http.MethodGet, "/openapi.json", nil)
	a.is(http.StatusOK)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.NotContains(t, a.Body, "x-go-")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.Body))
	require.NoError(t, err)
	require.Equal(t, c.doc.Paths.Len(), doc.Paths.Len())
	require.True(t, slices.Contains(doc.Paths.InMatchingOrder(), "/clients"))
}

func TestARouteWithoutANameIsRefused(t *testing.T) {
	g := newGuarded(t)
	s := &server{Config: Config{Issuer: issuer, Endpoint: g.endpoint, Store: g.store, Log: slog.New(slog.DiscardHandler)}}
	e := gin.New()
	e.GET("/x", s.admit, func(c *gin.Context) { c.Status(http.StatusOK) })
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
	req.Header.Set("Authorization", "Bearer "+g.token("users:read"))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, req)
	require.Equal(t, http.StatusInternalServerError, w.Code, w.Body)
}
