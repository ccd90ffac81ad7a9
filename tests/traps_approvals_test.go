package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

// A hundred polls at once for what was approved give one token.
func TestTrap_AnApprovalIsCarriedOutOnce(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		secret, approval := s.ask()
		s.Approve(s.person, approval.ID, s.service, workScopes...)
		won := 0
		for _, a := range harness.Parallel(100, func(int) harness.Answer { return s.token(harness.PollForm(secret)) }) {
			if a.Status == http.StatusOK {
				won++
				continue
			}
			require.Contains(t, []string{"invalid_grant", "temporarily_unavailable"}, a.String("error"), a.Body)
		}
		require.Equal(t, 1, won)
		require.Equal(t, 1, s.Tokens())
	})
}

// An administrator takes back what came of an approval: the grant, and all that hangs from it.
func TestTrap_WhatWasApprovedElsewhereIsTakenBack(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		secret, approval := s.ask()
		s.Approve(s.person, approval.ID, s.service, workScopes...)
		access, refresh := s.must(s.token(harness.PollForm(secret)))
		row, err := s.Store.Approval(t.Context(), approval.ID)
		require.NoError(t, err)
		f, err := s.Store.FallOfApproval(t.Context(), row)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 1, 1}, []int64{f.Tokens, f.RefreshTokens, f.Grants})
		require.NoError(t, s.Store.CancelApproval(t.Context(), models.By{System: "test"}, approval.ID))
		require.False(t, s.Active(s.agent, access))
		s.mustNot(s.token(harness.RefreshForm(refresh)), "authorization_ended")
	})
}

// Two devices, one answer: whoever comes second is told, and changes nothing.
func TestTrap_AnApprovalIsAnsweredOnce(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		_, approval := s.ask()
		phone := s.SignedIn(s.user)
		yes := &policies.Answer{Scopes: []policies.Grants{{Resource: s.service.ID, Scope: "work:do"}}, Until: s.Clock.Now().Unix() + 600}
		just := make(chan *grants.ApprovalOutcome, 20)
		harness.Parallel(20, func(i int) harness.Answer {
			who, answer := s.person, yes
			if i%2 == 1 {
				who, answer = phone, nil
			}
			out, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, approval.ID, who, answer, false)
			if err == nil {
				just <- out
			}
			return harness.Answer{}
		})
		close(just)
		var first []string
		for out := range just {
			if out.Just {
				first = append(first, out.State)
			} else {
				require.Equal(t, "approval_over", out.Wrong)
			}
		}
		require.Len(t, first, 1)
		row, err := s.Store.Approval(context.Background(), approval.ID)
		require.NoError(t, err)
		require.Equal(t, first[0], row.State)
	})
}

// What was approved is worth nothing once anything it stands on is gone.
func TestTrap_ApprovalIsCheckedAgainWhenItIsCarriedOut(t *testing.T) {
	for name, c := range map[string]struct {
		code  string
		spoil func(s *elsewhere, approval models.Approval)
	}{
		"user suspended": {"invalid_grant", func(s *elsewhere, _ models.Approval) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, s.user.ID)
				return err
			})
		}},
		"agent suspended": {"unauthorized_client", func(s *elsewhere, _ models.Approval) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendClient(ctx, by, s.agent.ID)
				return err
			})
		}},
		"owner suspended": {"unauthorized_client", func(s *elsewhere, _ models.Approval) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, *s.agent.OwnerID)
				return err
			})
		}},
		"role removed": {"invalid_grant", func(s *elsewhere, _ models.Approval) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				rows, _, err := st.Assignments(ctx, "", s.user.ID, models.Page{})
				if err == nil {
					err = st.DeleteAssignment(ctx, by, rows[0].ID)
				}
				return err
			})
		}},
		"taken back": {"invalid_grant", func(s *elsewhere, a models.Approval) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RevokeConsent(ctx, by, s.GrantOf(a.ID).Consents[s.service.ID], "")
			})
		}},
		"approved until": {"invalid_grant", func(s *elsewhere, _ models.Approval) { s.Clock.Advance(61 * time.Minute) }},
		"service suspended": {"invalid_target", func(s *elsewhere, _ models.Approval) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateResourceServer(ctx, by, s.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
				return err
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eitherElsewhere(t, func(t *testing.T, s *elsewhere) {
				secret, approval := s.ask()
				s.Approve(s.person, approval.ID, s.service, workScopes...)
				c.spoil(s, approval)
				a := s.token(harness.PollForm(secret))
				require.Equal(t, c.code, a.String("error"), a.Body)
				require.Zero(t, s.Tokens())
			})
		})
	}
}

// One changed byte, and it is not what was approved.
func TestTrap_OnlyWhatWasApprovedIsCarriedOut(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		other := s.Service("other", s.agent, "work:do")
		for _, id := range []string{s.agent.ID, s.user.ID} {
			s.Allow(id, other, "work:do")
		}
		secret, approval := s.ask()
		s.Approve(s.person, approval.ID, s.service, "work:do")
		for change, code := range map[string]string{"scope=work:undo": "invalid_scope", "resource=" + other.Identifier: "invalid_target"} {
			form := harness.PollForm(secret)
			more, err := url.ParseQuery(change)
			require.NoError(t, err)
			for name, values := range more {
				form[name] = values
			}
			require.Equal(t, code, s.token(form).String("error"), change)
		}
		last := secret[len(secret)-2:]
		for _, wrong := range []string{secret[:len(secret)-2] + last[1:] + last[:1] + "x", secret + "x", approval.ID, s.GrantOf(approval.ID).Grant.ID} {
			require.Equal(t, "invalid_grant", s.token(harness.PollForm(wrong)).String("error"), wrong)
		}
		code := s.token(url.Values{"grant_type": {"authorization_code"}, "code": {secret}, "redirect_uri": {harness.Redirect}, "code_verifier": {harness.Verifier}})
		require.Equal(t, "invalid_grant", code.String("error"), "it is no code")
		require.Zero(t, s.Tokens())
		require.Equal(t, http.StatusOK, s.token(harness.PollForm(secret)).Status, "and what was approved is still there")
	})
}

// What was approved for one request opens no other.
func TestTrap_AnApprovalIsNoStandingConsent(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.Asks(v.agent, v.user)
		secret, approval := v.AskUser(v.agent, harness.AskForm(v.user, v.service, "work:do"))
		v.Approve(v.SignedIn(v.user), approval.ID, v.service, "work:do")
		require.Equal(t, http.StatusOK, v.token(harness.PollForm(secret)).Status)
		q := v.asks(url.Values{"scope": {"work:do"}})
		require.NotContains(t, q.Body, "You allowed this before")
	})
}

// A user who is not there and one who may not be asked are told apart by nobody.
func TestTrap_UnknownUsersLookLikeStrangers(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		stranger := s.User("stranger")
		s.Allow(stranger.ID, s.service, workScopes...)
		suspended := s.User("suspended")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, suspended.ID)
			if err == nil {
				err = st.SetUserCode(ctx, by, stranger.ID, s.Keys.UserCode(stranger.ID, "314159"))
			}
			return err
		})
		var seen []string
		for _, hint := range []string{"nobody", "stranger", stranger.ID, "usr_nobody", "suspended"} {
			a := s.Form("/oauth2/bc-authorize", s.agent, url.Values{"login_hint": {hint}, "resource": {s.service.Identifier}, "scope": {"work:do"}})
			delete(a.JSON, "decision_id")
			seen = append(seen, fmt.Sprint(a.Status, a.JSON))
		}
		for _, one := range seen {
			require.Equal(t, seen[0], one)
		}
		require.Zero(t, s.approvals())
	})
}

// A thousand requests at one user leave a few rows, and an inbox that can be read.
func TestTrap_NobodyIsFloodedWithRequests(t *testing.T) {
	for _, dialect := range harness.Dialects {
		shipped := limits.Defaults()
		s := &elsewhere{sitting: newSitting(t, dialect, harness.Options{Limits: &shipped})}
		s.Asks(s.agent, s.user)
		codes := map[int]int{}
		for _, a := range harness.Parallel(1000, func(int) harness.Answer {
			return s.Form("/oauth2/bc-authorize", s.agent, harness.AskForm(s.user, s.service, "work:do"))
		}) {
			codes[a.Status]++
		}
		waiting, err := s.Endpoint.Waiting(context.Background(), s.SignedIn(s.user))
		require.NoError(t, err)
		require.Len(t, waiting, 3, "%v", codes)
		require.Equal(t, 3, s.approvals())
		require.Equal(t, 3, codes[http.StatusOK], "%v", codes)
		require.NotZero(t, codes[http.StatusForbidden], "refused by policy")
		require.NotZero(t, codes[http.StatusTooManyRequests], "and the rest before it was asked")
	}
}

// Whoever said no is left alone for a while, and from whoever was reported they hear nothing.
func TestTrap_NoIsNotAskedAgainAtOnce(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		s.Clock.Stop()
		refused := func(says string) {
			t.Helper()
			a := s.Form("/oauth2/bc-authorize", s.agent, harness.AskForm(s.user, s.service, "work:do"))
			require.Equal(t, []any{http.StatusForbidden, "access_denied"}, []any{a.Status, a.String("error")}, a.Body)
			require.Contains(t, a.String("error_description"), says)
		}
		for range 3 {
			_, approval := s.ask()
			s.deny(approval.ID)
			refused("said no")
			s.Clock.Advance(time.Minute)
		}
		refused("said no")
		s.Clock.Advance(24 * time.Hour)
		_, approval := s.ask()
		_, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, approval.ID, s.person, nil, true)
		require.NoError(t, err)
		s.Clock.Advance(29 * 24 * time.Hour)
		refused("reported this client")
		s.Clock.Advance(2 * 24 * time.Hour)
		s.ask()
	})
}

// Nobody answers for somebody else: not another user, not an administrator, not the owner.
func TestTrap_NobodyAnswersForAnother(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		secret, approval := s.ask()
		admin := s.User("admin")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: admin.ID})
		})
		for _, who := range []grants.Person{s.SignedIn(admin), s.SignedIn(s.User("eve"))} {
			for _, answer := range []*policies.Answer{nil, {Scopes: []policies.Grants{{Resource: s.service.ID, Scope: "work:do"}}, Until: s.Clock.Now().Unix() + 600}} {
				_, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, approval.ID, who, answer, true)
				require.ErrorIs(t, err, models.ErrNotFound)
			}
			_, err := s.Endpoint.Approval(context.Background(), grants.Call{}, approval.ID, who)
			require.ErrorIs(t, err, models.ErrNotFound)
		}
		gone := s.person
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeSession(ctx, by, s.user.ID, gone.SessionID)
		})
		out := s.Approve(gone, approval.ID, s.service, "work:do")
		require.Equal(t, "login_required", out.Wrong, "a session that ended answers nothing")
		require.Equal(t, "authorization_pending", s.token(harness.PollForm(secret)).String("error"))
	})
}

// Codes of devices are not found by trying.
func TestTrap_UserCodesAreNotGuessed(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			strict := limits.Defaults()
			s := newSitting(t, dialect, harness.Options{Limits: &strict})
			s.Clock.Stop()
			s.Asks(s.agent, s.user)
			a := s.Form("/oauth2/device_authorization", s.agent, url.Values{"resource": {s.service.Identifier}, "scope": {"work:do"}})
			require.Equal(t, http.StatusOK, a.Status, a.Body)
			code := a.String("user_code")
			require.Regexp(t, `^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`, code)
			claim := func(ip, code string, who grants.Person) (string, error) {
				return s.Endpoint.Claim(context.Background(), grants.Call{IP: ip}, code, who)
			}
			guesser, user := s.SignedIn(s.User("guesser")), s.SignedIn(s.user)
			guesses := 0
			for {
				_, err := claim("192.0.2.1", "BBBB-BBBB", guesser)
				if !errors.Is(err, models.ErrNotFound) {
					require.ErrorContains(t, err, "Too many")
					break
				}
				guesses++
				require.Less(t, guesses, 100)
			}
			_, err := claim("192.0.2.1", code, guesser)
			require.ErrorContains(t, err, "Too many", "the right one is not told from a wrong one")

			id, err := claim("192.0.2.2", " "+strings.ToLower(code[:4]+code[5:])+" ", user)
			require.NoError(t, err)
			_, err = claim("192.0.2.3", code, s.SignedIn(s.User("other")))
			require.ErrorIs(t, err, models.ErrNotFound, "it is somebody's now")
			again, err := claim("192.0.2.2", code, user)
			require.NoError(t, err)
			require.Equal(t, id, again)
		})
	}
}
