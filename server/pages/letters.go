package pages

import (
	"fmt"
	"html/template"
	"strings"
	plain "text/template"
	"time"

	"golang.org/x/text/language"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/word"
)

// Letters puts notes to people into words, as mails and in a line.
type Letters struct {
	matcher   language.Matcher
	languages []word.Language
	texts     []*plain.Template // by language
	htmls     []*template.Template
}

// NewLetters writes what a book has letters for.
func NewLetters(b *Book, now func() time.Time) (*Letters, error) {
	tags, names, err := b.spoken()
	if err != nil {
		return nil, err
	}
	l := &Letters{matcher: language.NewMatcher(tags)}
	for i, w := range b.words {
		k := clock{w, now}
		text, err := plain.New("").Funcs(plain.FuncMap{"t": k.t, "when": k.dayTime}).ParseFS(b.files, "letters/*.txt")
		if err != nil {
			return nil, fmt.Errorf("letters in %s: %w", w.tag, err)
		}
		html, err := template.New("").Funcs(template.FuncMap{"t": k.t, "rich": k.rich, "when": k.dayTime}).ParseFS(b.files, "letters/*.html")
		if err != nil {
			return nil, fmt.Errorf("letters in %s: %w", w.tag, err)
		}
		l.languages = append(l.languages, word.Language{Tag: w.tag.String(), Name: names[i]})
		l.texts, l.htmls = append(l.texts, text), append(l.htmls, html)
	}
	return l, nil
}

// Languages implements word.Writer.
func (l *Letters) Languages() []word.Language { return l.languages }

// letter is what the templates of a note see.
type letter struct {
	word.Note
	Tag    string
	Quoted []string   // lines of the client's own words
	Ends   *time.Time // nil: it does not
	At     time.Time  // when what the news are of ends or ended
}

// form is what the templates of a kind of note are called by.
func (v letter) form() string {
	if v.News != nil {
		return "news "
	}
	return ""
}

// Then is the key of what a letter with news says of what to do.
func (v letter) Then() string {
	if v.News.As == models.ToldPerson {
		return "news.nothing"
	}
	return "news.do." + v.News.Kind
}

// See is the key of what a letter with news says of its link.
func (v letter) See() string {
	switch v.News.As {
	case models.ToldFormer, models.ToldOfferer, models.ToldHolder:
		return "news.see_account"
	}
	return "news.see"
}

func (l *Letters) letter(n word.Note) (int, letter) {
	i := 0
	if tag, err := language.Parse(n.Lang); err == nil {
		_, i, _ = l.matcher.Match(tag)
	}
	n.Client, n.From = oneLine(n.Client), oneLine(n.From)
	out := letter{Note: n, Tag: l.languages[i].Tag}
	if n.News != nil {
		about := *n.News
		about.Name, about.By = oneLine(about.Name), oneLine(about.By)
		out.News, out.At = &about, time.Unix(about.At, 0).UTC()
	}
	if n.Words != "" {
		out.Quoted = strings.FieldsFunc(n.Words, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	if n.EndsAt != 0 {
		out.Ends = new(time.Unix(n.EndsAt, 0).UTC())
	}
	return i, out
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Mail implements word.Writer.
func (l *Letters) Mail(n word.Note) (word.Letter, error) {
	i, view := l.letter(n)
	subject, err := l.said(i, "subject", view)
	if err != nil {
		return word.Letter{}, err
	}
	text, err := l.said(i, "text", view)
	if err != nil {
		return word.Letter{}, err
	}
	var html strings.Builder
	err = l.htmls[i].ExecuteTemplate(&html, view.form()+"html", view)
	return word.Letter{Subject: subject, Text: text, HTML: html.String()}, err
}

// Line implements word.Writer.
func (l *Letters) Line(n word.Note) (title, body string, err error) {
	i, view := l.letter(n)
	if title, err = l.said(i, "subject", view); err != nil {
		return "", "", err
	}
	body, err = l.said(i, "line", view)
	return title, body, err
}

func (l *Letters) said(i int, name string, view letter) (string, error) {
	var b strings.Builder
	err := l.texts[i].ExecuteTemplate(&b, view.form()+name, view)
	return b.String(), err
}
