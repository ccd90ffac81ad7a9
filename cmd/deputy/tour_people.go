package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

func (t *tour) connectToServices() {
	t.title("Story 2: Connect to services", "assistant acts for people, never beyond them, and only as long as they let it.")
	const both = "sales:read sales:export"
	sales := t.w.audience("sales-api")
	t.get("reporting-agent takes a token of its own, at midnight", "reporting-agent", sales, "sales:read")

	joes := t.asks("assistant asks Joe, a junior, for more than he has", "joe", "assistant", "sales-api", both, "sales:read", "sales:export")
	joe := t.allows("Joe signs in and allows what he can", joes, "sales:read", "sales:read")
	t.active("sales-api looks at the token", "sales-api", joe.Access, true)

	alices := t.asks("assistant asks Alice, who holds both", "alice", "assistant", "sales-api", both, both, "")
	t.denies("Alice says no: there is no token of any kind", alices)
	alices = t.asks("it asks again", "alice", "assistant", "sales-api", both, both, "")
	t.allows("she ticks one of the two", alices, "sales:read", "sales:read")
	alices = t.asks("and for both another day", "alice", "assistant", "sales-api", both, both, "")
	alice := t.allows("she allows both", alices, both, both)
	t.exports("Alice may export no more: an administrator takes the role from her", false)
	alice = t.refreshes("the next token is narrower, and nobody had to ask", "alice", alice, "sales:read")
	t.exports("she may again", true)
	alice = t.refreshes("what she agreed to still holds", "alice", alice, both)

	t.takesBack("Joe looks at his account, and takes back what he allowed", "joe", "assistant")
	t.active("his token is silent at once", "sales-api", joe.Access, false)
	t.refuse("and there is no next one", "invalid_grant", func() error {
		_, err := t.r.refresh(t.ctx, t.w.cast["assistant"], joe.Refresh)
		return err
	})
	t.active("Alice's lives on", "sales-api", alice.Access, true)
	t.inTheBackground()
}

// asked is a person before the page that asks them.
type asked struct {
	who, client, verifier, state string
	browser                      *browser
	page                         *screen
	form                         *sheet
}

// asks sends a person where a client would, and signs them in if nobody is. The page
// must offer these scopes and grey those.
func (t *tour) asks(what, who, client, at, scope, offers, greys string) *asked {
	t.step(what)
	a := &asked{who: who, client: client, verifier: oauth2.GenerateVerifier(), state: oauth2.GenerateVerifier(), browser: t.w.browsers[who]}
	link := t.r.oauth(t.w.cast[client], t.w.redirect(client), scope).AuthCodeURL(a.state, oauth2.S256ChallengeOption(a.verifier),
		oauth2.SetAuthURLParam("resource", t.w.audience(at)))
	err := t.arrive(a, link)
	if err != nil {
		t.wrong("%v", err)
		return nil
	}
	free, greyed := a.form.ticks()
	fmt.Fprintf(t.out, "    %s reads: %q | offered %s | greyed %s\n", who, a.page.title, strings.Join(free, " "), strings.Join(greyed, " "))
	for _, b := range a.form.boxes {
		if b.off {
			fmt.Fprintf(t.out, "    %s: %s\n", b.name, b.note)
		}
	}
	if !sameWords(free, offers) || !sameWords(greyed, greys) {
		t.wrong("it must offer %q and grey %q", offers, greys)
	}
	return a
}

func (t *tour) arrive(a *asked, link string) (err error) {
	if a.page, err = a.browser.open(t.ctx, link); err != nil {
		return err
	}
	if f := a.page.form("/login"); f != nil {
		f.values.Set("username", a.who+t.w.suffix)
		f.values.Set("password", t.w.passwords[a.who])
		if a.page, err = a.browser.send(t.ctx, a.page, f); err != nil {
			return err
		}
	}
	if a.form = a.page.form("/consent"); a.form == nil {
		return fmt.Errorf("nobody asks %s; the page is %q", a.who, a.page.title)
	}
	return nil
}

// sameWords compares what was found with words, in any order.
func sameWords(found []string, words string) bool {
	want := strings.Fields(words)
	found = slices.Clone(found)
	slices.Sort(want)
	slices.Sort(found)
	return slices.Equal(found, want)
}

// allows ticks scopes and lets the client redeem its code. The token must be for the
// person, through the client, and carry what it must.
func (t *tour) allows(what string, a *asked, ticks, scope string) token {
	t.step(what)
	if a == nil {
		t.wrong("nobody was asked")
		return token{}
	}
	a.form.tick(strings.Fields(ticks))
	back, err := t.answer(a, "allow")
	var got token
	if err == nil {
		got, err = t.r.redeem(t.ctx, t.w.cast[a.client], back.Get("code"), a.verifier, t.w.redirect(a.client))
	}
	if err != nil {
		t.wrong("%v", err)
		return token{}
	}
	t.check(got.Access, a.who, a.client, audienceOf(got.Access), scope)
	return got
}

// answer sends the page, and gives what the client hears: it came from this server,
// and belongs to what the client asked.
func (t *tour) answer(a *asked, answer string) (url.Values, error) {
	a.form.values.Set("answer", answer)
	p, err := a.browser.send(t.ctx, a.page, a.form)
	if err != nil {
		return nil, err
	}
	if p.away == nil {
		return nil, fmt.Errorf("nobody is sent back; the page is %q", p.title)
	}
	back := p.away.Query()
	if back.Get("iss") != t.r.issuer || back.Get("state") != a.state || !strings.HasPrefix(p.away.String(), t.w.redirect(a.client)+"?") {
		return nil, fmt.Errorf("the answer went to %s", p.away)
	}
	return back, nil
}

func (t *tour) denies(what string, a *asked) {
	t.step(what)
	if a == nil {
		t.wrong("nobody was asked")
		return
	}
	back, err := t.answer(a, "deny")
	if err != nil {
		t.wrong("%v", err)
		return
	}
	fmt.Fprintf(t.out, "    %s hears: %s. %s\n", a.client, back.Get("error"), back.Get("error_description"))
	if back.Get("error") != "access_denied" || back.Has("code") {
		t.wrong("it must be access_denied, and no code")
	}
}

func (t *tour) refreshes(what, who string, last token, scope string) token {
	t.step(what)
	got, err := t.r.refresh(t.ctx, t.w.cast["assistant"], last.Refresh)
	if err != nil {
		t.wrong("%v", err)
		return last
	}
	t.check(got.Access, who, "assistant", audienceOf(got.Access), scope)
	return got
}

// exports gives Alice the role that lets her export, or takes it from her.
func (t *tour) exports(what string, may bool) {
	t.step(what)
	if err := t.w.exporter(t.ctx, t.r, may); err != nil {
		t.wrong("%v", err)
		return
	}
	fmt.Fprintf(t.out, "    alice may export: %t\n", may)
}

// takesBack has a person end in their account what a client may do for them.
func (t *tour) takesBack(what, who, client string) {
	t.step(what)
	b, id := t.w.browsers[who], t.w.cast[client].ID
	p, err := b.open(t.ctx, t.r.issuer+"/account")
	for _, step := range []string{"/account/agents/" + id, "/account/agents/" + id + "/revoke"} {
		if err == nil {
			p, err = p.follow(t.ctx, b, step)
		}
	}
	if err == nil {
		f := p.form("/account/agents/" + id + "/revoke")
		if f == nil {
			err = errors.New("the page has no such form")
		} else {
			p, err = b.send(t.ctx, p, f)
		}
	}
	if err != nil {
		t.wrong("%v", err)
		return
	}
	fmt.Fprintf(t.out, "    %s is back at %q\n", who, p.title)
}

// audienceOf is whom a token is for, "" if it cannot be read.
func audienceOf(raw string) string {
	c, err := readClaims(raw)
	if err != nil {
		return ""
	}
	return c.Audience
}
