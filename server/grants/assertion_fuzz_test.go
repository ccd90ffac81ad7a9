package grants

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/oauth"
)

const (
	fuzzIssuer = "https://deputy.example"
	fuzzNow    = int64(1790000000)
)

// asserter is one key for all runs, so that seeds stay signed, and its public
// part as it is stored. It guards nothing.
func asserter(tb testing.TB) (key *ecdsa.PrivateKey, stored string) {
	tb.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(20261123).FillBytes(make([]byte, 32)))
	require.NoError(tb, err)
	body, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"})
	require.NoError(tb, err)
	return key, string(body)
}

func signedAssertion(tb testing.TB, header, body string) string {
	tb.Helper()
	key, _ := asserter(tb)
	var none jwt.Token
	input := none.EncodeSegment([]byte(header)) + "." + none.EncodeSegment([]byte(body))
	sig, err := jwt.SigningMethodES256.Sign(input, key)
	require.NoError(tb, err)
	return input + "." + none.EncodeSegment(sig)
}

const (
	goodHeader    = `{"alg":"ES256","kid":"k1","typ":"client-authentication+jwt"}`
	goodAssertion = `{"iss":"agt_1","sub":"agt_1","aud":"https://deputy.example","jti":"1","iat":1790000000,"exp":1790000060}`
)

// Nobody makes an assertion for somebody else: what holds was signed with the
// registered key, letter for letter.
func FuzzClientAssertion(f *testing.F) {
	_, stored := asserter(f)
	ours := map[string]bool{}
	for _, raw := range []string{
		signedAssertion(f, goodHeader, goodAssertion), signedAssertion(f, `{"alg":"ES256","kid":"k2"}`, goodAssertion),
		signedAssertion(f, `{"alg":"ES256","crit":["b64"],"b64":true}`, goodAssertion), signedAssertion(f, `{"alg":"ES256","typ":"at+jwt"}`, goodAssertion),
		signedAssertion(f, `{"alg":"none"}`, goodAssertion), signedAssertion(f, goodHeader, `{"sub":["agt_1"]}`),
	} {
		ours[raw[:strings.LastIndex(raw, ".")]] = true
		f.Add(raw, "agt_1")
	}
	f.Add("a.b.c", "")
	f.Fuzz(func(t *testing.T, raw, id string) {
		named, err := assertedClient(oauth.ClientAuth{Method: oauth.PrivateKeyJWT, ID: id, Assertion: raw})
		if err == nil {
			require.NotEmpty(t, named)
			require.True(t, id == "" || id == named, "the client_id beside it is somebody else's")
		}
		claims, problem := verifyAssertion(raw, stored)
		if problem != "" {
			require.Nil(t, claims)
			return
		}
		input := raw[:strings.LastIndex(raw, ".")]
		require.True(t, ours[input], "nobody signed this")
		if err == nil && (&Endpoint{issuer: fuzzIssuer}).judge(claims, named, fuzzNow) == "" {
			require.Equal(t, "agt_1", claims.Subject)
		}
	})
}

// Whatever a client signs, an assertion that passes says who it is, to us alone,
// for a short time from now, and once. It is read as any JSON reader would.
func FuzzAssertedClaims(f *testing.F) {
	_, stored := asserter(f)
	for _, body := range []string{
		goodAssertion, strings.Replace(goodAssertion, `"https://deputy.example"`, `["https://deputy.example"]`, 1),
		strings.Replace(goodAssertion, `"https://deputy.example"`, `["https://deputy.example","https://other.example"]`, 1),
		strings.Replace(goodAssertion, `1790000060`, `1790000060.5`, 1), strings.Replace(goodAssertion, `1790000060`, `1e300`, 1),
		strings.Replace(goodAssertion, `"jti":"1",`, ``, 1), strings.Replace(goodAssertion, `"iat"`, `"nbf":1800000000,"iat"`, 1),
		`{"iss":"agt_2","ISS":"agt_1","sub":"agt_1","aud":"https://deputy.example","jti":"1","iat":1790000000,"exp":1790000060}`,
		`{"iss":"agt_1","iss":"agt_2","sub":"agt_1","aud":"https://deputy.example","jti":"1","iat":1790000000,"exp":1790000060}`,
		`{"iss":"agt_1","sub":"agt_1","aud":"https://other.example","Aud":"https://deputy.example","jti":"1","iat":1790000000,"exp":1790000060}`,
		`null`, `[]`, `{}`, `{"exp":"soon"}`,
	} {
		f.Add(goodHeader, body)
	}
	f.Add(`{"alg":"ES256","kid":"k1","typ":"JWT","jwk":{}}`, goodAssertion)
	f.Fuzz(func(t *testing.T, header, body string) {
		raw := signedAssertion(t, header, body)
		named, err := assertedClient(oauth.ClientAuth{Method: oauth.PrivateKeyJWT, Assertion: raw})
		if err != nil {
			return
		}
		claims, problem := verifyAssertion(raw, stored)
		if problem != "" || (&Endpoint{issuer: fuzzIssuer}).judge(claims, named, fuzzNow) != "" {
			return
		}
		var read map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &read))
		require.Equal(t, named, read["iss"])
		require.Equal(t, named, read["sub"])
		if one, isOne := read["aud"].(string); isOne {
			require.Equal(t, fuzzIssuer, one)
		} else {
			require.Equal(t, []any{fuzzIssuer}, read["aud"])
		}
		jti, _ := read["jti"].(string)
		require.NotEmpty(t, jti)
		require.LessOrEqual(t, len(jti), 256)
		for name, window := range map[string][2]float64{"exp": {-maxClockSkew, maxAssertionLife + maxClockSkew}, "iat": {-maxAssertionLife - maxClockSkew, maxClockSkew}} {
			at, isNumber := read[name].(float64)
			require.True(t, isNumber, name)
			require.GreaterOrEqual(t, at-float64(fuzzNow), window[0], name)
			require.LessOrEqual(t, at-float64(fuzzNow), window[1], name)
		}
		var h map[string]any
		require.NoError(t, json.Unmarshal([]byte(header), &h))
		require.Equal(t, "ES256", h["alg"])
		require.NotContains(t, h, "crit")
		require.False(t, slices.Contains([]any{"at+jwt", "dpop+jwt"}, h["typ"]))
	})
}
