package tests

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/deputyauth/deputy"

// mayImport says which of our packages each package may import. Imports run one
// way; whoever needs another is told here why that is a question of design.
var mayImport = map[string][]string{
	"policies":          {},
	"web":               {},
	"server/oauth":      {},
	"server/limits":     {"policies"},
	"server/outbound":   {},
	"bundles":           {"policies"},
	"models":            {"policies"},
	"server/signals":    {},
	"server/tokens":     {"models", "policies", "server/oauth"},
	"server/grants":     {"models", "policies", "server/limits", "server/oauth", "server/signals", "server/tokens"},
	"server/api":        {"models", "policies", "server/limits", "server/oauth", "server/tokens", "server/grants"},
	"server/access":     {"policies", "server/grants", "server/oauth"},
	"server/feed":       {"models"},
	"server/upkeep":     {"models", "server/tokens"},
	"server/upstream":   {"server/outbound"},
	"server/people":     {"models", "server/grants", "server/limits", "server/tokens", "server/upstream"},
	"server/word":       {"models", "server/grants", "server/outbound", "server/tokens"},
	"server/pages":      {"models", "policies", "server/grants", "server/limits", "server/oauth", "server/people", "server/upstream", "server/word", "web"},
	"server":            {"models", "policies", "server/access", "server/limits", "server/oauth", "server/tokens", "server/grants", "server/people", "server/pages", "server/signals", "server/api", "server/feed", "server/word", "web"},
	"models/modelstest": {"models"},
	// Views as they might be, for tests and to look at.
	"server/pages/sample": {"server/pages", "server/word"},
}

// livesIn says where alone a framework may be used.
var livesIn = map[string][]string{
	"github.com/open-policy-agent/opa": {"bundles"},
	"gorm.io":                          {"models"},
	"github.com/gin-gonic/gin":         {"server", "server/access", "server/api", "server/pages"},
	"github.com/alecthomas/kong":       {"cmd/deputy"},
	"go.opentelemetry.io":              {"server/signals"},
	"github.com/prometheus":            {"server/signals"},
	"github.com/coreos/go-oidc":        {"server/upstream"},
	"golang.org/x/oauth2":              {"server/upstream", "cmd/deputy"}, // the tour is a client as others are
	"github.com/go-webauthn":           {"server/people"},
	"github.com/alexedwards/argon2id":  {"server/people"},
	"github.com/pquerna/otp":           {"server/people"},

	"github.com/wneessen/go-mail":           {"server/word"},
	"github.com/SherClockHolmes/webpush-go": {"server/word"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsRunOneWay(t *testing.T) {
	packages := list(t)
	require.Greater(t, len(packages), 8)
	seen := map[string]bool{}
	for _, p := range packages {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasPrefix(name, "tests") {
			continue
		}
		seen[name] = true
		allowed, ruled := mayImport[name]
		if strings.HasPrefix(name, "cmd/") {
			ruled, allowed = true, keys(mayImport)
		}
		require.True(t, ruled, "package %s has no rule here: say what it may import", name)
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				require.Contains(t, allowed, ours, "%s imports %s, but imports run cmd -> server -> {grants, tokens, oauth} -> {models, policies}, bundles -> policies", name, ours)
			}
			for framework, homes := range livesIn {
				if imported == framework || strings.HasPrefix(imported, framework+"/") {
					require.Contains(t, homes, name, "%s imports %s, which lives in %v alone", name, imported, homes)
				}
			}
		}
	}
	for name := range mayImport {
		require.True(t, seen[name], "there is no package %s: remove its rule", name)
	}
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	require.NoError(t, err)
	var packages []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		require.NoError(t, dec.Decode(&p))
		packages = append(packages, p)
	}
	return packages
}

func keys(m map[string][]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
