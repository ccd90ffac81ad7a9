package bundles

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

func TestScratch(t *testing.T) {
	if q := os.Getenv("Q"); q != "" {
		src, err := read(os.DirFS("../policies"), os.Getenv("ROOT"))
		if err != nil {
			t.Fatal(err)
		}
		c := ast.NewCompiler()
		if c.Compile(src.modules); c.Failed() {
			t.Fatal(c.Errors)
		}
		rs, err := rego.New(rego.Compiler(c), rego.Query(q)).Eval(context.Background())
		b, _ := json.MarshalIndent(rs, "", " ")
		t.Log(err, string(b))
		return
	}
	for _, root := range []string{"floor", "compose", "house"} {
		rep, err := Test(context.Background(), os.DirFS("../policies"), root)
		t.Log(root, rep.Passed, rep.Coverage, err)
		for _, f := range rep.Failed {
			t.Log("FAIL", f)
		}
		if os.Getenv("MISSING") != "" {
			for _, f := range rep.Missing {
				t.Log("MISS", f)
			}
		}
	}
}
