package tests

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// ownRows are the decisions and changes that the ledger holds of an account, newest first.
func ownRows(t *testing.T, s *harness.Server, userID string) []models.Entry {
	t.Helper()
	rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{Newest: true, SubjectID: userID}, -1, 50)
	require.NoError(t, err)
	return rows
}

// whyNot are the reasons in a recorded refusal.
func whyNot(t *testing.T, e models.Entry) (codes []string) {
	t.Helper()
	require.Equal(t, models.OutcomeRefused, e.Outcome, e.Action)
	var kept struct {
		Decision struct{ Reasons []struct{ Code string } }
	}
	require.NoError(t, json.Unmarshal([]byte(e.Detail), &kept))
	for _, r := range kept.Decision.Reasons {
		codes = append(codes, r.Code)
	}
	return codes
}

// changedPassword is a form that is in order.
func changedPassword() url.Values {
	return url.Values{"current": {harness.Password}, "password": {"quiet marble river"}, "again": {"quiet marble river"}}
}

// A change of an account has a decision in the ledger that allowed it.
func TestOwn_ChangesHaveDecisions(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		b, other := s.Browser(), s.Browser()
		require.Equal(t, http.StatusSeeOther, other.SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, b.Post("/account/sessions/end", nil).Status)
		require.False(t, other.SignedIn())
		rows := ownRows(t, s, alice.ID)
		change, decision := rows[0], rows[1]
		require.Equal(t, []string{"revokeSessions", "account:endSessions"}, []string{change.Action, decision.Action})
		require.Equal(t, []string{models.KindDecision, models.OutcomeGranted}, []string{decision.Kind, decision.Outcome})
		require.Contains(t, change.Detail, `"decision":"`+decision.ID+`"`)
		require.Contains(t, change.Detail, `"session":"ses_`)
		require.Contains(t, decision.Detail, `"object":{"kind":"account","id":"","owner":"`+alice.ID+`","second_factor":false,"offers":0}`)
		require.NotEmpty(t, decision.Policy)

		x, err := s.Endpoint.ExplainEntry(context.Background(), decision.ID)
		require.NoError(t, err)
		require.True(t, x.Granted, "it can be asked again")
	})
}

// By what somebody signs in changes only soon after they did; the rest any time.
func TestOwn_RecentSignIn(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		s.Clock.Stop()
		alice := s.Person("alice")
		b := s.Browser()
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		registered(t, s, b, alice)
		key := regexp.MustCompile(`/account/passkeys/psk_[0-9a-z]+/remove`).FindString(b.Get("/account/passkeys").Body)
		require.NotEmpty(t, key)
		s.Clock.Advance(15 * time.Minute)
		for path, back := range map[string]string{
			"/account/password": "security", "/account/totp": "security", "/account/totp/confirm": "security", "/account/totp/remove": "security", key: "passkeys",
		} {
			a := b.Post(path, changedPassword())
			require.Equal(t, http.StatusSeeOther, a.Status, path)
			require.Equal(t, "/login?return="+back, a.Header.Get("Location"), path)
			require.Contains(t, whyNot(t, ownRows(t, s, alice.ID)[0]), "sign_in_too_old", path)
		}
		for _, path := range []string{"/account/passkeys/begin", "/account/passkeys/finish"} {
			a := b.PostJSON(path, "{}")
			require.Equal(t, http.StatusUnauthorized, a.Status)
			require.JSONEq(t, `{"error":"sign_in_again","location":"/login?return=passkeys"}`, a.Body)
		}
		require.True(t, b.SignedIn(), "the session goes on")
		require.Contains(t, b.Get("/account/passkeys").Body, key, "nothing was done")
		require.Equal(t, http.StatusSeeOther, s.Browser().SignIn("alice", harness.Password).Status, "nor was the password changed")
		require.Equal(t, "/account/sessions", b.Post("/account/sessions/end", nil).Header.Get("Location"), "ending takes no recent sign-in")

		page := b.Get("/login?return=passkeys")
		require.Contains(t, page.Body, "Please sign in again")
		require.Contains(t, page.Body, `value="alice"`)
		in := b.Post("/login", url.Values{"username": {"alice"}, "password": {harness.Password}, "return": {"passkeys"}})
		require.Equal(t, "/account/passkeys", in.Header.Get("Location"))
		require.Equal(t, "/account/passkeys", b.Post(key, nil).Header.Get("Location"))
		require.NotContains(t, b.Get("/account/passkeys").Body, key)
		require.Equal(t, http.StatusOK, b.Post("/account/password", changedPassword()).Status)
	})
}

// A session that began with a password alone does not go around the second factor
// that was added since.
func TestOwn_SecondFactorStands(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		b := s.Browser()
		require.Equal(t, http.StatusSeeOther, b.SignIn("alice", harness.Password).Status)
		ctx, by := context.Background(), models.By{System: "test"}
		require.NoError(t, s.Store.PrepareTOTP(ctx, by, alice.ID, []byte("sealed")))
		require.Equal(t, http.StatusOK, b.PostJSON("/account/passkeys/begin", "{}").Status, "it is not there before it is confirmed")
		require.NoError(t, s.Store.ConfirmTOTP(ctx, by, alice.ID, 1))
		for _, path := range []string{"/account/password", "/account/totp/remove"} {
			a := b.Post(path, changedPassword())
			require.Equal(t, http.StatusUnprocessableEntity, a.Status, path)
			require.Contains(t, a.Body, "a password alone cannot")
			require.Equal(t, []string{"second_factor_needed"}, whyNot(t, ownRows(t, s, alice.ID)[0]))
		}
		require.Equal(t, http.StatusUnprocessableEntity, b.PostJSON("/account/passkeys/begin", "{}").Status)
		_, err := s.Store.TOTP(ctx, alice.ID)
		require.NoError(t, err)
	})
}

// What is somebody else's, or nobody's, is told like what is not there.
func TestOwn_NothingOfOthers(t *testing.T) {
	eachAccounts(t, harness.Options{Named: true}, func(t *testing.T, s *harness.Server) {
		alice, bob := s.Person("alice"), s.Person("bob")
		hers, his := s.Browser(), s.Browser()
		require.Equal(t, http.StatusSeeOther, hers.SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, his.SignIn("bob", harness.Password).Status)
		registered(t, s, hers, alice)
		key := regexp.MustCompile(`psk_[0-9a-z]+`).FindString(hers.Get("/account/passkeys").Body)
		sessions, err := s.People.Sessions(context.Background(), alice.ID)
		require.NoError(t, err)
		for _, path := range []string{
			"/account/passkeys/" + key + "/remove", "/account/sessions/" + sessions[0].ID + "/end", "/account/sessions/ses_nothing/end",
			"/account/passkeys/%ff%00/remove", "/account/sessions/" + bob.ID + "/end", "/account/sessions/" + key + "/end",
		} {
			a := his.Post(path, nil)
			require.Equal(t, http.StatusSeeOther, a.Status, path)
			entry := ownRows(t, s, bob.ID)[0]
			require.Equal(t, []string{"object_foreign"}, whyNot(t, entry), path)
		}
		require.True(t, hers.SignedIn())
		require.Contains(t, hers.Get("/account/passkeys").Body, key)
	})
}

// Policy decides: with a floor that does not, the queries still find nobody else's.
func TestOwn_QueriesAreTheSecondLine(t *testing.T) {
	floor := harness.Sabotaged(t, "floor/account/account.rego", `(?s)reasons contains \{"code": "object_foreign".*?\n\}\n`)
	eachAccounts(t, harness.Options{Floor: floor}, func(t *testing.T, s *harness.Server) {
		alice := s.Person("alice")
		s.Person("bob")
		hers, his := s.Browser(), s.Browser()
		require.Equal(t, http.StatusSeeOther, hers.SignIn("alice", harness.Password).Status)
		require.Equal(t, http.StatusSeeOther, his.SignIn("bob", harness.Password).Status)
		sessions, err := s.People.Sessions(context.Background(), alice.ID)
		require.NoError(t, err)
		require.Equal(t, http.StatusSeeOther, his.Post("/account/sessions/"+sessions[0].ID+"/end", nil).Status)
		require.True(t, hers.SignedIn())
	})
}
