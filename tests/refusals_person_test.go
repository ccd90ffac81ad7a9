package tests

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// grantedForm has a user grant the agent what the scene is about.
func (s *scene) grantedForm() url.Values {
	s.TB.Helper()
	s.ForPeople(s.agent)
	s.user = s.User("user")
	s.Allow(s.user.ID, s.service, "work:do")
	s.Asks(s.agent, s.user)
	return s.grantAnew(nil)
}

// grantAnew is the form of a code, or of the refresh token that came for it.
func (s *scene) grantAnew(edit func(*models.Code)) url.Values {
	s.TB.Helper()
	if s.grant == ciba || s.grant == devices {
		return s.approveAnew()
	}
	s.granted = s.Grant(s.user, s.agent, map[string][]string{s.service.ID: {"work:do"}}, edit)
	s.subject = s.granted.Code
	form := harness.CodeForm(s.subject)
	if s.grant == refresh {
		a := s.Form("/oauth2/token", s.agent, form)
		s.subject = a.String("refresh_token")
		require.NotEmpty(s.TB, s.subject, a.Body)
		form = harness.RefreshForm(s.subject)
	}
	form.Set("resource", s.service.Identifier)
	form.Set("scope", "work:do")
	return form
}

// approveAnew is the form of what the user approved elsewhere.
func (s *scene) approveAnew() url.Values {
	s.TB.Helper()
	if s.grant == ciba {
		s.subject, _ = s.AskUser(s.agent, harness.AskForm(s.user, s.service, "work:do"))
	} else {
		s.subject = s.AskDevice(s.agent, s.SignedIn(s.user), s.service, "work:do")
	}
	approval := s.LastApproval()
	s.Approve(s.SignedIn(s.user), approval.ID, s.service, "work:do")
	s.granted = s.GrantOf(approval.ID)
	return url.Values{"grant_type": {s.grant}, s.carrier(): {s.subject}, "resource": {s.service.Identifier}, "scope": {"work:do"}}
}

// carrier is the parameter the grant comes in.
func (s *scene) carrier() string {
	return map[string]string{code: "code", refresh: "refresh_token", ciba: "auth_req_id", devices: "device_code"}[s.grant]
}

// elsewhereToo is what is told of requests that somebody approved elsewhere.
func (c cells) elsewhereToo(t told) cells { return c.but(ciba, t).but(devices, t) }

func personOnly(t told) cells {
	none := told{none: "nobody granted it"}
	return cells{own: none, exchange: none}.person(t)
}

func codeOnly(t told) cells {
	return personOnly(t).but(refresh, told{none: "it was held to this when the code was redeemed"}).elsewhereToo(told{none: "nobody is sent anywhere with it"})
}

// personRows: codes and refresh tokens that must not pass, and persons who do not
// stand behind them any more.
func personRows() []row {
	grant := func(says, why string) told { return bad("invalid_grant", says, why) }
	scope := func(says, why string) told { return bad("invalid_scope", says, why) }
	unknown := personOnly(grant("cannot be used (unknown_token)", "authorization_unusable"))
	rows := []row{
		{"code or refresh token: missing", func(s *scene) { s.request.form.Del(s.carrier()) },
			personOnly(badRequest("code is missing", "code_missing")).but(refresh, badRequest("refresh_token is missing", "refresh_token_missing")).
				but(ciba, badRequest("auth_req_id is missing", "auth_req_id_missing")).but(devices, badRequest("device_code is missing", "device_code_missing"))},
		{"code or refresh token: twice", func(s *scene) { s.request.form.Add(s.carrier(), s.subject) }, personOnly(badRequest("is repeated", "duplicate_parameter"))},
		{"both a code and a refresh token", func(s *scene) {
			s.request.form.Set("code", "x")
			s.request.form.Set("refresh_token", "x")
		}, both(badRequest("has no meaning", "misplaced_parameter"))},
		{"code or refresh token: garbage", func(s *scene) { s.request.form.Set(s.carrier(), "%\x00") }, unknown},
		{"code or refresh token: another's form", func(s *scene) {
			s.request.form.Set(s.carrier(), strings.ToUpper(s.subject))
		}, unknown},
		{"code or refresh token: of the other kind", func(s *scene) {
			other := *s
			other.grant = map[string]string{code: refresh, refresh: code, ciba: devices, devices: ciba}[s.grant]
			other.grantAnew(nil)
			s.request.form.Set(s.carrier(), other.subject)
		}, personOnly(grant("cannot be used (unknown_token)", "authorization_unusable")).elsewhereToo(grant("cannot be used (kind)", "authorization_unusable"))},
		{"code or refresh token: of another client", func(s *scene) {
			thief := s.Asks(s.ForPeople(s.Agent("thief", s.owner)), s.user)
			s.Allow(thief.ID, s.service, "work:do")
			s.request.header.Set("Authorization", "Basic "+basic(thief.ID, thief.Secret))
		}, personOnly(grant("given to another client", "authorization_foreign")).elsewhereToo(grant("No such request of this client", "approval_foreign"))},
		{"code or refresh token: expired", func(s *scene) {
			s.Clock.Advance(map[string]time.Duration{code: models.CodeLife * time.Second, refresh: 30 * 24 * time.Hour, ciba: 5 * time.Minute, devices: 10 * time.Minute}[s.grant])
		}, personOnly(grant("has expired", "authorization_expired"))},
		{"code or refresh token: used before", func(s *scene) {
			require.Equal(s.TB, 200, s.send().Status)
			s.Clock.Advance(30 * time.Second)
		}, personOnly(grant("used before", "authorization_used"))},
		{"the grant was ended", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RevokeGrant(ctx, by, s.granted.Grant.ID)
			})
		}, personOnly(grant("has ended", "authorization_ended"))},
		{"the resource was not granted", func(s *scene) {
			for _, id := range []string{s.agent.ID, s.user.ID} {
				s.Allow(id, s.other, "work:do")
			}
			s.request.form.Set("resource", s.other.Identifier)
		}, personOnly(bad("invalid_target", "was not asked about", "resource_not_authorized"))},
		{"the scope was not granted", func(s *scene) {
			for _, id := range []string{s.agent.ID, s.user.ID} {
				s.Allow(id, s.service, "work:undo")
			}
			s.request.form.Set("scope", "work:undo")
		}, personOnly(scope("did not grant scope work:undo", "scope_not_authorized/grant"))},
		{"the scope became one of high risk", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.PutScope(ctx, by, &models.Scope{ResourceID: s.service.ID, Name: "work:do", Risk: models.RiskHigh})
				return err
			})
		}, personOnly(bad("access_denied", "one of high risk", "approval_required")).elsewhereToo(told{none: "it was approved for this very request"})},
	}
	return append(append(rows, verifierRows()...), standingRows()...)
}

// verifierRows: whoever brings the code is not known to be who began.
func verifierRows() []row {
	grant := func(says, why string) cells { return codeOnly(bad("invalid_grant", says, why)) }
	return []row{
		{"redirect_uri: another", func(s *scene) { s.request.form.Set("redirect_uri", harness.Redirect+"/") }, grant("redirect_uri", "redirect_mismatch")},
		{"redirect_uri: left out", func(s *scene) { s.request.form.Del("redirect_uri") }, grant("redirect_uri", "redirect_mismatch")},
		{"code_verifier: wrong", func(s *scene) { s.request.form.Set("code_verifier", harness.Verifier+"x") }, grant("code_verifier is wrong", "pkce_failed")},
		{"code_verifier: the challenge itself", func(s *scene) {
			s.request.form.Set("code_verifier", harness.Challenge(harness.Verifier))
		}, grant("code_verifier is wrong", "pkce_failed")},
		{"code_verifier: left out", func(s *scene) { s.request.form.Del("code_verifier") }, grant("code_verifier is missing", "pkce_failed")},
		{"code_verifier: there was no challenge", func(s *scene) {
			s.request.form = s.grantAnew(func(c *models.Code) { c.Challenge = "" })
		}, grant("code_verifier is unexpected", "pkce_failed")},
		{"code_verifier: neither it nor a challenge", func(s *scene) {
			s.request.form = s.grantAnew(func(c *models.Code) { c.Challenge = "" })
			s.request.form.Del("code_verifier")
		}, grant("code_verifier is missing", "pkce_failed")},
	}
}

// standingRows: the person, or what they said, is not behind it any more.
func standingRows() []row {
	grant := func(says, why string) cells { return personOnly(bad("invalid_grant", says, why)) }
	scope := func(says, why string) cells { return personOnly(bad("invalid_scope", says, why)) }
	return []row{
		{"user suspended", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, s.user.ID)
				return err
			})
		}, grant("user, is not active", "subject_inactive")},
		{"user expired", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateUser(ctx, by, s.user.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = s.Clock.Now().Unix() })
				return err
			})
		}, grant("user, has expired", "subject_expired")},
		{"user removed", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RemoveUser(ctx, by, s.user.ID, models.AnyVersion)
			})
		}, grant("is not active", "subject_inactive")},
		{"user lost the scope", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				rows, _, err := st.Assignments(ctx, "", s.user.ID, models.Page{})
				if err != nil {
					return err
				}
				return st.DeleteAssignment(ctx, by, rows[0].ID)
			})
		}, scope("Subject user does not hold scope work:do", "scope_not_held/subject")},
		{"consent taken back", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RevokeConsent(ctx, by, s.granted.Consents[s.service.ID], "")
			})
		}, scope("has not consented to scope work:do", "scope_not_consented")},
		{"people are sent back elsewhere now", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) {
					c.RedirectURIs = append(c.RedirectURIs, "https://elsewhere.example/callback")
				})
				return err
			})
		}, scope("has not consented to scope work:do", "scope_not_consented").elsewhereToo(told{none: "nobody is sent anywhere with it"})},
	}
}
