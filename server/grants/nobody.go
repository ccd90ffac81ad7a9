package grants

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// nobodysKey is a key of the algorithm that an assertion claims, which verifies
// nothing; "" for an algorithm that no client can have.
func nobodysKey(assertion string) string {
	t, _, err := jwt.NewParser().ParseUnverified(assertion, &jwt.RegisteredClaims{})
	if err != nil {
		return ""
	}
	alg, _ := t.Header["alg"].(string)
	return nobodysKeys()[alg]
}

// nobodysKeys are made once. What would sign for them is thrown away.
var nobodysKeys = sync.OnceValue(func() map[string]string {
	keys := map[string]any{}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384()} {
		if key, err := ecdsa.GenerateKey(curve, rand.Reader); err == nil {
			keys[alg] = &key.PublicKey
		}
	}
	if public, _, err := ed25519.GenerateKey(rand.Reader); err == nil {
		keys["EdDSA"] = public
	}
	// A random odd number takes as long as a product of primes, and no time to make.
	var n [256]byte
	_, _ = rand.Read(n[:]) // never fails (crypto/rand)
	n[0], n[255] = n[0]|0x80, n[255]|1
	modulus := &rsa.PublicKey{N: new(big.Int).SetBytes(n[:]), E: 65537}
	keys["RS256"], keys["PS256"] = modulus, modulus
	out := map[string]string{}
	for alg, key := range keys {
		if jwk, err := json.Marshal(jose.JSONWebKey{Key: key, Algorithm: alg, Use: "sig"}); err == nil {
			out[alg] = string(jwk)
		}
	}
	return out
})
