//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
)

// limitClaims are the claims of a token at the end of three hops, as a struct.
type limitClaims struct {
	Issuer        string    `json:"iss"`
	Subject       string    `json:"sub"`
	SubProfile    string    `json:"sub_profile"`
	Audience      string    `json:"aud"`
	ClientID      string    `json:"client_id"`
	ClientProfile string    `json:"client_profile"`
	Scope         string    `json:"scope"`
	ID            string    `json:"jti"`
	IssuedAt      int64     `json:"iat"`
	Expires       int64     `json:"exp"`
	Act           *limitAct `json:"act,omitempty"`
}

type limitAct struct {
	Subject string    `json:"sub"`
	Profile string    `json:"sub_profile"`
	Act     *limitAct `json:"act,omitempty"`
}

func (c limitClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.Expires, 0)), nil
}
func (c limitClaims) GetIssuedAt() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.IssuedAt, 0)), nil
}
func (c limitClaims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }
func (c limitClaims) GetIssuer() (string, error)              { return c.Issuer, nil }
func (c limitClaims) GetSubject() (string, error)             { return c.Subject, nil }
func (c limitClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{c.Audience}, nil
}

type limitAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// serveLimit is the bare limit, L: a token endpoint that reads five fields of the
// form and signs, and does nothing else that a token endpoint must do. What
// Deputy takes is read as a share of what this takes, in the same run.
func serveLimit(addr string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	r.POST(tokenPath, func(c *gin.Context) { limitToken(c, key) })
	r.GET("/readyz", func(c *gin.Context) { c.Status(http.StatusOK) })
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return (&http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}).Serve(l)
}

func limitToken(c *gin.Context, key *ecdsa.PrivateKey) {
	grant, id, secret := c.PostForm("grant_type"), c.PostForm("client_id"), c.PostForm("client_secret")
	scope, resource := c.PostForm("scope"), c.PostForm("resource")
	if grant == "" || secret == "" {
		c.Status(http.StatusBadRequest)
		return
	}
	now := time.Now().Unix()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, limitClaims{
		Issuer: issuer, Subject: id, SubProfile: "ai_agent", Audience: resource, ClientID: id, ClientProfile: "ai_agent",
		Scope: scope, ID: "tok_" + rand.Text(), IssuedAt: now, Expires: now + 600,
		Act: &limitAct{id, "ai_agent", &limitAct{id, "ai_agent", &limitAct{id, "ai_agent", nil}}},
	})
	t.Header["typ"], t.Header["kid"] = "at+jwt", "key_limit"
	raw, err := t.SignedString(key)
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	body, err := json.Marshal(limitAnswer{raw, "Bearer", 600, scope})
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
}
