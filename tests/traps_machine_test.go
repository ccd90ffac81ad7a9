package tests

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// wantsApproval is a house that lets no machine grant of the assistant's go by itself.
var wantsApproval = fstest.MapFS{"house/issue/issue.rego": {Data: []byte(`package house.issue

import rego.v1

require contains "approval" if {
	input.client.name == "assistant"
	input.action.name in {"issue:access_token:client_credentials", "issue:access_token:token_exchange"}
}
`)}}

// byItself is an assistant whose token requests somebody must approve.
type byItself struct {
	*sitting
	owner    *models.User
	form     url.Values   // of the token request
	approver *models.User // who may approve it
	parent   string       // the token that it exchanges, "" if it exchanges none
}

// whose tokens the assistant asks for.
var whose = []string{"its own", "an agent's", "alice's"}

func eachByItself(t *testing.T, house fstest.MapFS, test func(t *testing.T, s *byItself)) {
	for _, dialect := range harness.Dialects {
		for _, subject := range whose {
			t.Run(dialect+"/"+subject, func(t *testing.T) {
				t.Parallel()
				test(t, newByItself(t, dialect, subject, house))
			})
		}
	}
}

func newByItself(t *testing.T, dialect, subject string, house fstest.MapFS) *byItself {
	o := harness.Options{}
	if house != nil {
		o.House = house
	}
	s := &byItself{sitting: newSitting(t, dialect, o)}
	var err error
	s.owner, err = s.Store.UserNamed(context.Background(), "owner")
	require.NoError(t, err)
	s.approver = s.owner
	s.form = harness.OwnForm(s.service.Identifier, "work:do")
	switch subject {
	case "an agent's":
		sender := s.Agent("sender", s.User("other-owner"))
		s.Allow(sender.ID, s.service, workScopes...)
		s.parent = s.Own(sender, s.service.Identifier, "work:do work:undo")
	case "alice's":
		s.parent, _ = s.must(s.token(harness.CodeForm(s.grants().Code)))
		s.approver = s.user
	}
	if s.parent != "" {
		s.form = harness.ExchangeForm(s.parent, s.service.Identifier, "work:do")
	}
	return s
}

// plea is the request that asks for approval of the token request.
func (s *byItself) plea() url.Values {
	form := maps.Clone(s.form)
	form.Set("approve", form.Get("grant_type"))
	form.Del("grant_type")
	form.Set("login_hint", s.approver.ID)
	return form
}

// with is the token request that brings an approval, with changes.
func (s *byItself) with(secret string, changes ...string) url.Values {
	form := maps.Clone(s.form)
	form.Set("auth_req_id", secret)
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return form
}

// approved has it asked and approved.
func (s *byItself) approved() (secret string, approval models.Approval) {
	s.TB.Helper()
	secret, approval = s.AskUser(s.agent, s.plea())
	out := s.Approve(s.SignedIn(s.approver), approval.ID, s.service, "work:do")
	require.Equal(s.TB, models.ApprovalApproved, out.State, "%+v %+v", out, out.Refusal)
	return secret, approval
}

// House policy wants a person's word for what a machine does by itself: the refusal says
// how to ask, they approve it, and the request passes, once.
func TestRequired_APersonApprovesAMachine(t *testing.T) {
	eachByItself(t, wantsApproval, func(t *testing.T, s *byItself) {
		before := s.Tokens()
		a := s.token(s.form)
		require.Equal(t, "access_denied", a.String("error"), a.Body)
		for _, told := range []string{"/oauth2/bc-authorize", "approve=" + s.form.Get("grant_type"), "login_hint=" + s.approver.ID, "auth_req_id"} {
			require.Contains(t, a.String("error_description"), told)
		}

		s.Clock.Stop()
		secret, approval := s.AskUser(s.agent, s.plea())
		require.Equal(t, models.ApprovalMachine, approval.Kind)
		require.Equal(t, s.form.Get("grant_type"), approval.Request.GrantType)
		require.Equal(t, s.parent != "", approval.Request.Parent != "")
		pending := s.token(s.with(secret))
		require.Equal(t, "authorization_pending", pending.String("error"), pending.Body)
		require.Equal(t, "slow_down", s.token(s.with(secret)).String("error"))

		s.Clock.Advance(time.Minute)
		out := s.Approve(s.SignedIn(s.approver), approval.ID, s.service, "work:do")
		require.Equal(t, models.ApprovalApproved, out.State, "%+v %+v", out, out.Refusal)
		require.Equal(t, before, s.Tokens(), "the answer makes no token")
		a = s.token(s.with(secret))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.Equal(t, "work:do", a.String("scope"))
		require.True(t, s.Active(s.agent, a.String("access_token")))

		row, err := s.Store.Approval(context.Background(), approval.ID)
		require.NoError(t, err)
		require.Equal(t, models.ApprovalUsed, row.State)
		issued, err := s.Store.Token(context.Background(), row.TokenID)
		require.NoError(t, err)
		require.Equal(t, before+1, s.Tokens())
		entry, err := s.Store.EntryByID(context.Background(), issued.DecisionID)
		require.NoError(t, err)
		require.Equal(t, issued.SubjectID, entry.SubjectID, "it is whom the token speaks for that something was done for")
		require.Contains(t, entry.Detail, approval.ID)

		again := s.token(s.with(secret))
		require.Equal(t, "invalid_grant", again.String("error"), again.Body)
		require.Equal(t, "access_denied", s.token(s.form).String("error"), "and for the next it is asked anew")
	})
}

// A hundred requests at once that bring what was approved give one token.
func TestTrap_AMachinesApprovalIsUsedOnce(t *testing.T) {
	eachByItself(t, wantsApproval, func(t *testing.T, s *byItself) {
		before := s.Tokens()
		secret, _ := s.approved()
		won := 0
		for _, a := range harness.Parallel(100, func(int) harness.Answer { return s.token(s.with(secret)) }) {
			if a.Status == http.StatusOK {
				won++
				continue
			}
			require.Contains(t, []string{"invalid_grant", "temporarily_unavailable"}, a.String("error"), a.Body)
		}
		require.Equal(t, 1, won)
		require.Equal(t, before+1, s.Tokens())
	})
}

// An administrator takes back what a person allowed: before it was carried out, and after.
func TestTrap_AnApprovalIsTakenBack(t *testing.T) {
	eachByItself(t, wantsApproval, func(t *testing.T, s *byItself) {
		fall := func(id string) *models.Fall {
			row, err := s.Store.Approval(t.Context(), id)
			require.NoError(t, err)
			f, err := s.Store.FallOfApproval(t.Context(), row)
			require.NoError(t, err)
			return f
		}
		cancel := func(id string) error { return s.Store.CancelApproval(t.Context(), models.By{System: "test"}, id) }

		unused, approval := s.approved()
		require.Equal(t, &models.Fall{Approvals: 1}, fall(approval.ID))
		require.NoError(t, cancel(approval.ID))
		require.Equal(t, &models.Fall{}, fall(approval.ID))
		a := s.token(s.with(unused))
		require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
		require.ErrorIs(t, cancel(approval.ID), models.ErrUsed)

		secret, approval := s.approved()
		a = s.token(s.with(secret))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		raw := a.String("access_token")
		require.True(t, s.Active(s.agent, raw))
		require.Equal(t, int64(1), fall(approval.ID).Tokens)
		require.NoError(t, cancel(approval.ID))
		require.False(t, s.Active(s.agent, raw), "what came of it ends with it")
		require.Equal(t, []string{"false_positive", "false_positive"}, report(t, s.Server, unused, secret), "they open nothing")

		unused, _ = s.approved()
		secret, _ = s.approved()
		raw = s.token(s.with(secret)).String("access_token")
		require.True(t, s.Active(s.agent, raw))
		require.Equal(t, []string{"true_positive", "true_positive"}, report(t, s.Server, unused, secret), "found in the open")
		require.False(t, s.Active(s.agent, raw))
		require.Equal(t, http.StatusBadRequest, s.token(s.with(unused)).Status)
		require.Equal(t, []string{"false_positive", "false_positive"}, report(t, s.Server, unused, secret))
		require.Zero(t, fall(approval.ID).Tokens)
		if s.parent != "" {
			require.True(t, s.Active(s.agent, s.parent), "and nothing else")
		}
	})
}

// A house that asks for nothing: whoever brings an approval all the same uses it up, and
// gets what it says or nothing.
func TestTrap_AnApprovalThatIsBroughtCounts(t *testing.T) {
	eachByItself(t, nil, func(t *testing.T, s *byItself) {
		require.Equal(t, http.StatusOK, s.token(s.form).Status)
		secret, approval := s.approved()
		require.Equal(t, "invalid_grant", s.token(s.with(secret, "scope", "work:do work:undo")).String("error"))
		require.Equal(t, "invalid_grant", s.token(s.with("dpt_arq_unknown")).String("error"))
		require.Equal(t, http.StatusOK, s.token(s.with(secret)).Status)
		require.Equal(t, "invalid_grant", s.token(s.with(secret)).String("error"))
		require.Equal(t, "invalid_grant", s.token(s.with(approval.ID)).String("error"), "its name is no secret")
	})
}

// One changed byte, another client or another grant, and it is not what was approved.
func TestTrap_AMachineGetsWhatWasApproved(t *testing.T) {
	eachByItself(t, wantsApproval, func(t *testing.T, s *byItself) {
		modelstest.DetailType(t, s.Store, modelstest.Payment(s.service.ID, "work:do"))
		other := s.Service("other", s.agent, "work:do")
		for _, id := range []string{s.agent.ID, s.user.ID} {
			s.Allow(id, other, "work:do")
		}
		before := s.Tokens()
		secret, _ := s.approved()
		refused := func(code string, a harness.Answer) {
			t.Helper()
			require.Equal(t, code, a.String("error"), a.Body)
		}
		refused("invalid_grant", s.token(s.with(secret, "scope", "work:undo")))
		refused("invalid_grant", s.token(s.with(secret, "scope", "work:do work:undo")))
		refused("invalid_grant", s.token(s.with(secret+"x")))
		require.Contains(t, []string{"invalid_grant", "invalid_scope"}, s.token(s.with(secret, "resource", other.Identifier)).String("error"))
		exactly := `[{"type":"payment","amount":"5","currency":"EUR","payee":"Bob"}]`
		require.Contains(t, []string{"invalid_grant", "invalid_authorization_details"}, s.token(s.with(secret, "authorization_details", exactly)).String("error"))
		refused("invalid_grant", s.token(harness.PollForm(secret)))

		thief := s.Agent("thief", s.owner)
		s.Allow(thief.ID, s.service, workScopes...)
		stolen := s.Form("/oauth2/token", thief, s.with(secret))
		require.Contains(t, []string{"invalid_grant", "invalid_request"}, stolen.String("error"), stolen.Body)
		if s.parent == "" {
			token := s.Own(thief, s.service.Identifier, "work:do")
			before++
			form := harness.ExchangeForm(token, s.service.Identifier, "work:do")
			form.Set("auth_req_id", secret)
			refused("invalid_grant", s.token(form))
		} else {
			form := harness.OwnForm(s.service.Identifier, "work:do")
			form.Set("auth_req_id", secret)
			refused("invalid_grant", s.token(form))
		}
		require.Equal(t, before, s.Tokens())
		require.Equal(t, http.StatusOK, s.token(s.with(secret)).Status, "and what was approved is still there")
	})
}

// Of two tokens for the same, one was approved.
func TestTrap_AnApprovalIsForOneToken(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newByItself(t, dialect, "alice's", wantsApproval)
			another, _ := s.must(s.token(harness.CodeForm(s.grants().Code)))
			secret, _ := s.approved()
			a := s.token(s.with(secret, "subject_token", another))
			require.Equal(t, "invalid_grant", a.String("error"), a.Body)
			require.Equal(t, http.StatusOK, s.token(s.with(secret)).Status)
		})
	}
}

// What a person saw exactly is what is paid.
func TestTrap_APaymentIsTheOneThatWasApproved(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := newByItself(t, dialect, "its own", wantsApproval)
			modelstest.DetailType(t, s.Store, modelstest.Payment(s.service.ID, "work:do"))
			pay := func(amount string) string {
				return `[{"type":"payment","amount":"` + amount + `","currency":"EUR","payee":"Bob"}]`
			}
			s.form.Set("authorization_details", pay("5.00"))
			secret, approval := s.AskUser(s.agent, s.plea())
			out := s.ApproveAll(s.SignedIn(s.owner), approval.ID)
			require.Equal(t, models.ApprovalApproved, out.State, "%+v %+v", out, out.Refusal)
			for _, amount := range []string{"5.01", "4.99", "5"} {
				a := s.token(s.with(secret, "authorization_details", pay(amount)))
				require.Equal(t, "invalid_grant", a.String("error"), a.Body)
			}
			form := s.with(secret)
			form.Del("authorization_details")
			require.Equal(t, "invalid_grant", s.token(form).String("error"), "without them the scope would allow more")
			a := s.token(s.with(secret))
			require.Equal(t, http.StatusOK, a.Status, a.Body)
			require.Contains(t, a.Body, `"amount":"5.00"`)
		})
	}
}

// What was approved is worth nothing once anything it stands on is gone, whether that
// happens before somebody answers or after.
func TestTrap_AMachinesApprovalIsCheckedAgain(t *testing.T) {
	spoils := map[string]struct {
		codes []string
		spoil func(ctx context.Context, s *byItself, st *models.Store, by models.By) error
	}{
		"agent suspended": {[]string{"unauthorized_client"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, s.agent.ID)
			return err
		}},
		"owner suspended": {[]string{"unauthorized_client"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, s.owner.ID)
			return err
		}},
		"approver suspended": {[]string{"unauthorized_client", "invalid_grant"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, s.approver.ID)
			return err
		}},
		"role removed": {[]string{"invalid_scope"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			rows, _, err := st.Assignments(ctx, "", s.agent.ID, models.Page{})
			if err == nil {
				err = st.DeleteAssignment(ctx, by, rows[0].ID)
			}
			return err
		}},
		"service suspended": {[]string{"invalid_target", "invalid_request"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			_, err := st.UpdateResourceServer(ctx, by, s.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
			return err
		}},
		"parent revoked": {[]string{"invalid_request"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			row, err := st.Approval(ctx, s.LastApproval().ID)
			if err == nil {
				err = st.RevokeToken(ctx, by, row.Request.Parent)
			}
			return err
		}},
		"owner changed": {[]string{"invalid_grant"}, func(ctx context.Context, s *byItself, st *models.Store, by models.By) error {
			heir := s.User("heir")
			_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(m *models.Client) { m.OwnerID = &heir.ID })
			return err
		}},
	}
	for i, name := range slices.Sorted(maps.Keys(spoils)) {
		for j, subject := range whose {
			if name == "parent revoked" && subject == "its own" || name == "owner changed" && subject == "alice's" {
				continue
			}
			c, dialect := spoils[name], harness.Dialects[(i+j)%len(harness.Dialects)]
			for _, when := range []string{"answered", "asked"} {
				t.Run(name+"/"+subject+"/"+when, func(t *testing.T) {
					t.Parallel()
					s := newByItself(t, dialect, subject, wantsApproval)
					before := s.Tokens()
					secret, approval := s.AskUser(s.agent, s.plea())
					answer := func() *grants.ApprovalOutcome {
						return s.Approve(s.SignedIn(s.approver), approval.ID, s.service, "work:do")
					}
					if when == "answered" {
						require.Equal(t, models.ApprovalApproved, answer().State)
					}
					s.Do(func(ctx context.Context, st *models.Store, by models.By) error { return c.spoil(ctx, s, st, by) })
					if when == "answered" {
						require.Contains(t, c.codes, s.token(s.with(secret)).String("error"))
					}
					row, err := s.Store.Approval(context.Background(), approval.ID)
					require.NoError(t, err)
					if row.State == models.ApprovalPending && name != "owner changed" {
						require.NotEqual(t, models.ApprovalApproved, answer().State)
					}
					require.NotEqual(t, http.StatusOK, s.token(s.with(secret)).Status)
					require.Equal(t, before, s.Tokens())
				})
			}
		}
	}
}

// No is no, and what is over is over.
func TestTrap_AMachineTakesNoForAnAnswer(t *testing.T) {
	eachByItself(t, wantsApproval, func(t *testing.T, s *byItself) {
		s.Clock.Stop()
		secret, _ := s.approved()
		s.Clock.Advance(61 * time.Minute)
		require.Contains(t, []string{"invalid_grant", "invalid_request"}, s.token(s.with(secret)).String("error"))

		s = newByItself(t, harness.Dialects[0], "its own", wantsApproval)
		s.Clock.Stop()
		unanswered, _ := s.AskUser(s.agent, s.plea())
		s.Clock.Advance(6 * time.Minute)
		require.Equal(t, "expired_token", s.token(s.with(unanswered)).String("error"))
		denied, approval := s.AskUser(s.agent, s.plea())
		_, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, approval.ID, s.SignedIn(s.approver), nil, false)
		require.NoError(t, err)
		require.Equal(t, "access_denied", s.token(s.with(denied)).String("error"))
		require.Zero(t, s.Tokens())
	})
}

// Who may not approve it looks like nobody at all, and answers nothing.
func TestTrap_NobodyElseApprovesForAMachine(t *testing.T) {
	eachByItself(t, wantsApproval, func(t *testing.T, s *byItself) {
		stranger := s.User("stranger")
		s.Allow(stranger.ID, s.service, workScopes...)
		wrong := []string{"nobody", "usr_nobody", stranger.ID}
		if s.approver == s.user {
			wrong = append(wrong, s.owner.ID)
		} else {
			wrong = append(wrong, s.user.ID)
		}
		for _, hint := range wrong {
			form := s.plea()
			form.Set("login_hint", hint)
			a := s.Form("/oauth2/bc-authorize", s.agent, form)
			require.Equal(t, []any{http.StatusBadRequest, "unknown_user_id"}, []any{a.Status, a.String("error")}, a.Body)
		}
		_, approval := s.AskUser(s.agent, s.plea())
		for _, who := range []*models.User{stranger, s.User("eve")} {
			_, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, approval.ID, s.SignedIn(who), nil, false)
			require.ErrorIs(t, err, models.ErrNotFound)
		}
	})
}

// What the endpoint does not understand it does not guess.
func TestAMachineAsksInTheRightWay(t *testing.T) {
	t.Parallel()
	s := newByItself(t, "sqlite", "alice's", wantsApproval)
	for name, c := range map[string]struct {
		code string
		edit func(url.Values)
	}{
		"another grant type":  {"invalid_request", func(f url.Values) { f.Set("approve", "refresh_token") }},
		"no token":            {"invalid_request", func(f url.Values) { f.Del("subject_token") }},
		"a token of a kind":   {"invalid_request", func(f url.Values) { f.Set("subject_token_type", "urn:ietf:params:oauth:token-type:id_token") }},
		"a token too many":    {"invalid_request", func(f url.Values) { f.Set("approve", "client_credentials") }},
		"a token, and no why": {"invalid_request", func(f url.Values) { f.Del("approve") }},
		"what is no token":    {"invalid_request", func(f url.Values) { f.Set("subject_token", "tok_1") }},
		"more than it has":    {"invalid_scope", func(f url.Values) { f.Set("scope", "work:do work:dream") }},
	} {
		form := s.plea()
		c.edit(form)
		require.Equal(t, c.code, s.Form("/oauth2/bc-authorize", s.agent, form).String("error"), name)
	}
}
