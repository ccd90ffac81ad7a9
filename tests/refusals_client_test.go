package tests

import (
	"context"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

func basic(id, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
}

// asserted makes the request authenticate with an assertion that edit spoils.
func (s *scene) asserted(edit func(header, claims map[string]any)) string {
	s.request.header.Del("Authorization")
	raw := s.Assertion(s.agent, edit)
	s.request.form.Set("client_assertion_type", harness.AssertionType)
	s.request.form.Set("client_assertion", raw)
	return raw
}

func claim(name string, value func(s *scene) any) func(s *scene) {
	return func(s *scene) {
		v := value(s)
		s.asserted(func(_, claims map[string]any) {
			if v == nil {
				delete(claims, name)
				return
			}
			claims[name] = v
		})
	}
}

// clientRows: who does not prove who they are, or is in no state to ask.
func clientRows() []row {
	unauthorized := func(says, why string) told { return bad("unauthorized_client", says, why) }
	return append([]row{
		{"no authentication", func(s *scene) { s.request.header.Del("Authorization") }, both(badClient("no_credentials"))},
		{"client_id alone", func(s *scene) {
			s.request.header.Del("Authorization")
			s.request.form.Set("client_id", s.agent.ID)
		}, both(badClient("no_credentials"))},
		{"two ways at once", func(s *scene) { s.request.form.Set("client_secret", s.agent.Secret) }, both(badRequest("one way only", "several_authentications"))},
		{"two Authorization headers", func(s *scene) {
			s.request.header.Add("Authorization", "Basic "+basic(s.agent.ID, s.agent.Secret))
		}, both(badRequest("More than one Authorization header", "several_authentications"))},
		{"another client_id in the body", func(s *scene) { s.request.form.Set("client_id", "agt_x") }, both(badRequest("not the client that authenticates", "client_mismatch"))},
		{"unknown client", func(s *scene) { s.request.header.Set("Authorization", "Basic "+basic("agt_nobody", s.agent.Secret)) }, both(badClient("bad_credentials"))},
		{"wrong secret", func(s *scene) { s.request.header.Set("Authorization", "Basic "+basic(s.agent.ID, "wrong")) }, both(badClient("bad_credentials"))},
		{"wrong secret in the body", func(s *scene) {
			s.request.header.Del("Authorization")
			s.request.form.Set("client_id", s.agent.ID)
			s.request.form.Set("client_secret", "wrong")
		}, both(badClient("bad_credentials"))},
		{"malformed Basic", func(s *scene) { s.request.header.Set("Authorization", "Basic %%%") }, both(badClient("malformed_basic"))},
		{"a bearer token instead", func(s *scene) { s.request.header.Set("Authorization", "Bearer x") }, both(badClient("unknown_scheme"))},
		{"revoked secret", func(s *scene) {
			require.NoError(s.TB, s.Store.RevokeCredential(context.Background(), models.By{System: "test"}, s.agent.ID, s.agent.CredentialID))
		}, both(badClient("bad_credentials"))},
		{"rotated secret after the overlap", func(s *scene) {
			_, _, err := s.Store.RotateCredential(context.Background(), models.By{System: "test"}, s.agent.ID, s.agent.CredentialID, 60, 0)
			require.NoError(s.TB, err)
			s.Clock.Advance(61 * time.Second)
		}, both(badClient("bad_credentials"))},
		{"another's secret", func(s *scene) {
			s.request.header.Set("Authorization", "Basic "+basic(s.agent.ID, s.Agent("thief", s.owner).Secret))
		}, both(badClient("bad_credentials"))},

		{"client suspended", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendClient(ctx, by, s.agent.ID)
				return err
			})
		}, both(unauthorized("agent is suspended", "client_inactive"))},
		{"client expired", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.ExpiresAt = s.Clock.Now().Unix() })
				return err
			})
		}, both(unauthorized("agent has expired", "client_expired"))},
		{"client decommissioned", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.DecommissionClient(ctx, by, s.agent.ID, models.AnyVersion)
			})
		}, both(badClient("bad_credentials"))},
		{"owner suspended", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, s.owner.ID)
				return err
			})
		}, both(unauthorized("Nobody active answers", "client_owner_inactive"))},
		{"owner expired", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateUser(ctx, by, s.owner.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = s.Clock.Now().Unix() })
				return err
			})
		}, both(unauthorized("Nobody active answers", "client_owner_inactive"))},
		{"owner removed", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RemoveUser(ctx, by, s.owner.ID, models.AnyVersion)
			})
		}, both(unauthorized("Nobody active answers", "client_owner_inactive"))},
		{"grant type not allowed", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.GrantTypes = []string{} })
				return err
			})
		}, both(unauthorized("may not use grant_type", "grant_type_not_allowed"))},
	}, assertionRows()...)
}

// assertionRows: client assertions (RFC 7523) that must not pass.
func assertionRows() []row {
	return []row{
		{"assertion without type", func(s *scene) {
			s.asserted(nil)
			s.request.form.Del("client_assertion_type")
		}, both(badRequest("client_assertion_type", "assertion_type"))},
		{"assertion: garbage", func(s *scene) {
			s.asserted(nil)
			s.request.form.Set("client_assertion", "a.b.c")
		}, both(badClient("assertion_malformed"))},
		{"assertion: alg none", func(s *scene) {
			s.asserted(nil)
			raw, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{
				"iss": s.agent.ID, "sub": s.agent.ID, "aud": s.URL, "jti": "1", "exp": s.Clock.Now().Unix() + 60,
			}).SignedString(jwt.UnsafeAllowNoneSignatureType)
			require.NoError(s.TB, err)
			s.request.form.Set("client_assertion", raw)
		}, both(badClient("assertion_malformed"))},
		{"assertion: HMAC under the public key", func(s *scene) {
			s.asserted(nil)
			creds, _, err := s.Store.Credentials(context.Background(), s.agent.ID, models.Page{})
			require.NoError(s.TB, err)
			raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"iss": s.agent.ID, "sub": s.agent.ID, "aud": s.URL, "jti": "1", "exp": s.Clock.Now().Unix() + 60,
			}).SignedString([]byte(creds[1].PublicJWK))
			require.NoError(s.TB, err)
			s.request.form.Set("client_assertion", raw)
		}, both(badClient("assertion_malformed"))},
		{"assertion: another's key", func(s *scene) {
			thief := s.WithKey(s.Agent("thief", s.owner))
			s.asserted(nil)
			raw := s.Assertion(thief, func(_, claims map[string]any) { claims["iss"], claims["sub"] = s.agent.ID, s.agent.ID })
			s.request.form.Set("client_assertion", raw)
		}, both(badClient("assertion_signature"))},
		{"assertion: token endpoint as audience", claim("aud", func(s *scene) any { return s.URL + "/oauth2/token" }), both(badClient("assertion_audience"))},
		{"assertion: two audiences", claim("aud", func(s *scene) any { return []string{s.URL, "https://as.example"} }), both(badClient("assertion_audience"))},
		{"assertion: no audience", claim("aud", func(*scene) any { return nil }), both(badClient("assertion_audience"))},
		{"assertion: expired", claim("exp", func(s *scene) any { return s.Clock.Now().Unix() - 120 }), both(badClient("assertion_expired"))},
		{"assertion: no expiry", claim("exp", func(*scene) any { return nil }), both(badClient("assertion_expired"))},
		{"assertion: lives a day", claim("exp", func(s *scene) any { return s.Clock.Now().Unix() + 86400 }), both(badClient("assertion_too_long"))},
		{"assertion: from the future", claim("iat", func(s *scene) any { return s.Clock.Now().Unix() + 3600 }), both(badClient("assertion_early"))},
		{"assertion: no iat", claim("iat", func(*scene) any { return nil }), both(badClient("assertion_too_old"))},
		{"assertion: made long ago", claim("iat", func(s *scene) any { return s.Clock.Now().Unix() - 3600 }), both(badClient("assertion_too_old"))},
		{"assertion: no jti", claim("jti", func(*scene) any { return nil }), both(badClient("assertion_id"))},
		{"assertion: foreign issuer", claim("iss", func(*scene) any { return "https://idp.example" }), both(badClient("assertion_client_mismatch"))},
		{"assertion: client_id differs", func(s *scene) {
			s.asserted(nil)
			s.request.form.Set("client_id", "agt_x")
		}, both(badClient("assertion_client_mismatch"))},
		{"assertion: an access token's type", func(s *scene) {
			s.asserted(func(header, _ map[string]any) { header["typ"] = "at+jwt" })
		}, both(badClient("assertion_type"))},
		{"assertion: replayed", func(s *scene) {
			s.asserted(nil)
			require.Equal(s.TB, 200, s.send().Status)
		}, both(badClient("assertion_replayed"))},
	}
}
