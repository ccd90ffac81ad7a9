package laws

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// claims are what a token says, read as any service would read it.
type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Client   string          `json:"client_id"`
	Scope    string          `json:"scope"`
	ID       string          `json:"jti"`
	Txn      string          `json:"txn"`
	Grant    string          `json:"gid"`
	Issued   int64           `json:"iat"`
	Expires  int64           `json:"exp"`
	Act      *actor          `json:"act"`
	World    string          `json:"https://laws.example/world"`
}

type actor struct {
	Subject string `json:"sub"`
	Act     *actor `json:"act"`
}

// chain lists the actors, outermost first.
func (a *actor) chain() []string {
	out := []string{}
	for ; a != nil; a = a.Act {
		out = append(out, a.Subject)
	}
	return out
}

// read checks a token's signature and decodes it.
func (p *player) read(raw string) (*claims, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if err := jwt.SigningMethodES256.Verify(parts[0]+"."+parts[1], signature, &p.private.PublicKey); err != nil {
		return nil, err
	}
	var c claims
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	return &c, json.Unmarshal(body, &c)
}

// idOf is a token's jti, "" if there is none.
func idOf(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	var c struct {
		ID string `json:"jti"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &c) != nil {
		return ""
	}
	return c.ID
}

// forged makes of a token something Deputy never issued.
func (p *player) forged(t *token) presented {
	parts := strings.Split(t.raw, ".")
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var payload jwt.MapClaims
	if err := json.Unmarshal(body, &payload); err != nil {
		p.must(false, "L0", "a token cannot be read: %v", err)
	}
	sign := func(key *ecdsa.PrivateKey, typ string) string {
		out := jwt.NewWithClaims(jwt.SigningMethodES256, payload)
		out.Header["typ"], out.Header["kid"] = typ, p.kid
		raw, err := out.SignedString(key)
		p.must(err == nil, "L0", "cannot sign: %v", err)
		return raw
	}
	f := presented{what: pick(p, []string{"nonsense", "widened", "unsigned", "of another key", "never issued", "of another issuer", "of another type", "of another subject"})}
	switch f.what {
	case "nonsense":
		f.raw = parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-4] + "AAAA"
	case "widened":
		payload["scope"] = fmt.Sprint(payload["scope"], " do:0 do:1 do:2 do:3")
		wider, _ := json.Marshal(payload)
		f.raw = parts[0] + "." + base64.RawURLEncoding.EncodeToString(wider) + "." + parts[2]
	case "unsigned":
		f.raw = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
	case "of another key":
		f.raw = sign(p.stranger, "at+jwt")
	case "never issued":
		payload["jti"] = "tok_" + strings.ToLower(rand.Text())
		f.raw = sign(p.private, "at+jwt")
	case "of another issuer":
		payload["iss"] = "https://elsewhere.example"
		f.raw = sign(p.private, "at+jwt")
	case "of another type":
		f.raw = sign(p.private, "JWT")
	case "of another subject":
		payload["sub"] = p.boss.ID
		f.raw = sign(p.private, "at+jwt")
	}
	return f
}
