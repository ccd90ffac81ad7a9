package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/tokens"
)

// safeBuffer is written by the server and read by the test.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// devServer is `deputy serve --dev` with a folder and database of its own.
type devServer struct {
	t       *testing.T
	dir     string
	url     string
	db      string
	welcome string
	stop    func()
}

// startDev starts a server with the sample world, in which nobody has done anything yet.
func startDev(t *testing.T, dialect string) *devServer {
	t.Helper()
	return startTour(t, dialect, nil, true)
}

// startTour starts one that plays the tour first, unless it is left out.
func startTour(t *testing.T, dialect string, floor fs.FS, leaveOut bool) *devServer {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := probe.Addr().String()
	require.NoError(t, probe.Close())
	d := &devServer{t: t, dir: t.TempDir(), url: "http://" + strings.Replace(addr, "127.0.0.1", "localhost", 1)}
	if dialect == "postgres" {
		d.db = modelstest.Postgres(t)
	}
	d.start(addr, floor, leaveOut)
	return d
}

func (d *devServer) start(addr string, floor fs.FS, noTour bool) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, log, ended := &safeBuffer{}, &safeBuffer{}, make(chan error, 1)
	cmd := &serveCmd{
		database: database{DatabaseURL: Secret(d.db), DataDir: d.dir}, Listen: addr, Issuer: d.url, Dev: true, NoTour: noTour, bounds: shippedBounds(d.t), floor: floor,
		signalFlags: signalFlags{LogLevel: "info"}, RefreshGrace: 30 * time.Second, RefreshLife: 720 * time.Hour,
	}
	go func() { ended <- cmd.Run(ctx, streams{out, log}) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(d.t, <-ended)
	})
	d.t.Cleanup(d.stop)
	require.Eventually(d.t, func() bool {
		return strings.Contains(out.String(), "└─") || len(ended) > 0
	}, time.Minute, 20*time.Millisecond)
	d.welcome = out.String() + log.String()
}

// deputy runs a command as a user would, against this server.
func (d *devServer) deputy(args ...string) (string, error) {
	d.t.Helper()
	d.t.Setenv("DEPUTY_URL", d.url)
	d.t.Setenv("DEPUTY_DATA_DIR", d.dir)
	d.t.Setenv("DEPUTY_DATABASE_URL", d.db)
	var out bytes.Buffer
	err := run(context.Background(), args, &out, &out)
	return out.String(), err
}

func (d *devServer) must(args ...string) string {
	d.t.Helper()
	out, err := d.deputy(args...)
	require.NoError(d.t, err, out)
	return out
}

func eachDialect(t *testing.T, test func(t *testing.T, dialect string)) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) { test(t, dialect) })
	}
}

func TestFirstStartPlaysTheTourAndEndsInABox(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startTour(t, dialect, nil, false)
		require.Contains(t, d.welcome, "each as it must be")
		require.NotContains(t, d.welcome, "WRONG")
		require.Len(t, regexp.MustCompile(`(?m)^curl `).FindAllString(d.welcome, -1), 3)
		require.Contains(t, d.must("tour"), "each as it must be", "it may be played again")
		require.Contains(t, d.must("audit", "verify"), "The ledger holds.")

		d.stop()
		addr := strings.Replace(strings.TrimPrefix(d.url, "http://"), "localhost", "127.0.0.1", 1)
		d.start(addr, nil, false)
		require.NotContains(t, d.welcome, "Story 1", "the tour is for the first start")
		require.Contains(t, d.welcome, "curl -sw", "the box is for every start")
		require.Contains(t, d.must("audit", "verify"), "0 entries are newer than the newest head", "stopping signs the end")
	})
}

func TestCommandsDoWhatTheySay(t *testing.T) {
	d := startDev(t, "sqlite")
	token := d.must("token", "get", "--as", "orchestrator", "--resource", "https://orchestrator.example", "--scope", "agent:orchestrate")
	raw := token[strings.Index(token, "eyJ"):]
	next := d.must("token", "exchange", strings.TrimSpace(raw), "--as", "orchestrator", "--resource", "https://search-agent.example", "--scope", "search:web")
	require.Contains(t, next, "search:web")
	require.Contains(t, d.must("token", "inspect", strings.TrimSpace(raw)), "signature: good")
	_, err := d.deputy("token", "inspect", strings.TrimSpace(raw)[:len(raw)-12]+"AAAAAAAAAA")
	require.ErrorContains(t, err, "signature")
	_, err = d.deputy("token", "get", "--as", "chat-widget", "--scope", "agent:analytics")
	require.ErrorContains(t, err, "does not hold scope agent:analytics")

	made := d.must("agent", "create", "reporter", "--owner", "olivia", "--sponsor", "Sales", "--purpose", "Reports", "--role", "chat-widget-role", "--lifetime", "30")
	id := regexp.MustCompile(`client_id=(\S+)`).FindStringSubmatch(made)[1]
	secret := regexp.MustCompile(`client_secret=(\S+)`).FindStringSubmatch(made)[1]
	get := func(secret string) error {
		_, err := d.deputy("token", "get", "--client-id", id, "--client-secret", secret, "--scope", "agent:chat")
		return err
	}
	require.NoError(t, get(secret))
	rotated := regexp.MustCompile(`client_secret=(\S+)`).FindStringSubmatch(d.must("agent", "rotate", "reporter", "--overlap", "1h"))[1]
	require.NoError(t, get(secret), "the old secret lives on for the overlap")
	require.NoError(t, get(rotated))
	jwk := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, os.WriteFile(jwk, []byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k1"}`), 0o600))
	key := regexp.MustCompile(`crd_\w+`).FindString(d.must("agent", "key", "reporter", "--file", jwk, "--name", "signing"))
	require.Contains(t, d.must("agent", "show", "reporter"), key+` public_key "signing"`)
	require.Contains(t, d.must("agent", "key", "reporter", "--jwks-uri", "https://reporter.example/jwks"), "may prove itself")
	_, err = d.deputy("agent", "key", "reporter", "--jwks-uri", "http://reporter.example/jwks")
	require.ErrorContains(t, err, "jwks_uri")
	require.Contains(t, d.must("agent", "revoke", "reporter", key), key+" is revoked")
	require.NotContains(t, d.must("agent", "show", "reporter"), key)
	_, err = d.deputy("agent", "revoke", "reporter")
	require.ErrorContains(t, err, "--all")
	require.Contains(t, d.must("agent", "suspend", "reporter"), "reporter is suspended")
	require.ErrorContains(t, get(rotated), "is suspended")
	require.Contains(t, d.must("agent", "restore", id), "reporter is active")
	require.NoError(t, get(rotated))
	require.Contains(t, d.must("agent", "list", "--kind", "agent"), "reporter")
	_, err = d.deputy("agent", "suspend", "nobody")
	require.ErrorContains(t, err, `no agent or application named "nobody"`)
	_, err = d.deputy("agent", "create", "orphan")
	require.ErrorContains(t, err, "owner")

	tail := d.must("audit", "tail", "-n", "50")
	require.Contains(t, tail, "client_inactive")
	require.NotContains(t, tail, secret)
	dec := regexp.MustCompile(`dec_\w+`).FindString(tail)
	require.Contains(t, d.must("audit", "show", dec), `"inclusion"`)
	require.Contains(t, d.must("agent", "list", "--expiring", "744h"), "reporter")
	require.NotContains(t, d.must("agent", "list", "--expiring", "600h"), "reporter")
	require.NotContains(t, d.must("agent", "list", "--orphaned"), "reporter")
	d.must("user", "suspend", "olivia")
	require.Contains(t, d.must("agent", "list", "--orphaned"), "reporter")
	require.Contains(t, d.must("user", "handover", "olivia", "joe", "--now"), "reporter is joe's now")
	require.NotContains(t, d.must("agent", "list", "--orphaned"), "reporter")
	require.NoError(t, get(rotated), "who answers for it is there again")
	require.Contains(t, d.must("agent", "list", "--idle", "1h"), "never")
}

func TestAdminCreateWorksBesideARunningServer(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		out := d.must("admin", "create", "--name", "ops", "--issuer", d.url)
		v := regexp.MustCompile(`DEPUTY_CLIENT_ID=(\S+) DEPUTY_CLIENT_SECRET=(\S+)`).FindStringSubmatch(out)
		require.Len(t, v, 3, out)
		require.Contains(t, d.must("tour", "--client-id", v[1], "--client-secret", v[2]), "each as it must be")
		_, err := d.deputy("admin", "create", "--name", "ops", "--issuer", d.url)
		require.ErrorContains(t, err, "already exists")
	})
}

// Of two servers on one SQLite database the second is refused and says why; so
// is a migration, while what reads and what a server notices works beside it.
func TestOneSQLiteDatabaseIsForOneServer(t *testing.T) {
	d := startDev(t, "sqlite")
	second := serveCmd{database: database{DataDir: d.dir}, RefreshLife: time.Hour, Dev: true, Listen: "127.0.0.1:0", Issuer: d.url, signalFlags: signalFlags{LogLevel: "error"}}
	err := second.Run(context.Background(), streams{&safeBuffer{}, &safeBuffer{}})
	require.ErrorContains(t, err, fmt.Sprintf("database in use: process %d serves from %s", os.Getpid(), filepath.Join(d.dir, "deputy.db")))
	_, err = d.deputy("migrate")
	require.ErrorContains(t, err, "database in use")
	d.must("admin", "create", "--name", "ops", "--issuer", d.url)
	d.must("audit", "verify")
	d.stop()
	require.Contains(t, d.must("migrate"), "up to date", "the lock ends with the server")
}

// Nobody who comes by with another issuer, key or purpose changes a database
// that is in use.
func TestADatabaseBelongsToItsIssuer(t *testing.T) {
	d := startDev(t, "sqlite")
	d.stop()
	before := d.must("audit", "tail", "-n", "200")
	start := func(c serveCmd) error {
		c.Listen, c.LogLevel = "127.0.0.1:0", "error"
		return c.Run(context.Background(), streams{&safeBuffer{}, &safeBuffer{}})
	}
	database := database{DataDir: d.dir}
	require.ErrorContains(t, start(serveCmd{database: database, RefreshLife: time.Hour, masterKeys: masterKeys{MasterKey: Secret(tokens.GenerateMasterKey())}, Issuer: d.url}), "development world")
	require.NoError(t, os.Rename(devFile(d.dir), devFile(d.dir)+".away"))
	require.ErrorContains(t, start(serveCmd{database: database, RefreshLife: time.Hour, masterKeys: masterKeys{MasterKey: Secret(tokens.GenerateMasterKey())}, Issuer: d.url}), "another master key")
	require.ErrorContains(t, start(serveCmd{database: database, RefreshLife: time.Hour, Dev: true, Issuer: d.url}), "in use already")
	key, err := os.ReadFile(filepath.Join(d.dir, "master.key"))
	require.NoError(t, err)
	require.ErrorContains(t, start(serveCmd{database: database, RefreshLife: time.Hour, masterKeys: masterKeys{MasterKey: Secret(key)}, Issuer: "https://other.example"}), "--change-issuer")
	_, err = d.deputy("admin", "create", "--name", "ops", "--issuer", "https://other.example")
	require.ErrorContains(t, err, "another issuer")
	require.NoError(t, os.Rename(devFile(d.dir)+".away", devFile(d.dir)))
	require.Equal(t, before, d.must("audit", "tail", "-n", "200"), "and the ledger knows of nothing")
	require.Contains(t, d.must("admin", "create", "--name", "ops"), "DEPUTY_URL="+d.url, "the issuer is the database's")

	info, err := os.Stat(filepath.Join(d.dir, "deputy.db"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "the database is nobody else's to read")
}

// One row changed by SQL, behind Deputy's back, is found and named. Put back, the ledger
// holds as before.
func TestAuditVerifyNamesTheTamperedRow(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		driver, dsn := "sqlite", "file:"+(&url.URL{Path: filepath.Join(d.dir, "deputy.db")}).EscapedPath()+"?_pragma=busy_timeout(10000)"
		if dialect == "postgres" {
			driver, dsn = "pgx", d.db
		}
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		defer db.Close()
		exec := func(t *testing.T, statements ...string) {
			for _, s := range statements {
				_, err := db.Exec(s)
				require.NoError(t, err)
			}
		}
		exec(t, `create table kept as select * from ledger where seq in (20, 21)`)
		for name, statements := range map[string][]string{
			"changed": {`update ledger set client_id = 'agt_innocent' where seq = 20`},
			"deleted": {`delete from ledger where seq = 20`},
			"swapped": {`update ledger set seq = -1 where seq = 20`, `update ledger set seq = 20 where seq = 21`, `update ledger set seq = 21 where seq = -1`},
		} {
			t.Run(name, func(t *testing.T) {
				exec(t, statements...)
				out, err := d.deputy("audit", "verify")
				require.ErrorContains(t, err, "the ledger does not hold")
				require.Contains(t, out, "FINDING entry 20")
				exec(t, `delete from ledger where seq in (20, 21)`, `insert into ledger select * from kept`)
				require.Contains(t, d.must("audit", "verify"), "The ledger holds.")
			})
		}
	})
}

// With the bound of the parent token cut out of the floor, the tour says so.
func TestTourCatchesASabotagedFloor(t *testing.T) {
	floor := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(policies.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := fs.ReadFile(policies.FS, name)
		floor[name] = &fstest.MapFile{Data: body}
		return err
	}))
	rule := regexp.MustCompile(`(?s)missing contains \{"code": "scope_not_in_parent".*?\n\}\n`)
	require.Len(t, rule.FindAll(floor["floor/scope/scope.rego"].Data, -1), 1)
	floor["floor/scope/scope.rego"].Data = rule.ReplaceAll(floor["floor/scope/scope.rego"].Data, nil)
	d := startTour(t, "sqlite", floor, false)
	require.Contains(t, d.welcome, "WRONG: it must be refused with invalid_scope")
	require.Regexp(t, `: 1 of \d+ steps did not come out as they must`, d.welcome)
	_, err := d.deputy("tour")
	require.ErrorContains(t, err, ": 1 of ", "the command ends non-zero")
}

func TestPolicyCommands(t *testing.T) {
	dir := t.TempDir()
	house, err := fs.Sub(policies.FS, "house")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, house))
	var out bytes.Buffer
	deputy := func(args ...string) error {
		out.Reset()
		return run(context.Background(), args, &out, &out)
	}
	require.NoError(t, deputy("policy", "check", dir))
	require.NoError(t, deputy("policy", "test", dir))
	require.Contains(t, out.String(), "coverage 100.0%")
	file := filepath.Join(dir, "issue", "issue.rego")
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(body, "\ndeny contains \"x\" if input.agnet.status\n"...), 0o600))
	err = deputy("policy", "check", dir)
	require.ErrorContains(t, err, "issue/issue.rego:")
	require.ErrorContains(t, err, "agnet")
}

func TestUnsafeStartsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no master key":         {[]string{"serve"}, "DEPUTY_MASTER_KEY"},
		"dev for the world":     {[]string{"serve", "--dev", "--listen", "0.0.0.0:0"}, "loopback"},
		"dev, public issuer":    {[]string{"serve", "--dev", "--issuer", "https://auth.example"}, "loopback"},
		"http issuer":           {[]string{"serve", "--master-key", "x", "--issuer", "http://auth.example"}, "https"},
		"nearly loopback":       {[]string{"serve", "--master-key", "x", "--issuer", "http://127.attacker.example"}, "https"},
		"issuer with wildcard":  {[]string{"serve", "--master-key", "x", "--issuer", "https://auth.example/*x"}, "path of issuer"},
		"issuer with dots":      {[]string{"serve", "--master-key", "x", "--issuer", "https://auth.example/a/../b"}, "path of issuer"},
		"issuer that is hidden": {[]string{"serve", "--master-key", "x", "--listen", "0.0.0.0:0"}, "DEPUTY_ISSUER"},
		"issuer with slash":     {[]string{"serve", "--master-key", "x", "--issuer", "https://auth.example/"}, "slash"},
		"short master key":      {[]string{"serve", "--master-key", "c2hvcnQ=", "--listen", "127.0.0.1:0", "--issuer", "http://localhost"}, "32 random bytes"},
		"unknown database":      {[]string{"serve", "--dev", "--database-url", "mysql://x"}, "postgres://"},
		"unknown flag":          {[]string{"serve", "--no-such-flag"}, "unknown flag"},
		"unknown subcommand":    {[]string{"sever"}, "unexpected argument"},
		"token without a party": {[]string{"token", "get"}, "who asks?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DEPUTY_DATA_DIR", t.TempDir())
			var out bytes.Buffer
			require.ErrorContains(t, run(context.Background(), c.args, &out, &out), c.says)
		})
	}
}
