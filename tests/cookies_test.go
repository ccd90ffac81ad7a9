package tests

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/tests/harness"
)

// A browser that refuses cookies is told so; it does not go round.
func TestAccounts_ABrowserWithoutCookiesIsToldSo(t *testing.T) {
	eachAccounts(t, harness.Options{}, func(t *testing.T, s *harness.Server) {
		s.Person("alice")
		id := "atz_" + strings.Repeat("0", 26)
		form := url.Values{"username": {"alice"}, "password": {harness.Password}, "return": {id}}
		told := func(b *harness.Browser) {
			t.Helper()
			a := b.Follow(b.Post("/login", form))
			require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
			require.Contains(t, a.Body, "Your browser keeps no cookie")
			require.Contains(t, a.Body, `href="/login?return=`+id+`"`, "back to what the sign-in was for")
		}
		told(s.Forgetful())
		require.Equal(t, http.StatusUnauthorized, s.Forgetful().SignIn("alice", "a wrong guess").Status, "who is not let in hears that alone")

		b := s.Browser()
		require.Equal(t, "/login/check", b.Post("/login", url.Values{"username": {"alice"}, "password": {harness.Password}}).Header.Get("Location"))
		require.Equal(t, "/account", b.Get("/login/check").Header.Get("Location"))
		require.Equal(t, "/oauth2/authorize/"+id, b.Get("/login/check?return="+id).Header.Get("Location"))
		require.Equal(t, "/account", b.Get("/login/check?return=https://evil.example").Header.Get("Location"))
		require.Equal(t, "/oauth2/authorize/"+id, b.Post("/login", form).Header.Get("Location"), "who keeps cookies is not looked at again")

		page := b.Post("/account/totp", nil)
		code, err := totp.GenerateCode(strings.ReplaceAll(secretOnPage.FindStringSubmatch(page.Body)[1], " ", ""), s.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, b.Post("/account/totp/confirm", url.Values{"code": {code}}).Status)
		told(s.Forgetful()) // instead of being asked for a code that nothing belongs to
		require.Equal(t, "/login/otp", s.Browser().SignIn("alice", harness.Password).Header.Get("Location"))
	})
}
