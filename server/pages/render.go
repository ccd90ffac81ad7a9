// Package pages is what people see: sign-in, consent, their account. It turns
// views, which are plain structs, into HTML in the reader's language. A page
// needs no JavaScript, loads nothing from elsewhere, and decides nothing.
package pages

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"github.com/deputyauth/deputy/web"
)

// localesKey is where SetLocales keeps what it is told.
const localesKey = "ui_locales"

// maxLocales bounds what is read of a list of languages; it is bytes.
const maxLocales = 256

// What a page may load and do; a script only where there is a passkey to use, or
// something to watch.
const (
	policy         = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	scriptedPolicy = policy + "; script-src 'self'; connect-src 'self'"
)

// wide pages hold lists; all others are one column.
var wide = map[string]bool{"agents": true, "approvals": true, "agent": true, "sessions": true, "passkeys": true, "security": true, "word": true, "mailbox": true}

// Book is what can be said to people: every text and every page, in every language.
type Book struct {
	files fs.FS
	words []*words
	pages []map[string]*template.Template // by language, by name
}

// Shipped is the book of this release, read once.
var Shipped = sync.OnceValues(func() (*Book, error) { return Read(web.Pages(), time.Now) })

// Read reads templates and words from files (see web.Pages). What pages say about
// time is as now has it.
func Read(files fs.FS, now func() time.Time) (*Book, error) {
	all, err := readWords(files)
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	b := &Book{files: files, words: all}
	for _, w := range all {
		set, err := templates(files, clock{w, now})
		if err != nil {
			return nil, fmt.Errorf("pages in %s: %w", w.tag, err)
		}
		b.pages = append(b.pages, set)
	}
	return b, nil
}

// spoken are the languages of the book, with their names in themselves.
func (b *Book) spoken() (tags []language.Tag, names []string, err error) {
	for _, w := range b.words {
		name, err := w.t("language.name")
		if err != nil {
			return nil, nil, err
		}
		tags, names = append(tags, w.tag), append(names, name)
	}
	return tags, names, nil
}

// Renderer writes the pages of one server.
type Renderer struct {
	book       *Book
	base, host string
	log        *slog.Logger
	tags       []language.Tag
	matcher    language.Matcher
	names      []string // of the languages, in themselves
}

// NewRenderer writes pages of a book, for the server that issuer names.
func NewRenderer(b *Book, issuer string, log *slog.Logger) (*Renderer, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	r := &Renderer{book: b, base: u.Path, host: u.Host, log: log}
	if r.tags, r.names, err = b.spoken(); err != nil {
		return nil, err
	}
	r.matcher = language.NewMatcher(r.tags)
	return r, nil
}

// templates reads the templates of one language: each page with layout and components.
func templates(files fs.FS, k clock) (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"t": k.t, "rich": k.rich, "word": k.word, "detail": k.detail, "dict": dict, "initials": initials, "tone": tone,
		"date": k.date, "moment": k.moment, "hour": k.hour, "ago": k.ago, "span": k.span, "soon": k.soon,
	}).ParseFS(files, "layout.html", "components.html")
	if err != nil {
		return nil, err
	}
	found, err := fs.Glob(files, "*.html")
	if err != nil {
		return nil, err
	}
	set := map[string]*template.Template{}
	for _, file := range found {
		if file == "layout.html" || file == "components.html" {
			continue
		}
		own, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if set[strings.TrimSuffix(file, ".html")], err = own.ParseFS(files, file); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// SetLocales prefers languages for the rest of the request, as ui_locales of
// OpenID Connect does: tags between spaces, the best first.
func SetLocales(c *gin.Context, locales string) { c.Set(localesKey, locales) }

// Page answers with a page, whole or not at all.
func (r *Renderer) Page(c *gin.Context, status int, name string, view any) {
	p := r.page(c, name, view)
	body, err := r.render(p)
	if err != nil {
		r.log.Error("page not written", "page", name, "error", err)
		status, p = http.StatusInternalServerError, r.page(c, "error", Failure{Code: "server_error"})
		if body, err = r.render(p); err != nil {
			c.String(status, "Something went wrong here.")
			return
		}
	}
	h := c.Writer.Header()
	h.Set("Content-Language", p.Lang)
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // a form must say where it comes from; nobody else is told
	h.Set("Content-Security-Policy", policy)
	if s, ok := p.View.(interface{ scripted() bool }); ok && s.scripted() {
		h.Set("Content-Security-Policy", scriptedPolicy)
	}
	c.Data(status, "text/html; charset=utf-8", body)
}

func (r *Renderer) render(p page) ([]byte, error) {
	t, ok := r.book.pages[p.lang][p.name]
	if !ok {
		return nil, fmt.Errorf("there is no page %q", p.name)
	}
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, "layout", p)
	return b.Bytes(), err
}

// page gathers what a page shows beside its view.
func (r *Renderer) page(c *gin.Context, name string, view any) page {
	asked := c.Query(localesKey)
	prefer := asked
	if prefer == "" {
		prefer = c.GetString(localesKey)
	}
	lang := r.language(prefer, c.GetHeader("Accept-Language"))
	p := page{
		View: view, Lang: r.tags[lang].String(), Base: r.base, Host: r.host, Wide: wide[name],
		RequestID: c.Writer.Header().Get("X-Request-ID"), name: name, lang: lang,
	}
	if asked != "" {
		p.locale = p.Lang
	}
	if m, ok := view.(interface{ member() Member }); ok {
		member := m.member()
		p.Member = &member
	}
	if c.Request.Method == http.MethodGet {
		p.Languages = r.languages(c.Request.URL, lang)
	}
	return p
}

// language is the index of the language that serves best: what was preferred
// for this request, then what the browser asks for, then the first.
func (r *Renderer) language(locales, accept string) int {
	for _, list := range []string{strings.ReplaceAll(locales, " ", ","), accept} {
		tags, _, err := language.ParseAcceptLanguage(list[:min(len(list), maxLocales)])
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, sure := r.matcher.Match(tags...); sure != language.No {
			return i
		}
	}
	return 0
}

// languages links to the same page in the other languages.
func (r *Renderer) languages(u *url.URL, lang int) []link {
	var others []link
	for i, tag := range r.tags {
		if i == lang {
			continue
		}
		query := u.Query()
		query.Set(localesKey, tag.String())
		others = append(others, link{Path: u.EscapedPath() + "?" + query.Encode(), Lang: tag.String(), Name: r.names[i]})
	}
	return others
}
