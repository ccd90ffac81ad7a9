// Package harness runs the whole server in process, on either database, with a
// clock that tests can move, and builds the small worlds tests play in.
package harness

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/server/signals"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/upstream"
	"github.com/deputyauth/deputy/server/word"
)

// Dialects are the databases every test of behaviour runs on.
var Dialects = []string{"sqlite", "postgres"}

// Clock is the real clock, moved, or stopped.
type Clock struct {
	offset  atomic.Int64
	stopped atomic.Pointer[time.Time]
}

// Now is the moved time.
func (c *Clock) Now() time.Time {
	now := time.Now()
	if at := c.stopped.Load(); at != nil {
		now = *at
	}
	return now.Add(time.Duration(c.offset.Load()))
}

// Stop lets time pass only as Advance says from now on.
func (c *Clock) Stop() {
	now := time.Now()
	c.stopped.Store(&now)
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// Server is a running Deputy.
type Server struct {
	TB        testing.TB
	URL       string // the issuer
	Host      string // the issuer without its path
	Store     *models.Store
	Keys      *tokens.Keyring
	Engine    *bundles.Engine
	Endpoint  *grants.Endpoint
	People    *people.People
	Word      *word.Word
	Mailbox   *word.Mailbox // where mails to people go
	Clock     *Clock
	Handler   http.Handler // what serves at URL
	Server    *server.Server
	Limits    *limits.Limits
	Registry  *signals.Registry // of its metrics
	Database  models.Options    // where it keeps its data
	MasterKey string            // encoded
	master    tokens.MasterKey
}

// Options of New; the zero value is the shipped policy.
type Options struct {
	Path  string                              // of the issuer, "" if it has none
	House fs.FS                               // house policy
	Floor fs.FS                               // a sabotaged floor
	Wrap  func(grants.Decider) grants.Decider // a sabotaged engine
	Log   io.Writer                           // gets the log, with one line per request; nil: nobody does
	OTLP  string                              // collector of traces, "" if there is none
	Named bool                                // the issuer is at localhost, not at its address: passkeys need a name

	Refreshes      *grants.Refreshes // nil: as shipped
	Word           grants.Word       // nil: everybody can be reached
	Limits         *limits.Config    // nil: none, for everything here comes from one address
	TrustedProxies []string          // whose X-Forwarded-For is believed
}

// unlimited holds nobody back, and tells every kind of failure apart.
func unlimited() *limits.Config {
	c := limits.Defaults()
	c.FailureBurst, c.ClientRate, c.MaxKinds, c.MaxKindsPerSource = 0, 0, 10_000, 10_000
	return &c
}

// Silent is a log that nobody reads.
func Silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// New starts a server on a fresh database. When the test ends, every token that was
// issued must be accounted for.
func New(tb testing.TB, dialect string, o Options) *Server {
	tb.Helper()
	ctx := context.Background()
	s := &Server{TB: tb, Clock: &Clock{}}
	log := Silent()
	if o.Log != nil {
		log = slog.New(slog.NewJSONHandler(o.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s.Registry = signals.NewRegistry()
	metrics := signals.NewMetrics(s.Registry)
	opts := models.Options{Now: s.Clock.Now, Observer: metrics}
	if dialect == "postgres" {
		opts.URL = modelstest.Postgres(tb)
	} else {
		opts.Dir = modelstest.SQLite(tb)
	}
	var err error
	s.Database = opts
	s.Store, err = models.Open(opts)
	require.NoError(tb, err)
	tb.Cleanup(s.forgotten)
	tb.Cleanup(s.everyTokenIsAccountedFor)

	web := httptest.NewUnstartedServer(nil)
	s.Host = "http://" + web.Listener.Addr().String()
	if o.Named {
		s.Host = strings.Replace(s.Host, "127.0.0.1", "localhost", 1)
	}
	s.URL = s.Host + o.Path
	require.NoError(tb, server.EnsureSelf(ctx, s.Store, s.URL))
	s.MasterKey = tokens.GenerateMasterKey()
	s.master, err = tokens.NewMasterKey(s.MasterKey)
	require.NoError(tb, err)
	s.Keys, err = tokens.NewKeyring(ctx, s.URL, s.Store, s.master, s.Clock.Now)
	require.NoError(tb, err)
	s.Engine = engine(tb, o)
	var policy grants.Decider = s.Engine
	if o.Wrap != nil {
		policy = o.Wrap(policy)
	}
	if o.Limits == nil {
		o.Limits = unlimited()
	}
	s.Limits = limits.New(*o.Limits, s.Clock.Now)
	reach := outbound.Reach{Loopback: true}
	s.speaks(reach)
	if o.Word == nil {
		o.Word = s.Word
	}
	s.Endpoint = grants.New(grants.Config{Issuer: s.URL, Store: s.Store, Policy: policy, Advice: s.Engine, Keys: s.Keys, Now: s.Clock.Now, Log: log, Limits: s.Limits, Metrics: metrics, Refreshes: o.Refreshes, Caller: outbound.New(reach), Word: o.Word})
	s.People, err = people.New(people.Config{Issuer: s.URL, Store: s.Store, Master: s.master, Failures: s.Endpoint, Limits: *o.Limits, Now: s.Clock.Now, Upstreams: upstream.New(s.Clock.Now, reach)})
	require.NoError(tb, err)
	srv, err := server.New(server.Config{
		Issuer: s.URL, Store: s.Store, Endpoint: s.Endpoint, People: s.People, Word: s.Word, Keys: s.Keys, Limits: s.Limits, TrustedProxies: o.TrustedProxies,
		Log: log, Access: log, Metrics: metrics, Traces: traces(tb, o.OTLP, log),
		Policy: func() api.PolicyStatus { return api.PolicyStatus(s.Engine.Status()) },
	})
	require.NoError(tb, err)
	s.Handler, s.Server = srv.Handler(), srv
	web.Config = srv.HTTP()
	web.Start()
	tb.Cleanup(func() {
		web.Close()
		web.Config.Handler = nil
	})
	tb.Cleanup(srv.EndStreams)
	return s
}

// forgotten lets go of everything: testing remembers every test there was, with
// what they left to be done, until the last one is over.
func (s *Server) forgotten() {
	_ = s.Store.Close()
	*s = Server{TB: s.TB}
}

func traces(tb testing.TB, endpoint string, log *slog.Logger) *signals.Traces {
	tb.Helper()
	if endpoint == "" {
		return nil
	}
	t, err := signals.NewTraces(context.Background(), endpoint, log)
	require.NoError(tb, err)
	tb.Cleanup(func() { t.Close(context.Background()) })
	return t
}

// shipped is the engine of tests that change no policy: compiled once.
var shipped = sync.OnceValues(func() (*bundles.Engine, error) {
	return bundles.New(bundles.Options{Deadline: deadline})
})

// deadline is generous: these tests are about answers, on busy machines.
const deadline = 5 * time.Second

func engine(tb testing.TB, o Options) *bundles.Engine {
	tb.Helper()
	e, err := shipped()
	if o.House != nil || o.Floor != nil {
		e, err = bundles.New(bundles.Options{House: o.House, Floor: o.Floor, Deadline: deadline})
	}
	require.NoError(tb, err)
	return e
}

// Master is the key that seals what the server keeps.
func (s *Server) Master() tokens.MasterKey { return s.master }

// SigningKey is the server's private key: what only it should have, for tests
// that forge what it would never sign.
func (s *Server) SigningKey() (kid string, private *ecdsa.PrivateKey) {
	s.TB.Helper()
	keys, err := s.Store.SigningKeys(context.Background())
	require.NoError(s.TB, err)
	for _, k := range keys {
		if k.Purpose != models.KeyForTokens {
			continue
		}
		der, err := s.master.Open(k.ID, k.Sealed)
		require.NoError(s.TB, err)
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		require.NoError(s.TB, err)
		return k.ID, parsed.(*ecdsa.PrivateKey)
	}
	s.TB.Fatal("no signing key")
	return "", nil
}

// Last is the newest entry of an action.
func (s *Server) Last(action string) models.Entry {
	s.TB.Helper()
	rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{Action: action, Newest: true}, -1, 1)
	require.NoError(s.TB, err)
	require.Len(s.TB, rows, 1, action)
	return rows[0]
}

// LastEntry is the newest row of the ledger.
func (s *Server) LastEntry() models.Entry {
	s.TB.Helper()
	return s.Last("")
}

// Tokens counts the tokens that were issued.
func (s *Server) Tokens() int {
	s.TB.Helper()
	rows, _, err := s.Store.Tokens(context.Background(), models.TokenFilter{}, models.Page{Limit: 200})
	require.NoError(s.TB, err)
	return len(rows)
}
