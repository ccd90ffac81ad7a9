package server

import (
	"context"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/access"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/web"
)

// routes lists every route there is.
func (s *Server) routes() error {
	r := s.engine
	r.Use(s.identified, s.recovered, bounded, hardened, s.shortURL)
	r.NoRoute(s.notFound)
	r.NoMethod(s.wrongMethod)

	r.GET("/healthz", s.healthz)
	r.GET("/readyz", s.readyz)

	root := r.Group(s.base)
	root.GET("/", s.index)
	root.GET("/pages.css", s.css)
	root.GET("/mark.svg", s.mark)
	root.GET("/passkey.js", script(web.PasskeyScript()))
	root.GET("/word.js", script(web.WordScript()))
	root.GET("/worker.js", script(web.WorkerScript()))
	root.GET("/approvals.js", script(web.ApprovalsScript()))
	if err := s.people(root); err != nil {
		return err
	}

	s.open(r.Group("", anyOrigin))

	return api.Register(root, api.Config{
		Issuer: s.Issuer, Endpoint: s.Endpoint, Explain: s.Endpoint, Store: s.Store, Keys: s.Keys, Policy: s.Policy, Seal: s.People.SealUpstream, Call: call, Gate: s.Limits.Admin, Log: s.Log,
	})
}

// open are for browsers of any origin: nothing here goes by cookies.
func (s *Server) open(open *gin.RouterGroup) {
	decisions := &access.API{Issuer: s.Issuer, Endpoint: s.Endpoint, Call: call, Fail: s.fail}
	s.discovery(open, decisions)
	endpoints := map[string]gin.HandlerFunc{
		s.base + access.EvaluationPath:  decisions.Evaluation,
		s.base + access.EvaluationsPath: decisions.Evaluations,

		s.base + "/oauth2/token":      s.token,
		s.base + "/oauth2/introspect": s.introspect,
		s.base + "/oauth2/revoke":     s.revoke,
		s.base + "/oauth2/par":        s.push,

		s.base + "/oauth2/bc-authorize":         s.backchannel,
		s.base + "/oauth2/device_authorization": s.device,
		s.base + "/oauth2/leaked":               s.leaked,
	}
	for path, handler := range endpoints {
		open.POST(path, held, s.bounded, handler)
		open.OPTIONS(path, preflight)
	}
	open.GET(s.base+EventsPath, s.events)
	open.POST(s.base+EventsPath, held, s.events)
	open.OPTIONS(s.base+EventsPath, preflight)
	open.GET(s.base+UserinfoPath, s.bounded, s.userinfo)
	open.POST(s.base+UserinfoPath, held, s.bounded, s.userinfo)
	open.OPTIONS(s.base+UserinfoPath, preflight)
}

// discovery is where others look first.
func (s *Server) discovery(open *gin.RouterGroup, decisions *access.API) {
	discovery := map[string]gin.HandlerFunc{
		access.MetadataPath + s.base: decisions.Metadata,

		"/.well-known/oauth-authorization-server" + s.base:            s.oauthMetadata,
		"/.well-known/openid-configuration" + s.base:                  s.openIDMetadata,
		s.base + "/.well-known/openid-configuration":                  s.openIDMetadata,
		"/.well-known/oauth-protected-resource" + s.base + api.Prefix: s.resourceMetadata,
		s.base + "/oauth2/jwks":                                       s.jwks,
		s.userinfoMetadataPath():                                      s.userinfoMetadata,
	}
	for path, handler := range discovery {
		open.GET(path, handler)
		open.HEAD(path, handler)
		open.OPTIONS(path, preflight)
	}
}

// people are the pages that people see.
func (s *Server) people(root *gin.RouterGroup) error {
	return pages.Register(root, pages.Config{
		Issuer: s.Issuer, People: s.People, Store: s.Store, Visits: s.Endpoint, Accounts: s.Endpoint, Approvals: s.Endpoint, Word: s.Word, Render: s.pages, Gate: limits.NewGate((s.Limits.MaxInFlight + 3) / 4), Held: held, Call: call, Log: s.Log,
	})
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

func (s *Server) index(c *gin.Context) {
	s.pages.Page(c, http.StatusOK, "index", pages.Index{Issuer: s.Issuer})
}
