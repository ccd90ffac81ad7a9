package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestUnusedScopesAndWhatWouldDo(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		ahead := time.Duration(0)
		o.Now = func() time.Time { return time.Now().Add(ahead) }
		c := newClientOn(t, modelstest.Open(t, o), nil)
		w := modelstest.NewWorld(t, c.store, "w")
		reader := modelstest.Role(t, c.store, "reader", w.Service.ID, "read")
		at := "/clients/" + w.Agent.ID + "/unused-scopes"
		body := c.do(http.MethodGet, at, nil).is(http.StatusOK)
		require.Equal(t, []any{true, 2.0, 0.0}, []any{body["too_young"], body["held"], body["unused"]})
		require.Empty(t, body["items"])

		ahead = 91 * 24 * time.Hour
		body = c.do(http.MethodGet, at+"?limit=1", nil).is(http.StatusOK)
		require.Equal(t, []any{false, 2.0, 2.0, 1}, []any{body["too_young"], body["held"], body["unused"], len(body["items"].([]any))})
		require.Equal(t, o.Now().Add(-90 * 24 * time.Hour).UTC().Format(time.RFC3339)[:15], body["since"].(string)[:15])
		all, pages := c.walk(at+"?limit=1", "scope")
		require.Equal(t, []any{[]string{"read", "write"}, 2}, []any{all, pages})
		none := object{"roles": []any{}, "spare": 0.0, "scopes": []any{}, "total": 0.0}
		require.EqualValues(t, none, body["narrower"])

		modelstest.Issue(t, c.store, w.Token(c.store)) // reads
		body = c.do(http.MethodGet, at, nil).is(http.StatusOK)
		require.EqualValues(t, object{
			"resource_server_id": w.Service.ID, "resource_server": w.Service.Identifier, "scope": "write", "risk": "low",
			"roles": []any{map[string]any{"role_id": w.Role.ID, "role": "w-role", "direct": true, "via": []any{}}},
		}, body["items"].([]any)[0])
		require.EqualValues(t, object{
			"roles": []any{map[string]any{"id": reader.ID, "name": "reader"}}, "spare": 0.0,
			"scopes": []any{map[string]any{"resource_server_id": w.Service.ID, "scope": "read"}}, "total": 1.0,
		}, body["narrower"])
		require.Equal(t, w.Role.ID, body["roles"].([]any)[0].(map[string]any)["role_id"])
		require.Len(t, c.do(http.MethodGet, at+"?days=365", nil).is(http.StatusOK)["items"], 0, "it is not that old")

		c.do(http.MethodGet, "/clients/"+w.Owner.ID+"/unused-scopes", nil).problem(http.StatusNotFound, "not_found", "")
		for query, field := range map[string]string{"days=0": "days", "days=3651": "days", "days=x": "days", "limit=201": "limit"} {
			c.do(http.MethodGet, at+"?"+query, nil).problem(http.StatusBadRequest, "invalid_request", field)
		}
	})
}

func TestUnusedScopesOfAUser(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		ahead := time.Duration(0)
		o.Now = func() time.Time { return time.Now().Add(ahead) }
		c := newClientOn(t, modelstest.Open(t, o), nil)
		w := modelstest.NewWorld(t, c.store, "w")
		joe := modelstest.User(t, c.store, "joe")
		modelstest.Assign(t, c.store, w.Role.ID, joe.ID)
		reader := modelstest.Role(t, c.store, "reader", w.Service.ID, "read")
		at := "/users/" + joe.ID + "/unused-scopes"
		require.Equal(t, true, c.do(http.MethodGet, at, nil).is(http.StatusOK)["too_young"])
		ahead = 91 * 24 * time.Hour
		token := w.Token(c.store)
		token.SubjectID = joe.ID
		modelstest.Issue(t, c.store, token)
		body := c.do(http.MethodGet, at, nil).is(http.StatusOK)
		require.Equal(t, []any{false, 2.0, 1.0}, []any{body["too_young"], body["held"], body["unused"]})
		require.Equal(t, "write", body["items"].([]any)[0].(map[string]any)["scope"])
		require.Equal(t, []any{map[string]any{"id": reader.ID, "name": "reader"}}, body["narrower"].(map[string]any)["roles"])
		c.do(http.MethodGet, "/users/"+w.Agent.ID+"/unused-scopes", nil).problem(http.StatusNotFound, "not_found", "")
		c.do(http.MethodGet, at+"?days=0", nil).problem(http.StatusBadRequest, "invalid_request", "days")

		g, _ := newMeddled(t)
		g.bearer = g.token("users:read")
		g.do(http.MethodGet, "/users/usr_x/unused-scopes", nil).problem(http.StatusForbidden, "insufficient_scope", "")
	})
}
