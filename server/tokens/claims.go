package tokens

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Claims of an access token: RFC 9068, with the actors of RFC 8693 and the
// profiles of the OAuth actor profile draft.
type Claims struct {
	Issuer        string     `json:"iss"`
	Subject       string     `json:"sub"`
	SubProfile    string     `json:"sub_profile"`
	Audience      string     `json:"aud"`
	ClientID      string     `json:"client_id"`
	ClientProfile string     `json:"client_profile"`
	Scope         string     `json:"scope"`
	ID            string     `json:"jti"`
	Txn           string     `json:"txn"` // first token of the chain
	GrantID       string     `json:"gid"`
	IssuedAt      int64      `json:"iat"`
	Expires       int64      `json:"exp"`
	Act           *oauth.Act `json:"act,omitempty"`

	// How the user signed in who granted the token themselves (RFC 9068 section 2.2.1).
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`

	// Details of what the token is for (RFC 9396 section 9.1).
	Details []policies.Detail `json:"authorization_details,omitempty"`

	House map[string]any `json:"-"` // claims of house policy, namespaced
}

// Profile names a kind of principal as token claims do.
func Profile(kind string) string {
	if kind == "agent" {
		return "ai_agent"
	}
	return kind
}

// Scopes of the token, as written in it.
func (c *Claims) Scopes() []string {
	if c.Scope == "" {
		return []string{}
	}
	return strings.Split(c.Scope, " ")
}

// Chain lists the actors, outermost first.
func (c *Claims) Chain() []string {
	out := []string{}
	for a := c.Act; a != nil; a = a.Act {
		out = append(out, a.Subject)
	}
	return out
}

// NestActors writes a chain, outermost first, as an act claim.
func NestActors(chain []string, profile func(id string) string) *oauth.Act {
	var act *oauth.Act
	for i := len(chain) - 1; i >= 0; i-- {
		act = &oauth.Act{Subject: chain[i], Profile: profile(chain[i]), Act: act}
	}
	return act
}

// body writes the claims, the house's among them; none can replace one of the
// token's own.
func (c *Claims) body() ([]byte, error) {
	type plain Claims
	own, err := json.Marshal((*plain)(c))
	if err != nil || len(c.House) == 0 {
		return own, err
	}
	all := map[string]any{}
	for k, v := range c.House {
		all[k] = v
	}
	if err := json.Unmarshal(own, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// complete reports whether every claim that Deputy writes is there.
func (c *Claims) complete() bool {
	return c.Subject != "" && c.Audience != "" && c.ClientID != "" && c.ID != "" && c.Txn != "" && c.GrantID != "" &&
		c.IssuedAt > 0 && c.Expires > 0 && len(c.Chain()) <= policies.Ceiling
}

// The methods jwt.Claims asks for. Expiry is policy's to judge, not the parser's.

func (c Claims) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.Expires, 0)), nil
}
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.IssuedAt, 0)), nil
}
func (c Claims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }
func (c Claims) GetIssuer() (string, error)              { return c.Issuer, nil }
func (c Claims) GetSubject() (string, error)             { return c.Subject, nil }
func (c Claims) GetAudience() (jwt.ClaimStrings, error)  { return jwt.ClaimStrings{c.Audience}, nil }
