//go:build linux

package replicas

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/tests/harness"
	"github.com/deputyauth/deputy/tests/process"
)

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
	store, err := models.Open(models.Options{URL: s.DSN})
	require.NoError(s, err)
	defer func() { require.NoError(s, store.Close()) }()
	ctx := context.Background()
	require.NoError(s, store.Migrate(ctx))
	require.NoError(s, server.EnsureSelf(ctx, store, s.Issuer))
	owner := modelstest.User(s, store, "owner")
	service := modelstest.Service(s, store, "service", "read")
	role := modelstest.Role(s, store, "reader", service.ID, "read")
	w.service = service.Identifier
	make := func(name string) agent {
		c, secret := modelstest.Agent(s, store, name, owner.ID)
		modelstest.Assign(s, store, role.ID, c.ID)
		return agent{ID: c.ID, Secret: secret}
	}
	w.guard, w.admin = make("guard"), make("admin")
	modelstest.Assign(s, store, models.AdminRoleID, w.admin.ID)
	_, err = store.UpdateResourceServer(ctx, modelstest.By(), service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &w.guard.ID })
	require.NoError(s, err)
	for n := range agents {
		one := make(fmt.Sprintf("agent-%d", n))
		var jwk string
		one.Key, jwk, err = process.NewKey()
		require.NoError(s, err)
		_, err = store.CreateCredential(ctx, modelstest.By(), &models.Credential{ClientID: one.ID, Kind: models.CredentialKey, PublicJWK: jwk})
		require.NoError(s, err)
		w.agents = append(w.agents, one)
	}
	for n := range victims {
		w.victims = append(w.victims, make(fmt.Sprintf("victim-%d", n)))
	}
	w.db = s.Database()
	return w
}

// administer calls the admin API at r. It must be answered with a status of 2xx, but
// for 503, when it is tried again. It returns when the answer had come.
func (w *world) administer(r *replica, scope, path, body string) time.Time {
	w.Helper()
	form := harness.OwnForm(w.Issuer+"/api/v1", scope)
	var answered time.Time
	w.Await("the administrator to get in", func() bool {
		a := process.Send(http.DefaultClient, ask{At: r, Path: "/oauth2/token", Form: form, As: w.admin})
		if a.Unavailable() {
			return false
		}
		require.True(w, a.Granted(), "%d %s", a.Status, a.Body.Error)
		status := w.post(r.URL+"/api/v1"+path, a.Body.Token, body)
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
	w.Await("an answer to "+query, func() bool { return w.db.QueryRow(query, args...).Scan(&n) == nil })
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
