package bundles

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Bounds of what is parsed, checked before parsing.
const (
	maxModules    = 500
	maxModuleSize = 256 << 10
	maxDataSize   = 4 << 20
)

// houseRoot is the root of a house bundle, whose folder may be called anything.
const houseRoot = "."

// source is the parsed content of one policy folder.
type source struct {
	root    string
	files   map[string][]byte
	modules map[string]*ast.Module
	data    map[string]any
	serving []string // names of the files that serve, tests left out; sorted
}

// read parses every .rego file under root and the data.json at its top.
func read(fsys fs.FS, root string) (*source, error) {
	s := &source{root: root, files: map[string][]byte{}, modules: map[string]*ast.Module{}, data: map[string]any{}}
	err := fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") || (!strings.HasSuffix(name, ".rego") && path.Base(name) != "data.json") {
			return nil
		}
		return s.add(fsys, name)
	})
	if err != nil {
		return nil, err
	}
	if len(s.modules) == 0 {
		return nil, fmt.Errorf("no .rego file under %s", root)
	}
	s.serving = slices.DeleteFunc(slices.Sorted(maps.Keys(s.files)), isTest)
	return s, nil
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

func (s *source) add(fsys fs.FS, name string) error {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return err
	}
	limit := int64(maxModuleSize)
	if strings.HasSuffix(name, ".json") {
		limit = maxDataSize
	}
	if info.Size() > limit {
		return fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	if len(s.modules) >= maxModules {
		return fmt.Errorf("%s: more than %d modules", name, maxModules)
	}
	body, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	s.files[name] = body
	if strings.HasSuffix(name, ".json") {
		return s.addData(name, body)
	}
	s.modules[name], err = ast.ParseModuleWithOpts(name, string(body), parserOptions())
	return err
}

// parserOptions asks for Rego v2, where `not f(x)` holds if x is undefined. In
// v1 it does not: there, a deny that rests on a fact's absence is lost in silence.
func parserOptions() ast.ParserOptions {
	return ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV2}
}

// addData mounts the data.json at the top of the bundle.
func (s *source) addData(name string, body []byte) error {
	if path.Dir(name) != s.root {
		return fmt.Errorf("%s: data.json belongs at the top of the bundle", name)
	}
	if err := json.Unmarshal(body, &s.data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// live is what serves: everything but the tests. It is a copy, because
// compiling changes modules.
func (s *source) live() map[string]*ast.Module {
	out := map[string]*ast.Module{}
	for _, name := range s.serving {
		if m, ok := s.modules[name]; ok {
			out[name] = m.Copy()
		}
	}
	return out
}

// revision is the digest of everything that serves, names included.
func (s *source) revision() string { return s.digest(s.serving) }

// fingerprint names all that read found in a folder, tests and errors included,
// since either can make the folder unfit.
func fingerprint(s *source, err error) string {
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return s.digest(slices.Sorted(maps.Keys(s.files)))
}

func (s *source) digest(names []string) string {
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%s\n%d\n", name, len(s.files[name]))
		h.Write(s.files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
