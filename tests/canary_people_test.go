package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// carried are codes and refresh tokens, used as they are meant and as they are not.
func (w *watched) carried(agent *harness.Client, service *models.ResourceServer) {
	w.ForPeople(agent)
	user := w.User("grantor")
	w.Allow(user.ID, service, "read")
	w.secrets["verifier"] = harness.Verifier
	at := map[string][]string{service.ID: {"read"}}
	g := w.Grant(user, agent, at, func(c *models.Code) { c.Nonce = "a-nonce" })
	w.secrets["code"] = g.Code
	first := w.form("/oauth2/token", agent, harness.CodeForm(g.Code))
	w.token(first, "token for a code")
	w.secrets["refresh token"] = first.String("refresh_token")
	second := w.form("/oauth2/token", agent, harness.RefreshForm(first.String("refresh_token")))
	w.token(second, "refreshed token")
	w.secrets["next refresh token"] = second.String("refresh_token")
	waiting := w.Grant(user, agent, at, nil)
	w.secrets["waiting code"] = waiting.Code

	w.carriedBadly(agent, service)
	w.Clock.Advance(time.Minute)
	for _, form := range []url.Values{harness.CodeForm(g.Code), harness.RefreshForm(first.String("refresh_token"))} {
		require.Equal(w.TB, http.StatusBadRequest, w.form("/oauth2/token", agent, form).Status, "replayed")
	}
	for _, name := range []string{"waiting code", "next refresh token"} {
		require.Equal(w.TB, http.StatusOK, w.form("/oauth2/revoke", agent, url.Values{"token": {w.secrets[name]}}).Status)
	}
}

// carriedBadly puts them wherever a client may think that they belong.
func (w *watched) carriedBadly(agent *harness.Client, service *models.ResourceServer) {
	stranger := w.ForPeople(w.client("stranger"))
	for _, secret := range []string{w.secrets["waiting code"], w.secrets["next refresh token"], w.secrets["verifier"]} {
		for _, field := range []string{"grant_type", "scope", "resource", "code", "redirect_uri", "code_verifier", "refresh_token", "client_id", "subject_token", "token_type_hint"} {
			for _, form := range []url.Values{harness.CodeForm("dpt_cod_none"), harness.RefreshForm("dpt_rft_none"), harness.OwnForm(service.Identifier, "read")} {
				if field == "scope" && secret == harness.Verifier {
					continue // nobody can tell it from a scope
				}
				form.Set(field, secret)
				w.form("/oauth2/token", agent, form)
				w.form("/oauth2/token", nil, form)
			}
		}
		for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
			w.form(path, stranger, url.Values{"token": {secret}, "token_type_hint": {secret}})
			w.form(path, nil, url.Values{"token": {secret}, "client_id": {secret}})
			w.form(path, &harness.Client{Client: &models.Client{Meta: models.Meta{ID: secret}}, Secret: secret}, url.Values{"token": {secret}})
		}
		for _, path := range []string{"/oauth2/token?code=" + secret, "/oauth2/authorize?request_uri=" + secret, "/api/v1/grants/" + secret, "/callback?code=" + secret, "/" + secret} {
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				req, err := http.NewRequest(method, w.URL+path, strings.NewReader("code="+secret))
				require.NoError(w.TB, err)
				req.Header.Set("Authorization", "Bearer "+secret)
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				a := w.Send(req)
				if !strings.HasPrefix(path, "/oauth2/authorize") { // that page links to itself, in other languages
					w.kept(a)
				}
			}
		}
	}
}

// nothingSent looks through what leaves for the collector of traces, up to a request
// that is made last, and through metrics.
func (w *watched) nothingSent() {
	w.TB.Helper()
	const id = "aaaabbbbccccddddeeeeffff00001111"
	req, err := http.NewRequest(http.MethodGet, w.URL+"/oauth2/jwks", nil)
	require.NoError(w.TB, err)
	req.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	require.Equal(w.TB, http.StatusOK, w.Send(req).Status)
	w.traces.trace(w.TB.(*testing.T), id)
	w.traces.mu.Lock()
	defer w.traces.mu.Unlock()
	require.Greater(w.TB, len(w.traces.spans), 100)
	require.Contains(w.TB, w.traces.raw.String(), "POST /oauth2/token")
	require.Empty(w.TB, w.secrets.Found(w.traces.raw.Bytes()), "in traces")

	families, err := w.Registry.Gather()
	require.NoError(w.TB, err)
	metrics := fmt.Sprint(families)
	require.Contains(w.TB, metrics, "issue:access_token:refresh_token")
	require.Empty(w.TB, w.secrets.Found([]byte(metrics)), "in metrics")
}
