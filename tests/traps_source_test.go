package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Lessons that are about how code is written are held by reading it.

// sources parses every Go file below the folders of this module that keep says
// yes to.
func sources(t *testing.T, keep func(path string) bool) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".gen.go") || !keep(filepath.ToSlash(path)) {
			return err
		}
		out[filepath.ToSlash(path)], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		return err
	}))
	require.NotEmpty(t, out)
	return out
}

func serves(path string) bool {
	return !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "../tests") && !strings.HasPrefix(path, "../cmd") && !strings.HasPrefix(path, "../models/modelstest")
}

// KC CVE-2026-1180, CVE-2026-4366, MITREid CVE-2021-26715, Casdoor CVE-2026-5469:
// a URL out of a request or a record was fetched. What serves calls others by one
// client alone, which looks at the address that is about to be dialled.
func TestTrap_WhatServesCallsByOneClient(t *testing.T) {
	calls := regexp.MustCompile(`^(http\.(Client|Get|Post|PostForm|Head|NewRequest|NewRequestWithContext|DefaultClient|DefaultTransport|Transport|RoundTripper)|net\.(Dial.*|Lookup.*|Dialer|Resolver|DefaultResolver)|rpc\..*|smtp\..*|exec\..*)$`)
	seen := 0
	for path, file := range sources(t, func(path string) bool {
		return serves(path) && path != "../server/outbound/outbound.go"
	}) {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok {
					seen++
					require.NotRegexp(t, calls, pkg.Name+"."+s.Sel.Name, path)
				}
			}
			return true
		})
	}
	require.Greater(t, seen, 1000)
	require.Regexp(t, calls, "http.Get", "the search itself")
	require.Regexp(t, calls, "net.DialTimeout")
}

// gogs, boulder, cerbos: state that all share, and any test or request may change.
func TestTrap_NothingIsGlobalThatChanges(t *testing.T) {
	packages := map[string]map[string]*ast.File{}
	for path, file := range sources(t, func(path string) bool {
		return !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "../tests")
	}) {
		dir := filepath.Dir(path)
		if packages[dir] == nil {
			packages[dir] = map[string]*ast.File{}
		}
		packages[dir][path] = file
	}
	for dir, files := range packages {
		if dir == "../models/modelstest" { // one Postgres for all tests of a process
			continue
		}
		require.Empty(t, globalsChanged(files), dir)
	}
	sabotaged, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n\nvar current = 1\n\nfunc Set(v int) { current = v }\n\nfunc fine() { current := 2; current++ }\n", 0)
	require.NoError(t, err)
	require.Equal(t, []string{"current"}, globalsChanged(map[string]*ast.File{"x.go": sabotaged}), "the search itself")
}

// globalsChanged names the package-level variables that some function assigns to.
func globalsChanged(files map[string]*ast.File) (changed []string) {
	globals, specs := map[string]bool{}, map[any]bool{}
	for _, file := range files {
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					specs[spec] = true
					for _, n := range spec.(*ast.ValueSpec).Names {
						globals[n.Name] = true
					}
				}
			}
		}
	}
	assigned := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && globals[id.Name] && (id.Obj == nil || specs[id.Obj.Decl]) && id.Name != "_" {
			changed = append(changed, id.Name)
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					assigned(left)
				}
			case *ast.IncDecStmt:
				assigned(n.X)
			}
			return true
		})
	}
	return changed
}

// dex, fosite, soft-serve: linters were switched off; fosite: mocks that restate
// the code they should test.
func TestTrap_NoLinterIsSwitchedOff(t *testing.T) {
	off := regexp.MustCompile(`^//\s*(nolint|lint:ignore|staticcheck|exhaustive:ignore|#nosec|nosec)`)
	for path, file := range sources(t, func(string) bool { return true }) {
		for _, group := range file.Comments {
			for _, c := range group.List {
				require.NotRegexp(t, off, c.Text, path)
			}
		}
		for _, i := range file.Imports {
			require.NotContains(t, i.Path.Value, "gomock", path)
		}
	}
	require.Regexp(t, off, "//nolint:errcheck", "the search itself")
}

// Every lesson of docs/traps.md names the test that shows it, or what it waits
// for; the tests are there, with the rows that are named.
func TestTrap_EveryLessonHasItsTest(t *testing.T) {
	tests := testFiles(t)
	lessons, shown, named := tabled(t, tests, "../docs/traps.md", "waits for ")
	require.Greater(t, lessons, 100)
	require.Greater(t, shown, 70)
	for name := range tests {
		if strings.HasPrefix(name, "TestTrap_") || strings.HasPrefix(name, "TestHostilePolicy") {
			require.True(t, named[name] || name == "TestTrap_EveryLessonHasItsTest", "%s is in no row of docs/traps.md", name)
		}
	}
	modules, shown, _ := tabled(t, tests, "../docs/openid.md", "not: ")
	require.Equal(t, []int{39, 38}, []int{modules, shown}, "modules of the OpenID Foundation")
	require.Error(t, exists(tests, "TestNoSuch", ""), "the search itself")
	require.Error(t, exists(tests, "TestEveryGrantRefuses", "no such "+"row"))
}

// tabled reads the tables of a document: how many rows there are, how many of them
// name tests, and which. Whoever names none has an excuse.
func tabled(t *testing.T, tests map[string]string, path, excuse string) (rows, shown int, named map[string]bool) {
	t.Helper()
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	named = map[string]bool{}
	for i, line := range strings.Split(string(body), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || cells[2] == "our test" || strings.HasPrefix(cells[0], "---") {
			require.False(t, strings.HasPrefix(line, "| ") && len(cells) != 3, "%s:%d has %d cells", path, i+1, len(cells))
			continue
		}
		rows++
		refs := reference.FindAllStringSubmatch(cells[2], -1)
		require.True(t, len(refs) > 0 || strings.Contains(cells[2], excuse), "%s:%d names no test and has no excuse: %s", path, i+1, cells[0])
		if len(refs) > 0 {
			shown++
		}
		for _, ref := range refs {
			require.NoError(t, exists(tests, ref[1], ref[2]), "%s:%d", path, i+1)
			named[ref[1]] = true
		}
	}
	return rows, shown, named
}

// reference is a test as these documents name it: `TestX`, or `TestX/the row`.
var reference = regexp.MustCompile("`((?:Test|Fuzz|test_)[A-Za-z0-9_]+)(?:/([^`]+))?`")

// testFiles gives, for each test, the text of the test files of its package;
// tests of the Rego are found in theirs.
func testFiles(t *testing.T) map[string]string {
	t.Helper()
	byPackage, tests := map[string]string{}, map[string]string{}
	var funcs []struct{ dir, name string }
	declared := regexp.MustCompile(`(?m)^(?:func ((?:Test|Fuzz)\w+)\(|(test_\w+) if)`)
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, "_test.rego") {
			return err
		}
		body, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		byPackage[dir] += string(body)
		for _, f := range declared.FindAllStringSubmatch(string(body), -1) {
			funcs = append(funcs, struct{ dir, name string }{dir, f[1] + f[2]})
		}
		return err
	}))
	for _, f := range funcs {
		tests[f.name] = byPackage[f.dir]
	}
	return tests
}

func exists(tests map[string]string, name, row string) error {
	text, ok := tests[name]
	if !ok {
		return fmt.Errorf("there is no test %s", name)
	}
	if row != "" && !slices.ContainsFunc([]string{`"`, "`"}, func(q string) bool { return strings.Contains(text, q+row+q) }) {
		return fmt.Errorf("%s has no row %q", name, row)
	}
	return nil
}
