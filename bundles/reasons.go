package bundles

import (
	"fmt"
	"path"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// rules maps each reason a kind of decision can give to the first rule that
// gives it, read off rule heads.
func (s *source) rules(kind string) map[ruleKey]string {
	out := map[ruleKey]string{}
	for _, name := range s.reachable(kind) {
		for _, r := range s.modules[name].Rules {
			key, ok := s.reasonOf(r)
			if !ok {
				continue
			}
			if _, seen := out[key]; !seen {
				out[key] = fmt.Sprintf("%s:%d", s.place(name), r.Location.Row)
			}
		}
	}
	return out
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

// reasonOf reads which reason a rule gives: an object with a code, or, in house
// policy, the bare name of a denial.
func (s *source) reasonOf(r *ast.Rule) (ruleKey, bool) {
	if r.Head.Key == nil {
		return ruleKey{}, false
	}
	switch head := r.Head.Key.Value.(type) {
	case ast.Object:
		code, ok := lookup(head, "code").(ast.String)
		party, _ := lookup(head, "party").(ast.String)
		if s.root == houseRoot {
			party = "house"
		}
		return ruleKey{string(code), string(party)}, ok
	case ast.String:
		denial := s.root == houseRoot && r.Head.Name == "deny"
		return ruleKey{string(head), "house"}, denial
	default:
		return ruleKey{}, false
	}
}

// place is how a file is called to people, whatever folder the bundle came from.
func (s *source) place(name string) string {
	if s.root == houseRoot {
		return path.Join("house", name)
	}
	return name
}
