//go:build linux

package replicas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
	"github.com/deputyauth/deputy/tests/process"
)

// founder makes a world over HTTP only, as anybody would: the server, and the database,
// may be of a release whose code is not at hand.
type founder struct {
	*world
	at            *replica
	bearer        string
	owner, reader string // who answers for agents, and the role they have
	resource      string
}

// found migrates the database, starts its first server and makes a world there.
func found(s *site, agents, victims int) (*world, *founder) {
	s.Helper()
	s.Succeeds("migrate")
	f := &founder{world: &world{site: s, service: "https://service.example", db: s.Database()}, at: s.Deputy()}
	f.at.Start()
	made := regexp.MustCompile(`DEPUTY_CLIENT_ID=(\S+) DEPUTY_CLIENT_SECRET=(\S+)`).FindStringSubmatch(s.Succeeds("admin", "create", "--name", "ops"))
	require.Len(s, made, 3)
	f.admin = agent{ID: made[1], Secret: made[2]}
	got := process.Send(http.DefaultClient, ask{At: f.at, Path: "/oauth2/token", As: f.admin,
		Form: harness.OwnForm(s.Issuer+"/api/v1", "users:write clients:write credentials:write resources:write roles:write roles:assign")})
	require.True(s, got.Granted(), "%d %s", got.Status, got.Body.Error)
	f.bearer = got.Body.Token
	f.owner = f.make("/users", map[string]any{"username": "owner", "name": "Owner"})
	f.guard = f.agent("guard", nil)
	f.resource = f.make("/resource-servers", map[string]any{"name": "service", "identifier": f.service, "operator_id": f.guard.ID})
	f.call(http.MethodPut, "/resource-servers/"+f.resource+"/scopes/read", map[string]any{"description": "Read", "risk": "low"})
	f.reader = f.make("/roles", map[string]any{"name": "reader", "scopes": []any{map[string]any{"resource_server_id": f.resource, "scope": "read"}}})
	for n := range agents {
		f.agents = append(f.agents, f.reads(f.agent(fmt.Sprintf("agent-%d", n), nil)))
	}
	for n := range victims {
		f.victims = append(f.victims, f.reads(f.agent(fmt.Sprintf("victim-%d", n), nil)))
	}
	return f.world, f
}

// call calls the admin API, which must do as it is told.
func (f *founder) call(method, path string, body any) (answer map[string]any) {
	f.Helper()
	text, err := json.Marshal(body)
	require.NoError(f, err)
	req, err := http.NewRequest(method, f.at.URL+"/api/v1"+path, bytes.NewReader(text))
	require.NoError(f, err)
	req.Header.Set("Authorization", "Bearer "+f.bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(f, err)
	defer resp.Body.Close()
	require.NoError(f, json.NewDecoder(resp.Body).Decode(&answer))
	require.Less(f, resp.StatusCode, 300, "%s %s: %v", method, path, answer)
	return answer
}

func (f *founder) make(path string, body any) (id string) {
	f.Helper()
	return fmt.Sprint(f.call(http.MethodPost, path, body)["id"])
}

// agent registers one with a secret and a key; more is said of it in more.
func (f *founder) agent(name string, more map[string]any) agent {
	f.Helper()
	body := map[string]any{"kind": "agent", "name": name, "owner_id": f.owner, "sponsor": "the upgrade"}
	for k, v := range more {
		body[k] = v
	}
	a := agent{ID: f.make("/clients", body)}
	a.Secret = fmt.Sprint(f.call(http.MethodPost, "/clients/"+a.ID+"/credentials", map[string]any{"kind": "secret"})["secret"])
	var jwk string
	var err error
	a.Key, jwk, err = process.NewKey()
	require.NoError(f, err)
	f.call(http.MethodPost, "/clients/"+a.ID+"/credentials", map[string]any{"kind": "public_key", "public_jwk": json.RawMessage(jwk)})
	return a
}

func (f *founder) reads(a agent) agent {
	f.Helper()
	f.make("/assignments", map[string]any{"role_id": f.reader, "principal_id": a.ID})
	return a
}

// assistant is an agent that somebody lets act for them, and the first refresh token
// it has for that.
func (f *founder) assistant(n int) (agent, string) {
	f.Helper()
	name := fmt.Sprintf("person-%d", n)
	person := f.make("/users", map[string]any{"username": name, "name": name})
	f.make("/assignments", map[string]any{"role_id": f.reader, "principal_id": person})
	a := f.reads(f.agent("assistant-"+name, map[string]any{
		"grant_types": []string{"authorization_code", "refresh_token", harness.ExchangeGrant}, "redirect_uris": []string{harness.Redirect},
	}))
	link := fmt.Sprint(f.call(http.MethodPost, "/users/"+person+"/links", map[string]any{"purpose": "invite"})["url"])

	page := &harness.Server{TB: f.T, URL: f.Issuer, Host: f.Issuer}
	b := page.Browser()
	path := strings.TrimPrefix(link, f.Issuer)
	require.Equal(f, http.StatusOK, b.Get(path).Status)
	chosen := b.Checked(b.Post(path, url.Values{"password": {harness.Password}, "again": {harness.Password}}))
	require.Less(f, chosen.Status, 400, chosen.Body)
	client := &harness.Client{Client: &models.Client{}}
	client.ID = a.ID
	q := b.Question(b.Follow(b.Authorize(page.Query(client, &models.ResourceServer{Identifier: f.service}, "read", nil))))
	code := b.Back(b.Post("/consent", q.Form("allow", q.Scopes...))).Get("code")
	got := process.Send(http.DefaultClient, ask{At: f.at, Path: "/oauth2/token", Form: harness.CodeForm(code), As: a})
	require.True(f, got.Granted(), "%d %s", got.Status, got.Body.Error)
	require.NotEmpty(f, got.Body.Refresh)
	return a, got.Body.Refresh
}
