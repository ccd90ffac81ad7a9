package bundles

import (
	"bytes"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

func TestCapabilitiesReachNothing(t *testing.T) {
	body, err := policies.FS.ReadFile("capabilities.json")
	require.NoError(t, err)
	allowed, err := ast.LoadCapabilitiesJSON(bytes.NewReader(body))
	require.NoError(t, err)
	require.NotNil(t, allowed.AllowNet, "absent means any host")
	require.Empty(t, allowed.AllowNet)

	known := map[string]*ast.Builtin{}
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		known[b.Name] = b
	}
	for _, b := range allowed.Builtins {
		require.Contains(t, known, b.Name, "not a builtin of this OPA")
		require.False(t, known[b.Name].Nondeterministic, b.Name)
		require.Equal(t, known[b.Name].Decl.String(), b.Decl.String(), b.Name)
		require.NotContains(t, []string{
			"http.send", "opa.runtime", "net.lookup_ip_addr", "graph.reachable_paths", "rand.intn", "uuid.rfc4122",
			"json.match_schema", "json.verify_schema", "walk", "trace", "time.now_ns",
		}, b.Name)
		require.False(t, strings.HasPrefix(b.Name, "io.jwt."), b.Name)
	}
	for _, feature := range allowed.Features {
		require.Contains(t, ast.CapabilitiesForThisVersion().Features, feature)
	}
}
