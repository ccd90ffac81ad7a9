package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// What sign signs, the library verifies; and the same text twice is the same
// signature, because its nonce comes from key and text.
func TestDeterministicSignaturesVerify(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for n := range 300 { // R or S is now and then a byte shorter
		text := string(binary.AppendVarint(nil, int64(n)))
		sig, err := sign([]byte(text), key)
		require.NoError(t, err)
		require.Len(t, sig, 64)
		require.NoError(t, jwt.SigningMethodES256.Verify(text, sig, &key.PublicKey))
		require.Error(t, jwt.SigningMethodES256.Verify(text+"x", sig, &key.PublicKey))
		again, err := sign([]byte(text), key)
		require.NoError(t, err)
		require.Equal(t, sig, again)
	}
}
