//go:build linux

package failure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/tests/harness"
)

// world is who asks the server of a test: an agent that authenticates with a
// secret or an assertion, and is the service its own tokens are for.
type world struct {
	*deputy
	modelstest.World
	key *ecdsa.PrivateKey
}

// newWorld fills the database before its server starts.
func newWorld(t *testing.T, d *deputy) *world {
	t.Helper()
	w := &world{deputy: d}
	w.inStore(func(s *models.Store) {
		ctx := context.Background()
		must(t, s.Migrate(ctx))
		must(t, server.EnsureSelf(ctx, s, d.url))
		w.World = modelstest.NewWorld(t, s, "w")
		_, err := s.UpdateResourceServer(ctx, modelstest.By(), w.Service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &w.Agent.ID })
		must(t, err)
		w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		jwk, err := json.Marshal(jose.JSONWebKey{Key: w.key.Public(), Algorithm: "ES256", KeyID: "k1", Use: "sig"})
		must(t, err)
		_, err = s.CreateCredential(ctx, modelstest.By(), &models.Credential{ClientID: w.Agent.ID, Kind: models.CredentialKey, PublicJWK: string(jwk)})
		must(t, err)
	})
	return w
}

// inStore works on the database past the server.
func (w *world) inStore(work func(*models.Store)) {
	w.t.Helper()
	s, err := models.Open(models.Options{URL: w.dsn, Dir: w.dir})
	must(w.t, err)
	defer s.Close()
	work(s)
}

// database opens the database past everything of ours.
func (d *deputy) database() *sql.DB {
	d.t.Helper()
	driver, dsn := "pgx", d.dsn
	if dsn == "" {
		driver, dsn = "sqlite", "file:"+(&url.URL{Path: filepath.Join(d.dir, "deputy.db")}).EscapedPath()+"?_pragma=busy_timeout(20000)"
	}
	db, err := sql.Open(driver, dsn)
	must(d.t, err)
	d.t.Cleanup(func() { _ = db.Close() })
	return db
}

// assertion signs a statement of who the agent is, good for one use.
func (w *world) assertion() string {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": w.Agent.ID, "sub": w.Agent.ID, "aud": w.url, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	t.Header["kid"] = "k1"
	signed, err := t.SignedString(w.key)
	if err != nil {
		panic(err) // the key is the test's own
	}
	return signed
}

// ask is one request of a load.
type ask struct {
	path      string
	form      url.Values
	assertion string // in place of the secret
}

// own asks for a token with the secret, proven one with an assertion.
func (w *world) own() ask {
	return ask{path: "/oauth2/token", form: harness.OwnForm(w.Service.Identifier, "read")}
}

func (w *world) proven() ask {
	a := w.own()
	a.assertion = w.assertion()
	return a
}

// exchange trades a token for a narrower one, inspect looks at one.
func (w *world) exchange(token string) ask {
	return ask{path: "/oauth2/token", form: harness.ExchangeForm(token, w.Service.Identifier, "read")}
}

func (w *world) inspect(token string) ask {
	return ask{path: "/oauth2/introspect", form: url.Values{"token": {token}}}
}

// mixed is a load of every kind, turn by turn.
func (w *world) mixed(parent string) func(turn int) ask {
	return func(turn int) ask {
		switch turn % 4 {
		case 0:
			return w.proven()
		case 1:
			return w.exchange(parent)
		case 2:
			return w.inspect(parent)
		default:
			return w.own()
		}
	}
}

func (w *world) request(a ask) *http.Request {
	form := url.Values{}
	for k, v := range a.form {
		form[k] = v
	}
	if a.assertion != "" {
		form.Set("client_assertion_type", harness.AssertionType)
		form.Set("client_assertion", a.assertion)
	}
	req, err := http.NewRequest(http.MethodPost, w.url+a.path, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err) // of the test's own making
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Request-ID", rand.Text())
	if a.assertion == "" {
		req.SetBasicAuth(w.Agent.ID, w.Secret)
	}
	return req
}
