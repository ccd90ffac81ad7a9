package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// What es256 signs, the library verifies; and the same text twice is the same
// signature, because its nonce comes from key and text.
func TestDeterministicSignaturesVerify(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for n := range 300 { // R or S is now and then a byte shorter
		text := string(binary.AppendVarint(nil, int64(n)))
		sig, err := es256{jwt.SigningMethodES256}.Sign(text, key)
		require.NoError(t, err)
		require.Len(t, sig, 64)
		require.NoError(t, jwt.SigningMethodES256.Verify(text, sig, &key.PublicKey))
		require.Error(t, jwt.SigningMethodES256.Verify(text+"x", sig, &key.PublicKey))
		again, err := es256{jwt.SigningMethodES256}.Sign(text, key)
		require.NoError(t, err)
		require.Equal(t, sig, again)
	}
	_, err = es256{jwt.SigningMethodES256}.Sign("text", []byte("secret"))
	require.ErrorIs(t, err, jwt.ErrInvalidKeyType)
}

func TestMemoryOfVerifiedTokensIsBounded(t *testing.T) {
	s, name := newSeen(), func(n int) (out [sha256.Size]byte) {
		binary.BigEndian.PutUint64(out[:], uint64(n))
		return out
	}
	for n := range 5 * maxSeen {
		s.put(name(n), &Claims{IssuedAt: int64(n)})
		require.NotNil(t, s.get(name(0)), "what is shown again is not forgotten, after %d", n)
	}
	require.LessOrEqual(t, len(s.recent)+len(s.old), 2*maxSeen)
	require.Nil(t, s.get(name(1)))
	require.Nil(t, s.get(name(-1)))
}
