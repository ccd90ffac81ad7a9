//go:build linux

package failure

import (
	"context"
	"testing"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/tests/process"
)

// world is who asks the server of a test: an agent that authenticates with a
// secret or an assertion, and is the service its own tokens are for.
type world struct {
	*deputy
	modelstest.World
	agent process.Client
}

// newWorld fills the database before its server starts.
func newWorld(t *testing.T, d *deputy) *world {
	t.Helper()
	w := &world{deputy: d}
	w.inStore(func(s *models.Store) {
		ctx := context.Background()
		must(t, s.Migrate(ctx))
		must(t, server.EnsureSelf(ctx, s, d.Issuer))
		w.World = modelstest.NewWorld(t, s, "w")
		_, err := s.UpdateResourceServer(ctx, modelstest.By(), w.Service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &w.Agent.ID })
		must(t, err)
		key, jwk, err := process.NewKey()
		must(t, err)
		w.agent = process.Client{ID: w.Agent.ID, Secret: w.Secret, Key: key}
		_, err = s.CreateCredential(ctx, modelstest.By(), &models.Credential{ClientID: w.Agent.ID, Kind: models.CredentialKey, PublicJWK: jwk})
		must(t, err)
	})
	return w
}

// inStore works on the database past the server.
func (w *world) inStore(work func(*models.Store)) {
	w.t.Helper()
	s, err := models.Open(models.Options{URL: w.DSN, Dir: w.Dir})
	must(w.t, err)
	defer s.Close()
	work(s)
}
