package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/upkeep"
	"github.com/deputyauth/deputy/server/upstream"
)

type serveCmd struct {
	database
	bounds
	signalFlags
	wordFlags
	masterKeys
	upkeepFlags
	Listen         string         `env:"DEPUTY_LISTEN" default:"127.0.0.1:8080" help:"Address to listen on."`
	Issuer         string         `env:"DEPUTY_ISSUER" help:"Public URL of this server, without a trailing slash (default: http://localhost and the port)."`
	PolicyDir      string         `env:"DEPUTY_POLICY_DIR" help:"Folder of your house policy; it is reloaded when it changes." placeholder:"DIR"`
	DecisionReuse  string         `env:"DEPUTY_DECISION_REUSE" default:"on" enum:"on,off" help:"on: a question that was answered before, on the same facts, gets the same answer while policy says it holds. off: every question is evaluated."`
	OutboundAllow  []netip.Prefix `env:"DEPUTY_OUTBOUND_ALLOW" help:"Networks of your own that Deputy may call (OpenID providers, clients that want to be told, your webhook), beside the public internet." placeholder:"10.1.0.0/16"`
	TrustedProxies []string       `env:"DEPUTY_TRUSTED_PROXIES" help:"Addresses or networks whose X-Forwarded-For is believed."`
	Migrate        bool           `env:"DEPUTY_MIGRATE" help:"Bring the schema up to date first. Always so with SQLite."`
	ChangeIssuer   bool           `help:"Let this start move the database to another issuer. Administrators' tokens for the old one are dead."`
	Dev            bool           `help:"For trying out, on this machine only: makes its own key, an administrator and a sample world."`
	NoTour         bool           `help:"With --dev: do not play the tour on first start."`
	AllowDumps     bool           `env:"DEPUTY_ALLOW_DUMPS" help:"For debugging: leave core dumps, and debuggers, to what the system allows. Secrets are in them."`
	CPUProfile     string         `name:"cpuprofile" hidden:"" help:"Write a CPU profile of the whole run to this file."`
	floor          fs.FS          // nil: the floor in this binary; tests sabotage it

	Drain          time.Duration `env:"DEPUTY_DRAIN" default:"0s" help:"How long to go on serving after SIGTERM, while /readyz answers 503: as long as your load balancer takes to notice."`
	RefreshGrace   time.Duration `env:"DEPUTY_REFRESH_GRACE" default:"30s" help:"How long after its use a refresh token that comes again gets the same successor; then it counts as stolen. At most 5m."`
	RefreshLife    time.Duration `env:"DEPUTY_REFRESH_LIFE" default:"720h" help:"How long a refresh token may wait to be used: 1m to 8760h. What it stands for may end before."`
	PolicyDeadline time.Duration `env:"DEPUTY_POLICY_DEADLINE" default:"1s" help:"How long one decision may take before it is a refusal."`
}

// Run starts the server and stops it when ctx ends.
func (c *serveCmd) Run(ctx context.Context, io streams) (err error) {
	profiled, err := profileCPU(c.CPUProfile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, profiled()) }()
	if err := c.prepare(); err != nil {
		return err
	}
	w, err := c.watch(ctx, io.err, c.Dev)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	if !c.AllowDumps {
		if err := withoutDumps(); err != nil {
			w.log.Warn("core dumps of this process, which would hold secrets, could not be ruled out", "error", err)
		}
	}
	store, err := models.Open(c.options(w.metrics))
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Lock(); err != nil {
		return err
	}
	if c.Migrate || c.Dev || c.DatabaseURL == "" {
		if err := store.Migrate(ctx); err != nil {
			return err
		}
	}
	d, err := c.assemble(ctx, store, w) // first: a wrong master key must change nothing
	if err != nil {
		return err
	}
	if err := c.ensureSelf(ctx, store); err != nil {
		return err
	}
	if err := d.notePolicy()(ctx); err != nil { // before the first decision it makes
		return err
	}
	w.state(d)
	if !c.Dev { // there, the sample world has somebody who administers
		if err := offerSetup(ctx, d.people, c.Issuer, io); err != nil {
			return err
		}
	}
	log := w.log
	stop := d.background(ctx, c.PolicyDir, log)
	defer stop()
	defer runtime.KeepAlive(headroom())
	return d.server.Serve(ctx, c.Listen, func(addr string) {
		debug.FreeOSMemory() // compiling policy and migrations leave more behind than serving needs
		log.Info("deputy serves", "issuer", c.Issuer, "address", addr, "database", store.Dialect(), "house_policy", d.engine.Status().House)
		if c.Dev {
			go c.welcome(ctx, store, io, log)
		}
	})
}

// reach is what this server may call.
func (c *serveCmd) reach() outbound.Reach {
	return outbound.Reach{Loopback: server.OnLoopback(c.Issuer), Networks: c.OutboundAllow}
}

// ensureSelf makes sure that the database is this server's.
func (c *serveCmd) ensureSelf(ctx context.Context, store *models.Store) error {
	_, err := store.ResourceServer(ctx, models.SelfID)
	if c.Dev && err == nil {
		if _, err := os.Stat(devFile(c.DataDir)); err != nil {
			return errors.New("--dev makes a world of its own, and this database is in use already")
		}
	}
	err = server.EnsureSelf(ctx, store, c.Issuer)
	if errors.Is(err, models.ErrOtherIssuer) {
		if c.ChangeIssuer {
			return server.RenameSelf(ctx, store, models.By{System: "serve --change-issuer"}, c.Issuer)
		}
		return fmt.Errorf("%w; to move it here, start once with --change-issuer", err)
	}
	if errors.Is(err, models.ErrUnavailable) {
		return fmt.Errorf("%w (is the schema up to date? deputy migrate)", err)
	}
	return err
}

// prepare fills in what was left out and refuses unsafe combinations.
func (c *serveCmd) prepare() error {
	if err := errors.Join(c.check(), c.refreshes().Check(), c.upkeep().Check()); err != nil {
		return err
	}
	host, port, err := splitListen(c.Listen)
	if err != nil {
		return err
	}
	if c.Issuer == "" && !c.Dev && !server.Loopback(host) {
		return errors.New("DEPUTY_ISSUER is not set: a server that others can reach needs its public URL")
	}
	if c.Issuer == "" {
		c.Issuer = "http://localhost:" + port
	}
	u, err := server.CheckIssuer(c.Issuer)
	if err != nil {
		return err
	}
	if c.Dev && c.LogLevel != "debug" {
		c.AccessLog = false // the box is to be the last thing on the screen
	}
	if !c.Dev {
		if _, err := os.Stat(devFile(c.DataDir)); err == nil {
			return fmt.Errorf("%s is a development world, whose secrets lie in it in plain; use another --data-dir", c.DataDir)
		}
		if c.MasterKey == "" {
			return errors.New("DEPUTY_MASTER_KEY is not set: it seals the signing keys; make one with: openssl rand -base64 32")
		}
		return nil
	}
	if !server.Loopback(u.Hostname()) || !server.Loopback(host) {
		return errors.New("--dev is for this machine only: issuer and address must be on loopback")
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if c.MasterKey == "" {
		if c.MasterKey, err = devMasterKey(c.DataDir); err != nil {
			return err
		}
	}
	if c.PolicyDir == "" {
		c.PolicyDir = filepath.Join(c.DataDir, "policy")
		return devPolicy(c.PolicyDir)
	}
	return nil
}

// refreshes are the times of refresh tokens, in whole seconds.
func (c *serveCmd) refreshes() grants.Refreshes {
	return grants.Refreshes{Grace: int64(c.RefreshGrace / time.Second), Life: int64(c.RefreshLife / time.Second)}
}

// deputy is a server with everything it hangs from.
type deputy struct {
	store    *models.Store
	keys     *tokens.Keyring
	engine   *bundles.Engine
	endpoint *grants.Endpoint
	people   *people.People
	server   *server.Server
	upkeep   *upkeep.Upkeep
}

func (c *serveCmd) assemble(ctx context.Context, store *models.Store, w *watch) (*deputy, error) {
	master, err := c.master()
	if err != nil {
		return nil, err
	}
	keys, err := tokens.NewKeyring(ctx, c.Issuer, store, master, time.Now)
	if err != nil {
		return nil, err
	}
	var house fs.FS
	if c.PolicyDir != "" {
		house = os.DirFS(c.PolicyDir)
	}
	engine, err := bundles.New(bundles.Options{Floor: c.floor, House: house, Deadline: c.PolicyDeadline, Log: w.log, NoReuse: c.DecisionReuse == "off"})
	if err != nil {
		return nil, err
	}
	bounded := limits.New(c.config(), time.Now)
	messages, err := c.word(store, master)
	if err != nil {
		return nil, err
	}
	endpoint := grants.New(grants.Config{Issuer: c.Issuer, Store: store, Policy: engine, Advice: engine, Keys: keys, Now: time.Now, Log: w.log, Limits: bounded, Metrics: w.metrics,
		Refreshes: new(c.refreshes()), Caller: outbound.New(c.reach()), Word: messages})
	guesses := c.config()
	if guesses.FailureBurst == 0 { // people choose passwords: guessing is never unlimited
		guesses.FailureBurst = limits.Defaults().FailureBurst
	}
	persons, err := people.New(people.Config{Issuer: c.Issuer, Store: store, Master: master, Failures: endpoint, Limits: guesses, Now: time.Now, Upstreams: upstream.New(time.Now, c.reach())})
	if err != nil {
		return nil, err
	}
	chores := c.upkeep()
	chores.Store, chores.Keys, chores.Now, chores.Log = store, keys, time.Now, w.log
	kept := upkeep.New(chores)
	srv, err := server.New(server.Config{
		Issuer: c.Issuer, Store: store, Endpoint: endpoint, People: persons, Word: messages, Keys: keys, TrustedProxies: c.TrustedProxies, Limits: bounded,
		Log: w.log, Access: w.access, Metrics: w.metrics, Traces: w.traces, Drain: c.Drain, Failing: kept.Failing,
		Policy: func() api.PolicyStatus { return api.PolicyStatus(engine.Status()) },
	})
	if err != nil {
		return nil, err
	}
	return &deputy{store: store, keys: keys, engine: engine, endpoint: endpoint, people: persons, server: srv, upkeep: kept}, nil
}

// background starts what runs beside requests, until stop is called, which must
// be when no request is left: while the last are drained, facts are kept fresh,
// and what they leave in the ledger is signed.
func (d *deputy) background(ctx context.Context, policyDir string, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, task := range []task{
		{"refresh facts", 250 * time.Millisecond, d.store.Refresh},
		{"reload signing keys", 10 * time.Second, d.keys.Reload},
		{"sign ledger head", time.Second, func(ctx context.Context) error { return d.store.SignHead(ctx, d.keys.LedgerSigner()) }},
		{"tend credentials", 15 * time.Second, d.endpoint.Tend},
		{"count failures", time.Second, d.endpoint.CountFailures},
		{"push events", time.Second, d.endpoint.PushEvents},
		{"tell what is due", time.Second, d.endpoint.Notify},
		{"tend sessions", 15 * time.Second, d.people.Tend},
		{"note which policy serves", time.Second, d.notePolicy()},
	} {
		wg.Go(func() { task.repeat(ctx, log) })
	}
	wg.Go(func() { d.upkeep.Run(ctx) })
	if d.store.Announces() {
		wg.Go(func() { d.listen(ctx, log) })
	}
	if policyDir != "" {
		wg.Go(func() { d.engine.Watch(ctx, policyDir, time.Second) })
	}
	return func() {
		last, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		if err := d.endpoint.Finish(last); err != nil { // before the last head is signed
			log.Error("counts of failures were not written", "error", err)
		}
		cancel()
		wg.Wait()
	}
}

// taskTimeout bounds one go of a background task, so that a database that hangs
// does not keep it from trying again.
const taskTimeout = 10 * time.Second

// task is something done again and again.
type task struct {
	name  string
	every time.Duration
	do    func(context.Context) error
}

// repeat runs the task until ctx ends, and once more then.
func (t task) repeat(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			one, cancel := context.WithTimeout(ctx, taskTimeout)
			if err := t.do(one); err != nil && ctx.Err() == nil {
				log.Error("background task failed", "task", t.name, "error", err)
			}
			cancel()
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := t.do(last); err != nil {
				log.Error("background task failed at the end", "task", t.name, "error", err)
			}
			return
		}
	}
}
