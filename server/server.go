// Package server is the HTTP surface: Gin, routes, handlers of a few lines, and
// the one writer of errors. It decides nothing.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/feed"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/server/signals"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/word"
)

// Config of a Server; every field is required but TrustedProxies, Limits and the signals.
type Config struct {
	Issuer         string // absolute URL without trailing slash or fragment
	Store          *models.Store
	Endpoint       *grants.Endpoint
	People         *people.People
	Word           *word.Word
	Keys           *tokens.Keyring
	Policy         func() api.PolicyStatus
	TrustedProxies []string       // whose X-Forwarded-For is believed
	Limits         *limits.Limits // the defaults if nil
	Log            *slog.Logger
	Access         *slog.Logger     // one line per request; nil: only of those that fail, in Log
	Metrics        *signals.Metrics // nil: nothing is counted
	Traces         *signals.Traces  // nil: nothing is traced
	// Drain is how long the server still takes requests after it was told to stop,
	// while /readyz says that they should go elsewhere. 0: it stops taking any at once.
	Drain time.Duration
	// Failing tells of what is done by itself since when it fails, the zero time if it does
	// not; nil: nothing is.
	Failing func() map[string]time.Time
}

// Server answers HTTP.
type Server struct {
	Config
	base   string // path of the issuer, "" if it has none
	pages  *pages.Renderer
	engine *gin.Engine
	probe  probe
	feed   *feed.Feed

	leaving atomic.Bool // told to stop
}

// New builds the server and its routes.
func New(c Config) (*Server, error) {
	u, err := CheckIssuer(c.Issuer)
	if err != nil {
		return nil, err
	}
	book, err := pages.Shipped()
	if err != nil {
		return nil, err
	}
	renderer, err := pages.NewRenderer(book, c.Issuer, c.Log)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	if c.Limits == nil {
		c.Limits = limits.New(limits.Defaults(), time.Now)
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{Config: c, base: u.Path, pages: renderer, engine: gin.New(), feed: feed.New(c.Store, c.Log)}
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false // metadata must never redirect
	s.engine.UseRawPath, s.engine.UnescapePathValues = true, true
	if err := s.engine.SetTrustedProxies(c.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	return s, s.routes()
}

// CheckIssuer holds an issuer to RFC 8414 section 2; http is for loopback only.
func CheckIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("issuer %q is not an absolute URL", issuer)
	case u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(issuer, "/") || strings.HasSuffix(issuer, "?") || strings.HasSuffix(issuer, "#"):
		return nil, fmt.Errorf("issuer %q must have no query, fragment or trailing slash", issuer)
	case !issuerPath.MatchString(u.EscapedPath()):
		return nil, fmt.Errorf("the path of issuer %q may hold letters, digits and . _ ~ - between single slashes only", issuer)
	case u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())):
		return nil, fmt.Errorf("issuer %q must be https; http is for loopback addresses only", issuer)
	}
	return u, nil
}

// issuerPath is what the routes, and every client, can carry: no dot segments,
// no empty ones, nothing that is escaped or means something to the router.
var issuerPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// Loopback reports whether host can only be this machine.
func Loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// OnLoopback reports whether an issuer is on this machine alone.
func OnLoopback(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && Loopback(u.Hostname())
}

// APIIdentifier is the audience of Deputy's own API.
func APIIdentifier(issuer string) string { return issuer + api.Prefix }

// UserinfoPath is where the userinfo endpoint is, below the issuer.
const UserinfoPath = "/oauth2/userinfo"

// EnsureSelf makes sure that a database is this issuer's and knows what Deputy
// itself serves: its API and the userinfo endpoint.
func EnsureSelf(ctx context.Context, store *models.Store, issuer string) error {
	if err := store.EnsureSelf(ctx, APIIdentifier(issuer)); err != nil {
		return err
	}
	return store.EnsureOpenID(ctx, issuer+UserinfoPath)
}

// RenameSelf moves both to another issuer.
func RenameSelf(ctx context.Context, store *models.Store, by models.By, issuer string) error {
	if err := store.RenameSelf(ctx, by, APIIdentifier(issuer)); err != nil {
		return err
	}
	return store.EnsureOpenID(ctx, issuer+UserinfoPath)
}

// EndStreams ends every stream of events, now and in future.
func (s *Server) EndStreams() { s.feed.Close() }

// Handler is the server as a handler.
func (s *Server) Handler() http.Handler { return s.engine }

// Bounds of one connection. A request's header and body must be there within
// readTimeout, its header within headerTimeout, however slowly they come.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10         // bytes, all headers together
	maxURL        = 8 << 10          // bytes
	lastAnswers   = 25 * time.Second // for what is in flight when no more is taken
)

// HTTP is the server with everything that bounds a connection. It speaks
// HTTP/1.1 only: TLS, and with it HTTP/2, is the proxy's in front.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler: s.engine, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ConnState: s.Limits.Connections.Track,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
}

// Serve answers on addr until ctx ends, then says so for as long as Drain, and
// lets what is in flight finish. ready is called with the address it listens on.
func (s *Server) Serve(ctx context.Context, addr string, ready func(addr string)) error {
	listener, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	h := s.HTTP()
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	ready(listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.leaving.Store(true)
	s.EndStreams() // they resume elsewhere
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(s.Drain):
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
	defer cancel()
	if err := h.Shutdown(grace); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
