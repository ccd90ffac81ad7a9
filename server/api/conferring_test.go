package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/grants"
)

// meddler changes something after a call was admitted, once.
type meddler struct {
	Admitter
	asked [][]string
	after func(conferred []string) bool
}

func (m *meddler) Admit(ctx context.Context, call grants.Call, bearer, operation string, conferred ...string) (models.By, error) {
	who, err := m.Admitter.Admit(ctx, call, bearer, operation, conferred...)
	m.asked = append(m.asked, conferred)
	if m.after != nil && m.after(conferred) {
		m.after = nil
	}
	return who, err
}

func grow(t *testing.T, s *models.Store, id string, scopes ...string) {
	t.Helper()
	_, err := s.UpdateRole(t.Context(), modelstest.By(), id, models.AnyVersion, func(r *models.Role) {
		for _, name := range scopes {
			r.Scopes = append(r.Scopes, models.ScopeRef{ResourceID: models.SelfID, Name: name})
		}
	})
	require.NoError(t, err)
}

// newMeddled is the API behind the real policy and a meddler.
func newMeddled(t *testing.T) (*guarded, *meddler) {
	t.Helper()
	m := &meddler{}
	g := newGuardedBy(t, func(real Admitter) Admitter {
		m.Admitter = real
		return m
	})
	return g, m
}

// What a change confers is weighed as of the change: a role that grows after
// policy was asked is asked about anew.
func TestWhatAChangeConfersIsWeighedAsOfTheChange(t *testing.T) {
	g, m := newMeddled(t)
	role := modelstest.Role(t, g.store, "role", models.SelfID, "users:read")
	somebody := modelstest.User(t, g.store, "somebody")
	g.bearer = g.token("users:read", "clients:read", "roles:assign")
	m.after = func(conferred []string) bool {
		if len(conferred) > 0 {
			grow(t, g.store, role.ID, "keys:write")
		}
		return len(conferred) > 0
	}
	body := object{"role_id": role.ID, "principal_id": somebody.ID}
	no := g.do(http.MethodPost, "/assignments", body)
	no.problem(http.StatusForbidden, "insufficient_scope", "")
	require.Contains(t, no.Header.Get("WWW-Authenticate"), `scope="roles:assign keys:write"`)
	require.Equal(t, [][]string{nil, {"users:read"}, {"keys:write", "users:read"}}, m.asked)

	rows, _, err := g.store.Assignments(t.Context(), role.ID, "", models.Page{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// A patch is compared with what it changes, even if that changed meanwhile.
func TestAPatchIsComparedWithWhatItChanges(t *testing.T) {
	g, m := newMeddled(t)
	role := modelstest.Role(t, g.store, "role", models.SelfID, "users:read", "clients:read")
	g.bearer = g.token("users:read", "clients:read", "roles:write")
	m.after = func([]string) bool { grow(t, g.store, role.ID, "keys:read"); return true }
	ref := func(name string) object { return object{"resource_server_id": models.SelfID, "scope": name} }
	g.do(http.MethodPatch, "/roles/"+role.ID, object{"scopes": []object{ref("keys:read"), ref("clients:read")}}).is(http.StatusOK)
	require.Equal(t, [][]string{nil, nil}, m.asked, "asked anew, but it had them by then")

	g.do(http.MethodPatch, "/roles/"+role.ID, object{"scopes": []object{ref("keys:read"), ref("audit:read"), ref("clients:read"), ref("users:read")}}).
		problem(http.StatusForbidden, "insufficient_scope", "")
	require.Equal(t, []string{"audit:read", "users:read"}, m.asked[3])
	g.do(http.MethodPatch, "/roles/"+role.ID, object{"scopes": []object{ref("nosuch")}}).problem(http.StatusUnprocessableEntity, "invalid_value", "scopes")
	g.do(http.MethodPatch, "/roles/rol_none", object{"scopes": []object{}}).problem(http.StatusNotFound, "not_found", "")
}

// What hands out nothing is still made on an authority that lasts.
func TestAnAuthorityThatEndedIsAskedForAnew(t *testing.T) {
	g, m := newMeddled(t)
	role := modelstest.Role(t, g.store, "role", models.SelfID)
	g.bearer = g.token("roles:assign")
	m.after = func([]string) bool {
		_, err := g.store.SuspendClient(t.Context(), modelstest.By(), g.admin.ID)
		require.NoError(t, err)
		return true
	}
	a := g.do(http.MethodPost, "/assignments", object{"role_id": role.ID, "principal_id": g.admin.ID})
	a.problem(http.StatusUnauthorized, "invalid_token", "")
	require.Contains(t, a.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
	require.Len(t, m.asked, 2)
}

func TestNothingIsConferredWithoutAdmission(t *testing.T) {
	_, err := admitAgain(t.Context(), nil)
	require.ErrorIs(t, err, errNotAdmitted)
}
