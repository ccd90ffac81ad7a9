package bundles

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/deputyauth/deputy/policies"
)

// TestReport is what a policy's own tests showed.
type TestReport struct {
	Passed   int
	Failed   []string // names, with place and cause
	Coverage float64  // percent of lines
	Missing  []string // file:line ranges no test reached
}

// Check tells whether dir would be accepted as house policy, without loading it.
func Check(house fs.FS) error {
	e, err := New(Options{})
	if err != nil {
		return err
	}
	return e.Load(house)
}

// Unformatted lists the files that `opa fmt` would change.
func Unformatted(fsys fs.FS, root string) ([]string, error) {
	src, err := read(fsys, root)
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range src.modules {
		parser := parserOptions()
		want, err := format.SourceWithOpts(name, src.files[name], format.Opts{ParserOptions: &parser})
		if err != nil {
			return nil, err
		}
		if string(want) != string(src.files[name]) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Test runs the *_test.rego files under root with coverage.
func Test(ctx context.Context, fsys fs.FS, root string) (TestReport, error) {
	src, err := read(fsys, root)
	if err != nil {
		return TestReport{}, err
	}
	c, err := testCompiler(root)
	if err != nil {
		return TestReport{}, err
	}
	tracer := cover.New()
	runner := tester.NewRunner().SetCompiler(c).SetStore(src.store()).SetModules(src.modules).
		SetCoverageQueryTracer(tracer).SetTimeout(30 * time.Second).CapturePrintOutput(true)
	results, err := runner.RunTests(ctx, nil)
	if err != nil {
		return TestReport{}, err
	}
	var report TestReport
	for r := range results {
		switch {
		case r.Error != nil:
			report.Failed = append(report.Failed, fmt.Sprintf("%s: %s.%s: %v", r.Location, r.Package, r.Name, r.Error))
		case r.Fail:
			report.Failed = append(report.Failed, fmt.Sprintf("%s: %s.%s", r.Location, r.Package, r.Name))
		case !r.Skip:
			report.Passed++
		}
	}
	covered := tracer.Report(src.live())
	report.Coverage = covered.Coverage
	for name, file := range covered.Files {
		for _, gap := range file.NotCovered {
			report.Missing = append(report.Missing, fmt.Sprintf("%s:%d-%d", name, gap.Start.Row, gap.End.Row))
		}
	}
	slices.Sort(report.Missing)
	report.Missing = slices.Compact(report.Missing)
	slices.Sort(report.Failed)
	return report, nil
}

// testCompiler is laxer than the one for serving: tests need not be strict. Those
// of a house are limited to its capabilities all the same; they run in the server.
func testCompiler(root string) (*ast.Compiler, error) {
	if root == "compose" { // its input is the two answers, not a question
		return ast.NewCompiler(), nil
	}
	schema, err := inputSchema()
	if err != nil {
		return nil, err
	}
	c := ast.NewCompiler().WithSchemas(schemaSet(schema)).WithUseTypeCheckAnnotations(true)
	if root != houseRoot {
		return c, nil
	}
	caps, err := capabilities()
	if err != nil {
		return nil, err
	}
	return c.WithCapabilities(caps), nil
}

// Shipped is the policy in the binary.
func Shipped() fs.FS { return policies.FS }
