package pages

import (
	"time"

	"github.com/deputyauth/deputy/server/word"
)

// WordPage is the page "word": how word reaches somebody.
type WordPage struct {
	Form
	Member
	Channels  []WordChannel
	Reached   bool   // by any of them
	Address   string // where mail goes
	Failed    string // what came back for a test, "" if nothing did
	Push      bool   // browsers can be subscribed here
	PushKey   string // with which they are
	Browsers  []Browser
	UserCode  bool // agents must know a code to ask them
	Lang      string
	Languages []word.Language
}

func (w WordPage) scripted() bool { return w.Push }

// WordChannel is one way in which word reaches people: mail, push, webhook.
type WordChannel struct {
	Name string
	On   bool // it reaches this one
}

// Browser is one that shows notes.
type Browser struct {
	ID     string
	Device string
	Since  time.Time
}

// Mailbox is the page "mailbox": mails that went nowhere, for trying out.
type Mailbox struct{ Mails []Mail }

// Mail is one of them.
type Mail struct {
	To      string
	Subject string
	Text    string
	Link    safeLink
	At      time.Time
}
