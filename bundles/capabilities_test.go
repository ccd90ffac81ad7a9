package bundles

import (
	"bytes"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// banned reach out, look at the clock, roll dice, or, once they run, no deadline
// stops them: a shift by a large number alone takes all memory there is.
func banned() []string {
	return []string{
		"http.send", "opa.runtime", "net.lookup_ip_addr", "rand.intn", "uuid.rfc4122", "time.now_ns", "trace", "walk",
		"json.match_schema", "json.verify_schema",
		"graph.reachable_paths", "strings.render_template", "net.cidr_contains_matches", "bits.lsh", "product",
	}
}

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
		require.NotContains(t, banned(), b.Name)
		require.False(t, strings.HasPrefix(b.Name, "io.jwt."), b.Name)
	}
	for _, feature := range allowed.Features {
		require.Contains(t, ast.CapabilitiesForThisVersion().Features, feature)
	}
}
