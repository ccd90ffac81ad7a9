package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

const issuer = "https://deputy.example"

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// everybody admits every call as one administrator.
type everybody struct{}

func (everybody) Admit(_ context.Context, call grants.Call, _, _ string, _ ...string) (models.By, error) {
	return models.By{ClientID: "app_admin", DecisionID: "dec_admitted", RequestID: call.RequestID, IP: call.IP}, nil
}

func (everybody) Renew(_ context.Context, _ grants.Call, _ string, r policies.Renewal) (models.By, int64, error) {
	return models.By{ClientID: "app_admin", DecisionID: "dec_admitted"}, r.Life, nil
}

func (everybody) BadBearer(_ context.Context, _ grants.Call, _, reason string) *oauth.Error {
	return oauth.Errorf(oauth.InvalidToken, "A bearer token is needed.").Named(reason)
}

// client calls the API in process and holds every answer against openapi.yaml.
type client struct {
	t      testing.TB
	store  *models.Store
	keys   *tokens.Keyring
	doc    *openapi3.T
	mux    http.Handler
	bearer string
	policy PolicyStatus
}

func newClient(t testing.TB) *client { return newClientOn(t, modelstest.New(t, "sqlite"), nil) }

// newClientOn mounts the API on a store, admitting everybody unless an admitter is given.
func newClientOn(t testing.TB, store *models.Store, admitter func(*tokens.Keyring) Admitter) *client {
	t.Helper()
	c := &client{t: t, store: store, bearer: "anything"}
	require.NoError(t, store.EnsureSelf(t.Context(), issuer+Prefix))
	master, err := tokens.NewMasterKey(tokens.GenerateMasterKey())
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	c.keys, err = tokens.NewKeyring(t.Context(), issuer, store, master, time.Now)
	require.NoError(t, err)
	var a Admitter = everybody{}
	if admitter != nil {
		a = admitter(c.keys)
	}
	engine, endpoint := gin.New(), explainerOn(t, store, c.keys)
	require.NoError(t, Register(engine, Config{
		Seal:   func(id, secret string) []byte { return []byte(id + " " + secret) },
		Issuer: issuer, Endpoint: a, Explain: endpoint, Store: store, Keys: c.keys, Log: log,
		Policy: func() PolicyStatus { return c.policy },
		Call: func(g *gin.Context) grants.Call {
			return grants.Call{RequestID: g.GetHeader("X-Request-ID"), IP: "192.0.2.1"}
		},
	}))
	c.mux = engine
	c.doc, err = GetSpec()
	require.NoError(t, err)
	return c
}

// shipped is the policy that serves, compiled once.
var shipped = sync.OnceValues(func() (*bundles.Engine, error) {
	return bundles.New(bundles.Options{Deadline: 5 * time.Second})
})

func explainerOn(t testing.TB, store *models.Store, keys *tokens.Keyring) *grants.Endpoint {
	t.Helper()
	engine, err := shipped()
	require.NoError(t, err)
	return grants.New(grants.Config{
		Issuer: issuer, Store: store, Policy: engine, Advice: engine, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

type answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any
}

// do calls the API; path is below Prefix, body is JSON text or something to encode.
func (c *client) do(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	var raw []byte
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	default:
		var err error
		raw, err = json.Marshal(b)
		require.NoError(c.t, err)
	}
	req := httptest.NewRequestWithContext(c.t.Context(), method, Prefix+path, bytes.NewReader(raw))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return c.send(req)
}

func (c *client) send(req *http.Request) answer {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.mux.ServeHTTP(w, req)
	a := answer{t: c.t, Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	if a.Body != "" {
		require.NoError(c.t, json.Unmarshal([]byte(a.Body), &a.JSON), a.Body)
	}
	c.conforms(req, a)
	return a
}

// conforms checks what every answer must be: as described, and without null.
func (c *client) conforms(req *http.Request, a answer) {
	c.t.Helper()
	if !strings.HasSuffix(req.URL.Path, "/openapi.json") {
		require.False(c.t, holdsNull(a.JSON), a.Body)
	}
	if a.Status >= 400 {
		require.Equal(c.t, "application/problem+json", a.Header.Get("Content-Type"))
		require.EqualValues(c.t, a.Status, a.JSON["status"])
	}
	op := c.described(req)
	if op == nil {
		return
	}
	if a.Status < 400 {
		require.NotNil(c.t, op.Responses.Status(a.Status), "%s %s answered %d, which is not described", req.Method, req.URL, a.Status)
	}
	require.Equal(c.t, "no-store", a.Header.Get("Cache-Control"))
	require.NoError(c.t, openapi3filter.ValidateResponse(c.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: &routers.Route{Spec: c.doc, Method: req.Method, Operation: op}},
		Status:                 a.Status, Header: a.Header, Body: io.NopCloser(strings.NewReader(a.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}), "%s %s: %s", req.Method, req.URL, a.Body)
}

func holdsNull(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, item := range v {
			if item == nil || holdsNull(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return item == nil || holdsNull(item) })
	}
	return false
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

func (c *client) described(req *http.Request) *openapi3.Operation {
	for path, item := range c.doc.Paths.Map() {
		shape := "^" + Prefix + parameter.ReplaceAllString(path, "[^/]+") + "$"
		if regexp.MustCompile(shape).MatchString(req.URL.EscapedPath()) {
			if op := item.GetOperation(req.Method); op != nil {
				return op
			}
		}
	}
	return nil
}

// is checks the status and gives the body back.
func (a answer) is(status int) map[string]any {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, a.Body)
	return a.JSON
}

// problem checks that the answer is this problem, blamed on this field.
func (a answer) problem(status int, code, field string) {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, a.Body)
	require.Equal(a.t, "urn:deputy:problem:"+code, a.JSON["type"])
	require.NotEmpty(a.t, a.JSON["title"])
	require.NotEmpty(a.t, a.JSON["detail"])
	if field == "" {
		require.NotContains(a.t, a.JSON, "field")
	} else {
		require.Equal(a.t, field, a.JSON["field"], a.Body)
	}
}

// ids are the ids of the items of a list.
func (a answer) ids(field string) []string {
	a.t.Helper()
	out := []string{}
	for _, item := range a.is(http.StatusOK)["items"].([]any) {
		out = append(out, item.(map[string]any)[field].(string))
	}
	return out
}

// create posts and returns the new object's id.
func (c *client) create(path string, body any) string {
	c.t.Helper()
	return c.do(http.MethodPost, path, body).is(http.StatusCreated)["id"].(string)
}

type object = map[string]any
