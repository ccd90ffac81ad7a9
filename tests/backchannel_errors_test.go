package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// Every error of CIBA Core sections 11 and 13, each in its place, by its name.
func TestBackchannelAuthenticationErrors(t *testing.T) {
	token := func(s *elsewhere, edit func(claims map[string]any)) string {
		return s.Assertion(s.WithKey(s.agent), func(_, claims map[string]any) {
			claims["sub"] = s.user.ID
			if edit != nil {
				edit(claims)
			}
		})
	}
	for name, c := range map[string]struct {
		status int
		spoil  func(s *elsewhere, form url.Values)
		says   string
	}{
		"invalid_request/no hint":               {400, func(_ *elsewhere, f url.Values) { f.Del("login_hint") }, "Exactly one of"},
		"invalid_request/two hints":             {400, func(_ *elsewhere, f url.Values) { f.Set("login_hint_token", "x") }, "Exactly one of"},
		"invalid_request/three hints":           {400, func(_ *elsewhere, f url.Values) { f.Set("login_hint_token", "x"); f.Set("id_token_hint", "x") }, "Exactly one of"},
		"invalid_request/id_token_hint":         {400, func(_ *elsewhere, f url.Values) { f.Del("login_hint"); f.Set("id_token_hint", "x") }, "no ID token of this server"},
		"invalid_request/login_hint_token":      {400, func(_ *elsewhere, f url.Values) { f.Del("login_hint"); f.Set("login_hint_token", "x") }, "must be a JWT"},
		"invalid_request/requested_expiry":      {400, func(_ *elsewhere, f url.Values) { f.Set("requested_expiry", "-1") }, "positive number"},
		"invalid_request/requested_expiry text": {400, func(_ *elsewhere, f url.Values) { f.Set("requested_expiry", "soon") }, "positive number"},
		"invalid_request/twice":                 {400, func(_ *elsewhere, f url.Values) { f.Add("login_hint", "eve") }, "repeated"},
		"invalid_request/object and parameters": {400, func(_ *elsewhere, f url.Values) { f.Set("request", "x") }, "belongs into the request object"},
		"invalid_request/object": {400, func(_ *elsewhere, f url.Values) {
			clear(f)
			f.Set("request", "x")
		}, "must be a JWT"},
		"invalid_scope":      {400, func(_ *elsewhere, f url.Values) { f.Set("scope", "work:unheard") }, "defines no scope"},
		"invalid_scope/none": {400, func(_ *elsewhere, f url.Values) { f.Del("scope") }, "No scope was requested"},
		"invalid_target":     {400, func(_ *elsewhere, f url.Values) { f.Set("resource", "https://nowhere.example") }, "https://nowhere.example"},
		"expired_login_hint_token": {400, func(s *elsewhere, f url.Values) {
			f.Del("login_hint")
			f.Set("login_hint_token", token(s, func(claims map[string]any) { claims["exp"] = s.Clock.Now().Unix() - 1 }))
		}, "has expired"},
		"unknown_user_id":                     {400, func(_ *elsewhere, f url.Values) { f.Set("login_hint", "nobody") }, "names no user"},
		"unknown_user_id/somebody it may not": {400, func(s *elsewhere, f url.Values) { f.Set("login_hint", s.User("eve").Username) }, "names no user"},
		"unauthorized_client": {400, func(s *elsewhere, _ url.Values) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.GrantTypes = []string{"client_credentials"} })
				return err
			})
		}, "may not use grant_type urn:openid:params:grant-type:ciba"},
		"missing_user_code":                {400, func(s *elsewhere, _ url.Values) { s.code("314159") }, "want"},
		"invalid_user_code":                {400, func(s *elsewhere, f url.Values) { s.code("314159"); f.Set("user_code", "271828") }, "not the code"},
		"invalid_binding_message/markup":   {400, func(_ *elsewhere, f url.Values) { f.Set("binding_message", "<b>Approve</b>") }, "plain punctuation"},
		"invalid_binding_message/control":  {400, func(_ *elsewhere, f url.Values) { f.Set("binding_message", "a\nb") }, "plain punctuation"},
		"invalid_binding_message/reversed": {400, func(_ *elsewhere, f url.Values) { f.Set("binding_message", "pay \u202e1000") }, "plain punctuation"},
		"invalid_binding_message/link":     {400, func(_ *elsewhere, f url.Values) { f.Set("binding_message", "see https://evil.example") }, "link"},
		"invalid_binding_message/long":     {400, func(_ *elsewhere, f url.Values) { f.Set("binding_message", strings.Repeat("x", 141)) }, "longer than"},
		"invalid_client":                   {401, func(s *elsewhere, _ url.Values) { s.agent.Secret = "wrong" }, "authentication failed"},
		"access_denied": {403, func(s *elsewhere, _ url.Values) {
			for range 3 {
				s.ask()
			}
		}, "waits for the user"},
	} {
		t.Run(name, func(t *testing.T) {
			eitherElsewhere(t, func(t *testing.T, s *elsewhere) {
				form := harness.AskForm(s.user, s.service, "work:do")
				c.spoil(s, form)
				before := s.approvals()
				a := s.Form("/oauth2/bc-authorize", s.agent, form)
				code, _, _ := strings.Cut(name, "/")
				require.Equal(t, c.status, a.Status, a.Body)
				require.Equal(t, code, a.String("error"), a.Body)
				require.Contains(t, a.String("error_description"), c.says)
				require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
				require.Equal(t, before, s.approvals(), "and nobody is asked")
			})
		})
	}
	t.Run("login_hint_token that is none", func(t *testing.T) {
		eachElsewhere(t, func(t *testing.T, s *elsewhere) {
			for _, edit := range []func(map[string]any){
				func(c map[string]any) { c["aud"] = "https://other.example" }, func(c map[string]any) { c["iss"] = "agt_other" },
				func(c map[string]any) { delete(c, "exp") }, func(c map[string]any) { delete(c, "sub") },
			} {
				form := harness.AskForm(s.user, s.service, "work:do")
				form.Del("login_hint")
				form.Set("login_hint_token", token(s, edit))
				require.Equal(t, "invalid_request", s.Form("/oauth2/bc-authorize", s.agent, form).String("error"))
			}
			form := harness.AskForm(s.user, s.service, "work:do")
			form.Del("login_hint")
			form.Set("login_hint_token", token(s, nil))
			require.Equal(t, http.StatusOK, s.Form("/oauth2/bc-authorize", s.agent, form).Status)
		})
	})
}

// And of CIBA Core section 11 at the token endpoint.
func TestBackchannelTokenErrors(t *testing.T) {
	for name, spoil := range map[string]func(s *elsewhere, form url.Values){
		"authorization_pending": func(*elsewhere, url.Values) {},
		"slow_down":             func(s *elsewhere, form url.Values) { s.token(form) },
		"expired_token":         func(s *elsewhere, _ url.Values) { s.Clock.Advance(5 * time.Minute) },
		"access_denied":         func(s *elsewhere, _ url.Values) { s.deny(s.LastApproval().ID) },
		"access_denied/cancelled": func(s *elsewhere, _ url.Values) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.CancelApproval(ctx, by, s.LastApproval().ID)
			})
		},
		"invalid_grant/wrong": func(_ *elsewhere, form url.Values) { form.Set("auth_req_id", models.AuthReqPrefix+"x") },
		"invalid_grant/used": func(s *elsewhere, form url.Values) {
			s.Approve(s.person, s.LastApproval().ID, s.service, "work:do")
			require.Equal(s.TB, http.StatusOK, s.token(form).Status)
		},
		"invalid_grant/foreign": func(s *elsewhere, _ url.Values) {
			s.agent = s.Asks(s.Agent("thief", s.User("somebody")), s.user)
		},
		"invalid_request/missing": func(_ *elsewhere, form url.Values) { form.Del("auth_req_id") },
	} {
		t.Run(name, func(t *testing.T) {
			eitherElsewhere(t, func(t *testing.T, s *elsewhere) {
				secret, _ := s.ask()
				form := harness.PollForm(secret)
				spoil(s, form)
				tokens := s.Tokens()
				a := s.token(form)
				code, _, _ := strings.Cut(name, "/")
				require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
				require.Equal(t, code, a.String("error"), a.Body)
				require.Equal(t, tokens, s.Tokens())
				for _, secret := range []string{"access_token", "refresh_token", "id_token"} {
					require.NotContains(t, a.JSON, secret)
				}
			})
		})
	}
}

// Whoever asks too often waits longer each time, and is heard again after that.
func TestPollingTooOftenGetsSlower(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		s.Clock.Stop()
		secret, _ := s.ask()
		poll := func() string { return s.token(harness.PollForm(secret)).String("error") }
		require.Equal(t, "authorization_pending", poll())
		s.Clock.Advance(5 * time.Second)
		require.Equal(t, "authorization_pending", poll(), "the interval it was told")
		require.Equal(t, "slow_down", poll())
		s.Clock.Advance(5 * time.Second)
		require.Equal(t, "slow_down", poll(), "ten seconds now")
		s.Clock.Advance(15 * time.Second)
		require.Equal(t, "authorization_pending", poll(), "fifteen")
	})
}

// A request object says all there is, or it is none.
func TestSignedBackchannelRequests(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		s.WithKey(s.agent)
		object := func(edit func(header, claims map[string]any)) url.Values {
			return url.Values{"request": {s.Assertion(s.agent, func(header, claims map[string]any) {
				delete(claims, "sub")
				header["typ"] = "JWT"
				claims["nbf"] = claims["iat"]
				claims["login_hint"], claims["resource"], claims["scope"] = s.user.Username, s.service.Identifier, "work:do"
				claims["binding_message"], claims["requested_expiry"] = "signed", 120
				if edit != nil {
					edit(header, claims)
				}
			})}}
		}
		send := func(form url.Values) harness.Answer { return s.Form("/oauth2/bc-authorize", s.agent, form) }
		a := send(object(func(header, _ map[string]any) { header["typ"] = "oauth-authz-req+jwt" }))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.EqualValues(t, 120, a.JSON["expires_in"])
		approval := s.LastApproval()
		require.Equal(t, []any{"signed", []string{"work:do"}, s.user.ID}, []any{approval.Request.Message, approval.Request.Scopes, approval.SubjectID})
		require.Equal(t, http.StatusOK, send(object(nil)).Status)

		now := s.Clock.Now().Unix()
		for name, edit := range map[string]func(header, claims map[string]any){
			"another issuer":     func(_, c map[string]any) { c["iss"] = "agt_other" },
			"another audience":   func(_, c map[string]any) { c["aud"] = "https://other.example" },
			"two audiences":      func(_, c map[string]any) { c["aud"] = []string{s.URL, "https://other.example"} },
			"expired":            func(_, c map[string]any) { c["exp"] = now - 120 },
			"no expiry":          func(_, c map[string]any) { delete(c, "exp") },
			"for a day":          func(_, c map[string]any) { c["exp"] = now + 86400 },
			"no nbf":             func(_, c map[string]any) { delete(c, "nbf") },
			"no jti":             func(_, c map[string]any) { delete(c, "jti") },
			"no iat":             func(_, c map[string]any) { delete(c, "iat") },
			"not yet":            func(_, c map[string]any) { c["nbf"] = now + 3600 },
			"a client assertion": func(h, _ map[string]any) { h["typ"] = "client-authentication+jwt" },
			"a list for text":    func(_, c map[string]any) { c["resource"] = []any{1} },
		} {
			a := send(object(edit))
			require.Equal(t, []any{http.StatusBadRequest, "invalid_request"}, []any{a.Status, a.String("error")}, "%s: %s", name, a.Body)
		}
		stranger := s.WithKey(s.Agent("stranger", s.user))
		form := object(nil)
		form.Set("request", s.Assertion(stranger, func(h, c map[string]any) { h["typ"], c["iss"], c["nbf"] = "JWT", s.agent.ID, c["iat"] }))
		require.Contains(t, send(form).String("error_description"), "assertion_signature", "another's key")
	})
}
