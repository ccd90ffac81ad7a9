package server

import (
	"context"
	"net/http"
	"time"

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

func (s *Server) css(c *gin.Context) {
	c.Header("Cache-Control", shortCache)
	c.Data(http.StatusOK, "text/css; charset=utf-8", web.CSS())
}

// healthz says that the process answers.
func (s *Server) healthz(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) }

// pingTimeout is how long a database that is well may take to say so.
const pingTimeout = 2 * time.Second

// readyz says whether it can do its work, check by check, and how often since
// the start the seat belt held or policy failed to answer: that should be never.
func (s *Server) readyz(c *gin.Context) {
	status, checks := http.StatusOK, gin.H{"database": "ok", "policy": "ok"}
	ctx, cancel := context.WithTimeout(c.Request.Context(), pingTimeout)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		status, checks["database"] = http.StatusServiceUnavailable, "does not answer"
	}
	if s.Policy().LastError != "" {
		checks["policy"] = "the newest house policy was refused; the one before serves"
	}
	c.JSON(status, gin.H{"ready": status == http.StatusOK, "checks": checks, "alarms": s.Endpoint.Alarms()})
}
