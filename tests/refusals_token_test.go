package tests

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// forge signs the claims of the subject token anew, spoilt, with our own key:
// what Deputy itself would never sign.
func (s *scene) forge(edit func(header, claims map[string]any)) {
	s.TB.Helper()
	kid, key := s.SigningKey()
	s.forgeWith(kid, key, edit)
}

func (s *scene) forgeWith(kid string, key *ecdsa.PrivateKey, edit func(header, claims map[string]any)) {
	s.TB.Helper()
	claims := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(s.subject, claims)
	require.NoError(s.TB, err)
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["typ"], t.Header["kid"] = "at+jwt", kid
	edit(t.Header, claims)
	raw, err := t.SignedString(key)
	require.NoError(s.TB, err)
	s.request.form.Set("subject_token", raw)
}

func nested(depth int) map[string]any {
	act := map[string]any{"sub": "agt_deep"}
	for range depth - 1 {
		act = map[string]any{"sub": "agt_deep", "act": act}
	}
	return act
}

// tokenRows: subject tokens, actors and chains that must not pass.
func tokenRows() []row {
	unusable := func(problem string) map[string]told {
		return exchangeOnly(badRequest("cannot be used ("+problem+")", "token_unusable"))
	}
	rows := []row{
		{"subject token: garbage", func(s *scene) { s.request.form.Set("subject_token", "not.a.token") }, unusable("malformed")},
		{"subject token: huge", func(s *scene) { s.request.form.Set("subject_token", strings.Repeat("x", 20000)) }, unusable("malformed")},
		{"subject token: tampered", func(s *scene) {
			parts := strings.Split(s.subject, ".")
			body, err := base64.RawURLEncoding.DecodeString(parts[1])
			require.NoError(s.TB, err)
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(body), "task:send", "task:admin", 1)))
			s.request.form.Set("subject_token", strings.Join(parts, "."))
		}, unusable("bad_signature")},
		{"subject token: alg none", func(s *scene) {
			parts := strings.Split(s.subject, ".")
			kid, _ := s.SigningKey()
			header := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"alg":"none","typ":"at+jwt","kid":%q}`, kid)))
			s.request.form.Set("subject_token", header+"."+parts[1]+".")
		}, unusable("bad_signature")},
		{"subject token: an ID token", func(s *scene) { s.forge(func(h, _ map[string]any) { h["typ"] = "JWT" }) }, unusable("wrong_type")},
		{"subject token: no type", func(s *scene) { s.forge(func(h, _ map[string]any) { delete(h, "typ") }) }, unusable("wrong_type")},
		{"subject token: a refresh token", func(s *scene) { s.forge(func(h, _ map[string]any) { h["typ"] = "rt+jwt" }) }, unusable("wrong_type")},
		{"subject token: critical header", func(s *scene) { s.forge(func(h, _ map[string]any) { h["crit"] = []string{"x"} }) }, unusable("malformed")},
		{"subject token: foreign issuer", func(s *scene) { s.forge(func(_, c map[string]any) { c["iss"] = "https://as.example" }) }, unusable("foreign_issuer")},
		{"subject token: foreign key", func(s *scene) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(s.TB, err)
			s.forgeWith("key_unknown", key, func(_, _ map[string]any) {})
		}, unusable("unknown_key")},
		{"subject token: foreign key under our kid", func(s *scene) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(s.TB, err)
			kid, _ := s.SigningKey()
			s.forgeWith(kid, key, func(_, _ map[string]any) {})
		}, unusable("bad_signature")},
		{"subject token: key in the header", func(s *scene) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(s.TB, err)
			s.forgeWith("key_unknown", key, func(h, _ map[string]any) {
				h["jwk"] = map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
			})
		}, unusable("unknown_key")},
		{"subject token: never issued", func(s *scene) { s.forge(func(_, c map[string]any) { c["jti"] = "tok_never" }) }, unusable("unknown_token")},
		{"subject token: no jti", func(s *scene) { s.forge(func(_, c map[string]any) { delete(c, "jti") }) }, unusable("malformed")},
		{"subject token: no exp", func(s *scene) { s.forge(func(_, c map[string]any) { delete(c, "exp") }) }, unusable("malformed")},
		{"subject token: a chain of 1000", func(s *scene) { s.forge(func(_, c map[string]any) { c["act"] = nested(1000) }) }, unusable("malformed")},
		{"subject token: a chain of 9", func(s *scene) { s.forge(func(_, c map[string]any) { c["act"] = nested(9) }) }, unusable("malformed")},
		{"subject token: expired", func(s *scene) { s.Clock.Advance(time.Hour) }, exchangeOnly(badRequest("has expired", "token_expired"))},
		{"subject token: of the future", func(s *scene) { s.Clock.Advance(-time.Hour) }, exchangeOnly(badRequest("has not come yet", "token_early"))},
		{"subject token: revoked", func(s *scene) {
			require.Equal(s.TB, 200, s.Form("/oauth2/revoke", s.origin, map[string][]string{"token": {s.subject}}).Status)
		}, exchangeOnly(badRequest("has been revoked", "token_revoked"))},
		{"subject token: its grant revoked", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RevokeGrant(ctx, by, s.origin.SelfGrantID)
			})
		}, exchangeOnly(badRequest("grant", "grant_ended"))},
		{"subject token: sent to somebody else", func(s *scene) {
			stranger := s.Agent("stranger", s.owner)
			s.Allow(stranger.ID, s.service, "work:do")
			s.request.header.Set("Authorization", "Basic "+basic(stranger.ID, stranger.Secret))
		}, exchangeOnly(badRequest("neither holds the subject token", "not_entitled"))},
		{"subject token: its service suspended", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateResourceServer(ctx, by, s.inbox.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
				return err
			})
		}, exchangeOnly(badRequest("service the presented token is for", "token_audience_inactive"))},
		{"beyond the subject token's reach", func(s *scene) {
			s.Allow(s.agent.ID, s.service, "work:undo")
			s.Allow(s.origin.ID, s.service, "work:undo")
			s.request.form.Set("scope", "work:do work:undo")
		}, exchangeOnly(bad("invalid_scope", "does not reach scope work:undo", "scope_not_in_parent"))},
		{"beyond what the subject holds", func(s *scene) {
			s.Scope(s.inbox, "task:send", models.ScopeRef{ResourceID: s.service.ID, Name: "work:do"}, models.ScopeRef{ResourceID: s.service.ID, Name: "work:undo"})
			s.Allow(s.agent.ID, s.service, "work:undo")
			s.request.form.Set("scope", "work:undo")
		}, exchangeOnly(bad("invalid_scope", "Subject origin does not hold scope work:undo", "scope_not_held/subject"))},
	}
	return append(append(rows, actorRows()...), chainRows()...)
}

func actorRows() []row {
	actor := func(s *scene, token string) {
		s.request.form.Set("actor_token", token)
		s.request.form.Set("actor_token_type", harness.TokenType)
	}
	foreign := exchangeOnly(badRequest("not a live token of the client's own", "actor_token_foreign"))
	return []row{
		{"actor token: another agent's", func(s *scene) { actor(s, s.subject) }, foreign},
		{"actor token: garbage", func(s *scene) { actor(s, "not.a.token") }, foreign},
		{"actor token: own but expired", func(s *scene) {
			token := s.Own(s.agent, s.service.Identifier, "work:do")
			s.Clock.Advance(11 * time.Minute)
			s.subject = s.Own(s.origin, s.inbox.Identifier, "task:send")
			s.request.form.Set("subject_token", s.subject)
			actor(s, token)
		}, foreign},
		{"actor token: own but delegated", func(s *scene) {
			actor(s, s.Exchange(s.agent, s.subject, s.service.Identifier, "work:do"))
		}, foreign},
	}
}

// through hands the subject token on through a middle agent, so that the chain
// has a member: it must reach the agent as [middle].
func (s *scene) through() *harness.Client {
	s.TB.Helper()
	middle := s.Agent("middle", s.User("middle-owner"))
	desk := s.Service("desk", middle)
	s.Scope(desk, "desk:use", models.ScopeRef{ResourceID: s.inbox.ID, Name: "task:send"})
	for _, c := range []*harness.Client{s.origin, middle} {
		s.Allow(c.ID, desk, "desk:use")
		s.Allow(c.ID, s.inbox, "task:send")
		s.Allow(c.ID, s.service, "work:do")
	}
	first := s.Own(s.origin, desk.Identifier, "desk:use")
	s.subject = s.Exchange(middle, first, s.inbox.Identifier, "task:send")
	s.request.form.Set("subject_token", s.subject)
	return middle
}

// chainRows: somebody behind the token is in no state to lend their name.
func chainRows() []row {
	return []row{
		{"subject suspended", func(s *scene) { s.suspend(s.origin) }, exchangeOnly(badRequest("origin, is not active", "subject_inactive"))},
		{"subject expired", func(s *scene) { s.expire(s.origin) }, exchangeOnly(badRequest("origin, has expired", "subject_expired"))},
		{"subject decommissioned", func(s *scene) { s.decommission(s.origin) }, exchangeOnly(badRequest("", "subject_inactive"))},
		{"subject's owner suspended", func(s *scene) {
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, s.originOwner.ID)
				return err
			})
		}, exchangeOnly(badRequest("Nobody active answers for origin", "subject_owner_inactive"))},
		{"chain member suspended", func(s *scene) { s.suspend(s.through()) }, exchangeOnly(badRequest("Actor middle in the token's chain is not active", "actor_inactive"))},
		{"chain member expired", func(s *scene) { s.expire(s.through()) }, exchangeOnly(badRequest("Actor middle in the token's chain has expired", "actor_expired"))},
		{"chain member decommissioned", func(s *scene) { s.decommission(s.through()) }, exchangeOnly(badRequest("Actor middle", "actor_inactive"))},
		{"chain member's owner removed", func(s *scene) {
			middle := s.through()
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				return st.RemoveUser(ctx, by, *middle.OwnerID, models.AnyVersion)
			})
		}, exchangeOnly(badRequest("Nobody active answers for actor middle", "actor_owner_inactive"))},
		{"chain member lost the scope", func(s *scene) {
			middle := s.through()
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				rows, _, err := st.Assignments(ctx, "", middle.ID, models.Page{})
				for _, a := range rows {
					if err == nil {
						err = st.DeleteAssignment(ctx, by, a.ID)
					}
				}
				return err
			})
		}, exchangeOnly(bad("invalid_scope", "Actor middle does not hold scope work:do", "scope_not_held/actor"))},
		{"chain too deep", func(s *scene) {
			s.through()
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.UpdateResourceServer(ctx, by, s.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.MaxDepth = 1 })
				return err
			})
		}, exchangeOnly(badRequest("The chain would have 2 actors, more than service accepts", "chain_too_deep"))},
		{"chain circular", func(s *scene) {
			// agent -> middle -> agent: the token comes back to who had it before.
			middle := s.through()
			back := s.Service("back", middle)
			s.Scope(back, "back:use", models.ScopeRef{ResourceID: s.service.ID, Name: "work:do"})
			s.Scope(s.inbox, "task:send", models.ScopeRef{ResourceID: s.service.ID, Name: "work:do"}, models.ScopeRef{ResourceID: back.ID, Name: "back:use"})
			for _, c := range []*harness.Client{s.origin, middle, s.agent} {
				s.Allow(c.ID, back, "back:use")
			}
			token := s.Exchange(s.agent, s.subject, back.Identifier, "back:use")
			s.subject = token
			s.request.form.Set("subject_token", token)
			s.request.header.Set("Authorization", "Basic "+basic(middle.ID, middle.Secret))
		}, exchangeOnly(badRequest("middle is in the token's chain already", "chain_circular"))},
	}
}

func (s *scene) suspend(c *harness.Client) {
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.SuspendClient(ctx, by, c.ID)
		return err
	})
}

func (s *scene) expire(c *harness.Client) {
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, c.ID, models.AnyVersion, func(m *models.Client) { m.ExpiresAt = s.Clock.Now().Unix() })
		return err
	})
}

func (s *scene) decommission(c *harness.Client) {
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.DecommissionClient(ctx, by, c.ID, models.AnyVersion)
	})
}
