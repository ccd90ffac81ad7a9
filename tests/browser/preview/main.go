// The command preview shows every page of people with sample views: -listen
// serves them, with the headers they have in the real server; -out writes them
// to a folder, in every language, to be looked at there; -list names them. Forms
// that are sent come back as JSON, so that a test sees what a browser sends.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/pages/sample"
	"github.com/deputyauth/deputy/web"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "address to serve on")
	out := flag.String("out", "", "folder to write to, instead of serving")
	paths := flag.Bool("list", false, "write the paths of all samples as JSON, instead of serving")
	flag.Parse()
	h, err := handler()
	switch {
	case err != nil:
	case *paths:
		err = json.NewEncoder(os.Stdout).Encode(names())
	case *out != "":
		err = write(h, *out)
	default:
		err = serve(h, *listen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func names() []string {
	var all []string
	for _, p := range sample.Pages() {
		all = append(all, p.Path())
	}
	return all
}

func handler() (http.Handler, error) {
	book, err := pages.Read(web.Pages(), func() time.Time { return sample.Now })
	if err != nil {
		return nil, err
	}
	r, err := pages.NewRenderer(book, "https://auth.example", slog.Default())
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(func(c *gin.Context) {
		c.Header("X-Content-Type-Options", "nosniff")
		c.Header("X-Frame-Options", "DENY")
		c.Header("Referrer-Policy", "no-referrer")
		c.Header("X-Request-ID", "5f0c2f1e-6f0b-4a52-9d53-0a7f1f0f3c11")
	})
	e.GET("/pages.css", func(c *gin.Context) { c.Data(http.StatusOK, "text/css; charset=utf-8", web.CSS()) })
	e.GET("/mark.svg", func(c *gin.Context) { c.Data(http.StatusOK, "image/svg+xml", web.Mark()) })
	for path, script := range map[string][]byte{"/passkey.js": web.PasskeyScript(), "/word.js": web.WordScript(), "/approvals.js": web.ApprovalsScript()} {
		e.GET(path, func(c *gin.Context) { c.Data(http.StatusOK, "text/javascript; charset=utf-8", script) })
	}
	e.GET("/approvals/waiting", func(c *gin.Context) { c.Status(http.StatusNotModified) })
	e.GET("/", overview)
	for _, p := range sample.Pages() {
		e.GET(p.Path(), func(c *gin.Context) { r.Page(c, http.StatusOK, p.Name, p.View) })
	}
	e.NoRoute(echo)
	return e, nil
}

var list = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Pages</title><meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/pages.css"><main>
<h1>Pages</h1><ul>{{range .}}<li><a href="{{.Path}}">{{.Name}} {{.State}}</a> <a href="{{.Path}}?ui_locales=de">de</a></li>{{end}}</ul></main></html>`))

func overview(c *gin.Context) {
	c.Header("Content-Type", "text/html; charset=utf-8")
	if err := list.Execute(c.Writer, sample.Pages()); err != nil {
		slog.Error("overview not written", "error", err)
	}
}

// echo answers a form with what it sent.
func echo(c *gin.Context) {
	if c.Request.Method != http.MethodPost {
		c.String(http.StatusNotFound, "No such sample.")
		return
	}
	if err := c.Request.ParseForm(); err != nil {
		c.String(http.StatusBadRequest, err.Error())
		return
	}
	c.JSON(http.StatusOK, gin.H{"path": c.Request.URL.RequestURI(), "form": c.Request.PostForm})
}

func serve(h http.Handler, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	return s.Serve(l)
}

func write(h http.Handler, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	save := func(path, file string) error {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			return fmt.Errorf("%s: %d", path, w.Code)
		}
		return os.WriteFile(filepath.Join(dir, file), w.Body.Bytes(), 0o644)
	}
	for _, file := range []string{"pages.css", "mark.svg"} {
		if err := save("/"+file, file); err != nil {
			return err
		}
	}
	for _, p := range sample.Pages() {
		for _, lang := range []string{"en", "de"} {
			if err := save(p.Path()+"?ui_locales="+lang, filepath.Base(p.Path())+"."+lang+".html"); err != nil {
				return err
			}
		}
	}
	return nil
}
