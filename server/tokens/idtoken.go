package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Types of the tokens Deputy signs, in their headers. None is ever taken for another.
const (
	typAccess = "at+jwt" // RFC 9068 section 2.1
	typID     = "JWT"    // OpenID Connect Core section 2
	typLogout = "logout+jwt"
)

// IDClaims of an ID token: OpenID Connect Core sections 2 and 3.1.3.6.
type IDClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"` // the client
	Expires   int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	ID        string   `json:"jti"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	Nonce     string   `json:"nonce,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	TokenHash string   `json:"at_hash,omitempty"`

	// Of one that is pushed: CIBA Core section 10.3.1.
	RefreshHash string `json:"urn:openid:params:jwt:claim:rt_hash,omitempty"`
	AuthReqID   string `json:"urn:openid:params:jwt:claim:auth_req_id,omitempty"`

	About map[string]any `json:"-"` // of the user, as policy released it
}

// body writes the claims; none about the user can replace one of the token's own.
func (c IDClaims) body() ([]byte, error) {
	type plain IDClaims
	own, err := json.Marshal(plain(c))
	if err != nil || len(c.About) == 0 {
		return own, err
	}
	all := map[string]any{}
	for name, value := range c.About {
		all[name] = value
	}
	if err := json.Unmarshal(own, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// TokenHash is the at_hash of an access token for a token signed with ES256: the
// left half of its SHA-256.
func TokenHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return b64.EncodeToString(sum[:len(sum)/2])
}

// SignID writes an ID token.
func (k *Keyring) SignID(c IDClaims) (string, error) {
	c.Issuer = k.issuer
	body, err := c.body()
	if err != nil {
		return "", fmt.Errorf("write ID token: %w", err)
	}
	return k.signAs(typID, body)
}

// signAs signs a token of another type than access tokens are of.
func (k *Keyring) signAs(typ string, body []byte) (string, error) {
	use := k.active()
	if use == nil {
		return "", errNoKey
	}
	header, err := headerOf(use.ID, typ)
	if err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	text := b64.AppendEncode(append(header, '.'), body)
	if len(text)+signatureSize > maxToken {
		return "", ErrTooLarge
	}
	signature, err := sign(text, use.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return string(b64.AppendEncode(append(text, '.'), signature)), nil
}

// VerifyID reads an ID token of ours that comes back as a hint: type, key,
// signature and issuer. It may have expired (RP-Initiated Logout section 4): it
// proves no more than that it was issued, to whom and about whom. Of what it says of
// them, About has preferred_username, if that is in it.
func (k *Keyring) VerifyID(ctx context.Context, raw string) (*IDClaims, error) {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 || strings.ContainsAny(raw, "\r\n") {
		return nil, Malformed
	}
	var claims idClaims
	switch err := k.signed(ctx, raw, typID, &claims); {
	case err != nil:
		return nil, err
	case claims.IDClaims.Issuer != k.issuer:
		return nil, Foreign
	case claims.IDClaims.Subject == "" || claims.IDClaims.Audience == "":
		return nil, Malformed
	}
	if claims.Name != "" {
		claims.About = map[string]any{"preferred_username": claims.Name}
	}
	return &claims.IDClaims, nil
}

// idClaims are what the parser asks for. Nothing of it is validated there.
type idClaims struct {
	IDClaims
	Name string `json:"preferred_username"`
}

func (idClaims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (idClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (idClaims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (idClaims) GetIssuer() (string, error)                   { return "", nil }
func (idClaims) GetSubject() (string, error)                  { return "", nil }
func (idClaims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// LogoutClaims of a logout token: OpenID Connect Back-Channel Logout section 2.4.
type LogoutClaims struct {
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub"`
	Audience  string              `json:"aud"` // the client
	IssuedAt  int64               `json:"iat"`
	Expires   int64               `json:"exp"`
	ID        string              `json:"jti"`
	SessionID string              `json:"sid"`
	Events    map[string]struct{} `json:"events"`
}

// SignLogout writes a logout token, which is good for two minutes.
func (k *Keyring) SignLogout(c LogoutClaims) (string, error) {
	c.Issuer, c.Expires = k.issuer, c.IssuedAt+120
	c.Events = map[string]struct{}{"http://schemas.openid.net/event/backchannel-logout": {}}
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write logout token: %w", err)
	}
	return k.signAs(typLogout, body)
}
