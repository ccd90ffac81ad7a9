package tests

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/tests/harness"
)

// explaining is all that explaining takes.
const explaining = "policy:explain clients:read resources:read tokens:read users:read audit:read"

// explanation is what the API answers, as far as tests look at it.
type explanation struct {
	Granted  bool `json:"would_be_granted"`
	Decision struct {
		Scopes   []string
		Audience string
		TTL      int64
		Subject  string `json:"subject_id"`
		Chain    []string
		Removed  map[string][]string
	}
	Missing     []lack
	Error       string
	Description string `json:"error_description"`
	Names       map[string]string
	Credentials []struct{ ID string }
	Assumed     struct {
		Credential string `json:"credential_id"`
		Method     string `json:"client_auth_method"`
	}
	Policy   struct{ Floor, House string }
	Epoch    int64
	Recorded struct {
		Decision string `json:"decision_id"`
	}
}

type lack struct {
	Party   string
	ID      string `json:"party_id"`
	Name    string `json:"party_name"`
	Lacks   string
	Scope   string
	Value   string
	Reason  string
	Layer   string
	Rule    string
	About   string `json:"rule_description"`
	Message string
	Remedy  string
	Who     []struct{ Kind, Right, ID, Name string }
	Follows bool
}

// explainer is an administrator who may explain.
func explainer(s *harness.Server) *harness.Client {
	s.TB.Helper()
	c := s.Application("explainer-" + strings.ToLower(models.NewID("x")[2:]))
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: c.ID})
	})
	return c
}

// explain asks what a request would be answered.
func explain(s *harness.Server, as *harness.Client, body object) explanation {
	s.TB.Helper()
	return explained(s, api(s, s.Own(as, s.URL+"/api/v1", explaining), http.MethodPost, "/explain", body))
}

// explainDecision asks why a recorded request was answered as it was.
func explainDecision(s *harness.Server, as *harness.Client, id string) explanation {
	s.TB.Helper()
	return explained(s, api(s, s.Own(as, s.URL+"/api/v1", explaining), http.MethodGet, "/audit/entries/"+id+"/explanation", nil))
}

// explained holds every explanation to what all of them must be.
func explained(s *harness.Server, a harness.Answer) (x explanation) {
	s.TB.Helper()
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	require.NoError(s.TB, json.Unmarshal([]byte(a.Body), &x))
	require.Equal(s.TB, x.Granted, len(x.Missing) == 0, a.Body)
	require.Equal(s.TB, x.Granted, x.Error == "", a.Body)
	for _, l := range x.Missing {
		for what, value := range map[string]string{"party": l.Party, "lacks": l.Lacks, "reason": l.Reason, "message": l.Message, "remedy": l.Remedy, "layer": l.Layer} {
			require.NotEmpty(s.TB, value, "%s of %+v", what, l)
		}
		require.NotEmpty(s.TB, l.Who, "%+v", l)
		if l.Layer != "server" {
			require.Regexp(s.TB, `^`+l.Layer+`/[a-z_./]+:[0-9]+$`, l.Rule)
		}
	}
	if len(x.Missing) > 0 {
		require.False(s.TB, x.Missing[0].Follows && len(x.Missing) == 1, "something must be the cause")
	}
	return x
}

// of is the body that asks about a form.
func of(client string, form url.Values) object {
	body := object{"client_id": client, "grant_type": form.Get("grant_type")}
	if scopes := strings.Fields(form.Get("scope")); len(scopes) > 0 {
		body["scopes"] = scopes
	}
	if resources := slices.Concat(form["resource"], form["audience"]); len(resources) > 0 {
		body["resources"] = resources
	}
	for _, token := range []string{"subject_token", "actor_token"} {
		if form.Get(token) != "" {
			body[token] = form.Get(token)
		}
	}
	return body
}

// why lists reasons so that they can be compared.
type why struct{ Code, Party, ID, Scope, Value, Rule string }

var parties = map[string]string{"": "deputy", "floor": "deputy", "house": "house_policy", "parent": "parent_token", "resource": "resource_server"}

// recordedWhy are the reasons the ledger has for a decision, parties as explanations call them.
func recordedWhy(tb testing.TB, e models.Entry) []why {
	tb.Helper()
	var d struct {
		Decision struct {
			Reasons []struct{ Code, Party, Scope, Value, Rule string }
		}
	}
	require.NoError(tb, json.Unmarshal([]byte(e.Detail), &d))
	out := []why{}
	for _, r := range d.Decision.Reasons {
		if name, ok := parties[r.Party]; ok {
			r.Party = name
		}
		out = append(out, why{r.Code, r.Party, "", r.Scope, r.Value, r.Rule})
	}
	return out
}

func explainedWhy(x explanation) []why {
	out := []why{}
	for _, l := range x.Missing {
		out = append(out, why{l.Reason, l.Party, "", l.Scope, l.Value, l.Rule})
	}
	return out
}

// mustExplain holds that the refusal's decision id leads to its explanation, and
// that asking beforehand would have told the same.
func (s *scene) mustExplain(a harness.Answer, e models.Entry) {
	s.TB.Helper()
	admin := explainer(s.Server)
	x := explainDecision(s.Server, admin, e.ID)
	require.False(s.TB, x.Granted)
	require.Equal(s.TB, e.ID, x.Recorded.Decision)
	require.Equal(s.TB, a.String("error"), x.Error)
	if e.Kind != models.KindDecision {
		require.Len(s.TB, x.Missing, 1)
		require.Contains(s.TB, e.Detail, `"`+x.Missing[0].Reason+`"`)
		return
	}
	require.Equal(s.TB, a.String("error_description"), x.Description)
	require.ElementsMatch(s.TB, recordedWhy(s.TB, e), explainedWhy(x))

	body := of(e.ClientID, s.request.form)
	if token, _ := body["subject_token"].(string); len(token) > 16384 {
		return // the description of the API bounds it
	}
	before, seq := s.Tokens(), s.LastEntry().Seq
	y := explain(s.Server, admin, body)
	require.Equal(s.TB, before+1, s.Tokens(), "the explainer's own token, and no other")
	require.Equal(s.TB, seq+2, s.LastEntry().Seq, "that token, and that it was asked")
	require.Equal(s.TB, "admin:explainRequest", s.LastEntry().Action)
	require.Equal(s.TB, x.Missing, y.Missing)
	require.Equal(s.TB, x.Error, y.Error)
	require.Equal(s.TB, x.Description, y.Description)
	require.Equal(s.TB, x.Policy, y.Policy)
}

// A request that is granted is told as such, with all that the token then says,
// whether its subject token is handed in or named.
func TestExplainTellsWhatWouldBeGranted(t *testing.T) {
	for _, dialect := range harness.Dialects {
		for _, grant := range []string{own, exchange} {
			t.Run(dialect+"/"+grant[strings.LastIndex(grant, ":")+1:], func(t *testing.T) {
				t.Parallel()
				s := newScene(t, dialect, grant)
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
