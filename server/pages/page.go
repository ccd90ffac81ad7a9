package pages

import (
	"net/url"
	"strings"
)

// page is what templates see: the view, and what stands around it.
type page struct {
	View      any
	Lang      string
	Base      string // path of the issuer
	Host      string // of the issuer: what people should see in the address bar
	RequestID string
	Member    *Member
	Languages []link
	Wide      bool

	name   string
	lang   int
	locale string // the language, if the address names it
}

type link struct{ Path, Lang, Name string }

// tab is one entry of a member's navigation.
type tab struct {
	Path, Label string
	Here        bool
	Count       int // what waits there
}

// Tabs are the pages of an account.
func (p page) Tabs() []tab {
	tabs := []tab{
		{Path: "/account", Label: "agents.tab"},
		{Path: "/approvals", Label: "approvals.title"},
		{Path: "/account/sessions", Label: "sessions.title"},
		{Path: "/account/passkeys", Label: "passkeys.title"},
		{Path: "/account/security", Label: "security.title"},
		{Path: "/account/word", Label: "word.title"},
	}
	of := map[string]int{"agents": 0, "agent": 0, "transfer": 0, "revoke": 0, "approvals": 1, "device": 1, "sessions": 2, "passkeys": 3, "security": 4, "totp": 4, "word": 5}
	if i, ok := of[p.name]; ok {
		tabs[i].Here = true
	}
	if p.Member != nil {
		tabs[1].Count = p.Member.Waits
	}
	return tabs
}

// Href is a local path as a link: below the issuer's path, and in the language
// that the address of this page names, if it does. No cookie remembers it.
func (p page) Href(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	if p.locale != "" {
		query.Set(localesKey, p.locale)
	}
	if len(query) == 0 {
		return p.Base + path
	}
	if strings.Contains(path, "?") {
		return p.Base + path + "&" + query.Encode()
	}
	return p.Base + path + "?" + query.Encode()
}

// Problems are those of the view's form.
func (p page) Problems() []Problem {
	if f, ok := p.View.(interface{ failed() []Problem }); ok {
		return f.failed()
	}
	return nil
}

// Focus reports whether a field has the focus when the page opens: the first
// with a problem, or the one that wants it (which is not false, "" or nil).
func (p page) Focus(field string, wants any) bool {
	for _, one := range p.Problems() {
		if one.Field != "" {
			return one.Field == field
		}
	}
	return wants != nil && wants != false && wants != ""
}

// Problem is the one with a field, nil if there is none.
func (p page) Problem(field string) *Problem {
	for _, one := range p.Problems() {
		if one.Field == field {
			return &one
		}
	}
	return nil
}
