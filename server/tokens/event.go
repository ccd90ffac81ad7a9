package tokens

import (
	"encoding/json"
	"fmt"
)

const typEvent = "secevent+jwt"

// EventClaims of a Security Event Token: RFC 8417 section 2.2. It has no exp, by which
// it could be taken for another kind of token, and no sub: whom it is about is sub_id.
type EventClaims struct {
	Issuer   string         `json:"iss"`
	Audience string         `json:"aud"`
	IssuedAt int64          `json:"iat"`
	ID       string         `json:"jti"`
	Happened int64          `json:"toe"`
	Txn      string         `json:"txn,omitempty"`
	About    *SubjectID     `json:"sub_id,omitempty"`
	Events   map[string]any `json:"events"`
}

// SubjectID names whom an event is about: RFC 9493.
type SubjectID struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
	TokenID string `json:"jti,omitempty"`
}

// AboutPrincipal names a user or client of this server.
func (k *Keyring) AboutPrincipal(id string) *SubjectID {
	return &SubjectID{Format: "iss_sub", Issuer: k.issuer, Subject: id}
}

// AboutToken names a token of this server (OpenID Shared Signals 1.0 section 3.4).
func (k *Keyring) AboutToken(id string) *SubjectID {
	return &SubjectID{Format: "jwt_id", Issuer: k.issuer, TokenID: id}
}

// SignEvent writes a Security Event Token.
func (k *Keyring) SignEvent(c EventClaims) (string, error) {
	c.Issuer = k.issuer
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write event token: %w", err)
	}
	return k.signAs(typEvent, body)
}
