package tests

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/tests/harness"
)

// device is a software authenticator that holds one passkey.
type device struct {
	t    *testing.T
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newDevice(t *testing.T, s *harness.Server, user *models.User) *device {
	d := &device{t: t, rp: virtualwebauthn.RelyingParty{ID: "localhost", Name: "Deputy", Origin: s.Host}}
	d.auth = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(user.ID)})
	d.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	return d
}

// made answers options to register.
func (d *device) made(options string) string {
	d.t.Helper()
	parsed, err := virtualwebauthn.ParseAttestationOptions(options)
	require.NoError(d.t, err)
	return virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *parsed)
}

// signed answers options to sign in, with the next count.
func (d *device) signed(options string) string {
	d.t.Helper()
	parsed, err := virtualwebauthn.ParseAssertionOptions(options)
	require.NoError(d.t, err)
	d.key.Counter++
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.key, *parsed)
}

// registered is a device of alice's, who has signed in with her password at b.
func registered(t *testing.T, s *harness.Server, b *harness.Browser, alice *models.User) *device {
	t.Helper()
	d := newDevice(t, s, alice)
	options := b.PostJSON("/account/passkeys/begin", "{}")
	require.Equal(t, http.StatusOK, options.Status, options.Body)
	require.Contains(t, options.Body, `"residentKey":"required"`)
	require.Contains(t, options.Body, `"userVerification":"required"`)
	answer := d.made(options.Body)
	require.Equal(t, http.StatusOK, b.PostJSON("/account/passkeys/finish", answer).Status)
	require.Equal(t, http.StatusUnauthorized, b.PostJSON("/account/passkeys/finish", answer).Status, "a challenge is answered once")
	return d
}

func TestPasskeys_SignIn(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		home := s.Browser()
		require.Equal(t, http.StatusSeeOther, home.SignIn("alice", harness.Password).Status)
		d := registered(t, s, home, alice)
		require.Contains(t, home.Get("/account/passkeys").Body, "Firefox, Linux")

		page := s.Browser().Get("/login")
		require.Contains(t, page.Header.Get("Content-Security-Policy"), "script-src 'self'; connect-src 'self'")
		require.Contains(t, s.Browser().Get("/passkey.js").Header.Get("Content-Type"), "text/javascript")
		b := s.Browser()
		options := b.PostJSON("/login/passkey", "{}")
		require.Equal(t, http.StatusOK, options.Status)
		answer := d.signed(options.Body)
		in := b.PostJSON("/login/passkey/finish", answer)
		require.Equal(t, http.StatusOK, in.Status, in.Body)
		require.JSONEq(t, `{"location": "/login/check"}`, in.Body, "this browser had no cookie so far")
		require.Equal(t, "/account", b.Get("/login/check").Header.Get("Location"))
		require.True(t, b.SignedIn())
		require.Contains(t, s.LastEntry().Detail, `"acr":"2","amr":["hwk","user","mfa"]`)
		require.Equal(t, http.StatusUnauthorized, s.Browser().PostJSON("/login/passkey/finish", answer).Status, "replayed")
	})
}

func TestPasskeys_Refused(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		alice := s.Person("alice")
		home := s.Browser()
		require.Equal(t, http.StatusSeeOther, home.SignIn("alice", harness.Password).Status)
		d := registered(t, s, home, alice)
		begin := func() string { return s.Browser().PostJSON("/login/passkey", "{}").Body }
		refused := func(why, body string) {
			t.Helper()
			b := s.Browser()
			a := b.PostJSON("/login/passkey/finish", body)
			require.Equal(t, http.StatusUnauthorized, a.Status, why)
			require.JSONEq(t, `{"error": "passkey_failed"}`, a.Body)
			require.Empty(t, a.Header.Values("Set-Cookie"))
		}
		refused("nothing", "")
		refused("no passkey", `{"id":"x"}`)

		late := begin()
		s.Clock.Advance(people.ChallengeLife)
		refused("five minutes later", d.signed(late))

		refused("the challenge of a registration", d.signed(`{"publicKey":{"rpId":"localhost","challenge":`+challengeOf(t, home.PostJSON("/account/passkeys/begin", "{}").Body)+`}}`))
		refused("a challenge of one's own", d.signed(`{"publicKey":{"rpId":"localhost","challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}`))

		elsewhere := *d
		elsewhere.rp.Origin = "https://evil.example"
		refused("made at another origin", elsewhere.signed(begin()))
		elsewhere = *d
		elsewhere.rp.ID = "evil.example"
		refused("made for another party", elsewhere.signed(begin()))
		other := newDevice(t, s, alice)
		refused("a key nobody registered", other.signed(begin()))
		forged := *d
		forged.key.Key = other.key.Key
		refused("signed by another key", forged.signed(begin()))
		hers := *d
		hers.auth.Options.UserHandle = []byte(s.Person("bob").ID)
		refused("somebody else's", hers.signed(begin()))
		careless := *d
		careless.auth.Options.UserNotVerified = true
		refused("without verifying who is there", careless.signed(begin()))

		d.key.Counter = 10
		b := s.Browser()
		require.Equal(t, http.StatusOK, b.PostJSON("/login/passkey/finish", d.signed(begin())).Status)
		copied := *d
		copied.key.Counter = 5
		refused("a count that falls", copied.signed(begin()))
		copied.key.Counter = 10
		refused("a count that stays", copied.signed(begin()))
		require.Equal(t, http.StatusOK, b.PostJSON("/login/passkey/finish", d.signed(begin())).Status)

		keys, err := s.Store.Passkeys(t.Context(), alice.ID)
		require.NoError(t, err)
		require.Equal(t, int64(12), keys[0].SignCount)
		bob := s.Browser()
		require.Equal(t, http.StatusSeeOther, bob.SignIn("bob", harness.Password).Status)
		bob.Post("/account/passkeys/"+keys[0].ID+"/remove", nil)
		require.Equal(t, http.StatusOK, b.PostJSON("/login/passkey/finish", d.signed(begin())).Status, "not bob's to remove")
		s.Do(setting(alice.ID, (*models.Store).SuspendUser))
		refused("suspended", d.signed(begin()))
		s.Do(setting(alice.ID, (*models.Store).RestoreUser))
		require.Equal(t, http.StatusSeeOther, b.Post("/account/passkeys/"+keys[0].ID+"/remove", nil).Status)
		refused("removed", d.signed(begin()))

		rows, _, err := s.Store.Entries(t.Context(), models.EntryFilter{Kind: models.KindFailure}, -1, 100)
		require.NoError(t, err)
		for _, reason := range []string{"unreadable_passkey", "old_challenge", "wrong_passkey", "copied_passkey", "used_challenge"} {
			require.True(t, slices.ContainsFunc(rows, func(e models.Entry) bool {
				return e.Action == "login.passkey" && strings.Contains(e.Detail, `"`+reason+`"`)
			}), reason)
		}
	})
}

// Another session cannot finish what one began, and a form is no JSON.
func TestPasskeys_Registration(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		one, two := s.Browser(), s.Browser()
		require.Equal(t, http.StatusSeeOther, one.SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, two.SignIn("alice", harness.Password).Status)
		d := newDevice(t, s, alice)
		answer := d.made(one.PostJSON("/account/passkeys/begin", "{}").Body)
		require.Equal(t, http.StatusUnauthorized, two.PostJSON("/account/passkeys/finish", answer).Status)
		require.Equal(t, http.StatusSeeOther, s.Browser().PostJSON("/account/passkeys/finish", answer).Status, "nobody is signed in")
		require.Equal(t, http.StatusUnsupportedMediaType, one.Post("/account/passkeys/finish", nil).Status)
		d.rp.Origin = "https://evil.example"
		require.Equal(t, http.StatusUnauthorized, one.PostJSON("/account/passkeys/finish", d.made(one.PostJSON("/account/passkeys/begin", "{}").Body)).Status)
		keys, err := s.Store.Passkeys(t.Context(), alice.ID)
		require.NoError(t, err)
		require.Empty(t, keys)
	})
}

// At a bare address there are none, and the page does not offer any.
func TestPasskeys_NeedAName(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		page := s.Browser().Get("/login")
		require.NotContains(t, page.Body, "passkey.js")
		require.NotContains(t, page.Header.Get("Content-Security-Policy"), "script-src")
		require.Equal(t, http.StatusUnauthorized, s.Browser().PostJSON("/login/passkey", "{}").Status)
		require.Equal(t, http.StatusUnauthorized, s.Browser().PostJSON("/login/passkey/finish", "{}").Status)
	})
}

// setting gives a user another status.
func setting(id string, change func(st *models.Store, ctx context.Context, by models.By, id string) (*models.User, error)) func(context.Context, *models.Store, models.By) error {
	return func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := change(st, ctx, by, id)
		return err
	}
}

func challengeOf(t *testing.T, options string) string {
	t.Helper()
	var o struct {
		PublicKey struct {
			Challenge json.RawMessage `json:"challenge"`
		} `json:"publicKey"`
	}
	require.NoError(t, json.Unmarshal([]byte(options), &o))
	return string(o.PublicKey.Challenge)
}
