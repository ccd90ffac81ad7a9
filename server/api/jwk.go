package api

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of an RSA key, in bits: below it is weak, above it is slow to verify with.
const minRSA, maxRSA = 2048, 8192

// publicJWK checks a key that a client wants to prove itself with, and gives
// the form in which it is stored: its public part, its kid, and the one
// algorithm it will be used with.
func publicJWK(raw json.RawMessage) (string, error) {
	wrong := func(format string, args ...any) (string, error) {
		return "", fault("invalid_value", "public_jwk", format, args...)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil || !key.Valid() {
		return wrong("Is not a key of a kind that Deputy knows: EC P-256 or P-384, Ed25519, RSA.")
	}
	if !key.IsPublic() {
		return wrong("Holds a private or symmetric key. Keep that to yourself, and consider it leaked: send the public part of a new one.")
	}
	algs, err := algsOf(key.Key)
	if err != nil {
		return "", err
	}
	switch {
	case key.Use != "" && key.Use != "sig":
		return wrong("use must be sig.")
	case len(key.KeyID) > 200 || !isText(key.KeyID):
		return wrong("kid holds at most 200 characters.")
	case key.Algorithm == "" && len(algs) > 1:
		return wrong("alg must be given for this key: %s.", strings.Join(algs, " or "))
	case key.Algorithm != "" && !slices.Contains(algs, key.Algorithm):
		return wrong("alg must be %s for this key.", strings.Join(algs, " or "))
	case key.Algorithm == "":
		key.Algorithm = algs[0]
	}
	stored, err := json.Marshal(jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: "sig"})
	return string(stored), err
}

// algsOf lists what a key may sign with.
func algsOf(key any) ([]string, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve.Params().Name {
		case "P-256":
			return []string{"ES256"}, nil
		case "P-384":
			return []string{"ES384"}, nil
		}
		return nil, fault("invalid_value", "public_jwk", "crv must be P-256 or P-384.")
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA || k.E < 3 || k.E%2 == 0 {
			return nil, fault("invalid_value", "public_jwk", "An RSA key has %d to %d bits and an odd exponent.", minRSA, maxRSA)
		}
		return []string{"RS256", "PS256"}, nil
	}
	return nil, fault("invalid_value", "public_jwk", "kty must be EC, OKP or RSA.")
}
