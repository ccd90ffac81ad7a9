package pages

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// words are the texts of one language. Which language a person reads, and which
// plural a number takes in it, are golang.org/x/text's to know; its message
// catalogues count arguments instead of naming them, so the texts are our own:
// "{name}" stands for an argument, "*…*" is strong, and a text with several
// forms is chosen by the argument n.
type words struct {
	tag   language.Tag
	texts map[string]text
}

// text maps plural forms (CLDR: one, few, other …) to texts.
type text map[string]string

// UnmarshalJSON takes a string, or an object of plural forms.
func (x *text) UnmarshalJSON(b []byte) error {
	var only string
	if json.Unmarshal(b, &only) == nil {
		*x = text{"other": only}
		return nil
	}
	return json.Unmarshal(b, (*map[string]string)(x))
}

// readWords reads every locales/*.json, the default language first.
func readWords(files fs.FS) ([]*words, error) {
	names, err := fs.Glob(files, "locales/*.json")
	if err != nil {
		return nil, err
	}
	var all []*words
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		w := &words{}
		if w.tag, err = language.Parse(strings.TrimSuffix(path.Base(name), ".json")); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := json.Unmarshal(b, &w.texts); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if w.tag == language.English {
			all = append([]*words{w}, all...)
		} else {
			all = append(all, w)
		}
	}
	return all, nil
}

var forms = map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}

// find is the text of key and its arguments by name, which come in pairs.
func (w *words) find(key string, pairs []any) (string, map[string]any, error) {
	x, ok := w.texts[key]
	if !ok {
		return "", nil, fmt.Errorf("no text %q in %s", key, w.tag)
	}
	args, err := dict(pairs...)
	if err != nil {
		return "", nil, fmt.Errorf("text %q: %w", key, err)
	}
	if n, ok := args["n"].(int); ok {
		if s, ok := x[forms[plural.Cardinal.MatchPlural(w.tag, n, 0, 0, 0, 0)]]; ok {
			return s, args, nil
		}
	}
	return x["other"], args, nil
}

// t is a text with its arguments.
func (w *words) t(key string, pairs ...any) (string, error) {
	s, args, err := w.find(key, pairs)
	if err != nil {
		return "", err
	}
	return w.fill(s, args, func(literal string) string { return literal }, func(arg any) string { return fmt.Sprint(arg) })
}

// rich is t as HTML: "*…*" becomes strong, and whatever an argument says can
// neither end the sentence's markup nor turn its direction of writing around.
func (w *words) rich(key string, pairs ...any) (template.HTML, error) {
	s, args, err := w.find(key, pairs)
	if err != nil {
		return "", err
	}
	open := false
	literal := func(literal string) string {
		var b strings.Builder
		for i, part := range strings.Split(template.HTMLEscapeString(literal), "*") {
			if i > 0 {
				open = !open
				b.WriteString(map[bool]string{true: "<strong>", false: "</strong>"}[open])
			}
			b.WriteString(part)
		}
		return b.String()
	}
	out, err := w.fill(s, args, literal, func(arg any) string {
		if safe, ok := arg.(template.HTML); ok {
			return string(safe)
		}
		return "<bdi>" + template.HTMLEscapeString(fmt.Sprint(arg)) + "</bdi>"
	})
	return template.HTML(out), err
}

// word is the text prefix.value, or prefix.other where there is none: for codes
// that others may add to.
func (w *words) word(prefix, value string, pairs ...any) (string, error) {
	if _, ok := w.texts[prefix+"."+value]; !ok {
		value = "other"
	}
	return w.t(prefix+"."+value, pairs...)
}

// fill puts arguments into their places. A list reads "a, b and c".
func (w *words) fill(s string, args map[string]any, literal func(string) string, show func(any) string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "{")
		b.WriteString(literal(before))
		if !found {
			return b.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}")
		arg, ok := args[name]
		if !ok {
			return "", fmt.Errorf("%q wants an argument %q", s, name)
		}
		if many, ok := arg.([]string); ok {
			for i, one := range many {
				switch {
				case i > 0 && i == len(many)-1:
					b.WriteString(w.texts["list.and"]["other"])
				case i > 0:
					b.WriteString(w.texts["list.comma"]["other"])
				}
				b.WriteString(show(one))
			}
		} else {
			b.WriteString(show(arg))
		}
		s = after
	}
}
