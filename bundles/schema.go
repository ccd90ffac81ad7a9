package bundles

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// schema is one node of a JSON Schema.
type schema map[string]any

// checkFields refuses references to fields that the input schema does not know.
// OPA's type checker does the same, but gives up below maps, where a misspelt
// risk of a scope would pass for one that is never high.
func checkFields(c *ast.Compiler, root schema) error {
	var errs ast.Errors
	for _, m := range c.Modules {
		ast.WalkRefs(m, func(r ast.Ref) bool {
			if !r.HasPrefix(ast.InputRootRef) {
				return false
			}
			if at := root.misspelt(root, r[1:]); at >= 0 {
				errs = append(errs, ast.NewError(ast.TypeErr, r[0].Location, "undefined field %s of %s", r[at+1].Value, r[:at+1]))
			}
			return false
		})
	}
	return sorted(errs)
}

// misspelt walks steps down from a node and returns the place of the first one
// that leads nowhere, or -1.
func (s schema) misspelt(root schema, steps []*ast.Term) int {
	for i, step := range steps {
		next, known := s.resolve(root).child(step)
		if !known {
			return i
		}
		if next == nil {
			return -1 // any of several: not ours to tell
		}
		s = next
	}
	return -1
}

// resolve follows a reference to a definition.
func (s schema) resolve(root schema) schema {
	ref, _ := s["$ref"].(string)
	if ref == "" {
		return s
	}
	defs, _ := root["definitions"].(map[string]any)
	def, _ := defs[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
	return def
}

func (s schema) child(step *ast.Term) (next schema, known bool) {
	if items, ok := s["items"].(map[string]any); ok {
		return items, true
	}
	properties, _ := s["properties"].(map[string]any)
	if name, ok := step.Value.(ast.String); ok && properties != nil {
		next, known := properties[string(name)].(map[string]any)
		return next, known
	}
	if properties != nil {
		return nil, true
	}
	rest, ok := s["additionalProperties"].(map[string]any)
	return rest, ok
}
