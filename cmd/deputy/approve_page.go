package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// petition prints what the page of a request says. What the agent says is quoted and
// named as such; nothing of it can move the cursor.
func (p *screen) petition(w io.Writer, id string, f *sheet) {
	line := func(text string) {
		if text != "" {
			fmt.Fprintln(w, plain(text))
		}
	}
	line(wordsOf(p.first(tag("h1"))) + "  (" + id + ")")
	for _, n := range p.beside(tag("h1")) { // whose it is, who is asked, how long it waits
		line(wordsOf(n))
	}
	for _, n := range p.all(classed("notice")) {
		line("! " + wordsOf(n))
	}
	line(wordsOf(p.first(classed("compare-code"))))
	for _, n := range p.beside(classed("compare-code")) {
		line(wordsOf(n))
	}
	if says := p.first(tag("blockquote")); says != nil {
		fmt.Fprintf(w, "%s: %q\n", plain(wordsOf(p.first(tag("figcaption")))), plain(wordsOf(says)))
	}
	f.list(w)
	if f.until != "" {
		line("Lasts: " + f.until)
	}
	p.facts(w)
}

// list prints what can be ticked, by number, and what cannot.
func (f *sheet) list(w io.Writer) {
	group := ""
	for i, b := range f.boxes {
		if b.group != group {
			group = b.group
			fmt.Fprintln(w, plain(group))
		}
		mark := " "
		switch {
		case b.off:
			mark = "-"
		case b.on:
			mark = "x"
		}
		says := []string{b.words, "(" + b.name + ")", b.risk, b.note}
		if b.name == b.words {
			says[1] = ""
		}
		fmt.Fprintf(w, "  [%s] %d. %s\n", mark, i+1, plain(strings.Join(strings.Fields(strings.Join(says, " ")), " ")))
		for _, row := range b.rows {
			fmt.Fprintf(w, "         %s\n", plain(row))
		}
	}
}

// ended prints how a request ended.
func (p *screen) ended(w io.Writer) {
	fmt.Fprintln(w, plain(wordsOf(p.first(tag("h1")))+"."))
	for _, n := range p.all(classed("notice")) {
		fmt.Fprintln(w, plain("! "+wordsOf(n)))
	}
	p.facts(w)
}

// facts prints the list of facts of a page.
func (p *screen) facts(w io.Writer) {
	name := ""
	for _, n := range p.all(func(n *html.Node) bool { return n.Parent != nil && classed("facts")(n.Parent) }) {
		if n.Data == "dt" {
			name = wordsOf(n)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", plain(name), plain(wordsOf(n)))
	}
}

// rowsOf are the rows that stand beside what can be ticked: what it is exactly.
func rowsOf(item *html.Node) (rows []*html.Node) {
	if item == nil || item.Data != "li" {
		return nil
	}
	for n := range item.Descendants() {
		if n.Parent != nil && classed("rows")(n.Parent) && n.Type == html.ElementNode {
			rows = append(rows, n)
		}
	}
	return rows
}

// named are the boxes of scopes that are named: as developers know them, or as they
// are sent where two services have one of that name.
func (f *sheet) named(names []string) ([]checkbox, error) {
	var out []checkbox
	for _, name := range names {
		var found []checkbox
		for _, b := range f.boxes {
			if b.name == name || b.value == name {
				found = append(found, b)
			}
		}
		switch {
		case len(found) == 0:
			return nil, fmt.Errorf("it does not ask for %s", name)
		case len(found) > 1:
			return nil, fmt.Errorf("several services have %s: give it as %q or %q", name, found[0].value, found[1].value)
		case found[0].off:
			return nil, fmt.Errorf("%s cannot be approved: %s", name, plain(found[0].note))
		}
		out = append(out, found[0])
	}
	return out, nil
}

// numbered are the boxes of some numbers, as list has them.
func (f *sheet) numbered(numbers []string) ([]checkbox, error) {
	var out []checkbox
	for _, said := range numbers {
		n, err := strconv.Atoi(strings.TrimSuffix(said, ","))
		if err != nil || n < 1 || n > len(f.boxes) || f.boxes[n-1].off {
			return nil, fmt.Errorf("%q is not an answer; nothing was answered", said)
		}
		out = append(out, f.boxes[n-1])
	}
	return out, nil
}

// tickBoxes ticks these and no others.
func (f *sheet) tickBoxes(boxes []checkbox) {
	for _, b := range f.boxes {
		f.values.Del(b.field)
	}
	for _, b := range boxes {
		f.values.Add(b.field, b.value)
	}
}

// plain is text of a page without what a terminal would obey.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// wordsOf is the text of an element, blanks taken together; "" if there is none.
func wordsOf(n *html.Node) string {
	if n == nil {
		return ""
	}
	return strings.Join(strings.Fields(textOf(n)), " ")
}

// all are the elements of a page that match; first is the first of them.
func (p *screen) all(match func(*html.Node) bool) (found []*html.Node) {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			found = append(found, n)
		}
	}
	return found
}

func (p *screen) first(match func(*html.Node) bool) *html.Node {
	for _, n := range p.all(match) {
		return n
	}
	return nil
}

// beside are the paragraphs that follow the first element that matches.
func (p *screen) beside(match func(*html.Node) bool) (found []*html.Node) {
	if n := p.first(match); n != nil {
		for n = n.NextSibling; n != nil; n = n.NextSibling {
			if n.Data == "p" {
				found = append(found, n)
			}
		}
	}
	return found
}

func tag(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

func classed(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return slices.Contains(strings.Fields(attr(n, "class")), name) }
}
