package pages_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/pages"
)

// approvals are what waits, and take down what is answered.
type approvals struct {
	waits  []models.Approval
	out    grants.ApprovalOutcome
	err    error
	answer *policies.Answer
	report bool
	calls  []string
}

func (a *approvals) Waiting(context.Context, grants.Person) ([]models.Approval, error) {
	return a.waits, nil
}

func (a *approvals) Approval(_ context.Context, _ grants.Call, id string, _ grants.Person) (*grants.ApprovalOutcome, error) {
	a.calls = append(a.calls, "show "+id)
	return &a.out, a.err
}

func (a *approvals) AnswerApproval(_ context.Context, _ grants.Call, id string, _ grants.Person, answer *policies.Answer, report bool) (*grants.ApprovalOutcome, error) {
	a.calls, a.answer, a.report = append(a.calls, "answer "+id), answer, report
	return &a.out, a.err
}

func (a *approvals) Claim(_ context.Context, _ grants.Call, code string, _ grants.Person) (string, error) {
	a.calls = append(a.calls, "claim "+code)
	return apr, a.err
}

func (a *approvals) ChooseUserCode(_ context.Context, _ models.By, _, code string) error {
	a.calls = append(a.calls, "choose "+code)
	return a.err
}

const apr = "apr_01jd9g7t4k01jd9g7t4k01jd9g"

func (s *site) signIn() {
	s.do(http.MethodPost, "/login", url.Values{"username": {"alice"}, "password": {password}})
}

// pays is a request that waits, and what is asked.
func pays(t *testing.T, store *models.Store) grants.ApprovalOutcome {
	t.Helper()
	ctx, by := context.Background(), models.By{System: "test"}
	client := &models.Client{Kind: models.KindApplication, Name: "payroll", Purpose: "Pays people"}
	require.NoError(t, store.CreateClient(ctx, by, client))
	wages := &models.ResourceServer{Name: "wages", Identifier: "https://wages.example"}
	require.NoError(t, store.CreateResourceServer(ctx, by, wages))
	_, err := store.PutScope(ctx, by, &models.Scope{ResourceID: wages.ID, Name: "pay", Description: "Pay people", Risk: models.RiskHigh})
	require.NoError(t, err)
	now := store.Now()
	return grants.ApprovalOutcome{
		Approval: &models.Approval{
			ID: apr, Kind: models.ApprovalCIBA, ClientID: client.ID, State: models.ApprovalPending, CompareCode: "BCDF", IP: "192.0.2.1", UserAgent: "payroll/1.2 (x)",
			Request: models.ApprovalRequest{Scopes: []string{"pay", "other"}, Resources: []string{"https://wages.example:443/"}, Message: "Pay run 7"}, CreatedAt: now - 60, ExpiresAt: now + 240,
		},
		State: models.ApprovalPending,
		Asked: &policies.Decision{Until: now + 24*3600, Offers: []policies.Offer{
			{Resource: wages.ID, Scope: "pay", Risk: "high", State: "offered"},
			{Resource: wages.ID, Scope: "other", Risk: "low", State: "greyed", Reasons: []policies.Reason{{Party: "subject"}}},
		}},
	}
}

// What is asked is shown as policy offers it, and the agent's words apart from ours.
func TestApprovalIsShown(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		s := newSite(t, store)
		require.Equal(t, "/login?return="+apr, s.do(http.MethodGet, "/approvals/"+apr, nil).Header.Get("Location"))
		require.Empty(t, s.asks.calls, "nobody is asked about")
		require.Equal(t, "/login?return=approvals", s.do(http.MethodGet, "/approvals", nil).Header.Get("Location"))
		back := url.Values{"username": {"alice"}, "password": {password}, "return": {"approvals"}}
		require.Equal(t, "/login/check?return=approvals", s.do(http.MethodPost, "/login", back).Header.Get("Location"))
		require.Equal(t, "/approvals", s.do(http.MethodPost, "/login", back).Header.Get("Location"))
		s.signIn()
		s.asks.out = pays(t, store)
		s.asks.waits = []models.Approval{*s.asks.out.Approval}
		s.do(http.MethodGet, "/approvals/"+apr, nil)
		view, ok := s.shown.view.(pages.Approval)
		require.True(t, ok && s.shown.status == http.StatusOK, "%+v", s.shown)
		require.Equal(t, []any{"payroll", "Pays people", "alice", "Pay run 7", "BCDF", true, false},
			[]any{view.Agent.Name, view.Purpose, view.User, view.Message, view.Code, view.Risky, view.Again})
		require.Equal(t, pages.Origin{IP: "192.0.2.1", Program: "payroll"}, view.Origin)
		pay, other := view.Services[0].Scopes[0], view.Services[0].Scopes[1]
		require.Equal(t, []any{"Pay people", false, "", "user", false}, []any{pay.Words, pay.Ticked, pay.Greyed, other.Greyed, other.Ticked})
		require.Equal(t, []int{1, 8, 0}, []int{view.Choices[0].Hours, view.Choices[1].Hours, view.Choices[2].Hours})
		require.Equal(t, []bool{true, false, false}, []bool{view.Choices[0].Chosen, view.Choices[1].Chosen, view.Choices[2].Chosen})
		require.Equal(t, 1, view.Choices[2].Days)

		s.asks.out.SignIn = []string{"risk", "acr"}
		s.do(http.MethodGet, "/approvals/"+apr, nil)
		view = s.shown.view.(pages.Approval)
		require.Equal(t, []bool{true, true, true}, []bool{view.Again, view.Strong, view.Passkeys})

		s.asks.out.SignIn, s.asks.out.Asked, s.asks.out.Refusal = nil, nil, oauth.Errorf(oauth.AccessDenied, "No.").Named("client_inactive")
		s.asks.out.Refusal.DecisionID = "dec_1"
		s.do(http.MethodGet, "/approvals/"+apr, nil)
		view = s.shown.view.(pages.Approval)
		require.Equal(t, []any{"dec_1", 0, http.StatusOK}, []any{view.Refused, len(view.Services), s.shown.status})

		s.do(http.MethodGet, "/approvals", nil)
		inbox := s.shown.view.(pages.Approvals)
		require.Len(t, inbox.Waits, 1)
		require.Equal(t, 1, inbox.Member.Waits)
		require.Equal(t, []string{"wages"}, inbox.Waits[0].Services)
		require.Equal(t, []string{"Pay people", "other"}, inbox.Waits[0].What)
	})
}

// A form says yes to what is ticked, or no; whatever else it says is neither.
func TestApprovalIsAnswered(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		s := newSite(t, store)
		pending := pays(t, store)
		s.asks.out = pending
		require.Equal(t, "/login?return="+apr, s.do(http.MethodPost, "/approvals/"+apr, url.Values{"answer": {"allow"}, "until": {"5"}}).Header.Get("Location"))
		s.signIn()
		for name, c := range map[string]struct {
			form   url.Values
			status int // of the page; 0: it was answered
			answer *policies.Answer
			report bool
		}{
			"deny":          {form: url.Values{"answer": {"deny"}, "scope": {"rsv_1 pay"}, "until": {"5"}}},
			"report":        {form: url.Values{"answer": {"report"}}, report: true},
			"allow":         {form: url.Values{"answer": {"allow"}, "scope": {"rsv_1 pay", "rsv_2 see"}, "until": {"5"}}, answer: &policies.Answer{Scopes: []policies.Grants{{Resource: "rsv_1", Scope: "pay"}, {Resource: "rsv_2", Scope: "see"}}, Until: 5}},
			"allow nothing": {form: url.Values{"answer": {"allow"}, "until": {"5"}}, answer: &policies.Answer{Scopes: []policies.Grants{}, Until: 5}},
			"no end":        {form: url.Values{"answer": {"allow"}, "scope": {"rsv_1 pay"}}, status: http.StatusBadRequest},
			"no pair":       {form: url.Values{"answer": {"allow"}, "scope": {"pay"}, "until": {"5"}}, status: http.StatusBadRequest},
			"no answer":     {form: url.Values{"scope": {"rsv_1 pay"}, "until": {"5"}}, status: http.StatusBadRequest},
			"another":       {form: url.Values{"answer": {"approve"}, "until": {"5"}}, status: http.StatusBadRequest},
			"too much":      {form: url.Values{"answer": {"allow"}, "scope": {"r " + strings.Repeat("s", 600)}, "until": {"5"}}, status: http.StatusBadRequest},
		} {
			t.Run(name, func(t *testing.T) {
				s.asks = approvals{out: pending}
				s.asks.out.State, s.asks.out.Just = models.ApprovalDenied, true
				s.do(http.MethodPost, "/approvals/"+apr, c.form)
				if c.status != 0 {
					require.Equal(t, []any{c.status, 0}, []any{s.shown.status, len(s.asks.calls)})
					return
				}
				require.Equal(t, []string{"answer " + apr}, s.asks.calls)
				require.Equal(t, []any{c.answer, c.report}, []any{s.asks.answer, s.asks.report})
				require.Equal(t, "answered", s.shown.name)
			})
		}
		s.asks = approvals{out: pending}
		s.asks.out.Wrong = "nothing_ticked"
		s.do(http.MethodPost, "/approvals/"+apr, url.Values{"answer": {"allow"}, "until": {"5"}})
		require.Equal(t, []any{http.StatusUnprocessableEntity, "approval", "nothing_ticked"}, []any{s.shown.status, s.shown.name, s.shown.view.(pages.Approval).Problems[0].Code})
	})
}

// How a request ended is told, and that a second answer changed nothing.
func TestApprovalIsOver(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		s := newSite(t, store)
		s.signIn()
		out := pays(t, store)
		end := func(state string, reported int64, just bool) {
			row := *out.Approval
			row.State, row.Reported, row.AnsweredAt = state, reported, store.Now()
			s.asks.out = grants.ApprovalOutcome{Approval: &row, State: state, Just: just}
		}
		for _, c := range []struct {
			state    string
			reported int64
			want     string
		}{
			{models.ApprovalApproved, 0, pages.StateApproved}, {models.ApprovalDenied, 0, pages.StateDenied},
			{models.ApprovalDenied, 1, pages.StateReported}, {models.ApprovalCancelled, 0, pages.StateCancelled},
		} {
			for _, just := range []bool{true, false} {
				end(c.state, c.reported, just)
				s.do(http.MethodPost, "/approvals/"+apr, url.Values{"answer": {"deny"}})
				view := s.shown.view.(pages.Answered)
				require.Equal(t, []any{c.want, just, !just}, []any{view.State, view.Just, view.Elsewhere})
				require.Equal(t, map[bool]int{true: http.StatusOK, false: http.StatusConflict}[just], s.shown.status)
			}
			s.do(http.MethodGet, "/approvals/"+apr, nil)
			require.Equal(t, []any{http.StatusOK, false}, []any{s.shown.status, s.shown.view.(pages.Answered).Elsewhere})
		}
		for err, want := range map[error]int{
			models.ErrNotFound: http.StatusNotFound, oauth.TooMany(time.Second): http.StatusTooManyRequests, errors.New("broken"): http.StatusInternalServerError,
			models.ErrUnavailable: http.StatusServiceUnavailable, oauth.Errorf(oauth.AccessDenied, "No."): http.StatusBadRequest,
		} {
			s.asks.err = err
			s.do(http.MethodGet, "/approvals/"+apr, nil)
			require.Equal(t, []any{want, "error"}, []any{s.shown.status, s.shown.name}, "%v", err)
		}
		s.asks = approvals{}
		s.do(http.MethodGet, "/approvals/apr_1", nil)
		require.Equal(t, []any{http.StatusNotFound, 0}, []any{s.shown.status, len(s.asks.calls)})
	})
}

// A script is told what waits when it changes, and nobody else's.
func TestWaitingIsWatched(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		s := newSite(t, store)
		ask := func(version string) *httptest.ResponseRecorder {
			req := httptest.NewRequest(http.MethodGet, "https://auth.example/approvals/waiting", nil)
			req.Header.Set("If-None-Match", version)
			if s.cookie != nil {
				req.AddCookie(s.cookie)
			}
			w := httptest.NewRecorder()
			s.engine.ServeHTTP(w, req)
			return w
		}
		require.Equal(t, http.StatusUnauthorized, ask("").Code)
		s.signIn()
		none := ask("")
		require.JSONEq(t, `[]`, string(waiting(t, none).Waiting))
		require.Equal(t, http.StatusNotModified, ask(none.Header().Get("ETag")).Code)
		s.asks.waits = []models.Approval{{ID: apr}}
		one := ask(none.Header().Get("ETag"))
		require.Equal(t, http.StatusOK, one.Code)
		require.JSONEq(t, `["`+apr+`"]`, string(waiting(t, one).Waiting))
		require.Equal(t, `"`+waiting(t, one).Version+`"`, one.Header().Get("ETag"))
		require.Equal(t, "no-store", one.Header().Get("Cache-Control"))
	})
}

type waits struct {
	Version string
	Waiting json.RawMessage
}

func waiting(t *testing.T, w *httptest.ResponseRecorder) (out waits) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
	return out
}

// A code comes through a sign-in, is never sent by itself, and nothing else comes with it.
func TestDeviceCodes(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, store *models.Store) {
		alice(t, store)
		s := newSite(t, store)
		for typed, back := range map[string]string{
			"": "device", "?user_code=wdjb-MJHT": "device.wdjb-MJHT", "?user_code=WDJBMJHT": "device.WDJBMJHT",
			"?user_code=//evil.example": "device", "?user_code=WDJB-MJHT%0d%0aX": "device",
		} {
			require.Equal(t, "/login?return="+back, s.do(http.MethodGet, "/device"+typed, nil).Header.Get("Location"), typed)
		}
		s.signIn()
		to := s.do(http.MethodPost, "/login", url.Values{"username": {"alice"}, "password": {password}, "return": {"device.WDJB-MJHT"}}).Header.Get("Location")
		require.Equal(t, "/device?user_code=WDJB-MJHT", to)
		s.do(http.MethodGet, to, nil)
		require.Equal(t, "WDJB-MJHT", s.shown.view.(pages.Device).Code)
		require.Empty(t, s.asks.calls)
		require.Equal(t, "/account", s.do(http.MethodPost, "/login", url.Values{"username": {"alice"}, "password": {password}, "return": {"device.//evil"}}).Header.Get("Location"))

		require.Equal(t, "/approvals/"+apr, s.do(http.MethodPost, "/device", url.Values{"user_code": {" wdjb mjht "}}).Header.Get("Location"))
		require.Equal(t, []string{"claim wdjb mjht"}, s.asks.calls)
		for err, want := range map[error]string{models.ErrNotFound: "user_code_unknown", oauth.TooMany(3 * time.Second): "wait"} {
			s.asks.err = err
			s.do(http.MethodPost, "/device", url.Values{"user_code": {"BBBB-BBBB"}})
			view := s.shown.view.(pages.Device)
			require.Equal(t, []string{want, "BBBB-BBBB"}, []string{view.Problems[0].Code, view.Code})
		}
	})
}
