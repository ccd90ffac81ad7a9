// Package web holds what browsers are sent: the people's pages and, later, the
// console. It imports nothing of ours.
package web

import (
	"embed"
	"html/template"
)

//go:embed pages
var files embed.FS

// Pages are the people's pages: plain HTML, no JavaScript.
func Pages() (*template.Template, error) { return template.ParseFS(files, "pages/*.html") }

// CSS is the one style sheet of the people's pages.
func CSS() []byte {
	css, _ := files.ReadFile("pages/pages.css") // embedded, so it is there
	return css
}
