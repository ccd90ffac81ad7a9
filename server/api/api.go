// Package api is the admin API under /api/v1. openapi.yaml is its source:
// routes, types and the checks of requests come from there, and what is written
// here hands over between it and the store. Who may call what is policy's to say.
package api

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
)

// Prefix is where the API lives; <issuer> + Prefix is the audience of its tokens.
const Prefix = "/api/v1"

// Admitter asks policy whether a bearer token may be used for an operation, and
// for one that would confer these scopes of this API, and records the answer.
// Renew asks about a client that makes the successor of its own secret, and for how many
// seconds that lives. BadBearer is the refusal of a call without a usable token.
type Admitter interface {
	Admit(ctx context.Context, call grants.Call, bearer, operation string, conferred ...string) (models.By, error)
	Renew(ctx context.Context, call grants.Call, bearer string, renewal policies.Renewal) (who models.By, life int64, err error)
	BadBearer(ctx context.Context, call grants.Call, operation, reason string) *oauth.Error
}

// Rotator makes the next signing key: of tokens, which signs after lead seconds, or of
// the ledger.
type Rotator interface {
	Rotate(ctx context.Context, by models.By, lead int64) (*models.SigningKey, error)
	RotateLedger(ctx context.Context, by models.By) (*models.SigningKey, error)
}

// PolicyStatus tells which policy serves.
type PolicyStatus struct {
	Floor     string // revision
	House     string // revision
	LoadedAt  time.Time
	LastError string // why a newer one was refused, "" if none was
}

// Config of the API; every field is required but Gate.
type Config struct {
	Issuer   string // without trailing slash
	Endpoint Admitter
	Explain  Explainer
	Store    *models.Store
	Keys     Rotator
	Policy   func() PolicyStatus
	Seal     func(id, secret string) []byte // seals the client secret of an upstream provider
	Call     func(*gin.Context) grants.Call
	Gate     *limits.Gate // how many calls are worked on at once; any number if nil
	Log      *slog.Logger
}

// server implements the operations of openapi.yaml.
type server struct {
	Config
	base       string // path of the issuer, "" if it has none
	metadata   string // where the API describes itself as a protected resource
	operations map[string]*operation
}

var _ StrictServerInterface = (*server)(nil)

// Register mounts the API on the router that stands for the issuer. It is the
// one way to an operation, and admission stands in front of every one. Only the
// description of the API, openapi.json, is open to everybody.
func Register(r gin.IRouter, c Config) error {
	spec, err := contract()
	if err != nil {
		return fmt.Errorf("admin API: read openapi.yaml: %w", err)
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	s := &server{Config: c, base: issuer.Path, operations: spec.operations}
	s.metadata = strings.TrimSuffix(c.Issuer, s.base) + "/.well-known/oauth-protected-resource" + s.base + Prefix
	engine := s.engine()
	engine.GET(Prefix+"/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", spec.published) })
	inner := http.StripPrefix(s.base, engine)
	r.Any(Prefix+"/*path", func(outer *gin.Context) {
		if !s.Gate.Enter() {
			c.Call(outer).Event.Limited("admin_in_flight")
			s.tell(outer, problemOf(oauth.Busy()), oauth.Busy())
			return
		}
		defer s.Gate.Leave()
		ctx := context.WithValue(outer.Request.Context(), callKey{}, c.Call(outer))
		inner.ServeHTTP(outer.Writer, outer.Request.WithContext(ctx))
	})
	return nil
}

// spec is what openapi.yaml says.
type spec struct {
	operations map[string]*operation
	published  []byte
}

// contract reads it once: it is part of the program.
var contract = sync.OnceValues(func() (*spec, error) {
	doc, err := GetSpec()
	if err != nil {
		return nil, err
	}
	description, err := published()
	return &spec{operations(doc), description}, err
})

// published is openapi.yaml in JSON, without what only our code generator reads.
func published() ([]byte, error) {
	raw, err := GetSpecJSON()
	if err != nil {
		return nil, err
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	dropExtensions(doc)
	return json.Marshal(doc)
}

func dropExtensions(v any) {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(k string, _ any) bool { return strings.HasPrefix(k, "x-go-") })
		for _, inner := range v {
			dropExtensions(inner)
		}
	case []any:
		for _, inner := range v {
			dropExtensions(inner)
		}
	}
}

// engine routes within Prefix. It is an engine of its own because the name of a
// scope may hold a slash, so that paths are matched as they were escaped, and
// because whatever matches no operation is answered with a problem, too.
func (s *server) engine() *gin.Engine {
	e := gin.New()
	e.UseEscapedPath, e.UnescapePathValues = true, false
	e.RedirectTrailingSlash, e.HandleMethodNotAllowed = false, true
	e.ContextWithFallback = true // a handler's context is the request's
	e.NoRoute(func(c *gin.Context) { s.fail(c, models.ErrNotFound) })
	e.NoMethod(func(c *gin.Context) {
		s.fail(c, fault("method_not_allowed", "", "This path has other methods; see Allow."))
	})

	strict := NewStrictHandlerWithOptions(s, []StrictMiddlewareFunc{lasting}, StrictGinServerOptions{
		RequestErrorHandlerFunc: func(c *gin.Context, err error) { s.fail(c, unreadable(err)) },
		HandlerErrorFunc: func(c *gin.Context, err error) {
			s.challenge(c, s.operation(c), err, true)
			s.fail(c, err)
		},
		ResponseErrorHandlerFunc: s.fail,
	})
	RegisterHandlersWithOptions(e.Group(Prefix, s.admit, s.check), strict, GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { s.fail(c, unreadable(err)) },
	})
	return e
}

// lasting gives a handler a context that is its own for good. Gin uses its own
// again for the next request, while a database driver may still be looking at it.
func lasting(f StrictHandlerFunc, _ string) StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) { return f(c.Copy(), request) }
}

type (
	callKey struct{} // grants.Call: where the request came from
	byKey   struct{} // models.By: who was admitted
)

// by tells who makes the change. Only an admitted request has one.
func by(ctx context.Context) models.By {
	who, _ := ctx.Value(byKey{}).(models.By)
	return who
}
