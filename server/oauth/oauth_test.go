package oauth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func TestTokenRequestsAreReadAsWritten(t *testing.T) {
	r := post(url.Values{
		"grant_type": {TokenExchange}, "subject_token": {"s"}, "subject_token_type": {TypeAccessToken},
		"actor_token": {"a"}, "actor_token_type": {TypeAccessToken}, "scope": {"b  a b"}, "state": {""},
		"resource": {"https://one.example", "https://two.example"}, "audience": {"https://three.example"},
	}.Encode())
	r.SetBasicAuth("agt_1", url.QueryEscape("a+b c"))
	req, problem := ParseTokenRequest(r)
	require.Nil(t, problem)
	require.Equal(t, []string{"b", "a"}, req.Scopes, "in the asker's order, each once")
	require.Equal(t, []string{"https://one.example", "https://two.example", "https://three.example"}, req.Resources)
	require.Equal(t, ClientAuth{Method: SecretBasic, ID: "agt_1", Secret: "a+b c"}, req.Client)
	require.Equal(t, "s", req.SubjectToken)
	require.Equal(t, "a", req.ActorToken)
}

// Some clients form-encode Basic credentials, some do not. Ours read the same.
func TestBasicWithAndWithoutFormEncoding(t *testing.T) {
	for _, secret := range []string{"deputy_sk_A-Z_0", url.QueryEscape("deputy_sk_A-Z_0")} {
		r := post("grant_type=client_credentials")
		r.SetBasicAuth("app_1", secret)
		req, problem := ParseTokenRequest(r)
		require.Nil(t, problem)
		require.Equal(t, "deputy_sk_A-Z_0", req.Client.Secret)
	}
}

func TestErrorsKeepTheirCauseToThemselves(t *testing.T) {
	e := Errorf(ServerError, "Something \"went\" wrong\n").Because(http.ErrBodyNotAllowed)
	require.Equal(t, "Something 'went' wrong?", e.Description)
	require.ErrorIs(t, e, http.ErrBodyNotAllowed)
	require.NotContains(t, e.Description, "body")
	require.Equal(t, http.StatusInternalServerError, e.Status())
	plain := BadClient("x")
	require.Equal(t, http.StatusUnauthorized, plain.Status())
	require.NotSame(t, plain, plain.Named("y"), "errors are copied, never changed")
}

func TestMetadataHoldsNoNull(t *testing.T) {
	for _, openID := range []bool{false, true} {
		body, err := json.Marshal(NewMetadata("https://auth.example", openID))
		require.NoError(t, err)
		require.NotContains(t, string(body), "null")
	}
}

// Whatever is sent, reading it neither panics nor lets an unreadable request
// through, and every refusal has a code, a reason and permitted characters.
func FuzzParseTokenRequest(f *testing.F) {
	for _, seed := range []struct{ body, auth string }{
		{"grant_type=client_credentials&scope=agent%3Achat&resource=https%3A%2F%2Fx.example", "Basic YXBwXzE6eA=="},
		{"grant_type=" + url.QueryEscape(TokenExchange) + "&subject_token=a.b.c&subject_token_type=" + url.QueryEscape(TypeAccessToken), "Basic YWd0XzE6eA=="},
		{"grant_type=client_credentials&client_id=agt_1&client_secret=x", ""},
		{"client_assertion=a.b.c&client_assertion_type=" + url.QueryEscape(AssertionTypeJWT) + "&grant_type=client_credentials", ""},
		{"%zz", "Bearer x"}, {"scope=%22", "Basic %"}, {"a=1&a=2", "basic Og=="}, {strings.Repeat("a=b&", 100), ""},
	} {
		f.Add(seed.body, seed.auth)
	}
	f.Fuzz(func(t *testing.T, body, auth string) {
		r := post(body)
		if auth != "" {
			r.Header["Authorization"] = []string{auth}
		}
		req, problem := ParseTokenRequest(r)
		if problem != nil {
			require.NotEmpty(t, problem.Code)
			require.NotEmpty(t, problem.Reason)
			require.Equal(t, Clean(problem.Description), problem.Description)
			return
		}
		require.NotEmpty(t, req.GrantType)
		require.NotEmpty(t, req.Client.Method)
		require.True(t, req.Client.ID != "" || req.Client.Assertion != "")
		require.NotNil(t, req.Scopes, "policy must see an empty list, not null")
		require.LessOrEqual(t, len(req.Scopes), MaxScopes)
		if req.GrantType != TokenExchange {
			require.Empty(t, req.SubjectToken+req.ActorToken, "a token where none belongs must not be ignored")
		}
	})
}
