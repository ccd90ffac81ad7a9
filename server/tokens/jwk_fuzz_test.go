package tokens

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/oauth"
)

// A key that is registered is public, strong, of one algorithm, and stored in a
// form that is read back as the same.
func FuzzPublicJWK(f *testing.F) {
	for _, seed := range jwks(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = ReadKeySet(raw) // must not panic
		stored, err := PublicJWK(raw)
		if err != nil {
			require.Empty(t, stored)
			return
		}
		set, err := ReadKeySet([]byte(`{"keys":[` + string(raw) + `]}`))
		require.NoError(t, err)
		require.Contains(t, set, stored)
		again, err := PublicJWK(json.RawMessage(stored))
		require.NoError(t, err)
		require.Equal(t, stored, again)
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(stored), &members))
		for name := range members {
			require.Contains(t, []string{"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}, name)
		}
		require.Contains(t, oauth.AssertionAlgs(), members["alg"])
		require.Equal(t, "sig", members["use"])
		var key jose.JSONWebKey
		require.NoError(t, json.Unmarshal([]byte(stored), &key))
		require.True(t, key.IsPublic() && key.Valid())
		if k, isRSA := key.Key.(*rsa.PublicKey); isRSA {
			require.GreaterOrEqual(t, k.N.BitLen(), 2048)
		}
	})
}

// jwks are keys of every kind, public and private. They guard nothing.
func jwks(f *testing.F) (seeds [][]byte) {
	f.Helper()
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(7).FillBytes(make([]byte, 32)))
	require.NoError(f, err)
	ed := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1))
	for _, key := range []jose.JSONWebKey{
		{Key: ec.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}, {Key: ec}, {Key: ed.Public(), KeyID: "ed"}, {Key: ed},
		{Key: &rsa.PublicKey{N: n, E: 65537}, Algorithm: "PS256"}, {Key: []byte("symmetric")},
	} {
		body, err := json.Marshal(key)
		require.NoError(f, err)
		seeds = append(seeds, body)
	}
	return append(seeds, []byte(`{"kty":"EC"}`), []byte(`{"keys":[]}`), []byte(`null`), []byte(`{"kty":"RSA","n":"AQ","e":"AQAB","alg":"RS256"}`))
}
