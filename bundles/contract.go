package bundles

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/deputyauth/deputy/policies"
)

// contributions is all that house policy may say, by kind of decision.
var contributions = map[string][]string{
	policies.KindIssue:      {"deny", "remove", "max_ttl", "require", "claims"},
	policies.KindAuthorize:  {"deny", "remove", "max_ttl", "require"},
	policies.KindIntrospect: {"deny"},
	policies.KindAdmin:      {"deny", "max_ttl"},
	policies.KindAccess:     {"deny"},
	policies.KindUserinfo:   {"deny", "remove"},
}

// houseQuery collects the contributions that are defined for this input.
func houseQuery(kind string) string {
	return fmt.Sprintf(`{key: value | some key in ["%s"]; value := data.house.%s[key]}`,
		strings.Join(contributions[kind], `", "`), kind)
}

// composedKinds are the kinds of decision in which a house has a say. Revocation
// is none of them: it must always be possible.
func composedKinds() []string { return slices.Sorted(maps.Keys(contributions)) }

// houseKinds are the kinds of decision this house has rules for.
func (s *source) houseKinds() []string {
	var kinds []string
	for _, m := range s.live() {
		kind := houseKind(m)
		if contributions[kind] != nil && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// houseKind is the path of a module's package below house.
func houseKind(m *ast.Module) string {
	return strings.TrimPrefix(m.Package.Path.String(), "data.house.")
}

// checkSources refuses what must not even be compiled: modules outside the
// house's own packages, references outside its own data.
func checkSources(src *source) error {
	var errs ast.Errors
	fail := func(loc *ast.Location, format string, args ...any) {
		errs = append(errs, ast.NewError("house_contract_error", loc, format, args...))
	}
	for key := range src.data {
		if key != "house" {
			return fmt.Errorf("data.json: top-level key %q; house data lives under \"house\"", key)
		}
	}
	if err := checkTests(src); err != nil {
		return err
	}
	if !slices.Contains(src.houseKinds(), policies.KindIssue) {
		return fmt.Errorf("no package house.issue: without it house policy would have no say in any token")
	}
	for _, m := range src.live() {
		if !m.Package.Path.HasPrefix(ast.MustParseRef("data.house")) {
			fail(m.Package.Location, "package must be house or below it, not %s", strings.TrimPrefix(m.Package.Path.String(), "data."))
		}
		ast.WalkRefs(m, func(r ast.Ref) bool {
			if r.HasPrefix(ast.DefaultRootRef) && !r.HasPrefix(ast.MustParseRef("data.house")) {
				fail(r[0].Location, "%s: house policy may refer only to input and data.house", r)
			}
			return false
		})
	}
	return sorted(errs)
}

// checkTests keeps test files to packages of their own. What they hold does not
// serve, so a deny among them would be one its author believes in.
func checkTests(src *source) error {
	var errs ast.Errors
	for name, m := range src.modules {
		last, _ := m.Package.Path[len(m.Package.Path)-1].Value.(ast.String)
		if isTest(name) && !strings.HasSuffix(string(last), "_test") {
			errs = append(errs, ast.NewError("house_contract_error", m.Package.Location,
				"package must end in _test, not %s: rules in a file named *_test.rego do not serve",
				strings.TrimPrefix(m.Package.Path.String(), "data.")))
		}
	}
	return sorted(errs)
}

// checkReferences refuses references to rules and base data that there are not.
// A deny that rests on one would never fire. What follows a variable in a
// reference is not known before there is a question, and not looked at.
func checkReferences(c *ast.Compiler, src *source) error {
	base, err := ast.InterfaceToValue(src.data)
	if err != nil {
		return fmt.Errorf("data.json: %w", err)
	}
	var errs ast.Errors
	for _, m := range c.Modules {
		ast.WalkRefs(m, func(r ast.Ref) bool {
			path := r.ConstantPrefix()
			if !r.HasPrefix(ast.DefaultRootRef) || ruled(c.RuleTree, path) {
				return false
			}
			if _, err := base.Find(path[1:]); err != nil {
				errs = append(errs, ast.NewError("house_contract_error", r[0].Location,
					"%s is neither a rule of this policy nor in its data.json", path))
			}
			return false
		})
	}
	return sorted(errs)
}

// ruled tells whether a path leads to a package, to a rule, or on into its value.
func ruled(node *ast.TreeNode, path ast.Ref) bool {
	for _, step := range path {
		if node = node.Child(step.Value); node == nil {
			return false
		}
		if len(node.Values) > 0 {
			return true
		}
	}
	return true
}

// checkContract holds the rules of house packages to names and types that
// compose reads. Anything else would be a rule its author believes in and
// nobody evaluates.
func checkContract(c *ast.Compiler, src *source) error {
	var errs ast.Errors
	for _, m := range src.live() {
		kind := houseKind(m)
		for _, r := range m.Rules {
			name := string(r.Head.Ref()[0].Value.(ast.Var))
			problem := misplaced(kind, name)
			switch {
			case problem != "":
			case contributions[kind] == nil, strings.HasPrefix(name, "_"):
				continue // a helper
			case len(r.Head.Args) > 0:
				problem = "must not be a function"
			default:
				problem = wrongType(name, c.TypeEnv.GetByRef(m.Package.Path.Append(ast.StringTerm(name))))
			}
			if problem != "" {
				errs = append(errs, ast.NewError("house_contract_error", r.Location, "%s %s", name, problem))
			}
		}
	}
	return sorted(errs)
}

// misplaced says why a name in a house package is one that compose never reads.
func misplaced(kind, name string) string {
	names := contributions[kind]
	parent, below, _ := strings.Cut(kind, ".")
	switch {
	case slices.Contains(contributions[parent], below):
		return fmt.Sprintf("is in a package that stands in the place of the rule %s of house.%s", below, parent)
	case slices.Contains(names, name) || strings.HasPrefix(name, "_"):
		return ""
	case names != nil:
		return fmt.Sprintf("has no effect in house.%s: only %s count; name helpers with a leading underscore", kind, strings.Join(names, ", "))
	case slices.Contains(contributions[policies.KindIssue], name):
		return fmt.Sprintf("has no effect here: house policy counts in the packages house.%s", strings.Join(composedKinds(), ", house."))
	default:
		return ""
	}
}

// wrongType says what is wrong with the inferred type of a contribution. What
// inference leaves open is checked again at run time, in compose.
func wrongType(name string, t types.Type) string {
	switch name {
	case "max_ttl":
		if always(t, is[types.Number]) {
			return ""
		}
		return "must be a number of seconds, not " + describe(t)
	case "claims":
		if always(t, is[*types.Object]) {
			return ""
		}
		return "must be an object, not " + describe(t)
	default:
		set, ok := t.(*types.Set)
		if !ok {
			return fmt.Sprintf("must be a set (write `%s contains … if …`), not %s", name, describe(t))
		}
		if always(set.Of(), func(t types.Type) bool { return is[types.String](t) || is[*types.Object](t) }) {
			return ""
		}
		return "must hold strings or objects with a code, not " + describe(set.Of())
	}
}

// always tells whether every type that t may turn out to be passes. An open type
// has none yet.
func always(t types.Type, passes func(types.Type) bool) bool {
	if union, ok := t.(types.Any); ok {
		return !slices.ContainsFunc(union, func(one types.Type) bool { return !passes(one) })
	}
	return passes(t)
}

func is[T types.Type](t types.Type) bool { _, ok := t.(T); return ok }

func describe(t types.Type) string {
	if t == nil {
		return "nothing"
	}
	return types.Sprint(t)
}

func sorted(errs ast.Errors) error {
	if len(errs) == 0 {
		return nil
	}
	errs.Sort()
	return errs
}
