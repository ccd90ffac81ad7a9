package tokens

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of an RSA key, in bits: below it is weak, above it is slow to verify with.
const minRSA, maxRSA = 2048, 8192

// PublicJWK checks a key that a client wants to prove itself with, and gives
// the form in which it is stored: its public part, its kid, and the one
// algorithm it will be used with. Its error says what is wrong with it.
func PublicJWK(raw json.RawMessage) (string, error) {
	wrong := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf(format, args...)
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
		return wrong("%w.", err)
	}
	switch {
	case key.Use != "" && key.Use != "sig":
		return wrong("use must be sig.")
	case len(key.KeyID) > 200 || !utf8.ValidString(key.KeyID) || strings.ContainsRune(key.KeyID, 0):
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
		return nil, errors.New("crv must be P-256 or P-384")
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA || k.E < 3 || k.E%2 == 0 {
			return nil, fmt.Errorf("the key must have %d to %d bits and an odd exponent", minRSA, maxRSA)
		}
		return []string{"RS256", "PS256"}, nil
	}
	return nil, errors.New("kty must be EC, OKP or RSA")
}

// maxKeys bounds how many keys of a set are looked at.
const maxKeys = 20

// ReadKeySet reads the keys of a JWK set (RFC 7517 section 5) in the form of PublicJWK,
// less those that sign nothing here. A key that can be used with several algorithms and
// does not say with which is there once for each.
func ReadKeySet(body []byte) ([]string, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("is no JWK set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("holds more than %d keys", maxKeys)
	}
	out := []string{}
	for _, raw := range set.Keys {
		for _, one := range spelledOut(raw) {
			if jwk, err := PublicJWK(one); err == nil {
				out = append(out, jwk)
			}
		}
	}
	return out, nil
}

// spelledOut is a key with each algorithm that it may be used with.
func spelledOut(raw json.RawMessage) []json.RawMessage {
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil || key.Algorithm != "" {
		return []json.RawMessage{raw}
	}
	algs, err := algsOf(key.Key)
	if err != nil {
		return nil
	}
	var out []json.RawMessage
	for _, key.Algorithm = range algs {
		if one, err := json.Marshal(key); err == nil {
			out = append(out, one)
		}
	}
	return out
}
