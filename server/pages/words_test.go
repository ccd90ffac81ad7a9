package pages

import (
	"html/template"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/deputyauth/deputy/web"
)

var placeholder = regexp.MustCompile(`\{([a-z]+)\}`)

func locales(t *testing.T) []*words {
	t.Helper()
	all, err := readWords(web.Pages())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 || all[0].tag.String() != "en" {
		t.Fatalf("want English first and another language, got %d", len(all))
	}
	return all
}

// Every language says everything, with the same arguments, and without markup.
func TestLanguagesSayTheSame(t *testing.T) {
	all := locales(t)
	english := all[0]
	for _, w := range all[1:] {
		assert.Equal(t, slices.Sorted(maps.Keys(english.texts)), slices.Sorted(maps.Keys(w.texts)), "keys of en and %s", w.tag)
	}
	for _, w := range all {
		for key, x := range w.texts {
			if x["other"] == "" {
				t.Errorf("%s: %q has no form other", w.tag, key)
			}
			want := arguments(english.texts[key]["other"])
			for form, s := range x {
				if strings.ContainsAny(s, "<>&") {
					t.Errorf("%s: %q holds markup: %s", w.tag, key, s)
				}
				if strings.Count(s, "*")%2 != 0 {
					t.Errorf("%s: %q leaves strong open: %s", w.tag, key, s)
				}
				// "One thing" may leave the number out.
				if got := arguments(s); !slices.Equal(got, want) && form == "other" {
					t.Errorf("%s: %q has arguments %v, en has %v", w.tag, key, got, want)
				}
			}
		}
	}
}

func arguments(s string) []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var (
	keyShape  = regexp.MustCompile(`^[a-z]+(\.[a-z_0-9]+)+$`)
	stemShape = regexp.MustCompile(`^[a-z]+(\.[a-z]+)*[._]([a-z]+_)?$`)
)

// Every key that a template names exists, and every key that exists is used.
func TestKeysAreThoseOfTheTemplates(t *testing.T) {
	english := locales(t)[0]
	used := map[string]bool{"language.name": true, "list.and": true, "list.comma": true}
	stems := map[string]bool{"time.": true} // dates.go
	for _, tab := range (page{}).Tabs() {
		used[tab.Label] = true
	}
	literals(t, func(after, s string) {
		switch {
		case after == "word":
			stems[s+"."] = true
			if _, ok := english.texts[s+".other"]; !ok {
				t.Errorf("word %q has no text %q", s, s+".other")
			}
		case after == "print" && stemShape.MatchString(s):
			stems[s] = true
		case keyShape.MatchString(s):
			used[s] = true
			if _, ok := english.texts[s]; !ok {
				t.Errorf("a template names %q, which is no text", s)
			}
		}
	})
	if len(used) < 100 {
		t.Fatalf("found only %d keys in the templates", len(used))
	}
	for key := range english.texts {
		stemmed := slices.ContainsFunc(slices.Collect(maps.Keys(stems)), func(stem string) bool { return strings.HasPrefix(key, stem) })
		if !used[key] && !stemmed {
			t.Errorf("no template uses %q", key)
		}
	}
}

// literals calls f for every string literal in a template, with the function it
// is the first argument of.
func literals(t *testing.T, f func(function, literal string)) {
	t.Helper()
	names, err := fs.Glob(web.Pages(), "*.html")
	if err != nil {
		t.Fatal(err)
	}
	letters, err := fs.Glob(web.Pages(), "letters/*")
	if err != nil || len(letters) == 0 {
		t.Fatal(letters, err)
	}
	for _, name := range append(names, letters...) {
		for _, tree := range trees(t, name) {
			walk(tree.Root, func(n parse.Node) {
				command, ok := n.(*parse.CommandNode)
				if !ok {
					return
				}
				function := ""
				for i, arg := range command.Args {
					if id, ok := arg.(*parse.IdentifierNode); ok && i == 0 {
						function = id.Ident
					}
					if s, ok := arg.(*parse.StringNode); ok {
						f(map[bool]string{true: function}[i == 1], s.Text)
					}
				}
			})
		}
	}
}

func trees(t *testing.T, name string) map[string]*parse.Tree {
	t.Helper()
	b, err := fs.ReadFile(web.Pages(), name)
	if err != nil {
		t.Fatal(err)
	}
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := tree.Parse(string(b), "", "", set); err != nil {
		t.Fatal(err)
	}
	return set
}

func walk(n parse.Node, f func(parse.Node)) {
	list := func(l *parse.ListNode) {
		if l != nil {
			walk(l, f)
		}
	}
	branch := func(b *parse.BranchNode) { walk(b.Pipe, f); list(b.List); list(b.ElseList) }
	f(n)
	switch n := n.(type) {
	case *parse.ListNode:
		for _, one := range n.Nodes {
			walk(one, f)
		}
	case *parse.ActionNode:
		walk(n.Pipe, f)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			walk(n.Pipe, f)
		}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			walk(c, f)
		}
	case *parse.CommandNode:
		for _, arg := range n.Args {
			if p, ok := arg.(*parse.PipeNode); ok {
				walk(p, f)
			}
		}
	}
}

// Every stem and code that a template puts together has its text.
func TestTemplatesAreOfPages(t *testing.T) {
	names, err := fs.Glob(web.Pages(), "*.html")
	if err != nil {
		t.Fatal(err)
	}
	for name := range wide {
		if !slices.Contains(names, name+".html") {
			t.Errorf("there is no page %s", name)
		}
	}
	for _, name := range names {
		if path.Ext(name) != ".html" {
			t.Errorf("%s is no template", name)
		}
	}
}

func TestRichEscapesArgumentsAndNothingElse(t *testing.T) {
	w := &words{texts: map[string]text{
		"x":          {"other": "*{who}* & {others}"},
		"list.and":   {"other": " and "},
		"list.comma": {"other": ", "},
	}}
	got, err := w.rich("x", "who", "*<b>eve</b>*", "others", []string{"a", "<b>", "c"})
	if err != nil {
		t.Fatal(err)
	}
	want := template.HTML("<strong><bdi>*&lt;b&gt;eve&lt;/b&gt;*</bdi></strong> &amp; <bdi>a</bdi>, <bdi>&lt;b&gt;</bdi> and <bdi>c</bdi>")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, call := range map[string]func() error{
		"a text that is not there":     func() error { _, err := w.t("y"); return err },
		"an argument that is not":      func() error { _, err := w.t("x", "who", "eve"); return err },
		"arguments that are no pairs":  func() error { _, err := w.t("x", "who"); return err },
		"an argument without a name":   func() error { _, err := w.rich("x", 1, 2); return err },
		"a word that has no other one": func() error { _, err := w.word("z", "y"); return err },
	} {
		if call() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDatesReadAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)
	all := locales(t)
	say := func(h template.HTML, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(h), ">")
		return strings.TrimSuffix(rest, "</time>")
	}
	en, de := clock{all[0], func() time.Time { return now }}, clock{all[1], func() time.Time { return now }}
	at := time.Date(2026, 12, 10, 23, 30, 0, 0, time.FixedZone("", 2*3600))
	for _, c := range []struct{ got, want string }{
		{say(en.date(at)), "10 December 2026"}, {say(de.date(at)), "10. Dezember 2026"},
		{say(en.moment(at)), "10 December 2026, 21:30 UTC"}, {say(de.moment(at)), "10. Dezember 2026, 21:30 UTC"},
		{say(en.ago(now.Add(-30 * time.Second))), "just now"}, {say(de.ago(now.Add(-time.Minute))), "vor einer Minute"},
		{say(en.ago(now.Add(-3 * time.Hour))), "3 hours ago"}, {say(de.ago(now.Add(-3 * time.Hour))), "vor 3 Stunden"},
		{say(en.ago(now.Add(-25 * time.Hour))), "yesterday"}, {say(en.ago(now.Add(10 * 24 * time.Hour))), "in 10 days"},
		{say(en.ago(now.Add(-61 * 24 * time.Hour))), "22 September 2026"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if !en.soon(now.Add(13*24*time.Hour)) || en.soon(now.Add(15*24*time.Hour)) || en.soon(time.Time{}) {
		t.Error("what ends within two weeks ends soon, and nothing else")
	}
	for name, want := range map[string]string{"reporting-agent": "RA", "Ängström": "Ä", "3D print shop": "3P", "!": ""} {
		if got := initials(name); got != want {
			t.Errorf("initials of %q: %q", name, got)
		}
	}
}
