//go:build linux

package replicas

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/tests/harness"
)

// agent is a client with a secret, and a key if it has one.
type agent struct {
	id, secret string
	key        *ecdsa.PrivateKey
}

// world is who asks: agents that may read at a service, which guard operates, an
// administrator, and victims, each of which is stopped once.
type world struct {
	*site
	db      *sql.DB
	service string
	guard   agent
	admin   agent
	agents  []agent
	victims []agent
}

// newWorld fills the database before its servers start.
func newWorld(s *site, agents, victims int) *world {
	s.Helper()
	w := &world{site: s}
	store, err := models.Open(models.Options{URL: s.dsn})
	require.NoError(s, err)
	defer func() { require.NoError(s, store.Close()) }()
	ctx := context.Background()
	require.NoError(s, store.Migrate(ctx))
	require.NoError(s, server.EnsureSelf(ctx, store, s.issuer))
	owner := modelstest.User(s, store, "owner")
	service := modelstest.Service(s, store, "service", "read")
	role := modelstest.Role(s, store, "reader", service.ID, "read")
	w.service = service.Identifier
	make := func(name string) agent {
		c, secret := modelstest.Agent(s, store, name, owner.ID)
		modelstest.Assign(s, store, role.ID, c.ID)
		return agent{id: c.ID, secret: secret}
	}
	w.guard, w.admin = make("guard"), make("admin")
	modelstest.Assign(s, store, models.AdminRoleID, w.admin.id)
	_, err = store.UpdateResourceServer(ctx, modelstest.By(), service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &w.guard.id })
	require.NoError(s, err)
	for n := range agents {
		one := make(fmt.Sprintf("agent-%d", n))
		one.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(s, err)
		jwk, err := json.Marshal(jose.JSONWebKey{Key: one.key.Public(), Algorithm: "ES256", KeyID: "k1", Use: "sig"})
		require.NoError(s, err)
		_, err = store.CreateCredential(ctx, modelstest.By(), &models.Credential{ClientID: one.id, Kind: models.CredentialKey, PublicJWK: string(jwk)})
		require.NoError(s, err)
		w.agents = append(w.agents, one)
	}
	for n := range victims {
		w.victims = append(w.victims, make(fmt.Sprintf("victim-%d", n)))
	}
	w.db, err = sql.Open("pgx", s.dsn)
	require.NoError(s, err)
	s.Cleanup(func() { _ = w.db.Close() })
	return w
}

// assertion signs a statement of who the agent is, good for one use.
func (w *world) assertion(a agent) string {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": a.id, "sub": a.id, "aud": w.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	t.Header["kid"] = "k1"
	signed, err := t.SignedString(a.key)
	if err != nil {
		panic(err) // the key is the test's own
	}
	return signed
}

// administer calls the admin API at r. It must be answered with a status of 2xx, but
// for 503, when it is tried again. It returns when the answer had come.
func (w *world) administer(r *replica, scope, path, body string) time.Time {
	w.Helper()
	form := harness.OwnForm(w.issuer+"/api/v1", scope)
	var answered time.Time
	w.await("the administrator to get in", func() bool {
		a := w.send(http.DefaultClient, ask{at: r, path: "/oauth2/token", form: form, as: w.admin})
		if a.unavailable() {
			return false
		}
		require.True(w, a.granted(), "%d %s", a.status, a.body.Error)
		status := w.post(r.url+"/api/v1"+path, a.body.Token, body)
		answered = time.Now()
		require.Contains(w, []int{http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable}, status)
		return status != http.StatusServiceUnavailable
	})
	return answered
}

// number reads one number from the database, which may just have come back: the first
// connections that are tried may be of before.
func (w *world) number(query string, args ...any) int {
	w.Helper()
	var n int
	w.await("an answer to "+query, func() bool { return w.db.QueryRow(query, args...).Scan(&n) == nil })
	return n
}

// tooLate counts the tokens that the ledger, which orders everything, has of a client
// after the change that suspended it.
func (w *world) tooLate(clientID string) int {
	w.Helper()
	require.Equal(w, 1, w.number(`select count(*) from ledger where action = 'suspendClient' and detail::jsonb ->> 'target' = $1`, clientID))
	return w.number(`select count(*) from ledger where client_id = $1 and outcome = 'granted' and action like 'issue:%'
		and seq > (select seq from ledger where action = 'suspendClient' and detail::jsonb ->> 'target' = $1)`, clientID)
}

// listeners is how many replicas the database tells of changes.
func (w *world) listeners() int {
	return w.number(`select count(*) from pg_stat_activity where application_name = 'deputy-listener' and datname = current_database() and state = 'idle'`)
}
