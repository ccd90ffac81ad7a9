package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/oauth"
)

// Explanations are as openapi.yaml describes them, which every answer here is
// held against, whatever they are of.
func TestExplanationsAreAsDescribed(t *testing.T) {
	g := newGuarded(t)
	explaining := strings.Fields("policy:explain clients:read resources:read tokens:read users:read")
	g.bearer = g.token(explaining...)
	ask := object{"client_id": g.admin.ID, "grant_type": oauth.ClientCredentials, "resources": []string{issuer + Prefix}, "scopes": []string{"users:read"}}

	x := g.do(http.MethodPost, "/explain", ask).is(http.StatusOK)
	require.Equal(t, true, x["would_be_granted"])
	require.Empty(t, x["missing"])
	require.Equal(t, "users:read", x["decision"].(object)["scopes"].([]any)[0])
	require.Equal(t, "client_secret_basic", x["assumed"].(object)["client_auth_method"])
	require.Len(t, x["credentials"], 1)
	require.NotContains(t, x["credentials"].([]any)[0], "secret")
	require.NotContains(t, x, "recorded")

	ask["scopes"] = []string{"users:read", "users:dream"}
	x = g.do(http.MethodPost, "/explain", ask).is(http.StatusOK)
	require.Equal(t, "invalid_scope", x["error"])
	first := x["missing"].([]any)[0].(object)
	require.Equal(t, []any{"resource_server", models.SelfID, "deputy", "scope", "users:dream"},
		[]any{first["party"], first["party_id"], first["party_name"], first["lacks"], first["scope"]})

	stranger := modelstest.Application(t, g.store, "stranger")
	ask["client_id"] = stranger.ID
	x = g.do(http.MethodPost, "/explain", ask).is(http.StatusOK)
	require.Empty(t, x["credentials"])

	refused := g.do(http.MethodGet, "/users", nil, "Authorization", "Bearer "+g.token("policy:read"))
	refused.problem(http.StatusForbidden, "insufficient_scope", "")
	unread := g.do(http.MethodGet, "/users", nil, "Authorization", "Basic eDp5")
	unread.problem(http.StatusUnauthorized, "invalid_token", "")
	g.bearer = g.token("audit:read")
	for _, a := range []answer{refused, unread} {
		id := a.JSON["decision_id"].(string)
		x := g.do(http.MethodGet, "/audit/entries/"+id+"/explanation", nil).is(http.StatusOK)
		require.Equal(t, false, x["would_be_granted"])
		require.Equal(t, id, x["recorded"].(object)["decision_id"])
		require.Equal(t, "admin:listUsers", x["recorded"].(object)["action"])
		require.Equal(t, "parent_token", x["missing"].([]any)[0].(object)["party"])
	}
}
