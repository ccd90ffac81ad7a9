package bundles

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/deputyauth/deputy/policies"
)

type ruleKey struct{ code, party string }

// computed is the key of house rules whose reasons are known only when they are given.
var computed = ruleKey{"", "house"}

// rule is one place where a reason is given.
type rule struct {
	at     string          // file:line
	shape  string          // the members its reason has beside code and party
	exact  policies.Reason // what is already fixed of scope and value
	advice policies.Advice
}

// fits tells whether the rule can have given the reason.
func (r rule) fits(reason policies.Reason) bool {
	return (r.exact.Scope == "" || r.exact.Scope == reason.Scope) && (r.exact.Value == "" || r.exact.Value == reason.Value)
}

// shapeOf is how a rule's shape is written, read off a reason.
func shapeOf(r policies.Reason) string {
	return shape(map[string]bool{"id": r.ID != "", "scope": r.Scope != "", "value": r.Value != ""})
}

func shape(has map[string]bool) string {
	var names []string
	for _, name := range []string{"id", "scope", "value"} {
		if has[name] {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// giversOf finds the rules that can have given a reason: those of its very shape,
// if there are any.
func giversOf(rules []rule, r policies.Reason) []rule {
	fit := slices.DeleteFunc(slices.Clone(rules), func(one rule) bool { return !one.fits(r) })
	same := slices.DeleteFunc(slices.Clone(fit), func(one rule) bool { return one.shape != shapeOf(r) })
	if len(same) > 0 {
		return same
	}
	return fit
}

// rules maps each reason a kind of decision can give to the rules that give it,
// read off rule heads.
func (s *source) rules(kind string) map[ruleKey][]rule {
	out := map[ruleKey][]rule{}
	for _, name := range s.reachable(kind) {
		for _, r := range s.modules[name].Rules {
			place := rule{at: fmt.Sprintf("%s:%d", s.place(name), r.Location.Row), advice: s.advice(r)}
			for key, known := range s.reasonsOf(kind, s.modules[name], r) {
				known.at, known.advice = place.at, place.advice
				out[key] = append(out[key], known)
			}
		}
	}
	return out
}

// advice reads what a rule's METADATA says of its reason.
func (s *source) advice(r *ast.Rule) policies.Advice {
	a := policies.Advice{Layer: policies.LayerFloor}
	if s.root == houseRoot {
		a.Layer = policies.LayerHouse
	}
	for _, m := range r.Annotations {
		text := func(name string) string { v, _ := m.Custom[name].(string); return v }
		a.Description = cmp.Or(m.Description, m.Title)
		a.Party, a.Lacks, a.Remedy = text("party"), text("lacks"), text("remedy")
		who, _ := m.Custom["who"].([]any)
		for _, w := range who {
			if word, ok := w.(string); ok {
				a.Who = append(a.Who, word)
			}
		}
	}
	return a
}

// reasonsOf reads which reasons a rule can give: an object with a code, or, in
// house policy, what its contributions come out as.
func (s *source) reasonsOf(kind string, m *ast.Module, r *ast.Rule) map[ruleKey]rule {
	out := map[ruleKey]rule{}
	name := r.Head.Ref()[0].Value.String()
	if s.root == houseRoot && houseKind(m) == kind && slices.Contains(contributions[kind], name) {
		s.contributed(name, r, out)
	}
	if r.Head.Key == nil {
		return out
	}
	head, ok := r.Head.Key.Value.(ast.Object)
	if !ok {
		return out
	}
	code, ok := lookup(head, "code").(ast.String)
	if !ok {
		return out
	}
	party, _ := lookup(head, "party").(ast.String)
	if s.root == houseRoot {
		party = "house"
	}
	out[ruleKey{string(code), string(party)}] = rule{shape: headShape(head), exact: literals(head)}
	return out
}

// contributed adds what compose makes of a contribution of house policy that
// does not name its own code.
func (s *source) contributed(name string, r *ast.Rule, out map[ruleKey]rule) {
	out[ruleKey{policies.CodePolicyError, "house"}] = rule{shape: "value", exact: policies.Reason{Value: name}}
	if r.Head.Key == nil {
		return
	}
	literal, isLiteral := r.Head.Key.Value.(ast.String)
	object, isObject := r.Head.Key.Value.(ast.Object)
	coded := isObject && lookup(object, "code") != nil
	switch {
	case name == "deny" && isLiteral:
		out[ruleKey{string(literal), "house"}] = rule{}
	case name == "remove" && !coded:
		known := rule{shape: "scope", exact: policies.Reason{Scope: string(literal)}}
		code := "scope_removed"
		if isObject {
			known = rule{shape: headShape(object), exact: literals(object)}
		}
		if isObject && lookup(object, "details") != nil { // which compose gives as a value
			details, _ := lookup(object, "details").(ast.String)
			code, known = "details_removed", rule{shape: "value", exact: policies.Reason{Value: string(details)}}
		}
		out[ruleKey{code, "house"}] = known
	case name == "require":
		for _, what := range []string{"consent", "approval", "step_up"} {
			if !isLiteral || string(literal) == what {
				out[ruleKey{what + "_required", "house"}] = rule{}
			}
		}
	}
	if !isLiteral && !isObject || coded && !isString(lookup(object, "code")) {
		out[computed] = rule{}
	}
}

func isString(v ast.Value) bool { _, ok := v.(ast.String); return ok }

// headShape lists the members of a head that come out as something.
func headShape(head ast.Object) string {
	has := map[string]bool{}
	for _, name := range []string{"id", "scope", "value"} {
		has[name] = lookup(head, name) != nil && lookup(head, name).Compare(ast.String("")) != 0
	}
	return shape(has)
}

func literals(head ast.Object) policies.Reason {
	scope, _ := lookup(head, "scope").(ast.String)
	value, _ := lookup(head, "value").(ast.String)
	return policies.Reason{Scope: string(scope), Value: string(value)}
}

// reachable lists the modules of a kind's package, and of those they refer to.
func (s *source) reachable(kind string) []string {
	root := s.root
	if root == houseRoot {
		root = "house"
	}
	packages := []string{"data." + root + "." + kind}
	var out []string
	for i := 0; i < len(packages); i++ {
		for _, name := range s.serving {
			m := s.modules[name]
			if m == nil || m.Package.Path.String() != packages[i] {
				continue
			}
			out = append(out, name)
			for _, p := range s.referred(m) {
				if !slices.Contains(packages, p) {
					packages = append(packages, p)
				}
			}
		}
	}
	return out
}

// referred are the packages that a module refers to.
func (s *source) referred(m *ast.Module) []string {
	var out []string
	ast.WalkRefs(m, func(r ast.Ref) bool {
		for _, name := range s.serving {
			if other := s.modules[name]; other != nil && r.HasPrefix(other.Package.Path) {
				out = append(out, other.Package.Path.String())
			}
		}
		return false
	})
	return out
}

// ruleNamed tells where a contribution of house policy stands.
func (s *source) ruleNamed(kind, name string) string {
	for _, file := range s.serving {
		m := s.modules[file]
		if m == nil || houseKind(m) != kind {
			continue
		}
		for _, r := range m.Rules {
			if r.Head.Ref()[0].Value.Compare(ast.Var(name)) == 0 {
				return fmt.Sprintf("%s:%d", file, r.Location.Row)
			}
		}
	}
	return "house." + kind
}

// place is how a file is called to people, whatever folder the bundle came from.
func (s *source) place(name string) string {
	if s.root == houseRoot {
		return path.Join("house", name)
	}
	return name
}
