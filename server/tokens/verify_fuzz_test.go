package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// fuzzKey is one key for all runs, so that seeds stay signed. It guards nothing.
func fuzzKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), new(big.Int).SetInt64(20261122).FillBytes(make([]byte, 32)))
	require.NoError(tb, err)
	return key
}

// fuzzRing is a keyring with fuzzKey in it as key_fuzz.
func fuzzRing(tb testing.TB) *Keyring {
	tb.Helper()
	store := modelstest.New(tb, "sqlite")
	master, err := NewMasterKey(GenerateMasterKey())
	require.NoError(tb, err)
	ring, err := NewKeyring(tb.Context(), "https://deputy.example", store, master, time.Now)
	require.NoError(tb, err)
	der, err := x509.MarshalPKCS8PrivateKey(fuzzKey(tb))
	require.NoError(tb, err)
	require.NoError(tb, store.AddSigningKey(tb.Context(), modelstest.By(), &models.SigningKey{
		ID: "key_fuzz", Purpose: models.KeyForTokens, Alg: "ES256", PublicJWK: "{}", Sealed: master.Seal("key_fuzz", der), ActiveAt: time.Now().Unix(),
	}, Overlap, false))
	require.NoError(tb, ring.Reload(tb.Context()))
	return ring
}

func signed(tb testing.TB, header, claims map[string]any) string {
	tb.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	token.Header["typ"], token.Header["kid"] = "at+jwt", "key_fuzz"
	for k, v := range header {
		token.Header[k] = v
	}
	raw, err := token.SignedString(fuzzKey(tb))
	require.NoError(tb, err)
	return raw
}

func goodClaims() map[string]any {
	return map[string]any{
		"iss": "https://deputy.example", "sub": "agt_1", "sub_profile": "ai_agent", "aud": "https://service.example", "client_id": "agt_1", "client_profile": "ai_agent",
		"scope": "read write", "jti": "tok_1", "txn": "tok_1", "gid": "gnt_1", "iat": 1790000000, "exp": 1790000600,
		"act": map[string]any{"sub": "agt_2", "sub_profile": "ai_agent", "act": map[string]any{"sub": "agt_1"}},
	}
}

// with is the good claims with one changed.
func with(name string, value any) map[string]any {
	c := goodClaims()
	c[name] = value
	return c
}

// Nobody can make a token: whatever is accepted is, letter for letter but for the
// signature, something that was signed here, and says all that a token must say.
func FuzzVerify(f *testing.F) {
	ring := fuzzRing(f)
	ours := map[string]bool{} // what was signed
	for _, raw := range []string{
		signed(f, nil, goodClaims()), signed(f, nil, with("act", nil)), signed(f, nil, with("house", "x")),
		signed(f, nil, with("exp", 1e18)), signed(f, nil, with("iss", "https://other.example")), signed(f, nil, with("aud", []string{"a"})),
		signed(f, map[string]any{"typ": "JWT"}, goodClaims()), signed(f, map[string]any{"crit": []string{"x"}}, goodClaims()),
		signed(f, map[string]any{"alg": "none"}, goodClaims()), signed(f, map[string]any{"kid": "key_none"}, goodClaims()),
	} {
		ours[raw[:strings.LastIndex(raw, ".")]] = true
		f.Add(raw)
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		claims, err := ring.Verify(t.Context(), raw)
		if err != nil {
			var problem Problem
			require.True(t, errors.As(err, &problem), "%v", err)
			require.Nil(t, claims)
			require.Equal(t, oauth.Clean(string(problem)), string(problem), "it is told")
			return
		}
		input := raw[:strings.LastIndex(raw, ".")]
		if !ours[input] { // a seed of an earlier run, then; else somebody forged it
			require.NoError(t, jwt.SigningMethodES256.Verify(input, mustDecode(t, raw), &fuzzKey(t).PublicKey))
		}
		require.Equal(t, "https://deputy.example", claims.Issuer)
		require.True(t, claims.complete())
		require.LessOrEqual(t, len(claims.Chain()), policies.Ceiling)
		_, peeked, err := Peek(raw)
		require.NoError(t, err)
		body, err := json.Marshal(peeked)
		require.NoError(t, err)
		var same Claims
		require.NoError(t, json.Unmarshal(body, &same))
		require.Equal(t, *claims, same, "what is printed is what is checked")
	})
}

func mustDecode(t *testing.T, raw string) []byte {
	t.Helper()
	sig, err := jwt.NewParser().DecodeSegment(raw[strings.LastIndex(raw, ".")+1:])
	require.NoError(t, err)
	return sig
}

// Signed or not, claims of any shape are read without harm, and nothing passes
// that lacks what Deputy writes.
func FuzzSignedClaims(f *testing.F) {
	ring := fuzzRing(f)
	key := fuzzKey(f)
	for _, c := range []map[string]any{goodClaims(), with("act", map[string]any{"act": map[string]any{}}), with("exp", -1), with("iat", 1.5), with("aud", nil), with("sub", "")} {
		body, err := json.Marshal(c)
		require.NoError(f, err)
		f.Add([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"key_fuzz"}`), body)
	}
	f.Add([]byte(`{"alg":"ES256","typ":"AT+JWT","kid":"key_fuzz","jwk":{}}`), []byte(`{"ISS":"https://deputy.example"}`))
	f.Fuzz(func(t *testing.T, header, body []byte) {
		input := segment(header) + "." + segment(body)
		sig, err := jwt.SigningMethodES256.Sign(input, key)
		require.NoError(t, err)
		claims, err := ring.Verify(t.Context(), input+"."+segment(sig))
		if err != nil {
			var problem Problem
			require.True(t, errors.As(err, &problem), "%v", err)
			return
		}
		var h map[string]any
		require.NoError(t, json.Unmarshal(header, &h))
		require.Equal(t, "ES256", h["alg"])
		require.NotContains(t, h, "crit")
		typ, _ := h["typ"].(string)
		require.Equal(t, "at+jwt", strings.TrimPrefix(strings.ToLower(typ), "application/"))
		for what, value := range map[string]string{
			"sub": claims.Subject, "aud": claims.Audience, "client_id": claims.ClientID, "jti": claims.ID, "txn": claims.Txn, "gid": claims.GrantID,
		} {
			require.NotEmpty(t, value, what)
		}
		require.Positive(t, claims.Expires)
		require.Positive(t, claims.IssuedAt)
		require.LessOrEqual(t, len(claims.Chain()), policies.Ceiling)
	})
}

func segment(b []byte) string { return new(jwt.Token).EncodeSegment(b) }
