package tokens

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/deputyauth/deputy/models"
)

// maxToken bounds what is parsed at all, in bytes.
const maxToken = 16 << 10

// Problem says why a token could not be read. It is a fact for policy and the
// ledger, and safe to show.
type Problem string

// What can be wrong with a token before anybody asks whether it is live.
const (
	Malformed    Problem = "malformed"
	WrongType    Problem = "wrong_type"
	UnknownKey   Problem = "unknown_key"
	BadSignature Problem = "bad_signature"
	Foreign      Problem = "foreign_issuer"
	Unknown      Problem = "unknown_token"
)

func (p Problem) Error() string { return string(p) }

// Verify reads an access token of ours: its type, key, algorithm, signature,
// issuer and shape. Whether it is expired or revoked is for policy to say. The
// claims of a token that was read before are shared and must not be changed.
func (k *Keyring) Verify(ctx context.Context, raw string) (*Claims, error) {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") { // base64 decoders skip line ends
		return nil, Malformed
	}
	read := k.ring.Load().read
	name := sha256.Sum256([]byte(raw))
	if claims, ok := read.Get(name); ok {
		return claims, nil
	}
	claims, err := k.verify(ctx, raw)
	if err == nil {
		read.Put(name, claims)
	}
	return claims, err
}

// signed reads what this server signed as a type of token. A Problem if it did not.
func (k *Keyring) signed(ctx context.Context, raw, typ string, claims jwt.Claims) error {
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"ES256"}), jwt.WithStrictDecoding())
	_, err := parser.ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) { return k.keyFor(ctx, t, typ) })
	var problem Problem
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.Is(err, jwt.ErrTokenMalformed):
		return Malformed
	case err != nil:
		return BadSignature
	}
	return nil
}

func (k *Keyring) verify(ctx context.Context, raw string) (*Claims, error) {
	var claims Claims
	switch err := k.signed(ctx, raw, typAccess, &claims); {
	case err != nil:
		return nil, err
	case claims.Issuer != k.issuer:
		return nil, Foreign
	case !claims.complete():
		return nil, Malformed
	}
	return &claims, nil
}

// keyFor checks the header and finds the key. The algorithm is the key's, never
// the header's choice; keys inside the header are not even looked at.
func (k *Keyring) keyFor(ctx context.Context, t *jwt.Token, want string) (*ecdsa.PublicKey, error) {
	typ, _ := t.Header["typ"].(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if typ != strings.ToLower(want) {
		return nil, WrongType
	}
	if _, critical := t.Header["crit"]; critical {
		return nil, Malformed
	}
	kid, _ := t.Header["kid"].(string)
	one := k.ring.Load().byID[kid]
	if one == nil && strings.HasPrefix(kid, models.PrefixKey+"_") {
		one = k.unheardOf(ctx, kid)
	}
	if one == nil || one.Alg != t.Method.Alg() {
		return nil, UnknownKey
	}
	return &one.private.PublicKey, nil
}

// Peek reads a token's claims without checking anything, for printing.
func Peek(raw string) (header, claims map[string]any, err error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, nil, Malformed
	}
	for i, into := range []*map[string]any{&header, &claims} {
		body, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, nil, Malformed
		}
		if err := json.Unmarshal(body, into); err != nil {
			return nil, nil, Malformed
		}
	}
	return header, claims, nil
}
