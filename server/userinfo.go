package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/oauth"
)

// userinfo is OpenID Connect Core section 5.3, by GET and by POST.
func (s *Server) userinfo(c *gin.Context) {
	ctx := c.Request.Context()
	bearer, reason := oauth.BearerOrForm(c.Request)
	var claims map[string]any
	var err error
	if reason == "" {
		claims, err = s.Endpoint.Userinfo(ctx, call(c), bearer)
	} else {
		err = s.Endpoint.BadUserinfo(ctx, call(c), reason)
	}
	if err != nil {
		s.challenge(c, err, reason != oauth.BearerMissing)
		s.fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, claims)
}

// challenge says how to do better next time (RFC 6750 section 3, RFC 9728 section
// 5.1). Who sent no token has made no error.
func (s *Server) challenge(c *gin.Context, err error, sent bool) {
	var refusal *oauth.Error
	if !errors.As(err, &refusal) || (refusal.Code != oauth.InvalidToken && refusal.Code != oauth.InsufficientScope) {
		return
	}
	attributes := []string{`realm="deputy"`}
	if sent {
		attributes = append(attributes, fmt.Sprintf(`error="%s"`, refusal.Code), fmt.Sprintf(`error_description="%s"`, oauth.Clean(refusal.Description)))
	}
	host := strings.TrimSuffix(s.Issuer, s.base)
	attributes = append(attributes, `scope="openid"`, fmt.Sprintf(`resource_metadata="%s%s"`, host, s.userinfoMetadataPath()))
	c.Header("WWW-Authenticate", "Bearer "+strings.Join(attributes, ", "))
}

func (s *Server) userinfoMetadataPath() string {
	return "/.well-known/oauth-protected-resource" + s.base + UserinfoPath
}

// userinfoMetadata describes the userinfo endpoint as a resource (RFC 9728).
func (s *Server) userinfoMetadata(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.JSON(http.StatusOK, oauth.ResourceMetadata{
		Resource: s.Issuer + UserinfoPath, AuthorizationServers: []string{s.Issuer}, ScopesSupported: oauth.OpenIDScopes(),
		BearerMethods: []string{"header", "body"}, ResourceName: "Deputy userinfo",
	})
}
