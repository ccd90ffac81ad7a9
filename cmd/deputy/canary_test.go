package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/tests/canary"
)

// operator is somebody who runs a server with settings from the environment and
// uses the command line, with every secret known.
type operator struct {
	t       *testing.T
	secrets canary.Secrets
	url     string
	data    models.Options
	log     *canary.Log
	said    []byte // by all commands whose business is not to show a secret
}

func newOperator(t *testing.T, dialect string) *operator {
	o := &operator{t: t, secrets: canary.Secrets{}, log: &canary.Log{}, data: models.Options{Dir: t.TempDir()}}
	o.secrets["master key"] = tokens.GenerateMasterKey()
	file := filepath.Join(t.TempDir(), "master.key")
	require.NoError(t, os.WriteFile(file, []byte(o.secrets["master key"]), 0o600))
	if dialect == "postgres" {
		o.data.URL = modelstest.Postgres(t)
	}
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := probe.Addr().String()
	require.NoError(t, probe.Close())
	o.url = "http://" + addr
	for name, value := range map[string]string{
		"DEPUTY_DATABASE_URL": o.data.URL, "DEPUTY_DATA_DIR": o.data.Dir, "DEPUTY_MASTER_KEY_FILE": file, "DEPUTY_ISSUER": o.url, "DEPUTY_URL": o.url,
		"DEPUTY_LISTEN": addr, "DEPUTY_LOG_LEVEL": "debug", "DEPUTY_MIGRATE": "true",
	} {
		t.Setenv(name, value)
	}
	return o
}

// serve runs the server until the test ends.
func (o *operator) serve() (stop func()) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"serve"}, o.log, o.log) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(o.t, <-ended)
	})
	o.t.Cleanup(stop)
	require.Eventually(o.t, func() bool {
		return strings.Contains(string(o.log.Bytes()), "deputy serves") || len(ended) > 0
	}, time.Minute, 20*time.Millisecond)
	return stop
}

// shows runs a command whose business is to show a secret, and learns it.
func (o *operator) shows(name, pattern string, args ...string) string {
	o.t.Helper()
	var out, errs bytes.Buffer
	require.NoError(o.t, run(context.Background(), args, &out, &errs), errs.String())
	secret := regexp.MustCompile(pattern).FindStringSubmatch(out.String())
	require.NotNil(o.t, secret, out.String())
	if strings.Count(secret[1], ".") == 2 {
		o.secrets.Token(name, secret[1])
	} else {
		o.secrets[name] = secret[1]
	}
	o.said = append(o.said, errs.Bytes()...)
	return secret[1]
}

// says runs any other command, well or badly.
func (o *operator) says(args ...string) error {
	o.t.Helper()
	var out bytes.Buffer
	err := run(context.Background(), args, &out, &out)
	o.said = append(o.said, out.Bytes()...)
	if err != nil {
		o.said = append(o.said, err.Error()...)
	}
	return err
}

// The command line shows a secret where that is what it is for, once, and
// nowhere else: not in logs, errors, help, the ledger or the database.
func TestCommandsKeepSecrets(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		o := newOperator(t, dialect)
		secret := o.shows("administrator's secret", `DEPUTY_CLIENT_SECRET=(\S+)`, "admin", "create")
		store, err := models.Open(o.data)
		require.NoError(t, err)
		apps, _, err := store.Clients(t.Context(), models.ClientFilter{Name: "admin"}, models.Page{})
		require.NoError(t, err)
		require.NoError(t, store.Close())
		stop := o.serve()
		t.Setenv("DEPUTY_CLIENT_ID", apps[0].ID)
		t.Setenv("DEPUTY_CLIENT_SECRET", secret)
		o.commands(apps[0].ID)
		stop()
		require.NoError(t, o.says("migrate"), "%s", o.said)

		require.Contains(t, string(o.log.Bytes()), `"msg":"request"`)
		require.Greater(t, len(o.secrets), 8)
		o.secrets["marker"] = "admin:createClient" // the search must be able to find something
		dump := canary.Dump(t, o.data)
		require.NotEmpty(t, o.secrets.Found(dump["ledger.action"]))
		require.NotEmpty(t, o.secrets.Found(append(o.said, "admin:createClient"...)))
		delete(o.secrets, "marker")
		for place, text := range dump {
			require.Empty(t, o.secrets.Found(text), "in %s", place)
		}
		require.Empty(t, o.secrets.Found(o.log.Bytes()), "in the log")
		require.Empty(t, o.secrets.Found(o.said), "in what commands say")
	})
}

func (o *operator) commands(admin string) {
	api := o.url + "/api/v1"
	token := o.shows("token", `(eyJ\S+)`, "token", "get", "--resource", api, "--scope", "clients:read users:read")
	o.shows("exchanged token", `(eyJ\S+)`, "token", "exchange", token, "--resource", api, "--scope", "clients:read")
	o.shows("agent's secret", `client_secret=(\S+)`, "agent", "create", "reporter", "--kind", "application")
	o.shows("agent's next secret", `client_secret=(\S+)`, "agent", "rotate", "reporter")
	for _, args := range [][]string{
		{"token", "inspect", token}, {"agent", "list"}, {"agent", "suspend", "reporter"}, {"agent", "restore", "reporter"}, {"healthcheck", "--url", o.url},
		{"audit", "tail", "-n", "200"}, {"audit", "verify"},
	} {
		require.NoError(o.t, o.says(args...), "%v: %s", args, o.said)
	}
	o.secrets["wrong secret"] = "wrong-canary-81c2d3e4"
	o.secrets["database password"] = "password-canary-91ab"
	for _, args := range [][]string{
		{"token", "get", "--client-id", admin, "--client-secret", o.secrets["wrong secret"], "--scope", "x"},
		{"agent", "list", "--client-id", admin, "--client-secret", o.secrets["wrong secret"]},
		{"token", "get", "--resource", "https://nowhere.example", "--scope", "x"},
		{"token", "exchange", token, "--resource", "https://nowhere.example", "--scope", "x"},
		{"token", "exchange", token + "x", "--resource", api, "--scope", "clients:read"},
		{"token", "inspect", token[:len(token)-20]}, {"token", "inspect", o.secrets["agent's secret"]},
		{"agent", "list", "--url", "http://127.0.0.1:1"}, {"agent", "suspend", "nobody"}, {"token", "get", "--no-such-flag"},
		{"migrate", "--database-url", "postgres://deputy:" + o.secrets["database password"] + "@127.0.0.1:1/deputy?connect_timeout=1"},
		{"migrate", "--database-url", "postgres://deputy:" + o.secrets["database password"] + "@127.0.0.1:x/deputy"},
		{"serve", "--master-key", o.secrets["wrong secret"], "--listen", "127.0.0.1:0"},
	} {
		require.Error(o.t, o.says(args...), "%v", args)
	}
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"token", "get", "--help"}, {"migrate", "--help"}} {
		require.NoError(o.t, o.says(args...))
	}
}
