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

func (s *Server) oauthMetadata(c *gin.Context)  { s.metadata(c, false) }
func (s *Server) openIDMetadata(c *gin.Context) { s.metadata(c, true) }

// metadata is the same to everybody. Types of authorization details are as resource
// servers registered them; while they cannot be read they are left out.
func (s *Server) metadata(c *gin.Context, openID bool) {
	m := oauth.NewMetadata(s.Issuer, openID)
	if view, err := s.Store.View(c.Request.Context()); err == nil {
		m.DetailTypes, _ = view.DetailTypeNames(c.Request.Context())
	}
	c.Header("Cache-Control", shortCache)
	c.JSON(http.StatusOK, m)
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
