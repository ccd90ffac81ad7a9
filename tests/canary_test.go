package tests

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-jose/go-jose/v4"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/canary"
	"github.com/deputyauth/deputy/tests/harness"
)

// watched is a server with a debug log, of which every secret is known, and
// every answer that was a refusal is kept.
type watched struct {
	*harness.Server
	log     *canary.Log
	secrets canary.Secrets
	errors  []byte
	traces  *traced

	ledgerOnly canary.Secrets // are stored, but not in the ledger
}

const houseSecret = "house-canary-7f3a91c2"

func newWatched(t *testing.T, dialect string) *watched {
	w := &watched{log: &canary.Log{}, traces: &traced{}, secrets: canary.Secrets{"house data": houseSecret}}
	collector := httptest.NewServer(w.traces)
	t.Cleanup(collector.Close)
	w.Server = harness.New(t, dialect, harness.Options{
		Log: w.log, OTLP: collector.URL,
		House: fstest.MapFS{
			"data.json": {Data: []byte(`{"house": {"codes": ["` + houseSecret + `"]}}`)},
			"issue.rego": {Data: []byte("package house.issue\n\ndeny contains \"listed\" if input.client.name in data.house.codes\n\n" +
				"deny contains \"errs\" if {\n\tinput.client.labels.trip\n\tto_number(data.house.codes[0]) > 3\n}\n\n" +
				"max_ttl := 10 if {\n\tinput.client.labels.conflict\n}\n\nmax_ttl := count(data.house.codes) if {\n\tinput.client.labels.conflict\n}\n")},
		},
	})
	raw, err := base64.StdEncoding.DecodeString(w.MasterKey)
	require.NoError(t, err)
	w.secrets["master key"], w.secrets["master key, decoded"] = w.MasterKey, string(raw)
	_, key := w.SigningKey()
	d, err := key.Bytes()
	require.NoError(t, err)
	w.secrets["signing key"] = string(d)
	return w
}

// kept remembers an answer if it is a refusal.
func (w *watched) kept(a harness.Answer) harness.Answer {
	if a.Status >= 400 {
		w.errors = append(w.errors, a.Body+"\n"+a.Header.Get("WWW-Authenticate")+a.Header.Get("Location")+"\n"...)
	}
	return a
}

func (w *watched) form(path string, as *harness.Client, form url.Values) harness.Answer {
	w.TB.Helper()
	return w.kept(w.Form(path, as, form))
}

// client is an agent whose secret, key and Basic header are canaries.
func (w *watched) client(name string) *harness.Client {
	c := w.WithKey(w.Agent(name, w.User(name+"-owner")))
	w.secrets[name+"'s secret"] = c.Secret
	w.secrets[name+"'s header"] = base64.StdEncoding.EncodeToString([]byte(c.ID + ":" + c.Secret))
	d, err := c.Key.Bytes()
	require.NoError(w.TB, err)
	w.secrets[name+"'s key"] = string(d)
	return c
}

func (w *watched) token(a harness.Answer, name string) string {
	w.TB.Helper()
	require.Equal(w.TB, http.StatusOK, a.Status, a.Body)
	raw := a.String("access_token")
	w.secrets.Token(name, raw)
	return raw
}

// No secret, token, code, assertion or key is in a log, in a refusal, in a trace, in
// metrics, or anywhere in the database, after everything that can be done was done
// well and badly.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // milliseconds
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			w := newWatched(t, dialect)
			agent := w.client("agent")
			service := w.Service("vault", agent, "read")
			w.Allow(agent.ID, service, "read")
			token := w.useTokens(agent, service)
			w.useBadly(agent, service, token)
			w.administer(agent)
			w.carried(agent, service)
			w.signIn()
			w.maintain(agent, service)
			w.nothingSent()
			w.nothingFound()
		})
	}
}

// useTokens: every endpoint of OAuth, as it is meant.
func (w *watched) useTokens(agent *harness.Client, service *models.ResourceServer) string {
	own := harness.OwnForm(service.Identifier, "read")
	token := w.token(w.form("/oauth2/token", agent, own), "token")
	inBody := harness.OwnForm(service.Identifier, "read")
	inBody.Set("client_id", agent.ID)
	inBody.Set("client_secret", agent.Secret)
	w.token(w.form("/oauth2/token", nil, inBody), "token by a secret in the body")
	assertion := w.Assertion(agent, nil)
	w.secrets.Token("assertion", assertion)
	w.token(w.form("/oauth2/token", nil, asserting(service, assertion)), "token by assertion")
	w.form("/oauth2/token", nil, asserting(service, assertion)) // replayed
	w.token(w.form("/oauth2/token", agent, harness.ExchangeForm(token, service.Identifier, "read")), "exchanged token")
	require.True(w.TB, w.Active(agent, token))
	require.Equal(w.TB, http.StatusOK, w.form("/oauth2/revoke", agent, url.Values{"token": {token}}).Status)
	return token
}

// useBadly: secrets where they do not belong, or that are wrong.
func (w *watched) useBadly(agent *harness.Client, service *models.ResourceServer, token string) {
	own := harness.OwnForm(service.Identifier, "read")
	guess := &harness.Client{Client: agent.Client, Secret: "guessed-canary-55d0c1"}
	w.secrets["guessed secret"] = guess.Secret
	swapped := &harness.Client{Client: &models.Client{Meta: models.Meta{ID: agent.Secret}}, Secret: agent.ID}
	for _, as := range []*harness.Client{guess, swapped} {
		for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
			form := url.Values{"token": {token}}
			if path == "/oauth2/token" {
				form = own
			}
			require.Equal(w.TB, http.StatusUnauthorized, w.form(path, as, form).Status)
		}
	}
	foreign := w.Assertion(agent, func(_, claims map[string]any) { claims["aud"] = "https://other.example" })
	w.secrets.Token("foreign assertion", foreign)
	w.form("/oauth2/token", nil, asserting(service, foreign))
	w.form("/oauth2/token", agent, harness.ExchangeForm(token, service.Identifier, "read")) // revoked
	w.form("/oauth2/token", agent, harness.ExchangeForm(token+"x", service.Identifier, "read"))
	w.form("/oauth2/token", agent, harness.ExchangeForm(foreign, service.Identifier, "read"))
	w.form("/oauth2/introspect", agent, url.Values{"token": {agent.Secret}})
	for name, edit := range map[string]func(f url.Values){
		"in the grant type": func(f url.Values) { f.Set("grant_type", token) }, "in the scope": func(f url.Values) { f.Set("scope", token) },
		"its own, in the scope": func(f url.Values) { f.Set("scope", "read "+agent.Secret) },
		"in the resource":       func(f url.Values) { f.Set("resource", token) }, "twice": func(f url.Values) { f["client_secret"] = []string{agent.Secret, agent.Secret} },
		"misplaced": func(f url.Values) { f.Set("subject_token", token) }, "as a type": func(f url.Values) { f.Set("client_assertion_type", agent.Secret) },
		"as a name": func(f url.Values) { f.Set(agent.Secret, agent.Secret) }, "as a client": func(f url.Values) { f.Set("client_id", agent.Secret) },
	} {
		form := harness.OwnForm(service.Identifier, "read")
		edit(form)
		w.form("/oauth2/token", agent, form)
		w.form("/oauth2/token", nil, form)
		require.NotEmpty(w.TB, name)
	}
	for _, header := range []string{"Bearer " + token, "Basic " + token, "Basic " + agent.Secret, "Digest " + agent.Secret, agent.Secret, "Bearer " + token + " " + token} {
		for _, path := range []string{"/oauth2/token?client_secret=" + agent.Secret, "/api/v1/clients?access_token=" + token, "/api/v1/users/" + agent.Secret, "/" + token} {
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
				req, err := http.NewRequest(method, w.URL+path, strings.NewReader(own.Encode()))
				require.NoError(w.TB, err)
				req.Header.Set("Authorization", header)
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("X-Request-ID", "id with "+agent.Secret)
				w.kept(w.Send(req))
			}
		}
	}
}

// administer: every operation of the admin API there is, with and without right.
func (w *watched) administer(agent *harness.Client) {
	admin := w.client("admin")
	w.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: admin.ID})
	})
	var all []string
	for _, sc := range models.SelfScopes() {
		all = append(all, sc.Name)
	}
	bearer := w.token(w.form("/oauth2/token", admin, harness.OwnForm(w.URL+"/api/v1", strings.Join(all, " "))), "administrator's token")
	private, err := json.Marshal(jose.JSONWebKey{Key: agent.Key})
	require.NoError(w.TB, err)
	at := "/clients/" + agent.ID + "/credentials"
	no := w.kept(api(w.Server, bearer, http.MethodPost, at, object{"kind": "public_key", "public_jwk": json.RawMessage(private)}))
	require.Equal(w.TB, http.StatusUnprocessableEntity, no.Status, "a private key is not taken")
	made := api(w.Server, bearer, http.MethodPost, at, object{"kind": "secret"})
	w.secrets["second secret"] = made.String("secret")
	rotated := api(w.Server, bearer, http.MethodPost, at+"/"+made.String("id")+"/rotate", object{"overlap": 60})
	w.secrets["third secret"] = rotated.String("secret")
	require.NotEqual(w.TB, made.String("secret"), rotated.String("secret"))

	for _, token := range []string{w.secrets["exchanged token"], w.secrets["token"], w.secrets["foreign assertion"], agent.Secret} {
		question := object{"client_id": agent.ID, "grant_type": harness.ExchangeGrant, "resources": []string{"https://vault.example"}, "scopes": []string{"read"}, "subject_token": token, "actor_token": token}
		require.Equal(w.TB, http.StatusOK, w.kept(api(w.Server, bearer, http.MethodPost, "/explain", question)).Status)
	}

	paths, _ := get(w.TB.(*testing.T), w.Server, "/api/v1/openapi.json").JSON["paths"].(map[string]any)
	operations, victim := 0, w.client("victim")
	for path, item := range paths {
		path = strings.NewReplacer("{id}", victim.ID, "{", "", "}", "").Replace(path)
		for method := range item.(map[string]any) {
			if method = strings.ToUpper(method); method == "DELETE" || method == "PARAMETERS" {
				continue
			}
			operations++
			w.kept(api(w.Server, bearer, method, path, object{"name": 1, "secret": agent.Secret, "labels": object{"x": object{"y": agent.Secret}}}))
			w.kept(api(w.Server, bearer, method, path, nil))
			w.kept(api(w.Server, bearer+"x", method, path, nil))
			w.kept(api(w.Server, agent.Secret, method, path, nil))
		}
	}
	require.Greater(w.TB, operations, 40)
}

// signIn: people, well and badly. What they are given goes into cookies and the
// pages that show it, and nowhere else.
func (w *watched) signIn() {
	const typed, chosen = "typed-canary-91b7 plum", "chosen-canary-2c4d lantern"
	w.secrets["password"], w.secrets["guessed password"], w.secrets["new password"] = harness.Password, typed, chosen
	alice := w.Person("alice")
	hash, err := w.Store.Password(context.Background(), alice.ID)
	require.NoError(w.TB, err)
	w.ledgerOnly = canary.Secrets{"password hash": hash.Hash}
	b := w.Browser()
	cookies := func(name string) {
		for _, cookie := range []string{"deputy_session", "deputy_device", "deputy_signin"} {
			if value := b.Cookie(cookie); value != "" {
				w.secrets[name+"'s "+cookie] = value
			}
		}
	}
	w.kept(b.SignIn("alice", typed))
	b.SignIn(typed, harness.Password) // in the wrong field; the page shows what was typed there
	require.Equal(w.TB, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
	cookies("password sign-in")
	page := b.Post("/account/totp", nil)
	w.secrets["second factor"] = strings.ReplaceAll(secretOnPage.FindStringSubmatch(page.Body)[1], " ", "")
	code, err := totp.GenerateCode(w.secrets["second factor"], w.Clock.Now())
	require.NoError(w.TB, err)
	b.Post("/account/totp/confirm", url.Values{"code": {"123"}}) // shows once more what is to be typed into the app
	require.Equal(w.TB, http.StatusOK, b.Post("/account/totp/confirm", url.Values{"code": {code}}).Status)
	require.Equal(w.TB, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
	cookies("half a sign-in")
	w.kept(b.Post("/login/otp", url.Values{"code": {code}}))
	for _, purpose := range []string{models.LinkRecover, models.LinkSetup} {
		l := &models.Link{Purpose: purpose, ExpiresAt: w.Store.Now() + 600}
		if purpose != models.LinkSetup {
			l.UserID = &alice.ID
		}
		token, err := w.Store.CreateLink(context.Background(), models.By{System: "test"}, l)
		require.NoError(w.TB, err)
		w.secrets[purpose+" link"] = token
		require.Equal(w.TB, http.StatusOK, b.Get("/"+purpose+"/"+token).Status)
		require.Equal(w.TB, http.StatusNotFound, b.Get("/invite/"+token+"x").Status) // links to itself, in other languages
		a := b.Post("/"+purpose+"/"+token, url.Values{"username": {"ada"}, "password": {chosen}, "again": {chosen}})
		require.Equal(w.TB, http.StatusSeeOther, a.Status, a.Body)
		cookies(purpose)
		require.NoError(w.TB, w.People.Tend(context.Background()))
	}
	w.kept(b.Post("/account/password", url.Values{"current": {typed}, "password": {chosen}, "again": {chosen}}))
	require.Equal(w.TB, http.StatusOK, b.Post("/logout", nil).Status)
}

// maintain: what runs behind requests, policy that errs, and a database that is gone.
func (w *watched) maintain(agent *harness.Client, service *models.ResourceServer) {
	ctx := context.Background()
	_, err := w.Keys.Rotate(ctx, models.By{System: "test"}, 300)
	require.NoError(w.TB, err)
	require.NoError(w.TB, w.Store.SignHead(ctx, w.Keys.LedgerSigner()))
	require.NoError(w.TB, w.Endpoint.Tend(ctx))
	for _, label := range []string{"trip", "conflict"} {
		w.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, agent.ID, models.AnyVersion, func(c *models.Client) { c.Labels = models.Labels{label: "yes"} })
			return err
		})
		a := w.form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read"))
		require.Equal(w.TB, http.StatusInternalServerError, a.Status, "%s: %s", label, a.Body)
	}
	require.Error(w.TB, w.Engine.Load(fstest.MapFS{"issue.rego": {Data: []byte("package house.issue\n\ndeny := true\n")}}))
}

// nothingFound looks everywhere, after it made sure that it would find something.
func (w *watched) nothingFound() {
	w.TB.Helper()
	const marker = "marker-canary-0a1b2c3d"
	planted := canary.Secrets{"marker": marker}
	w.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateUser(ctx, by, &models.User{Username: "planted", Name: marker})
	})
	dump := canary.Dump(w.TB, w.Database)
	for _, place := range []string{"users.name", "ledger.detail"} {
		require.NotEmpty(w.TB, planted.Found(dump[place]), "a marker in %s was not found: the search is blind", place)
	}
	hash := canary.Secrets{"hash": string(models.HashSecret(w.secrets["agent's secret"]))}
	require.NotEmpty(w.TB, hash.Found(dump["credentials.secret_hash"]), "blobs are not searched")
	require.NotEmpty(w.TB, planted.Found([]byte(`{"x":"`+base64.StdEncoding.EncodeToString([]byte(marker))+`"}`)))
	require.Contains(w.TB, string(w.log.Bytes()), `"msg":"request"`)
	require.Contains(w.TB, string(w.log.Bytes()), "policy did not answer")
	require.NotEmpty(w.TB, w.errors)
	require.Greater(w.TB, len(w.secrets), 20)

	for place, text := range dump {
		require.Empty(w.TB, w.secrets.Found(text), "in %s", place)
		if strings.HasPrefix(place, "ledger.") {
			require.Empty(w.TB, w.ledgerOnly.Found(text), "in %s", place)
		}
	}
	require.Empty(w.TB, w.secrets.Found(w.log.Bytes()), "in the log")
	require.Empty(w.TB, w.secrets.Found(w.errors), "in refusals")

	require.NoError(w.TB, w.Store.Close()) // and what is said when nothing can be done any more
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
		w.kept(w.Form(path, &harness.Client{Client: &models.Client{Meta: models.Meta{ID: "agt_x"}}, Secret: w.secrets["agent's secret"]},
			url.Values{"grant_type": {"client_credentials"}, "token": {w.secrets["token"]}}))
	}
	require.Empty(w.TB, w.secrets.Found(w.log.Bytes()), "in the log")
	require.Empty(w.TB, w.secrets.Found(w.errors), "in refusals")
}
