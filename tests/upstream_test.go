package tests

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

func TestUpstream_SignIn(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		p := newOpenID(t, s, "Workforce")
		p.linked("a-1", alice)
		b := s.Browser()
		page := b.Get("/login")
		require.Contains(t, page.Body, "Continue with Workforce")
		require.Contains(t, page.Body, `action="/login/upstream/`+p.row.ID+`"`)
		leaving := p.goes(b, "security")
		require.Contains(t, leaving.Header.Get("Content-Security-Policy"), "form-action 'self'")
		require.NotContains(t, leaving.Body, p.secret)
		in := p.arrives(b, p.signs(leaving, "a-1", map[string]any{"email": "somebody@else.example", "amr": []string{"pwd", "invented"}}))
		require.Equal(t, http.StatusSeeOther, in.Status, in.Body)
		require.Equal(t, "/account/security", in.Header.Get("Location"))
		require.True(t, b.SignedIn())
		require.Empty(t, b.Cookie("deputy_upstream"))
		entry := s.LastEntry()
		require.Equal(t, []string{"signIn", alice.ID}, []string{entry.Action, entry.SubjectID})
		require.Contains(t, entry.Detail, `"acr":"1","amr":["pwd"]`)
		require.Contains(t, entry.Detail, `"upstream_id":"`+p.row.ID+`"`)
		require.Contains(t, b.Get("/account/sessions").Body, "another account")
		require.Contains(t, b.Get("/account/security").Body, "Remove Workforce")

		strong := s.Browser()
		require.Equal(t, http.StatusSeeOther, p.arrives(strong, p.signs(p.goes(strong, ""), "a-1", map[string]any{"amr": []string{"pwd", "mfa"}})).Status)
		require.Contains(t, s.LastEntry().Detail, `"acr":"2","amr":["pwd","mfa"]`)
	})
}

// Whatever does not fit together leads nobody in.
func TestUpstream_Refused(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		p, other := newOpenID(t, s, "Workforce"), newOpenID(t, s, "Other")
		p.linked("a-1", alice)
		other.linked("a-1", s.Person("bob"))
		foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		claim := func(name string, value any) func(map[string]any, map[string]any) any {
			return func(_, claims map[string]any) any { claims[name] = value; return nil }
		}
		for name, spoil := range map[string]func(header, claims map[string]any) any{
			"wrong nonce":     claim("nonce", "another"),
			"no nonce":        claim("nonce", nil),
			"wrong audience":  claim("aud", "another client"),
			"several, no azp": claim("aud", []string{p.row.ClientID, "another"}),
			"wrong azp":       claim("azp", "another client"),
			"expired":         claim("exp", s.Clock.Now().Add(-time.Minute).Unix()),
			"wrong issuer":    claim("iss", other.web.URL),
			"no subject":      claim("sub", ""),
			"of the future":   claim("auth_time", s.Clock.Now().Add(time.Hour).Unix()),
			"too long ago":    claim("auth_time", s.Clock.Now().Add(-13*time.Hour).Unix()),
			"foreign key":     func(map[string]any, map[string]any) any { return foreign },
			"alg none":        func(header, _ map[string]any) any { header["alg"] = "none"; return jwt.UnsafeAllowNoneSignatureType },
			"alg HS256":       func(header, _ map[string]any) any { header["alg"] = "HS256"; return []byte(p.secret) },
		} {
			p.spoil = spoil
			b := s.Browser()
			a := p.arrives(b, p.signs(p.goes(b, ""), "a-1", nil))
			require.Equal(t, http.StatusBadRequest, a.Status, name)
			require.False(t, b.SignedIn(), name)
			require.Equal(t, []string{"login.upstream", models.KindFailure}, []string{s.LastEntry().Action, s.LastEntry().Kind}, name)
		}
		p.spoil = nil
		for name, change := range map[string]func(q url.Values){
			"wrong state":      func(q url.Values) { q.Set("state", "another") },
			"no state":         func(q url.Values) { q.Del("state") },
			"two states":       func(q url.Values) { q.Add("state", q.Get("state")) },
			"wrong code":       func(q url.Values) { q.Set("code", "another") },
			"no code":          func(q url.Values) { q.Del("code") },
			"other's name":     func(q url.Values) { q.Set("iss", other.web.URL) },
			"denied":           func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") },
			"code and error":   func(q url.Values) { q.Set("error", "access_denied") },
			"unreadable state": func(q url.Values) { q.Set("state", "\xff\x00") },
		} {
			b := s.Browser()
			answer := p.signs(p.goes(b, ""), "a-1", nil)
			change(answer)
			require.Equal(t, http.StatusBadRequest, p.arrives(b, answer).Status, name)
			require.False(t, b.SignedIn(), name)
		}
	})
}

// What comes back counts once, in the browser that set out, from the provider it
// set out to, for ten minutes.
func TestUpstream_BoundToTheBrowser(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		alice := s.Person("alice")
		p, other := newOpenID(t, s, "Workforce"), newOpenID(t, s, "Other")
		p.linked("a-1", alice)
		other.linked("a-1", alice)
		b, elsewhere := s.Browser(), s.Browser()
		answer := p.signs(p.goes(b, ""), "a-1", nil)
		require.Equal(t, http.StatusBadRequest, p.arrives(elsewhere, answer).Status, "no cookie")
		p.goes(elsewhere, "")
		require.Equal(t, http.StatusBadRequest, p.arrives(elsewhere, answer).Status, "another's cookie")
		require.False(t, elsewhere.SignedIn())
		require.Equal(t, http.StatusBadRequest, other.arrives(b, answer).Status, "sent back to another provider's place")
		kept := b.Cookie("deputy_upstream")
		require.Equal(t, http.StatusSeeOther, p.arrives(b, answer).Status)
		require.True(t, b.SignedIn())

		replay := s.Browser()
		replay.Keep("deputy_upstream", kept)
		again := p.signs(p.goes(elsewhere, ""), "a-1", nil) // a fresh code, for the state that was used
		again.Set("state", answer.Get("state"))
		require.Equal(t, http.StatusBadRequest, p.arrives(replay, again).Status)
		require.False(t, replay.SignedIn())
		for _, cookie := range []string{"x", kept[:len(kept)-2], strings.Repeat("A", 5000)} {
			replay.Keep("deputy_upstream", cookie)
			require.Equal(t, http.StatusBadRequest, p.arrives(replay, again).Status)
		}

		late := s.Browser()
		answer = p.signs(p.goes(late, ""), "a-1", nil)
		s.Clock.Advance(10 * time.Minute)
		require.Equal(t, http.StatusBadRequest, p.arrives(late, answer).Status)
		require.False(t, late.SignedIn())
	})
}

// A provider that says who answers must say so each time (RFC 9207).
func TestUpstream_SaysWhoAnswers(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		p := newOpenID(t, s, "Workforce")
		p.issues = true
		p.linked("a-1", s.Person("alice"))
		b := s.Browser()
		answer := p.signs(p.goes(b, ""), "a-1", nil)
		answer.Del("iss")
		require.Equal(t, http.StatusBadRequest, p.arrives(b, answer).Status)
		require.Equal(t, http.StatusSeeOther, p.arrives(b, p.signs(p.goes(b, ""), "a-1", nil)).Status)
		require.True(t, b.SignedIn())
	})
}

// An e-mail address, or a name, makes nobody somebody.
func TestUpstream_OnlyIssuerAndSubjectCount(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		_, err := s.Store.UpdateUser(context.Background(), models.By{System: "test"}, alice.ID, models.AnyVersion, func(u *models.User) { u.Email = "alice@example.com" })
		require.NoError(t, err)
		p, other := newOpenID(t, s, "Workforce"), newOpenID(t, s, "Other")
		p.linked("a-1", alice)
		same := map[string]any{"email": "alice@example.com", "email_verified": true, "preferred_username": "alice", "name": alice.ID}
		b := s.Browser()
		for _, try := range []struct {
			p       *openID
			subject string
		}{{p, "a-2"}, {other, "a-1"}, {p, alice.ID}, {p, "A-1"}} {
			a := try.p.arrives(b, try.p.signs(try.p.goes(b, ""), try.subject, same))
			require.Equal(t, http.StatusForbidden, a.Status)
			require.Contains(t, a.Body, "Nobody here signs in with this account")
			require.False(t, b.SignedIn())
			entry := s.LastEntry()
			require.Equal(t, "login.upstream", entry.Action)
			require.Contains(t, entry.Detail, "identity_unlinked")
			require.NotContains(t, entry.Detail, "alice")
		}
	})
}

func TestUpstream_WhoMayNotStaysOut(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		p := newOpenID(t, s, "Workforce")
		p.linked("a-1", alice)
		b := s.Browser()
		answer := p.signs(p.goes(b, ""), "a-1", nil)
		_, err := s.Store.SuspendUser(t.Context(), models.By{System: "test"}, alice.ID)
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, p.arrives(b, answer).Status, "a suspended user")
		_, err = s.Store.RestoreUser(t.Context(), models.By{System: "test"}, alice.ID)
		require.NoError(t, err)

		answer = p.signs(p.goes(b, ""), "a-1", nil)
		_, err = s.Store.UpdateUpstream(t.Context(), models.By{System: "test"}, p.row.ID, models.AnyVersion, func(u *models.Upstream) { u.Status = models.StatusSuspended })
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, p.arrives(b, answer).Status, "a suspended provider")
		require.Equal(t, http.StatusNotFound, p.goes(b, "").Status)
		require.NotContains(t, b.Get("/login").Body, "Workforce")
		require.Equal(t, http.StatusNotFound, b.Post("/login/upstream/ups_nothing", nil).Status)
		require.False(t, b.SignedIn())
	})
}

// A provider that does not answer is told of, and nothing is lost.
func TestUpstream_Down(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		p := newOpenID(t, s, "Workforce")
		p.linked("a-1", s.Person("alice"))
		p.down = true
		b := s.Browser()
		require.Equal(t, http.StatusOK, b.Get("/login").Status, "the page asks no provider")
		a := p.goes(b, "")
		require.Equal(t, http.StatusBadGateway, a.Status)
		require.Contains(t, a.Body, "does not answer")
		p.down = false
		answer := p.signs(p.goes(b, ""), "a-1", nil)
		p.down = true
		require.Equal(t, http.StatusBadGateway, p.arrives(b, answer).Status)
		p.down = false
		require.Equal(t, http.StatusSeeOther, p.arrives(b, p.signs(p.goes(b, ""), "a-1", nil)).Status)
		require.True(t, b.SignedIn())
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
	})
}

func TestUpstream_LinkAndUnlink(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		alice, bob := s.Person("alice"), s.Person("bob")
		p := newOpenID(t, s, "Workforce")
		b, bobs := s.Browser(), s.Browser()
		at := "/account/identities/link/" + p.row.ID
		require.Equal(t, "/login", b.Post(at, nil).Header.Get("Location"), "for members alone")
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, bobs.SignIn("bob", harness.Password).Status)
		a := p.arrives(b, p.signs(b.Post(at, nil), "a-1", nil))
		require.Equal(t, "/account/security", a.Header.Get("Location"))
		require.Equal(t, "linkIdentity", s.LastEntry().Action)
		require.Contains(t, s.LastEntry().Detail, `"decision":"dec_`)
		taken := p.arrives(bobs, p.signs(bobs.Post(at, nil), "a-1", nil))
		require.Equal(t, http.StatusConflict, taken.Status)

		// What alice set out for is not completed in another session of her browser.
		answer := p.signs(b.Post(at, nil), "a-2", nil)
		require.Equal(t, http.StatusSeeOther, b.SignIn("bob", harness.Password).Status)
		require.Equal(t, http.StatusBadRequest, p.arrives(b, answer).Status)
		rows, err := s.Store.Identities(t.Context(), bob.ID)
		require.NoError(t, err)
		require.Empty(t, rows)

		in := s.Browser()
		require.Equal(t, http.StatusSeeOther, p.arrives(in, p.signs(p.goes(in, ""), "a-1", nil)).Status)
		rows, err = s.Store.Identities(t.Context(), alice.ID)
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.NotZero(t, rows[0].LastUsedAt)
		remove := "/account/identities/" + rows[0].ID + "/remove"
		require.Equal(t, http.StatusSeeOther, bobs.Post(remove, nil).Status)
		require.Equal(t, "account:unlinkIdentity", s.LastEntry().Action, "bob removes nobody else's")
		s.Clock.Advance(15 * time.Minute)
		require.Equal(t, "/login?return=security", in.Post(remove, nil).Header.Get("Location"), "not long after")
		require.Equal(t, "/login?return=security", in.Post(at, nil).Header.Get("Location"))

		// A fresh sign-in is asked of the provider, and must have been one.
		stale := map[string]any{"auth_time": s.Clock.Now().Add(-15 * time.Minute).Unix()}
		require.Equal(t, http.StatusBadRequest, p.arrives(in, p.signs(p.goes(in, "security"), "a-1", stale)).Status)
		require.Equal(t, []string{"login", "0"}, []string{p.seen[len(p.seen)-1].Get("prompt"), p.seen[len(p.seen)-1].Get("max_age")})
		require.Equal(t, http.StatusBadRequest, p.arrives(in, p.signs(p.goes(in, "security"), "a-1", map[string]any{"auth_time": 0})).Status)
		require.True(t, in.SignedIn(), "the session goes on until there is another")
		require.Equal(t, http.StatusSeeOther, p.arrives(in, p.signs(p.goes(in, "security"), "a-1", nil)).Status)
		require.Equal(t, "/account/security", in.Post(remove, nil).Header.Get("Location"))
		require.True(t, in.SignedIn(), "unlinking ends nothing else")
		out := s.Browser()
		require.Equal(t, http.StatusForbidden, p.arrives(out, p.signs(p.goes(out, ""), "a-1", nil)).Status)
	})
}

// Who signed in there long ago, or nobody knows when, has not just signed in here.
func TestUpstream_WhenIsWhatTheProviderSays(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		alice := s.Person("alice")
		p := newOpenID(t, s, "Workforce")
		p.linked("a-1", alice)
		for said, want := range map[int64]int64{0: s.Clock.Now().Unix() - 12*3600, s.Clock.Now().Unix() - 3600: s.Clock.Now().Unix() - 3600} {
			b := s.Browser()
			require.Equal(t, http.StatusSeeOther, p.arrives(b, p.signs(p.goes(b, ""), "a-1", map[string]any{"auth_time": said})).Status)
			require.Contains(t, s.LastEntry().Detail, fmt.Sprintf(`"auth_time":%d,`, want))
			require.Equal(t, "/login?return=security", b.Post("/account/totp", nil).Header.Get("Location"))
		}
	})
}

// Somebody with a second factor is asked for it, unless the provider asked for two.
func TestUpstream_SecondFactorIsAsked(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		p := newOpenID(t, s, "Workforce")
		p.linked("a-1", alice)
		require.NoError(t, s.Store.PrepareTOTP(t.Context(), models.By{System: "test"}, alice.ID, []byte("sealed")))
		require.NoError(t, s.Store.ConfirmTOTP(t.Context(), models.By{System: "test"}, alice.ID, 1))
		b := s.Browser()
		a := p.arrives(b, p.signs(p.goes(b, "security"), "a-1", nil))
		require.Equal(t, "/login/otp?return=security", a.Header.Get("Location"))
		require.False(t, b.SignedIn())
		a = p.arrives(b, p.signs(p.goes(b, "security"), "a-1", map[string]any{"amr": []string{"hwk"}}))
		require.Equal(t, "/account/security", a.Header.Get("Location"))
		require.True(t, b.SignedIn())
	})
}
