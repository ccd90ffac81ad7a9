package oauth

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// told holds every refusal to a code, a reason for the ledger, and the characters
// RFC 6749 permits.
func told(t *testing.T, problem *Error) {
	t.Helper()
	require.NotEmpty(t, problem.Code)
	require.NotEmpty(t, problem.Reason)
	require.Equal(t, Clean(problem.Description), problem.Description)
	require.Less(t, problem.Status(), 500, "no request is our fault")
}

// Introspection and revocation: a query that is read names one client and one
// token, as they were sent.
func FuzzParseTokenQuery(f *testing.F) {
	f.Add("token=a.b.c&token_type_hint=access_token", "Basic YWd0XzE6eA==")
	f.Add("token=x&client_id=agt_1&client_secret=s", "")
	f.Add("token=x&client_assertion=a.b.c&client_assertion_type="+url.QueryEscape(AssertionTypeJWT), "")
	f.Add("token=x&token=y", "Bearer x")
	f.Fuzz(func(t *testing.T, body, auth string) {
		r := post(body)
		if auth != "" {
			r.Header["Authorization"] = []string{auth}
		}
		q, problem := ParseTokenQuery(r)
		if problem != nil {
			told(t, problem)
			return
		}
		sent, err := url.ParseQuery(body)
		require.NoError(t, err)
		require.Contains(t, sent["token"], q.Token)
		require.NotEmpty(t, q.Token)
		oneWay(t, q.Client, sent, auth)
	})
}

// oneWay checks that a client authenticates in exactly the way it chose.
func oneWay(t *testing.T, c ClientAuth, sent url.Values, header string) {
	t.Helper()
	switch c.Method {
	case SecretBasic:
		require.True(t, len(header) > 6 && strings.EqualFold(header[:6], "Basic "))
		require.Empty(t, sent.Get("client_secret")+sent.Get("client_assertion"), "another way beside it was ignored")
		require.NotEmpty(t, c.ID)
		require.Empty(t, c.Assertion)
	case SecretPost:
		require.Empty(t, header)
		require.NotEmpty(t, c.ID)
		require.NotEmpty(t, c.Secret)
		require.Empty(t, c.Assertion)
	case PrivateKeyJWT:
		require.Empty(t, header+c.Secret)
		require.NotEmpty(t, c.Assertion)
	case None:
		require.NotEmpty(t, c.ID)
		require.Empty(t, c.Secret+c.Assertion)
	default:
		t.Fatalf("method %q", c.Method)
	}
}

// RFC 6749 section 2.3.1: whatever id and secret are, form-encoded in a Basic
// header they come back as they were; and what is read is what was written.
func FuzzBasic(f *testing.F) {
	f.Add("agt_06h0", "deputy_sk_A-Z_0", "Basic YWd0XzE6eA==")
	f.Add("a:b", "c:d", "Basic Og==")
	f.Add("ä +%", "%zz+&=", "basic  YTpi")
	f.Add("x", "", "Basic YSU6Yg==")
	f.Fuzz(func(t *testing.T, id, secret, header string) {
		encoded := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
		got, problem := readBasic("Basic "+encoded, "")
		if id == "" {
			require.NotNil(t, problem)
		} else {
			require.Nil(t, problem)
			method := SecretBasic
			if secret == "" {
				method = None
			}
			require.Equal(t, ClientAuth{Method: method, ID: id, Secret: secret}, got)
			_, problem = readBasic("Basic "+encoded, id+"x")
			require.NotNil(t, problem, "another client_id beside it")
		}

		got, problem = readBasic(header, "")
		if problem != nil {
			told(t, problem)
			return
		}
		require.NotEmpty(t, got.ID)
		again, problem := readBasic("Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(got.ID)+":"+url.QueryEscape(got.Secret))), got.ID)
		require.Nil(t, problem)
		require.Equal(t, got, again)
	})
}

// Scopes: what is read is what was sent, each once, in order, and of permitted
// characters; written out again it reads the same.
func FuzzParseScope(f *testing.F) {
	for _, seed := range []string{"agent:chat", "a b a", "  a  ", `"`, "ä", strings.Repeat("x ", 300), strings.Repeat("x", 129), "a\tb", "search:web summarize:text"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		scopes, problem := ParseScope(sent)
		if problem != nil {
			told(t, problem)
			return
		}
		require.NotNil(t, scopes)
		require.LessOrEqual(t, len(scopes), MaxScopes)
		last := -1
		for _, scope := range scopes {
			at := slices.Index(strings.Split(sent, " "), scope)
			require.Greater(t, at, last, "in the asker's order, none made up")
			last = at
			require.Regexp(t, `^[\x21\x23-\x5B\x5D-\x7E]{1,128}$`, scope)
			require.True(t, utf8.ValidString(scope))
		}
		again, problem := ParseScope(strings.Join(scopes, " "))
		require.Nil(t, problem)
		require.Equal(t, scopes, again)
	})
}
