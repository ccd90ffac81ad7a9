package oauth

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func asked(edit func(url.Values)) string {
	q := url.Values{
		"client_id": {"agt_1"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "state": {"s"}, "scope": {"a b a"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {"https://one", "https://two"},
		"prompt": {"login consent"}, "max_age": {"60"}, "acr_values": {"1 2"}, "nonce": {"n"}, "ui_locales": {"de en"}, "login_hint": {"joe"}, "id_token_hint": {"e.f.g"},
		"unknown": {"x"}, "display": {"popup"}, "claims": {`{"userinfo":{"name":{"essential":true}}}`}, "claims_locales": {"de"}, // ignored
	}
	edit(q)
	return q.Encode()
}

func TestAuthorizationRequestIsRead(t *testing.T) {
	age := int64(60)
	req, problem := ParseAuthorizationQuery(asked(func(url.Values) {}))
	require.Nil(t, problem)
	require.Equal(t, AuthorizationRequest{
		ClientID: "agt_1", RedirectURI: "https://app.example/cb", ResponseType: "code", State: "s", Nonce: "n", Scopes: []string{"a", "b"},
		Resources: []string{"https://one", "https://two"}, Challenge: challenge, PKCE: PKCEFound, Prompt: []string{"login", "consent"}, MaxAge: &age,
		ACRValues: []string{"1", "2"}, LoginHint: "joe", Hint: "e.f.g", UILocales: []string{"de", "en"},
	}, req)
}

func TestAuthorizationRequestsThatCannotBeRead(t *testing.T) {
	set := func(name string, values ...string) func(url.Values) { return func(q url.Values) { q[name] = values } }
	for name, c := range map[string]struct {
		edit       func(url.Values)
		code, says string
	}{
		"no client":              {set("client_id"), InvalidRequest, "client_id_missing"},
		"two clients":            {set("client_id", "a", "b"), InvalidRequest, "duplicate_parameter"},
		"two redirects":          {set("redirect_uri", "https://a", "https://b"), InvalidRequest, "duplicate_parameter"},
		"no response type":       {set("response_type"), InvalidRequest, "response_type_missing"},
		"implicit":               {set("response_type", "token"), UnsupportedResponseType, "response_type"},
		"hybrid":                 {set("response_type", "code id_token"), UnsupportedResponseType, "response_type"},
		"fragment":               {set("response_mode", "fragment"), InvalidRequest, "response_mode"},
		"scope":                  {set("scope", `a"b`), InvalidScope, "scope_malformed"},
		"prompt":                 {set("prompt", "create"), InvalidRequest, "prompt"},
		"prompt none and others": {set("prompt", "none login"), InvalidRequest, "prompt"},
		"negative age":           {set("max_age", "-1"), InvalidRequest, "max_age"},
		"wordy age":              {set("max_age", "soon"), InvalidRequest, "max_age"},
		"method alone":           {set("code_challenge"), InvalidRequest, "code_challenge"},
		"another method":         {set("code_challenge_method", "S512"), InvalidRequest, "code_challenge_method"},
		"short challenge":        {set("code_challenge", "abc"), InvalidRequest, "code_challenge"},
		"padded challenge":       {set("code_challenge", challenge+"="), InvalidRequest, "code_challenge"},
		"request object":         {set("request", "ey.."), RequestNotSupported, "request_not_supported"},
		"foreign request_uri":    {set("request_uri", "https://evil.example/r"), RequestURINotSupported, "request_uri_not_supported"},
		"long state":             {set("state", strings.Repeat("s", 3000)), InvalidRequest, "too_large"},
		"long hint":              {set("id_token_hint", strings.Repeat("h", 9000)), InvalidRequest, "too_large"},
		"registration":           {set("registration", "{}"), RegistrationNotSupported, "registration_not_supported"},
		"many resources":         {set("resource", strings.Split(strings.Repeat("https://x ", 17), " ")...), InvalidRequest, "too_large"},
	} {
		_, problem := ParseAuthorizationQuery(asked(c.edit))
		require.NotNil(t, problem, name)
		require.Equal(t, []string{c.code, c.says}, []string{problem.Code, problem.Reason}, name)
	}
	req, problem := ParseAuthorizationQuery(asked(set("response_type", "token")))
	require.NotNil(t, problem)
	require.Equal(t, "https://app.example/cb", req.RedirectURI, "where the client may be told")
	require.Equal(t, "s", req.State)
}

// plain is read, so that policy can refuse it by its name, and never taken for S256.
func TestPlainChallengeIsNone(t *testing.T) {
	for _, method := range [][]string{nil, {"plain"}} {
		req, problem := ParseAuthorizationQuery(asked(func(q url.Values) { q["code_challenge_method"] = method }))
		require.Nil(t, problem)
		require.Equal(t, PKCEPlain, req.PKCE)
		require.Empty(t, req.Challenge)
	}
	req, problem := ParseAuthorizationQuery(asked(func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") }))
	require.Nil(t, problem)
	require.Equal(t, PKCEMissing, req.PKCE)
}

// Of a request that was pushed nothing beside its name counts.
func TestPushedRequestIsNamed(t *testing.T) {
	req, problem := ParseAuthorizationQuery(asked(func(q url.Values) { q.Set("request_uri", RequestURIPrefix+"x"); q.Set("prompt", "nonsense") }))
	require.Nil(t, problem)
	require.Equal(t, RequestURIPrefix+"x", req.RequestURI)
	require.Empty(t, req.Scopes)
	_, problem = ParseAuthorizationQuery("request_uri=" + RequestURIPrefix + "x")
	require.NotNil(t, problem, "the client that pushed it must be named")
}

func TestPushedRequestsAreRead(t *testing.T) {
	push := func(edit func(url.Values)) (AuthorizationRequest, *Error) {
		r := httptest.NewRequest("POST", "/oauth2/par", strings.NewReader(asked(edit)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("agt_1", "secret")
		return ParsePushed(r)
	}
	req, problem := push(func(q url.Values) { q.Del("client_id") })
	require.Nil(t, problem)
	require.Equal(t, "agt_1", req.ClientID)
	require.Equal(t, SecretBasic, req.ClientInForm.Method)
	for code, sent := range map[string][2]string{
		InvalidRequest: {"request_uri", RequestURIPrefix + "x"}, RequestNotSupported: {"request", "ey.."}, RegistrationNotSupported: {"registration", "{}"},
	} {
		_, problem := push(func(q url.Values) { q.Set(sent[0], sent[1]) })
		require.NotNil(t, problem, sent)
		require.Equal(t, code, problem.Code)
	}
	_, problem = push(func(q url.Values) { q.Set("client_id", "agt_2") })
	require.NotNil(t, problem)
	require.Equal(t, InvalidRequest, problem.Code)
}

func TestVerifierIsOfItsChallenge(t *testing.T) {
	for want, pairs := range map[string][][2]string{
		"ok":         {{challenge, verifier}},
		"missing":    {{challenge, ""}, {"", ""}},
		"unexpected": {{"", verifier}},
		"wrong":      {{challenge, verifier + "x"}, {challenge, challenge}, {challenge, "short"}, {verifier, verifier}},
	} {
		for _, p := range pairs {
			require.Equal(t, want, CheckVerifier(p[0], p[1]), p)
		}
	}
}

func TestRedirectIsComparedAsItIs(t *testing.T) {
	registered := []string{
		"https://app.example/cb", "http://localhost/cb", "http://127.0.0.1:8080/cb?x=1", "http://[::1]/cb", "com.example.app:/cb",
	}
	for _, uri := range append([]string{
		"http://localhost:49152/cb", "http://127.0.0.1/cb?x=1", "http://127.0.0.1:1/cb?x=1", "http://[::1]:65535/cb",
	}, registered...) {
		got, ok := MatchRedirect(registered, uri)
		require.True(t, ok, uri)
		require.Equal(t, uri, got)
	}
	for _, uri := range []string{
		"", "https://app.example/cb/", "https://app.example/cb?x", "https://app.example/cb#", "https://app.example:443/cb", "https://APP.example/cb", "HTTPS://app.example/cb",
		"https://app.example/c%62", "https://app.example/x/../cb", "https://app.example/..;/cb", "https://app.example\\@evil.example/cb",
		"https://app.example@evil.example/cb", "https://evil.example@app.example/cb", "https://app.example.evil.example/cb", "https://app.example:8443/cb", "http://app.example/cb",
		"http://localhost.evil.example/cb", "http://localhost@evil.example/cb", "http://localhost:80@evil.example/cb", "http://evil.example:1/cb", "http://localhost:1/cb?x", "http://localhost:1/cbx",
		"http://localhost:/cb", "http://localhost:0/cb", "http://localhost:080/cb", "http://localhost:65536/cb", "http://localhost:-1/cb", "http://localhost:1\\@evil.example/cb", "http://localhost:1/cb#x",
		"http://LOCALHOST:1/cb", "http://127.0.0.1:1/cb", "http://127.1/cb", "http://[::1%25eth0]/cb", "http://::1/cb", "https://localhost:1/cb", "http://localhost\t/cb", "com.example.app://cb", "javascript:alert(1)",
	} {
		_, ok := MatchRedirect(registered, uri)
		require.False(t, ok, uri)
	}
	only, ok := MatchRedirect(registered[:1], "")
	require.True(t, ok, "the only one is meant")
	require.Equal(t, registered[0], only)
	_, ok = MatchRedirect(nil, "")
	require.False(t, ok)
}

// Whatever a loopback match lets through goes to the person's own machine, at the
// registered path.
func FuzzMatchRedirect(f *testing.F) {
	for _, seed := range []string{"http://localhost:1/cb", "http://localhost:1@evil/cb", "http://localhost\\:1/cb", "http://[::1]:1/cb"} {
		f.Add(seed)
	}
	registered := []string{"http://localhost/cb", "http://127.0.0.1/cb", "http://[::1]/cb"}
	f.Fuzz(func(t *testing.T, sent string) {
		uri, ok := MatchRedirect(registered, sent)
		if !ok {
			return
		}
		u, err := url.Parse(uri)
		if sent == "" || err != nil || u.User != nil || u.Path != "/cb" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" {
			t.Fatalf("%q is let through as %q", sent, uri)
		}
		if h := u.Hostname(); h != "localhost" && h != "127.0.0.1" && h != "::1" {
			t.Fatalf("%q goes to %q", sent, h)
		}
	})
}

func TestRedirectNamesItsIssuer(t *testing.T) {
	to, err := Redirect("https://app.example/cb?a=%20b&z", "https://as.example", "s&t", url.Values{"code": {"x"}})
	require.NoError(t, err)
	require.Equal(t, "https://app.example/cb?a=%20b&z&code=x&iss=https%3A%2F%2Fas.example&state=s%26t", to)
	to, err = Redirect("com.example.app:/cb", "https://as.example", "", url.Values{"error": {"access_denied"}})
	require.NoError(t, err)
	require.Equal(t, "com.example.app:/cb?error=access_denied&iss=https%3A%2F%2Fas.example", to)
}
