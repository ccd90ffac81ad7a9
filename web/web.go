// Package web holds what browsers are sent: the people's pages and, later, the
// console. It imports nothing of ours.
package web

import (
	"embed"
	"io/fs"
)

//go:embed pages
var files embed.FS

// Pages holds the templates of the people's pages (*.html, of which layout.html
// and components.html are shared by all others), their words (locales/*.json)
// and what they load (pages.css, mark.svg, passkey.js).
func Pages() fs.FS {
	sub, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return sub
}

// CSS is the one style sheet of the people's pages.
func CSS() []byte { return embedded("pages/pages.css") }

// Mark is Deputy's mark: what two circles share.
func Mark() []byte { return embedded("pages/mark.svg") }

// PasskeyScript is the one script of the people's pages.
func PasskeyScript() []byte { return embedded("pages/passkey.js") }

func embedded(name string) []byte {
	b, _ := files.ReadFile(name) // embedded, so it is there
	return b
}
