package pages_test

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/pages/sample"
	"github.com/deputyauth/deputy/web"
)

const issuer = "https://auth.example/base"

func renderer(t *testing.T, files fs.FS) *pages.Renderer {
	t.Helper()
	book, err := pages.Read(files, func() time.Time { return sample.Now })
	if err != nil {
		t.Fatal(err)
	}
	r, err := pages.NewRenderer(book, issuer, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// get renders one page the way a handler does.
func get(r *pages.Renderer, target, accept, name string, view any) *httptest.ResponseRecorder {
	gin.SetMode(gin.ReleaseMode)
	w := httptest.NewRecorder()
	e := gin.New()
	e.NoRoute(func(c *gin.Context) {
		c.Header("X-Request-ID", "request-1")
		r.Page(c, http.StatusOK, name, view)
	})
	req := httptest.NewRequest(http.MethodGet, target, nil)
	req.Header.Set("Accept-Language", accept)
	e.ServeHTTP(w, req)
	return w
}

var inline = regexp.MustCompile(`(?i)<style|<script(?:>| [^>]*[^r]>)|style=|\son[a-z]+=|javascript:|#ZgotmplZ|<no value>|%!`)

// ours are the scripts that pages may load.
var ours = regexp.MustCompile(`<script src="/base/(passkey|approvals|word)\.js" defer></script>`)

// Every page is whole in every language, with nothing inline and one h1.
func TestEveryPage(t *testing.T) {
	r := renderer(t, web.Pages())
	if len(sample.Pages()) < 25 {
		t.Fatalf("only %d samples", len(sample.Pages()))
	}
	for _, p := range sample.Pages() {
		for _, lang := range []string{"en", "de"} {
			w := get(r, "/base/x?ui_locales="+lang, "", p.Name, p.View)
			body := w.Body.String()
			h := w.Header()
			if w.Code != http.StatusOK || !strings.HasSuffix(body, "</html>\n") {
				t.Fatalf("%s %s in %s: %d %s", p.Name, p.State, lang, w.Code, body)
			}
			if found := inline.FindString(ours.ReplaceAllString(body, "")); found != "" {
				t.Errorf("%s %s holds %q", p.Name, p.State, found)
			}
			if n := strings.Count(body, "<h1"); n != 1 {
				t.Errorf("%s %s has %d h1", p.Name, p.State, n)
			}
			if h.Get("Content-Language") != lang || !strings.Contains(body, `<html lang="`+lang+`">`) || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("%s %s: headers %v", p.Name, p.State, h)
			}
			csp := h.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "style-src 'self'", "img-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(csp, part) {
					t.Errorf("%s %s: policy %q lacks %q", p.Name, p.State, csp, part)
				}
			}
			if strings.Contains(csp, "script-src") != strings.Contains(body, "<script") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s %s: policy %q", p.Name, p.State, csp)
			}
			for _, m := range regexp.MustCompile(` (?:href|action|src)="(/[^"]*)"`).FindAllStringSubmatch(body, -1) {
				if !strings.HasPrefix(m[1], "/base/") && !strings.HasPrefix(m[1], "/.well-known/") {
					t.Errorf("%s %s links to %s, outside of the issuer's path", p.Name, p.State, m[1])
				}
			}
			for _, m := range regexp.MustCompile(` action="([^"]*)"`).FindAllStringSubmatch(body, -1) {
				if !strings.Contains(m[1], "ui_locales="+lang) {
					t.Errorf("%s %s: the form to %s forgets the language", p.Name, p.State, m[1])
				}
			}
		}
	}
}

// With every text replaced by one in brackets, whatever is readable outside of
// brackets did not go through t: it must come from the view.
func TestEveryTextIsTranslated(t *testing.T) {
	r := renderer(t, pseudo(t))
	tag, attribute := regexp.MustCompile(`(?s)<[^>]*>`), regexp.MustCompile(`(?:alt|title|aria-label|placeholder|data-label|data-failed|data-new)="([^"]*)"`)
	bracketed, unread := regexp.MustCompile(`⟦[^⟦⟧]*⟧`), regexp.MustCompile(`<script.*?</script>|<span class="face[^>]*>[^<]*</span>`)
	own := []string{
		"Deputy", "auth.example", "request-1", "deputy --help", "/.well-known/oauth-authorization-server/base", "/base/oauth2/jwks", "/base/api/v1/openapi.json",
		"POST /base/oauth2/token", "POST /base/oauth2/introspect", "POST /base/access/v1/evaluation", "POST /base/oauth2/revoke",
	}
	for _, p := range sample.Pages() {
		body := get(r, "/base/x", "", p.Name, p.View).Body.String()
		said := slices.Clone(own)
		strs(reflect.ValueOf(p.View), &said)
		slices.SortFunc(said, func(a, b string) int { return len(b) - len(a) }) // what holds another comes first
		var readable []string
		for _, m := range attribute.FindAllStringSubmatch(body, -1) {
			readable = append(readable, m[1])
		}
		readable = append(readable, tag.ReplaceAllString(unread.ReplaceAllString(body, ""), "\x00"))
		for _, text := range readable {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "&#39;", "'"), "\x00", "")
			for prev := ""; prev != text; {
				prev, text = text, bracketed.ReplaceAllString(text, "")
			}
			for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' }) {
				for _, s := range said {
					line = strings.ReplaceAll(line, s, "")
				}
				if strings.ContainsFunc(strings.TrimSpace(line), unicode.IsLetter) {
					t.Errorf("%s %s: %q did not go through t", p.Name, p.State, strings.TrimSpace(line))
				}
			}
		}
	}
}

// strs gathers every string that a view holds.
func strs(v reflect.Value, into *[]string) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != "" {
			*into = append(*into, s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			strs(v.Field(i), into)
		}
	case reflect.Slice:
		for i := range v.Len() {
			strs(v.Index(i), into)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			strs(v.Elem(), into)
		}
	}
}

// pseudo is the pages with one language, whose texts stand in brackets.
func pseudo(t *testing.T) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(web.Pages(), "*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(web.Pages(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	b, err := fs.ReadFile(web.Pages(), "locales/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]any
	if err := json.Unmarshal(b, &texts); err != nil {
		t.Fatal(err)
	}
	for key, x := range texts {
		switch x := x.(type) {
		case string:
			texts[key] = "⟦" + x + "⟧"
		case map[string]any:
			for form, s := range x {
				x[form] = "⟦" + s.(string) + "⟧"
			}
		}
	}
	if b, err = json.Marshal(texts); err != nil {
		t.Fatal(err)
	}
	files["locales/en.json"] = &fstest.MapFile{Data: b}
	return files
}

func TestLanguage(t *testing.T) {
	r := renderer(t, web.Pages())
	for _, c := range []struct{ target, accept, want string }{
		{"/x", "", "en"}, {"/x", "de-AT,en;q=0.5", "de"}, {"/x", "fr,de;q=0.4,en;q=0.2", "de"}, {"/x", "fr", "en"},
		{"/x?ui_locales=de", "en", "de"}, {"/x?ui_locales=fr%20de%20en", "en", "de"}, {"/x?ui_locales=xx", "de", "de"},
		{"/x?ui_locales=%00%22%3E", "de", "de"}, {"/x?ui_locales=" + strings.Repeat("a-", 3000), ";;;,", "en"},
	} {
		if got := get(r, c.target, c.accept, "signedout", pages.SignedOut{}).Header().Get("Content-Language"); got != c.want {
			t.Errorf("%s with Accept-Language %q: %s, want %s", c.target[:min(40, len(c.target))], c.accept, got, c.want)
		}
	}
	body := get(r, "/base/consent?authorization=atz_1&ui_locales=en", "", "signedout", pages.SignedOut{}).Body.String()
	if !strings.Contains(body, `href="/base/consent?authorization=atz_1&amp;ui_locales=de"`) {
		t.Errorf("no link to the same page in German: %s", body)
	}
	if body := get(r, "/base/x?ui_locales=de", "", "signedout", pages.SignedOut{}).Body.String(); !strings.Contains(body, `href="/base/login?ui_locales=de"`) {
		t.Errorf("links forget the language: %s", body)
	}
}

// What is broken is never sent by halves, and says nothing of what was in it.
func TestAPageIsWholeOrNotThere(t *testing.T) {
	r := renderer(t, web.Pages())
	for name, view := range map[string]any{
		"no-such-page": nil,
		"consent":      pages.SignedOut{}, // not what the template wants
		"signin":       pages.SignIn{Notice: &pages.Notice{Code: "unheard_of", Name: "sensitive"}},
	} {
		w := get(r, "/x", "", name, view)
		body := w.Body.String()
		if w.Code != http.StatusInternalServerError || strings.Count(body, "<html") != 1 || !strings.Contains(body, "Something went wrong here") ||
			!strings.Contains(body, "request-1") || strings.Contains(body, "sensitive") {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
	}
}

func TestNothingInAViewBecomesMarkup(t *testing.T) {
	r := renderer(t, web.Pages())
	evil := `"><script>alert(1)</script>*{agent}*` + "\u202e"
	body := get(r, "/x", "", "consent", pages.Consent{
		Authorization: evil, Agent: pages.Party{ID: evil, Name: evil}, Owner: evil, Purpose: evil, User: evil, RedirectHost: evil,
		Services: []pages.Asked{{Service: pages.Party{Name: evil}, Scopes: []pages.Scope{{Value: evil, Name: evil, Words: evil, Risk: evil}}}},
		Until:    []pages.Choice{{Value: evil, Days: 1, End: sample.Now}},
	}).Body.String()
	if strings.Contains(body, "<script") || strings.Contains(body, "<strong>{") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("markup came through: %s", body)
	}
}

func TestContinueLeadsAnywhereButIntoTheBrowser(t *testing.T) {
	r := renderer(t, web.Pages())
	for to, host := range map[string]string{
		"https://app.example/cb?code=a%20b&state=1": "app.example", "http://127.0.0.1:49152/cb?code=1": "127.0.0.1:49152",
		"com.example.app:/cb?code=1": "com.example.app", "cursor://anysphere/cb?code=1": "cursor",
	} {
		view, err := pages.NewContinue(to, "agent", pages.Allowed)
		if err != nil || view.Host != host {
			t.Errorf("%s: host %q, %v", to, view.Host, err)
			continue
		}
		body := get(r, "/x", "", "continue", view).Body.String()
		escaped := strings.ReplaceAll(to, "&", "&amp;")
		if !strings.Contains(body, `content="0;url=`+escaped+`"`) || !strings.Contains(body, `href="`+escaped+`"`) {
			t.Errorf("%s: %s", to, body)
		}
	}
	for _, to := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://a/b", "file:///etc/passwd", "/local", "", "https://a.example/\"><x", "https://a.example/a b", "about:blank", "view-source:https://a.example"} {
		if view, err := pages.NewContinue(to, "agent", pages.Allowed); err == nil {
			t.Errorf("%q leads to %q", to, view.Link)
		}
	}
}

// The sheet is small, and draws on nothing that is elsewhere.
func TestStyleSheet(t *testing.T) {
	css := string(web.CSS())
	if len(css) == 0 || len(css) >= 24<<10 {
		t.Errorf("the style sheet has %d bytes", len(css))
	}
	for _, word := range []string{"url(", "@import", "@font-face"} {
		if strings.Contains(css, word) {
			t.Errorf("the style sheet holds %s", word)
		}
	}
	if !strings.HasPrefix(string(web.Mark()), "<svg ") || strings.Contains(string(web.Mark()), "style") {
		t.Error("the mark is an SVG without style in it")
	}
}
