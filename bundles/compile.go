package bundles

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/deputyauth/deputy/policies"
)

// Bounds of what is parsed, checked before parsing.
const (
	maxModules    = 500
	maxModuleSize = 256 << 10
	maxDataSize   = 4 << 20
)

func compileFloor(fsys fs.FS) (*layer, error) {
	src, err := read(fsys, "floor")
	if err != nil {
		return nil, err
	}
	c, err := compiler(src)
	if err != nil {
		return nil, err
	}
	return prepare(c, src, nil, policies.Kinds(), func(kind string) string {
		return "data.floor." + kind + ".decision"
	})
}

func compileCompose(fsys fs.FS) (*layer, error) {
	src, err := read(fsys, "compose")
	if err != nil {
		return nil, err
	}
	c := ast.NewCompiler().WithStrict(true)
	if c.Compile(src.live()); c.Failed() {
		return nil, c.Errors
	}
	// Nothing of the house reaches revocation: it must always be possible.
	kinds := []string{policies.KindIssue, policies.KindIntrospect, policies.KindAdmin}
	return prepare(c, src, nil, kinds, func(kind string) string { return "data.compose." + kind + ".decision" })
}

func compileHouse(fsys fs.FS) (*layer, error) {
	src, err := read(fsys, ".")
	if err != nil {
		return nil, err
	}
	if err := checkSources(src); err != nil {
		return nil, err
	}
	c, err := compiler(src)
	if err != nil {
		return nil, err
	}
	if err := checkContract(c, src); err != nil {
		return nil, err
	}
	var store storage.Store
	if src.data != nil {
		store = inmem.NewFromObjectWithOpts(src.data, inmem.OptRoundTripOnWrite(false))
	}
	return prepare(c, src, store, src.houseKinds(), houseQuery)
}

// compiler holds floor and house to the same rules: strict, typed against the
// input schema, and limited to the capabilities allow-list.
func compiler(src *source) (*ast.Compiler, error) {
	schemas, err := schemaSet()
	if err != nil {
		return nil, err
	}
	body, err := policies.FS.ReadFile("capabilities.json")
	if err != nil {
		return nil, err
	}
	caps, err := ast.LoadCapabilitiesJSON(strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("capabilities: %w", err)
	}
	c := ast.NewCompiler().WithStrict(true).WithSchemas(schemas).WithCapabilities(caps).
		WithUseTypeCheckAnnotations(true).WithEnablePrintStatements(false)
	if c.Compile(src.live()); c.Failed() {
		return nil, c.Errors
	}
	return c, nil
}

// schemaSet makes the input schema hold for every module, annotated or not, so
// that a misspelt field is a compile error and not a rule that never fires.
func schemaSet() (*ast.SchemaSet, error) {
	body, err := policies.FS.ReadFile("schemas/input.json")
	if err != nil {
		return nil, err
	}
	var schema any
	if err := json.Unmarshal(body, &schema); err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, schema)
	set.Put(ast.MustParseRef("schema.input"), schema)
	return set, nil
}

func prepare(c *ast.Compiler, src *source, store storage.Store, kinds []string, query func(kind string) string) (*layer, error) {
	l := &layer{entries: map[string]*rego.PreparedEvalQuery{}, revision: src.revision(), rules: src.rules()}
	for _, kind := range kinds {
		opts := []func(*rego.Rego){
			rego.Compiler(c), rego.Query(query(kind)), rego.StrictBuiltinErrors(true),
			rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
		}
		if store != nil {
			opts = append(opts, rego.Store(store))
		}
		q, err := rego.New(opts...).PrepareForEval(context.Background())
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", kind, err)
		}
		l.entries[kind] = &q
	}
	return l, nil
}

// source is the parsed content of one policy folder.
type source struct {
	root    string
	files   map[string][]byte
	modules map[string]*ast.Module
	data    map[string]any
}

// read parses every .rego file under root and the data.json at its top.
func read(fsys fs.FS, root string) (*source, error) {
	s := &source{root: root, files: map[string][]byte{}, modules: map[string]*ast.Module{}}
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
	return s, nil
}

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
	m, err := ast.ParseModuleWithOpts(name, string(body), ast.ParserOptions{ProcessAnnotation: true})
	if err != nil {
		return err
	}
	s.modules[name] = m
	return nil
}

// addData mounts a data.json where its folder says, as OPA bundles do.
func (s *source) addData(name string, body []byte) error {
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if path.Dir(name) != s.root {
		return fmt.Errorf("%s: data.json belongs at the top of the bundle", name)
	}
	s.data = doc
	return nil
}

// live is what serves: everything but the tests.
func (s *source) live() map[string]*ast.Module {
	out := map[string]*ast.Module{}
	for name, m := range s.modules {
		if !strings.HasSuffix(name, "_test.rego") {
			out[name] = m.Copy()
		}
	}
	return out
}

// revision is the digest of everything that serves, names included.
func (s *source) revision() string {
	names := make([]string, 0, len(s.files))
	for name := range s.files {
		if !strings.HasSuffix(name, "_test.rego") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%s\n%d\n", name, len(s.files[name]))
		h.Write(s.files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// rules maps each reason to the rule that gives it, read off the rule heads.
func (s *source) rules() map[ruleKey]string {
	out := map[ruleKey]string{}
	for name, m := range s.live() {
		for _, r := range m.Rules {
			if r.Head.Key == nil {
				continue
			}
			o, ok := r.Head.Key.Value.(ast.Object)
			if !ok {
				continue
			}
			code, ok := lookup(o, "code").(ast.String)
			if !ok {
				continue
			}
			party, _ := lookup(o, "party").(ast.String)
			if s.root == "." {
				party = "house"
			}
			key := ruleKey{string(code), string(party)}
			at := fmt.Sprintf("%s:%d", path.Join(map[bool]string{true: "house"}[s.root == "."], name), r.Location.Row)
			if old, ok := out[key]; !ok || at < old {
				out[key] = at
			}
		}
	}
	return out
}
