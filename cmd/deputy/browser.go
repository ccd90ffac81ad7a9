package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// browser is what people of the tour, and those who answer from a terminal, sit at. It
// keeps cookies, follows links within the server, and reads forms as a person would; it
// runs no scripts.
type browser struct {
	issuer string
	agent  string // what it calls itself
	http   *http.Client
}

func newBrowser(issuer string) *browser {
	jar, _ := cookiejar.New(nil) // fails never without options
	stay := func(req *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(req.URL.String(), issuer+"/") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &browser{issuer, "deputy tour", &http.Client{Jar: jar, CheckRedirect: stay, Timeout: 30 * time.Second}}
}

// screen is what a browser shows.
type screen struct {
	at    *url.URL
	away  *url.URL // where it leads, if that is elsewhere
	forms []*sheet
	links []string
	title string
	group string // of checkboxes, while it is read
	root  *html.Node
}

// sheet is a form to fill in.
type sheet struct {
	action string
	values url.Values
	boxes  []checkbox
	until  string // how long it is to last, of what can be chosen
}

// checkbox is something to tick.
type checkbox struct {
	field, value string
	name         string // of the scope, as developers know it; of anything else what it says
	note         string
	off          bool
	on           bool     // ticked already
	words, risk  string   // what it means
	group        string   // where
	rows         []string // what exactly, line by line
}

// open loads a page.
func (b *browser) open(ctx context.Context, to string) (*screen, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	return b.load(req)
}

// send sends a form of a page.
func (b *browser) send(ctx context.Context, p *screen, f *sheet) (*screen, error) {
	to, err := p.at.Parse(f.action)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(f.values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.load(req)
}

// json asks for something that is no page.
func (b *browser) json(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.issuer+path, nil)
	if err != nil {
		return err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says: %s", path, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(out)
}

func (b *browser) load(req *http.Request) (*screen, error) {
	req.Header.Set("User-Agent", b.agent)
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if to := resp.Header.Get("Location"); to != "" {
		away, err := resp.Request.URL.Parse(to)
		return &screen{away: away}, err
	}
	root, err := html.Parse(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	p := &screen{at: resp.Request.URL, root: root}
	p.read(root, nil)
	if resp.StatusCode != http.StatusOK {
		why := []string{p.title}
		for _, n := range p.all(classed("notice")) {
			why = append(why, plain(wordsOf(n)))
		}
		return nil, fmt.Errorf("%s says: %s", req.URL.Path, strings.Join(why, ": "))
	}
	return p, nil
}

// form is the form that is sent to a path; nil if the page has none.
func (p *screen) form(path string) *sheet {
	for _, f := range p.forms {
		if strings.HasSuffix(f.action, path) {
			return f
		}
	}
	return nil
}

// follow opens a link of the page that leads to a path.
func (p *screen) follow(ctx context.Context, b *browser, path string) (*screen, error) {
	for _, link := range p.links {
		if to, err := p.at.Parse(link); err == nil && strings.HasSuffix(to.Path, path) {
			return b.open(ctx, to.String())
		}
	}
	return nil, fmt.Errorf("%q has no link to %s", p.title, path)
}

// read walks the page. f is the form it is in.
func (p *screen) read(n *html.Node, f *sheet) {
	if n.Type == html.ElementNode {
		switch n.Data {
		case "title":
			p.title = textOf(n)
		case "a":
			p.links = append(p.links, attr(n, "href"))
		case "meta":
			if _, to, found := strings.Cut(attr(n, "content"), ";url="); found && attr(n, "http-equiv") == "refresh" {
				p.away, _ = p.at.Parse(to)
			}
		case "form":
			f = &sheet{action: attr(n, "action"), values: url.Values{}}
			p.forms = append(p.forms, f)
		case "legend":
			p.group = wordsOf(n)
		case "label":
			p.label(n, f)
		case "input":
			if kind := attr(n, "type"); f != nil && kind != "checkbox" && (kind != "radio" || has(n, "checked")) {
				f.values.Set(attr(n, "name"), attr(n, "value"))
			}
		}
	}
	for child := range n.ChildNodes() {
		p.read(child, f)
	}
}

// label reads what can be ticked, and what could be if it were not greyed.
func (p *screen) label(n *html.Node, f *sheet) {
	var b checkbox
	box := false
	for d := range n.Descendants() {
		switch {
		case d.Data == "input" && attr(d, "type") == "checkbox":
			box = true
			b.field, b.value, b.off, b.on = attr(d, "name"), attr(d, "value"), has(d, "disabled"), has(d, "checked")
		case d.Data == "input" && f != nil && attr(d, "type") == "radio" && has(d, "checked"):
			f.until = wordsOf(n)
		case d.Data == "code":
			b.name = textOf(d)
		case d.Data == "b":
			b.words = wordsOf(d)
		case classed("risk")(d):
			b.risk = wordsOf(d)
		case attr(d, "class") == "note":
			b.note = textOf(d)
		}
	}
	for _, row := range rowsOf(n.Parent) {
		b.rows = append(b.rows, wordsOf(row))
	}
	b.group, b.name = p.group, cmp.Or(b.name, b.words)
	if f != nil && box {
		f.boxes = append(f.boxes, b)
	}
}

// ticks are the names of what can be ticked; greyed of what cannot.
func (f *sheet) ticks() (free, greyed []string) {
	for _, b := range f.boxes {
		if b.off {
			greyed = append(greyed, b.name)
		} else {
			free = append(free, b.name)
		}
	}
	return free, greyed
}

// tick ticks the boxes of these names and no others.
func (f *sheet) tick(names []string) {
	for _, b := range f.boxes {
		f.values.Del(b.field)
	}
	for _, b := range f.boxes {
		if !b.off && slices.Contains(names, b.name) {
			f.values.Add(b.field, b.value)
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func textOf(n *html.Node) string {
	var s strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			s.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(s.String())
}
