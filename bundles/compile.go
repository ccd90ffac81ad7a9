package bundles

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/deputyauth/deputy/policies"
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
	return prepare(c, src, policies.Kinds(), func(kind string) string { return "data.floor." + kind + ".decision" })
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
	return prepare(c, src, composedKinds(), func(kind string) string { return "data.compose." + kind + ".decision" })
}

func compileHouse(src *source) (*layer, error) {
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
	if err := checkReferences(c, src); err != nil {
		return nil, err
	}
	return prepare(c, src, src.houseKinds(), houseQuery)
}

// compiler holds floor and house to the same rules: strict, typed against the
// input schema, and limited to the capabilities allow-list.
func compiler(src *source) (*ast.Compiler, error) {
	schema, err := inputSchema()
	if err != nil {
		return nil, err
	}
	caps, err := capabilities()
	if err != nil {
		return nil, err
	}
	ctx, store := context.Background(), src.store()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, fmt.Errorf("base data: %w", err)
	}
	defer store.Abort(ctx, txn)
	c := ast.NewCompiler().WithStrict(true).WithSchemas(schemaSet(schema)).WithCapabilities(caps).
		WithUseTypeCheckAnnotations(true).WithEnablePrintStatements(false).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	if c.Compile(src.live()); c.Failed() {
		return nil, c.Errors
	}
	if err := checkFields(c, schema); err != nil {
		return nil, err
	}
	return c, nil
}

// capabilities is what policy may call: nothing that reaches out, looks at the
// clock, rolls dice, or goes on when its time is up.
func capabilities() (*ast.Capabilities, error) {
	body, err := policies.FS.ReadFile("capabilities.json")
	if err != nil {
		return nil, err
	}
	caps, err := ast.LoadCapabilitiesJSON(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("capabilities: %w", err)
	}
	return caps, nil
}

func inputSchema() (schema, error) {
	body, err := policies.FS.ReadFile("schemas/input.json")
	if err != nil {
		return nil, err
	}
	var s schema
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	return s, nil
}

// schemaSet makes the input schema hold for every module, annotated or not, so
// that a misspelt field is a compile error and not a rule that never fires.
func schemaSet(s schema) *ast.SchemaSet {
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, map[string]any(s))
	set.Put(ast.MustParseRef("schema.input"), map[string]any(s))
	return set
}

// store holds the base data that modules read as data.house.
func (s *source) store() storage.Store {
	return inmem.NewFromObjectWithOpts(s.data, inmem.OptRoundTripOnWrite(false))
}
