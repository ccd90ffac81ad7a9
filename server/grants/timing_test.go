package grants

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secretName matches what holds a secret or its hash, by the names we give them.
var secretName = regexp.MustCompile(`^(SecretHash|Secret|HashSecret|hash|hashed|secret|noSecret|secretHash)$`)

// comparing matches functions that compare in a time that depends on the values.
var comparing = regexp.MustCompile(`^(bytes\.(Equal|Compare|HasPrefix|Contains|EqualFold)|strings\.(Compare|EqualFold|HasPrefix|Contains)|slices\.(Equal|Compare|Contains|Index)|reflect\.DeepEqual|cmp\.Compare|hex\.EncodeToString)$`)

// leaks lists comparisons of secrets in a file whose time tells how much of them
// was right. To compare with "" or nil is to ask whether there is one.
func leaks(fset *token.FileSet, file *ast.File) (out []string) {
	at := func(n ast.Node, what string) { out = append(out, fset.Position(n.Pos()).String()+": "+what) }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op != token.EQL && n.Op != token.NEQ || constant(n.X) || constant(n.Y) {
				return true
			}
			if secret(n.X) || secret(n.Y) {
				at(n, n.Op.String())
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && secret(n.Tag) {
				at(n, "switch")
			}
		case *ast.IndexExpr:
			if secret(n.Index) {
				at(n, "looked up by a secret")
			}
		case *ast.CallExpr:
			if called := name(n.Fun); comparing.MatchString(called) {
				for _, arg := range n.Args {
					if secret(arg) {
						at(n, called)
					}
				}
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && regexp.MustCompile(`secret_hash\s*(=|in|like|<|>)`).MatchString(n.Value) {
				at(n, "compared by the database")
			}
		}
		return true
	})
	return out
}

// secret tells whether an expression is a secret, by its last name. What
// subtle.ConstantTimeCompare answers is none.
func secret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		return secretName.MatchString(e.Sel.Name)
	case *ast.CallExpr:
		return secret(e.Fun) || (name(e.Fun) == "string" || name(e.Fun) == "[]byte") && secret(e.Args[0])
	case *ast.ParenExpr:
		return secret(e.X)
	case *ast.SliceExpr:
		return secret(e.X)
	}
	return false
}

func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || strings.HasPrefix(e.Name, "Credential") // a kind
	}
	return false
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + name(e.Elt)
	}
	return ""
}

// No secret is compared but in constant time, anywhere in what serves.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	fset, files := token.NewFileSet(), 0
	for _, root := range []string{"..", "../../models"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".gen.go") {
				return err
			}
			if strings.HasSuffix(path, "models/leaks.go") {
				// What was found in the open is looked up by its hash: how long that takes may
				// tell of the hashes that are stored, from which no secret follows.
				return nil
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err == nil {
				files++
				require.Empty(t, leaks(fset, file))
			}
			return err
		}))
	}
	require.Greater(t, files, 40)

	body, err := os.ReadFile("authenticate.go")
	require.NoError(t, err)
	require.Regexp(t, `subtle\.ConstantTimeCompare\(hash, c\.SecretHash\) == 1`, string(body))
	require.Regexp(t, `subtle\.ConstantTimeCompare\(hash, noSecret\)`, string(body), "an unknown client costs a comparison too")
	require.Equal(t, strings.Count(string(body), "SecretHash"), strings.Count(string(body), "ConstantTimeCompare(hash, c.SecretHash)"), "it is used for nothing else")
}

// The check itself must notice the ways there are to get it wrong.
func TestTheCheckOfConstantTimeNotices(t *testing.T) {
	for _, wrong := range []string{
		`bytes.Equal(hash, c.SecretHash)`, `string(hash) == string(c.SecretHash)`, `a.Secret == c.Name`, `reflect.DeepEqual(hash, c.SecretHash)`, `slices.Equal(c.SecretHash, hash)`,
		`strings.EqualFold(a.Secret, stored)`, `byHash[string(models.HashSecret(a.Secret))] != nil`, `q.Where("secret_hash = ?", x) != nil`, `hash[:4] == c.SecretHash[:4]`, `(hash) != other`,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package x\n\nfunc f() bool { return "+wrong+" }\n", parser.SkipObjectResolution)
		require.NoError(t, err)
		require.NotEmpty(t, leaks(fset, file), wrong)
	}
	for _, right := range []string{`subtle.ConstantTimeCompare(hash, c.SecretHash) == 1`, `a.Secret != ""`, `c.SecretHash == nil`, `c.Kind == CredentialSecret`, `subtle.ConstantTimeCompare(hash, noSecret) == 0`} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package x\n\nfunc f() bool { return "+right+" }\n", parser.SkipObjectResolution)
		require.NoError(t, err)
		require.Empty(t, leaks(fset, file), right)
	}
}
