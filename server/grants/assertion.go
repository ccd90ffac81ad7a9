package grants

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-jose/go-jose/v4/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// assertion is a client's own statement of who it is (RFC 7523, as the BCP
// update narrows it: one audience, our issuer).
type assertion struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jwt.ClaimStrings `json:"aud"`
	Expires  float64          `json:"exp"`
	IssuedAt float64          `json:"iat"`
	Before   float64          `json:"nbf"`
	ID       string           `json:"jti"`
}

// Bounds of an assertion, in seconds.
const (
	maxAssertionLife = 600
	maxClockSkew     = 60
	maxAssertionSize = 8 << 10
)

// assertedClient reads who an assertion says it is from. It is checked after.
func assertedClient(a oauth.ClientAuth) (string, error) {
	if len(a.Assertion) > maxAssertionSize || strings.ContainsAny(a.Assertion, "\r\n") { // base64 decoders skip line ends
		return a.ID, oauth.BadClient("assertion_malformed")
	}
	var claims struct {
		jwt.RegisteredClaims
	}
	if _, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(a.Assertion, &claims); err != nil || claims.Subject == "" {
		return a.ID, oauth.BadClient("assertion_malformed")
	}
	if a.ID != "" && a.ID != claims.Subject {
		return a.ID, oauth.BadClient("assertion_client_mismatch")
	}
	return claims.Subject, nil
}

// checkAssertion holds an assertion against each live key. If it came to no
// signature with any, it is held against a key of nobody: a client that is
// unknown, or has no such key, must cost as much as a wrong signature.
func (e *Endpoint) checkAssertion(ctx context.Context, f *facts, a oauth.ClientAuth, live []models.Credential) (*proof, error) {
	reason, weighed := "bad_credentials", false
	keys, unread := e.unfolded(ctx, live, a.Assertion, f.now)
	for _, c := range keys {
		claims, problem := e.verify(a.Assertion, c.PublicJWK)
		weighed = weighed || problem == badSignature
		if problem != "" {
			reason = problem
			continue
		}
		if reason = e.judge(claims, a.ID, f.now); reason != "" {
			return nil, oauth.BadClient(reason)
		}
		return &proof{
			clientID: a.ID, credential: policies.Credential{ID: c.ID, Method: a.Method},
			once: &models.Once{Purpose: "client_assertion", Value: digest(a.ID, claims.ID), ExpiresAt: int64(claims.Expires) + maxClockSkew + 1},
		}, nil
	}
	if unread != nil { // the right key may be where nobody answers
		return nil, unavailable(unread)
	}
	if !weighed {
		_, _ = e.verify(a.Assertion, nobodysKey(a.Assertion)) // it fails; only its time counts
	}
	return nil, oauth.BadClient(reason)
}

// verifier checks an assertion with a key; problem is "" if it holds.
type verifier func(raw, publicJWK string) (claims *assertion, problem string)

// badSignature is the problem of an assertion whose signature was computed.
const badSignature = "assertion_signature"

// verifyAssertion checks type and signature with one registered key.
func verifyAssertion(raw, publicJWK string) (*assertion, string) {
	body, problem := signedBody(raw, publicJWK, "client-authentication+jwt")
	if problem != "" {
		return nil, problem
	}
	// Names of claims have a case, and each is there once (RFC 7519 section 4):
	// encoding/json would read Aud as aud, and take the last of two.
	var claims assertion
	if err := strict.Unmarshal(body, &claims); err != nil {
		return nil, "assertion_malformed"
	}
	return &claims, ""
}

// signedBody is what a client signed with a registered key, whose type, if it has one,
// is jwt or of. The algorithm is the key's: the header may only agree.
func signedBody(raw, publicJWK, of string) (body []byte, problem string) {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal([]byte(publicJWK), &jwk); err != nil {
		return nil, "registered_key_unreadable"
	}
	object, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(jwk.Algorithm)})
	if err != nil || len(object.Signatures) != 1 {
		return nil, "assertion_malformed"
	}
	header := object.Signatures[0].Protected
	if _, critical := header.ExtraHeaders["crit"]; critical { // none is understood here (RFC 7515 section 4.1.11)
		return nil, "assertion_malformed"
	}
	if typ, ok := header.ExtraHeaders[jose.HeaderType].(string); ok {
		typ = strings.ToLower(strings.TrimPrefix(typ, "application/"))
		if typ != "jwt" && typ != of {
			return nil, "assertion_type"
		}
	}
	if header.KeyID != "" && jwk.KeyID != "" && header.KeyID != jwk.KeyID {
		return nil, "assertion_key"
	}
	if body, err = object.Verify(jwk); err != nil {
		return nil, badSignature
	}
	return body, ""
}

func (e *Endpoint) judge(c *assertion, clientID string, now int64) string {
	at := float64(now)
	switch {
	case c.Issuer != clientID || c.Subject != clientID:
		return "assertion_client_mismatch"
	case len(c.Audience) != 1 || c.Audience[0] != e.issuer:
		return "assertion_audience"
	case c.Expires == 0 || c.Expires+maxClockSkew <= at:
		return "assertion_expired"
	case c.Expires > at+maxAssertionLife+maxClockSkew:
		return "assertion_too_long"
	case c.IssuedAt > at+maxClockSkew || c.Before > at+maxClockSkew:
		return "assertion_early"
	case c.IssuedAt < at-maxAssertionLife-maxClockSkew:
		return "assertion_too_old"
	case c.ID == "" || len(c.ID) > 256:
		return "assertion_id"
	}
	return ""
}

// digest keeps foreign strings of any shape out of keys.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}
