package bundles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/deputyauth/deputy/policies"
)

// contributions is all that house policy may say, by kind of decision.
var contributions = map[string][]string{
	policies.KindIssue:      {"deny", "remove", "max_ttl", "require", "claims"},
	policies.KindIntrospect: {"deny"},
	policies.KindAdmin:      {"deny"},
}

// houseQuery collects the contributions that are defined for this input.
func houseQuery(kind string) string {
	return fmt.Sprintf(`{key: value | some key in ["%s"]; value := data.house.%s[key]}`,
		strings.Join(contributions[kind], `", "`), kind)
}

// houseKinds are the kinds of decision this house has rules for.
func (s *source) houseKinds() []string {
	var kinds []string
	for _, kind := range policies.Kinds() {
		for _, m := range s.live() {
			if m.Package.Path.String() == "data.house."+kind {
				kinds = append(kinds, kind)
				break
			}
		}
	}
	return kinds
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

// checkContract holds the rules of house packages to names and types that
// compose reads. Anything else would be a rule its author believes in and
// nobody evaluates.
func checkContract(c *ast.Compiler, src *source) error {
	var errs ast.Errors
	for _, m := range src.live() {
		kind := strings.TrimPrefix(m.Package.Path.String(), "data.house.")
		names, ok := contributions[kind]
		if !ok {
			continue // a helper package
		}
		for _, r := range m.Rules {
			name := string(r.Head.Ref()[0].Value.(ast.Var))
			if strings.HasPrefix(name, "_") || len(r.Head.Args) > 0 {
				continue // internals and functions
			}
			if !slices.Contains(names, name) {
				errs = append(errs, ast.NewError("house_contract_error", r.Location,
					"%s has no effect in house.%s: only %s count; name helpers with a leading underscore", name, kind, strings.Join(names, ", ")))
				continue
			}
			ref := ast.MustParseRef("data.house." + kind + "." + name)
			if problem := wrongType(name, c.TypeEnv.GetByRef(ref)); problem != "" {
				errs = append(errs, ast.NewError("house_contract_error", r.Location, "%s %s", name, problem))
			}
		}
	}
	return sorted(errs)
}

// wrongType says what is wrong with the inferred type of a contribution. What
// inference leaves open is checked again at run time, in compose.
func wrongType(name string, t types.Type) string {
	switch name {
	case "max_ttl":
		if is[types.Number](t) || is[types.Any](t) || is[*types.Number](t) {
			return ""
		}
		return "must be a number of seconds, not " + describe(t)
	case "claims":
		if is[*types.Object](t) || is[types.Any](t) {
			return ""
		}
		return "must be an object, not " + describe(t)
	default:
		set, ok := t.(*types.Set)
		if !ok {
			return fmt.Sprintf("must be a set (write `%s contains … if …`), not %s", name, describe(t))
		}
		if of := set.Of(); elementOK(of) {
			return ""
		}
		return "must hold strings or objects with a code, not " + describe(set.Of())
	}
}

func elementOK(t types.Type) bool {
	if anyOf, ok := t.(types.Any); ok {
		for _, one := range anyOf {
			if !elementOK(one) {
				return false
			}
		}
		return true
	}
	return is[types.String](t) || is[*types.String](t) || is[*types.Object](t)
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
