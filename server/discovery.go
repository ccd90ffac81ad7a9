package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/web"
)

// Metadata and keys may be kept a while; a rotated key is published before it signs.
const shortCache = "public, max-age=300"

func (s *Server) oauthMetadata(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.JSON(http.StatusOK, oauth.NewMetadata(s.Issuer, false))
}

func (s *Server) openIDMetadata(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.JSON(http.StatusOK, oauth.NewMetadata(s.Issuer, true))
}

// resourceMetadata describes Deputy's own API (RFC 9728).
func (s *Server) resourceMetadata(c *gin.Context) {
	scopes := []string{}
	for _, sc := range models.SelfScopes() {
		scopes = append(scopes, sc.Name)
	}
	c.Header("Cache-Control", shortCache)
	c.JSON(http.StatusOK, oauth.ResourceMetadata{
		Resource: APIIdentifier(s.Issuer), AuthorizationServers: []string{s.Issuer}, ScopesSupported: scopes,
		BearerMethods: []string{"header"}, ResourceName: "Deputy administration",
	})
}

func (s *Server) jwks(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.Data(http.StatusOK, "application/jwk-set+json", s.Keys.JWKS())
}

func (s *Server) mark(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.Data(http.StatusOK, "image/svg+xml", web.Mark())
}

func (s *Server) css(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.Data(http.StatusOK, "text/css; charset=utf-8", web.CSS())
}

// script serves one of the scripts there are.
func script(body []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Cache-Control", shortCache)
		c.Data(http.StatusOK, "text/javascript; charset=utf-8", body)
	}
}
