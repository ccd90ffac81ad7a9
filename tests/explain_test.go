package tests

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/tests/harness"
)

// A request that is granted is told as such, with all that the token then says,
// whether its subject token is handed in or named.
func TestExplainTellsWhatWouldBeGranted(t *testing.T) {
	for _, dialect := range harness.Dialects {
		for _, grant := range []string{own, exchange} {
			t.Run(dialect+"/"+grant[strings.LastIndex(grant, ":")+1:], func(t *testing.T) {
				t.Parallel()
				s := newScene(t, dialect, grant)
				s.Clock.Stop() // a life that ends with its parent's is a second shorter each second
				admin := explainer(s.Server)
				body := of(s.agent.ID, s.request.form)
				x := explain(s.Server, admin, body)
				require.True(t, x.Granted)
				require.NotZero(t, x.Epoch)
				require.NotEmpty(t, x.Policy.House)
				require.Equal(t, "client_secret_basic", x.Assumed.Method)
				require.Len(t, x.Credentials, 2)

				if grant == exchange {
					body["subject_token"] = jti(t, s.subject)
					named := explain(s.Server, admin, body)
					require.Equal(t, x.Decision, named.Decision)
				}
				got := s.send()
				require.Equal(t, http.StatusOK, got.Status, got.Body)
				_, c := claimsOf(t, got.String("access_token"))
				require.Equal(t, strings.Join(x.Decision.Scopes, " "), c["scope"])
				require.Equal(t, x.Decision.Audience, c["aud"])
				require.Equal(t, x.Decision.Subject, c["sub"])
				require.InDelta(t, x.Decision.TTL, got.JSON["expires_in"], 2)

				y := explainDecision(s.Server, admin, s.entryOf(got.String("access_token")).ID)
				require.True(t, y.Granted)
				require.Equal(t, c["scope"], strings.Join(y.Decision.Scopes, " "))
			})
		}
	}
}

// entryOf is the ledger's row of an issued token.
func (s *scene) entryOf(raw string) models.Entry {
	s.TB.Helper()
	rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{TokenID: jti(s.TB, raw), Outcome: models.OutcomeGranted}, -1, 10)
	require.NoError(s.TB, err)
	require.NotEmpty(s.TB, rows)
	return rows[0]
}

func jti(tb testing.TB, raw string) string {
	tb.Helper()
	_, claims, err := tokens.Peek(raw)
	require.NoError(tb, err)
	return claims["jti"].(string)
}

// Who could change the answer is told by name where there is a name.
func TestExplainNamesWhoCouldChangeIt(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, dialect, exchange)
			admin := explainer(s.Server)
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateResourceServer(ctx, by, s.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &s.origin.ID })
				return err
			})
			s.suspend(s.origin)
			s.request.form.Set("scope", "work:do work:undo work:unheard")
			x := explain(s.Server, admin, of(s.agent.ID, s.request.form))
			byReason := map[string]lack{}
			for _, l := range x.Missing {
				byReason[l.Reason+"/"+l.Party+"/"+l.Scope] = l
			}
			held := byReason["scope_not_held/client/work:undo"]
			require.Equal(t, "agent", held.Name)
			require.Contains(t, held.Rule, "floor/scope/scope.rego:")
			require.Equal(t, []struct{ Kind, Right, ID, Name string }{
				{Kind: "owner", ID: s.owner.ID, Name: "owner"}, {Kind: "administrator", Right: "roles:assign"},
			}, held.Who)
			require.Equal(t, []struct{ Kind, Right, ID, Name string }{
				{Kind: "requester", ID: s.agent.ID, Name: "agent"}, {Kind: "operator", ID: s.origin.ID, Name: "origin"}, {Kind: "administrator", Right: "resources:write"},
			}, byReason["scope_unknown/resource_server/work:unheard"].Who)
			suspended := byReason["subject_inactive/subject/"]
			require.Equal(t, "suspended", suspended.Value)
			require.Equal(t, "origin-owner", suspended.Who[0].Name)
			require.Equal(t, jti(t, s.subject), byReason["scope_not_in_parent/parent_token/work:undo"].ID)
			require.True(t, byReason["scope_not_held/client/work:unheard"].Follows, "nobody holds what is not defined")
			require.False(t, held.Follows)
			require.Equal(t, []string{"work:do"}, x.Decision.Scopes, "so much no party lacks")
		})
	}
}

// What house policy takes away is told with its place in the house.
func TestExplainTellsOfHousePolicy(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, dialect, own)
			admin := explainer(s.Server)
			for label, c := range map[string]struct{ reason, scope, lacks string }{
				"frozen=true":     {"client_frozen", "", "permission"},
				"without=work:do": {"scope_withheld", "work:do", "scope"},
			} {
				name, value, _ := strings.Cut(label, "=")
				s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
					_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(m *models.Client) { m.Labels = models.Labels{name: value} })
					return err
				})
				x := explain(s.Server, admin, of(s.agent.ID, s.request.form))
				require.Len(t, x.Missing, 1)
				l := x.Missing[0]
				require.Equal(t, []string{c.reason, c.scope, c.lacks, "house_policy", "house"}, []string{l.Reason, l.Scope, l.Lacks, l.Party, l.Layer})
				require.Regexp(t, `^house/issue/issue\.rego:\d+$`, l.Rule)
				require.NotEmpty(t, l.About)
				require.Equal(t, "clients:write", l.Who[0].Right)
				require.Equal(t, "author", l.Who[1].Kind)
				if c.scope != "" {
					require.Equal(t, map[string][]string{c.scope: {c.reason}}, x.Decision.Removed)
				}
				a := s.send()
				require.Equal(t, a.String("error"), x.Error)
				require.Equal(t, a.String("error_description"), x.Description)
			}
		})
	}
}

// Explaining takes a right of its own and the rights to read what it shows; who
// lacks one learns nothing.
func TestExplainingTakesItsRights(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, dialect, own)
			admin := explainer(s.Server)
			body := of(s.agent.ID, s.request.form)
			all := strings.Fields("policy:explain clients:read resources:read tokens:read users:read")
			for i, lacking := range all {
				rest := slices.Delete(slices.Clone(all), i, i+1)
				a := api(s.Server, s.Own(admin, s.URL+"/api/v1", strings.Join(rest, " ")), http.MethodPost, "/explain", body)
				require.Equal(t, http.StatusForbidden, a.Status, a.Body)
				require.Contains(t, a.String("detail"), "lacks scope "+lacking)
				require.NotContains(t, a.Body, s.agent.ID)
				require.Equal(t, models.OutcomeRefused, s.LastEntry().Outcome)
				require.Equal(t, a.String("decision_id"), s.LastEntry().ID)
			}
			require.Equal(t, http.StatusOK, api(s.Server, s.Own(admin, s.URL+"/api/v1", strings.Join(all, " ")), http.MethodPost, "/explain", body).Status)
			require.Equal(t, http.StatusUnauthorized, api(s.Server, "nonsense", http.MethodPost, "/explain", body).Status)
			stranger := s.Own(s.agent, s.service.Identifier, "work:do")
			require.Equal(t, http.StatusUnauthorized, api(s.Server, stranger, http.MethodPost, "/explain", body).Status)

			id := s.LastEntry().ID
			a := api(s.Server, s.Own(admin, s.URL+"/api/v1", strings.Join(all, " ")), http.MethodGet, "/audit/entries/"+id+"/explanation", nil)
			require.Equal(t, http.StatusForbidden, a.Status, "the ledger takes audit:read")
		})
	}
}

func TestExplainRefusesWhatItCannotUnderstand(t *testing.T) {
	s := newScene(t, "sqlite", exchange)
	admin := explainer(s.Server)
	revoked := s.Agent("revoked", s.owner)
	good := of(s.agent.ID, s.request.form)
	for name, c := range map[string]struct {
		edit   func(object)
		status int
		field  string
	}{
		"unknown client":      {func(b object) { b["client_id"] = "agt_nobody" }, 422, "client_id"},
		"a user as client":    {func(b object) { b["client_id"] = s.owner.ID }, 422, "client_id"},
		"no client":           {func(b object) { delete(b, "client_id") }, 422, "client_id"},
		"unknown grant":       {func(b object) { b["grant_type"] = "password" }, 422, "grant_type"},
		"malformed scope":     {func(b object) { b["scopes"] = []string{"two words"} }, 422, "scopes.0"},
		"malformed resource":  {func(b object) { b["resources"] = []string{"service"} }, 422, "resources"},
		"too many resources":  {func(b object) { b["resources"] = slices.Repeat([]string{"https://x.example"}, 17) }, 422, "resources"},
		"no subject token":    {func(b object) { delete(b, "subject_token") }, 422, "subject_token"},
		"token where none is": {func(b object) { b["grant_type"] = "client_credentials" }, 422, "subject_token"},
		"actor where none is": {func(b object) {
			b["grant_type"], b["actor_token"] = "client_credentials", "x"
			delete(b, "subject_token")
		}, 422, "actor_token"},
		"foreign credential":         {func(b object) { b["credential_id"] = revoked.CredentialID }, 422, "credential_id"},
		"credential of another kind": {func(b object) { b["credential_id"], b["client_auth_method"] = s.agent.CredentialID, "private_key_jwt" }, 422, "credential_id"},
		"a secret":                   {func(b object) { b["client_secret"] = "x" }, 400, "client_secret"},
		"the past":                   {func(b object) { b["at"] = "2020-01-01T00:00:00Z" }, 422, "at"},
		"no time":                    {func(b object) { b["at"] = "tomorrow" }, 400, "at"},
		"scopes as text":             {func(b object) { b["scopes"] = "work:do" }, 400, "scopes"},
		"more than a token request":  {func(b object) { b["subject_token"] = strings.Repeat("€", 16384) }, 422, ""},
		"an oversize token":          {func(b object) { b["subject_token"] = strings.Repeat("x", 16385) }, 422, "subject_token"},
	} {
		t.Run(name, func(t *testing.T) {
			body := object{}
			for k, v := range good {
				body[k] = v
			}
			c.edit(body)
			a := api(s.Server, s.Own(admin, s.URL+"/api/v1", explaining), http.MethodPost, "/explain", body)
			require.Equal(t, c.status, a.Status, a.Body)
			require.Equal(t, c.field, a.String("field"), a.Body)
			require.NotEmpty(t, a.String("detail"))
		})
	}
	change := s.firstChange()
	token := s.Own(admin, s.URL+"/api/v1", explaining)
	require.Equal(t, 422, api(s.Server, token, http.MethodGet, "/audit/entries/"+change+"/explanation", nil).Status)
	require.Equal(t, 404, api(s.Server, token, http.MethodGet, "/audit/entries/dec_none/explanation", nil).Status)
}

func (s *scene) firstChange() string {
	s.TB.Helper()
	rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{Kind: models.KindChange}, -1, 1)
	require.NoError(s.TB, err)
	require.Len(s.TB, rows, 1)
	return rows[0].ID
}

// A credential is assumed, never made up: a client without one could not ask.
func TestExplainAssumesOnlyLiveCredentials(t *testing.T) {
	s := newScene(t, "sqlite", own)
	admin := explainer(s.Server)
	body := of(s.agent.ID, s.request.form)
	body["client_auth_method"] = oauth.PrivateKeyJWT
	x := explain(s.Server, admin, body)
	require.True(t, x.Granted)
	require.NotEqual(t, s.agent.CredentialID, x.Assumed.Credential)
	require.Equal(t, oauth.PrivateKeyJWT, x.Assumed.Method)
	delete(body, "client_auth_method")
	for _, c := range x.Credentials {
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeCredential(ctx, by, s.agent.ID, c.ID)
		})
	}
	x = explain(s.Server, admin, body)
	require.Empty(t, x.Credentials)
	require.Empty(t, x.Assumed.Credential)
	require.Equal(t, "credential_unknown", x.Missing[0].Reason)
	require.Equal(t, "credential", x.Missing[0].Lacks)
	require.Len(t, x.Missing, 1)
	require.Equal(t, oauth.InvalidClient, s.send().String("error"))
}

// A time to come is asked about with the facts of now.
func TestExplainOfATimeToCome(t *testing.T) {
	s := newScene(t, "sqlite", own)
	admin := explainer(s.Server)
	body := of(s.agent.ID, s.request.form)
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(m *models.Client) { m.ExpiresAt = s.Clock.Now().Add(time.Hour).Unix() })
		return err
	})
	require.True(t, explain(s.Server, admin, body).Granted)
	body["at"] = s.Clock.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
	x := explain(s.Server, admin, body)
	require.Equal(t, "client_expired", x.Missing[0].Reason)
	require.True(t, x.Missing[1].Follows, "what is exhausted follows from what expired")
	require.Equal(t, http.StatusOK, s.send().Status, "and nothing came of it")
}

// What an explanation says fits is what can be signed, to the byte.
func TestFittingIsWhatSigningAllows(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	fit, large := 0, 0
	for n := 11_000; n < 12_400; n++ {
		c := tokens.Claims{Subject: "agt_1", Scope: strings.Repeat("x", n)}
		_, err := s.Keys.Sign(c)
		require.Equal(t, err, s.Keys.Fits(c), n)
		if err == nil {
			fit++
		} else {
			require.ErrorIs(t, err, tokens.ErrTooLarge)
			large++
		}
	}
	require.Positive(t, fit)
	require.Positive(t, large)
}

// A policy that is not to be believed is explained as just that.
func TestExplainWearsTheSeatBelt(t *testing.T) {
	floor := harness.Sabotaged(t, "floor/scope/scope.rego", `(?s)missing contains \{"code": "scope_not_held", "party": "client".*?\n\}\n`)
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t, dialect, harness.Options{Floor: floor})
			agent := s.Agent("agent", s.User("owner"))
			form := harness.OwnForm(s.Service("service", nil, "work:do").Identifier, "work:do")
			admin := explainer(s)
			x := explain(s, admin, of(agent.ID, form))
			require.Len(t, x.Missing, 1)
			l := x.Missing[0]
			require.Equal(t, []string{policies.CodeSeatBelt, "deputy", "server", "answer", "host"}, []string{l.Reason, l.Party, l.Layer, l.Lacks, l.Who[0].Kind})
			require.EqualValues(t, 1, s.Endpoint.Alarms())
			a := s.Form("/oauth2/token", agent, form)
			require.Equal(t, a.String("error"), x.Error)
			require.Equal(t, a.String("error_description"), x.Description)
		})
	}
}

// A token that could not be made is not promised.
func TestExplainPromisesNoTokenThatIsTooLarge(t *testing.T) {
	s := newScene(t, "sqlite", own)
	admin := explainer(s.Server)
	var scopes []string
	for i := range 150 {
		scopes = append(scopes, strings.Repeat("x", 120)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	big := s.Service("big", nil, scopes...)
	s.Allow(s.agent.ID, big, scopes...)
	form := harness.OwnForm(big.Identifier, strings.Join(scopes, " "))
	s.request.form = form
	a := s.send()
	require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
	x := explain(s.Server, admin, of(s.agent.ID, form))
	require.Equal(t, "token_too_large", x.Missing[0].Reason)
	require.Equal(t, a.String("error"), x.Error)
	require.Equal(t, a.String("error_description"), x.Description)
	require.Equal(t, "token_too_large", explainDecision(s.Server, admin, a.String("decision_id")).Missing[0].Reason)
}

// Whatever was decided can be explained, not tokens alone.
func TestEveryKindOfDecisionIsExplained(t *testing.T) {
	s := newScene(t, "sqlite", own)
	admin, stranger := explainer(s.Server), s.Agent("stranger", s.owner)
	token := s.Own(s.agent, s.service.Identifier, "work:do")
	for path, reason := range map[string]string{"introspect": "caller_not_audience", "revoke": "token_not_own"} {
		require.Equal(t, http.StatusOK, s.Form("/oauth2/"+path, stranger, url.Values{"token": {token}}).Status)
		x := explainDecision(s.Server, admin, s.LastEntry().ID)
		at := slices.IndexFunc(x.Missing, func(l lack) bool { return l.Reason == reason })
		require.GreaterOrEqual(t, at, 0, "%+v", x.Missing)
		require.Equal(t, "stranger", x.Missing[at].Name)
		require.Contains(t, x.Missing[at].Rule, "floor/"+path+"/"+path+".rego:")
	}
	require.Equal(t, http.StatusOK, s.Form("/oauth2/revoke", s.agent, url.Values{"token": {token}}).Status)
	rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{Action: "revoke", Outcome: models.OutcomeGranted}, -1, 1)
	require.NoError(t, err)
	require.True(t, explainDecision(s.Server, admin, rows[0].ID).Granted)
}
