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
// what they load (pages.css, mark.svg, *.js), and how mails are written (letters/*).
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

// PasskeyScript uses and makes passkeys.
func PasskeyScript() []byte { return embedded("pages/passkey.js") }

// WordScript lets a browser show notes.
func WordScript() []byte { return embedded("pages/word.js") }

// WorkerScript shows them, in the background.
func WorkerScript() []byte { return embedded("pages/worker.js") }

// ApprovalsScript shows what waits for somebody's approval as it comes.
func ApprovalsScript() []byte { return embedded("pages/approvals.js") }

func embedded(name string) []byte {
	b, _ := files.ReadFile(name) // embedded, so it is there
	return b
}
