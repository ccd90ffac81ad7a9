package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/tests/harness"
)

// Every grant × every refusal, through HTTP, on both databases. A row begins
// with a request that would be granted and spoils one thing. Each cell says what
// the client must be told and what the ledger must keep; a grant without a cell
// in some row fails the test, so a new grant cannot forget one.

// scene is a world in which request, sent as it is, is granted.
type scene struct {
	*harness.Server
	grant   string
	owner   *models.User
	agent   *harness.Client // who asks
	service *models.ResourceServer
	other   *models.ResourceServer // has a scope of the same name
	request *request

	// Of token exchange: origin's token was sent to agent.
	origin      *harness.Client
	originOwner *models.User
	inbox       *models.ResourceServer // operated by agent
	subject     string                 // token of origin, for inbox; or the code or refresh token

	// Of what a person granted.
	user    *models.User
	granted harness.Granted
}

type request struct {
	form   url.Values
	header http.Header
	body   string // instead of the form
	method string
}

// told is what one grant must answer in one row.
type told struct {
	status int
	code   string
	says   string // part of the description
	why    string // reason in the ledger
	none   string // why the row has no meaning for this grant
}

type row struct {
	name  string
	spoil func(s *scene)
	cells cells
}

// cells are what each grant must answer, by grant type.
type cells map[string]told

// but is what one grant answers instead.
func (c cells) but(grant string, t told) cells {
	c[grant] = t
	return c
}

// person is what the grants that a person gave answer instead.
func (c cells) person(t told) cells {
	for _, g := range []string{code, refresh, ciba, devices} {
		c[g] = t
	}
	return c
}

const (
	own      = oauth.ClientCredentials
	exchange = oauth.TokenExchange
	code     = oauth.AuthorizationCode
	refresh  = oauth.RefreshToken
	ciba     = oauth.CIBA
	devices  = oauth.DeviceCode
)

// both is a row that all grants answer alike, whether a machine's or a person's.
func both(t told) cells { return cells{own: t, exchange: t}.person(t) }

// exchangeOnly is a row about the subject token.
func exchangeOnly(t told) cells {
	none := told{none: "it takes no token"}
	return cells{own: none, exchange: t}.person(none)
}

// Each row is on both databases, and each grant: on Postgres, which takes ten times as
// long to set up, a row has one grant. Every grant with every row is on both where
// EVERY_DATABASE is set (make refusals).
func TestEveryGrantRefuses(t *testing.T) {
	rows := append(append(requestRows(), clientRows()...), append(append(targetRows(), tokenRows()...), personRows()...)...)
	for i, g := range grants.All() {
		for j, r := range rows {
			dialects := harness.Dialects
			if j%len(grants.All()) != i && os.Getenv("EVERY_DATABASE") == "" {
				dialects = dialects[:1]
			}
			for _, dialect := range dialects {
				want, listed := r.cells[g.Type()]
				name := dialect + "/" + g.Type()[strings.LastIndexByte(g.Type(), ':')+1:] + "/" + r.name
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					require.True(t, listed, "grant %s has no cell in row %q", g.Type(), r.name)
					if want.none != "" {
						return
					}
					s := newScene(t, dialect, g.Type())
					r.spoil(s)
					s.mustRefuse(want)
				})
			}
		}
	}
}

// The scene itself must be granted, or the rows would prove nothing.
func TestSceneIsGranted(t *testing.T) {
	for _, dialect := range harness.Dialects {
		for _, g := range grants.All() {
			t.Run(dialect+"/"+g.Type(), func(t *testing.T) {
				s := newScene(t, dialect, g.Type())
				s.request.form.Set("a_parameter_nobody_knows", "is ignored (RFC 6749 section 3.2)")
				a := s.send()
				require.Equal(t, http.StatusOK, a.Status, a.Body)
				require.Equal(t, "work:do", a.String("scope"))
			})
		}
	}
}

func newScene(t *testing.T, dialect, grant string) *scene {
	s := &scene{Server: harness.New(t, dialect, harness.Options{}), grant: grant}
	s.owner, s.originOwner = s.User("owner"), s.User("origin-owner")
	s.agent = s.WithKey(s.Agent("agent", s.owner))
	s.service = s.Service("service", nil, "work:do", "work:undo")
	s.other = s.Service("other", nil, "work:do", "work:redo")
	s.Allow(s.agent.ID, s.service, "work:do")
	form := harness.OwnForm(s.service.Identifier, "work:do")
	if grant == exchange {
		s.origin = s.Agent("origin", s.originOwner)
		s.inbox = s.Service("inbox", s.agent)
		s.Scope(s.inbox, "task:send", models.ScopeRef{ResourceID: s.service.ID, Name: "work:do"})
		s.Allow(s.origin.ID, s.inbox, "task:send")
		s.Allow(s.origin.ID, s.service, "work:do")
		s.subject = s.Own(s.origin, s.inbox.Identifier, "task:send")
		form = harness.ExchangeForm(s.subject, s.service.Identifier, "work:do")
	}
	if grant != own && grant != exchange {
		form = s.grantedForm()
	}
	s.request = &request{form: form, header: http.Header{}, method: http.MethodPost}
	s.request.header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.request.header.Set("Authorization", "Basic "+basic(s.agent.ID, s.agent.Secret))
	return s
}

func (s *scene) send() harness.Answer {
	s.TB.Helper()
	body := s.request.body
	if body == "" {
		body = s.request.form.Encode()
	}
	req, err := http.NewRequest(s.request.method, s.URL+"/oauth2/token", strings.NewReader(body))
	require.NoError(s.TB, err)
	req.Header = s.request.header
	return s.Send(req)
}

// mustRefuse holds answer and ledger to what was told, and counts tokens.
func (s *scene) mustRefuse(want told) {
	s.TB.Helper()
	before, seq := s.Tokens(), s.LastEntry().Seq
	a := s.send()
	require.Equal(s.TB, want.status, a.Status, a.Body)
	require.Equal(s.TB, want.code, a.String("error"), a.Body)
	require.Contains(s.TB, a.String("error_description"), want.says)
	require.NotContains(s.TB, a.JSON, "access_token")
	require.Equal(s.TB, "no-store", a.Header.Get("Cache-Control"))
	if want.status == http.StatusUnauthorized {
		require.Contains(s.TB, a.Header.Get("WWW-Authenticate"), "Basic")
	}
	require.Equal(s.TB, before, s.Tokens(), "a token was issued")

	e := s.LastEntry()
	if e.Kind == models.KindChange { // what was granted ended by it
		cause, err := s.Store.EntryByID(s.TB.Context(), a.String("decision_id"))
		require.NoError(s.TB, err)
		e = *cause
	}
	require.Greater(s.TB, e.Seq, seq, "the ledger has no row of the refusal")
	require.Equal(s.TB, models.OutcomeRefused, e.Outcome)
	require.Equal(s.TB, a.String("decision_id"), e.ID)
	require.Contains(s.TB, reasonsOf(s.TB, e), want.why)
	for _, secret := range []string{s.agent.Secret, s.subject} {
		if secret != "" {
			require.NotContains(s.TB, e.Detail, secret)
			require.NotContains(s.TB, a.Body, secret)
		}
	}
	require.NotEmpty(s.TB, a.String("error_description"), "every refusal says something")
	s.mustExplain(a, e)
}

func reasonsOf(tb testing.TB, e models.Entry) []string {
	tb.Helper()
	var d struct {
		Reason   string
		Decision struct {
			Reasons []struct{ Code, Party string }
		}
	}
	require.NoError(tb, json.Unmarshal([]byte(e.Detail), &d))
	out := []string{}
	if d.Reason != "" {
		out = append(out, d.Reason)
	}
	for _, r := range d.Decision.Reasons {
		out = append(out, r.Code, r.Code+"/"+r.Party)
	}
	return out
}

func badRequest(says, why string) told {
	return told{status: http.StatusBadRequest, code: "invalid_request", says: says, why: why}
}

func badClient(why string) told {
	return told{status: http.StatusUnauthorized, code: "invalid_client", says: "Client authentication failed.", why: why}
}

func bad(code, says, why string) told {
	return told{status: http.StatusBadRequest, code: code, says: says, why: why}
}

// requestRows: what cannot be read.
func requestRows() []row {
	return []row{
		{"garbage", func(s *scene) { s.request.body = "%zz;\x00" }, both(badRequest("well-formed", "unreadable"))},
		{"no body", func(s *scene) { s.request.form = url.Values{} }, both(badRequest("grant_type is missing", "grant_type_missing"))},
		{"JSON body", func(s *scene) { s.request.header.Set("Content-Type", "application/json") }, both(badRequest("x-www-form-urlencoded", "content_type"))},
		{"oversize", func(s *scene) { s.request.form.Set("x", strings.Repeat("x", oauth.MaxBody)) }, both(badRequest("larger than", "too_large"))},
		{"too many parameters", func(s *scene) {
			for i := range 70 {
				s.request.form.Set(strings.Repeat("p", i+1), "x")
			}
		}, both(badRequest("More than 64 parameters", "too_large"))},
		{"duplicate scope", func(s *scene) { s.request.form.Add("scope", "work:do") }, both(badRequest("scope is repeated", "duplicate_parameter"))},
		{"duplicate grant_type", func(s *scene) { s.request.form.Add("grant_type", s.grant) }, both(badRequest("grant_type is repeated", "duplicate_parameter"))},
		{"missing grant_type", func(s *scene) { s.request.form.Del("grant_type") }, both(badRequest("grant_type is missing", "grant_type_missing"))},
		{"unknown grant_type", func(s *scene) {
			for _, p := range []string{"subject_token", "subject_token_type", "code", "code_verifier", "refresh_token", "auth_req_id", "device_code"} {
				s.request.form.Del(p)
			}
			s.request.form.Set("grant_type", "password")
		}, both(bad("unsupported_grant_type", "does not know", "unsupported_grant_type"))},
		{"malformed scope", func(s *scene) { s.request.form.Set("scope", `work:do "quoted"`) }, both(bad("invalid_scope", "character", "scope_malformed"))},
		{"a secret where a scope belongs", func(s *scene) { s.request.form.Set("scope", "dpt_rft_of-somebody") },
			both(bad("invalid_scope", "looks like a secret", "secret_misplaced"))},
		{"a token where none belongs", func(s *scene) { s.request.form.Set("subject_token", "x") },
			both(badRequest("subject_token has no meaning", "misplaced_parameter")).but(exchange, told{none: "it belongs there"})},
		{"requested_subject", func(s *scene) { s.request.form.Set("requested_subject", "usr_1") },
			both(badRequest("requested_subject has no meaning", "misplaced_parameter")).but(exchange, badRequest("requested_subject is not supported", "misplaced_parameter"))},
		{"missing subject_token", func(s *scene) { s.request.form.Del("subject_token") }, exchangeOnly(badRequest("subject_token is missing", "subject_token_missing"))},
		{"subject_token twice", func(s *scene) { s.request.form.Add("subject_token", s.subject) }, exchangeOnly(badRequest("subject_token is repeated", "duplicate_parameter"))},
		{"ID token by its type", func(s *scene) {
			s.request.form.Set("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")
		}, exchangeOnly(badRequest("only access tokens", "subject_token_type"))},
		{"refresh token by its type", func(s *scene) {
			s.request.form.Set("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token")
		}, exchangeOnly(badRequest("only access tokens", "subject_token_type"))},
		{"refresh token wanted", func(s *scene) {
			s.request.form.Set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")
		}, exchangeOnly(badRequest("requested_token_type must be", "requested_token_type"))},
		{"actor_token without type", func(s *scene) { s.request.form.Set("actor_token", s.subject) }, exchangeOnly(badRequest("belong together", "actor_token_type"))},
		{"actor_token_type without token", func(s *scene) { s.request.form.Set("actor_token_type", harness.TokenType) }, exchangeOnly(badRequest("belong together", "actor_token_type"))},
	}
}

func TestMethodsAndQueries(t *testing.T) {
	s := newScene(t, "sqlite", own)
	s.request.method = http.MethodGet
	require.Equal(t, http.StatusMethodNotAllowed, s.send().Status)
	req, err := http.NewRequest(http.MethodPost, s.URL+"/oauth2/token?"+s.request.form.Encode(), io.NopCloser(strings.NewReader("")))
	require.NoError(t, err)
	req.Header = s.request.header
	require.Equal(t, "grant_type is missing.", s.Send(req).String("error_description"), "parameters in the query must not count")
}
