package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/models"
)

// approveCmd answers as a person, at the pages that people have: there is one way to
// answer, and no administrator's.
type approveCmd struct {
	Approval     string   `arg:"" optional:"" help:"Id of the request (apr_…), or the code that a device shows. Unless told, all that waits is shown, one after the other."`
	URL          string   `env:"DEPUTY_URL" default:"http://localhost:8080" help:"The server's issuer URL."`
	Username     string   `help:"What you sign in with; asked for unless told."`
	PasswordFile string   `placeholder:"FILE" help:"Read the password from here, or from standard input for -; asked for unless told."`
	Yes          bool     `xor:"answer" help:"Approve without being asked: what is ticked on the page, which nothing of high risk is, or --only."`
	Only         []string `sep:"none" placeholder:"SCOPE" help:"Approve this scope, and others that are given so, and no more."`
	Deny         bool     `xor:"answer" help:"Deny."`
	Report       bool     `xor:"answer" help:"Deny, and tell whoever administers the server that something is wrong with it."`
}

// answer is what somebody answers: allow, deny or report, "" if nothing.
type answer struct {
	word  string
	boxes []checkbox // of allow
}

// Run signs in, shows what waits and answers it, and signs out.
func (c *approveCmd) Run(ctx context.Context, io streams) error {
	if len(c.Only) > 0 && (c.Deny || c.Report) {
		return errors.New("--only names what is approved, and nothing is")
	}
	p := &petitioned{approveCmd: c, streams: io, lines: newLines(os.Stdin), browser: newBrowser(strings.TrimSuffix(c.URL, "/"))}
	p.browser.agent = "deputy approve"
	if err := p.signIn(ctx); err != nil {
		return err
	}
	err := p.all(ctx)
	return errors.Join(err, p.signOut(context.WithoutCancel(ctx)))
}

// petitioned is a person at a terminal whom agents ask.
type petitioned struct {
	*approveCmd
	streams
	lines   *lines
	browser *browser
}

// settled tells whether the answer was given on the command line.
func (p *petitioned) settled() bool { return p.Yes || p.Deny || p.Report || len(p.Only) > 0 }

// signIn shows who they are: a password, and a code where they have one.
func (p *petitioned) signIn(ctx context.Context) (err error) {
	name, password := p.Username, ""
	if name == "" {
		if name, err = p.lines.ask(ctx, p.err, "Username: "); err != nil {
			return err
		}
	}
	switch p.PasswordFile {
	case "":
		password, err = p.lines.secret(ctx, p.err, "Password: ")
	case "-":
		password, err = p.lines.next(ctx)
	default:
		var raw []byte
		raw, err = os.ReadFile(p.PasswordFile)
		password = strings.TrimRight(string(raw), "\r\n")
	}
	if err != nil {
		return err
	}
	page, err := p.browser.open(ctx, p.browser.issuer+"/approvals")
	if err != nil {
		return err
	}
	if page, err = p.fill(ctx, page, "/login", map[string]string{"username": name, "password": password}); err != nil {
		return err
	}
	if page.form("/login/otp") == nil {
		return nil
	}
	code, err := p.lines.ask(ctx, p.err, "Code: ")
	if err == nil {
		_, err = p.fill(ctx, page, "/login/otp", map[string]string{"code": code})
	}
	return err
}

// fill sends a form of a page.
func (p *petitioned) fill(ctx context.Context, page *screen, path string, with map[string]string) (*screen, error) {
	f := page.form(path)
	if f == nil {
		return nil, fmt.Errorf("%q has no form for %s", page.title, path)
	}
	for field, value := range with {
		f.values.Set(field, value)
	}
	return p.browser.send(ctx, page, f)
}

// signOut leaves no session behind; what was allowed goes on without one.
func (p *petitioned) signOut(ctx context.Context) error {
	page, err := p.browser.open(ctx, p.browser.issuer+"/approvals")
	if err == nil {
		_, err = p.fill(ctx, page, "/logout", nil)
	}
	return err
}

// all goes through what waits, or what was named.
func (p *petitioned) all(ctx context.Context) error {
	if p.Approval != "" {
		return p.one(ctx, p.Approval)
	}
	var waits struct{ Waiting []string }
	if err := p.browser.json(ctx, "/approvals/waiting", &waits); err != nil {
		return err
	}
	switch n := len(waits.Waiting); {
	case n == 0 && p.settled():
		return errors.New("nothing waits for you")
	case n == 0:
		fmt.Fprintln(p.out, "Nothing waits for you.")
	case n > 1 && p.settled():
		return fmt.Errorf("%d requests wait, and are not answered in a heap: name one of %s", n, strings.Join(waits.Waiting, ", "))
	}
	for i, id := range waits.Waiting {
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		if err := p.one(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// opened is the page of a request, and its id: the one that was named, or that of the
// device that shows this code.
func (p *petitioned) opened(ctx context.Context, named string) (page *screen, id string, err error) {
	if strings.HasPrefix(named, models.PrefixApproval+"_") {
		page, err = p.browser.open(ctx, p.browser.issuer+"/approvals/"+url.PathEscape(named))
		return page, named, err
	}
	if page, err = p.browser.open(ctx, p.browser.issuer+"/device"); err != nil {
		return nil, "", err
	}
	if page, err = p.fill(ctx, page, "/device", map[string]string{"user_code": named}); err != nil {
		return nil, "", err
	}
	return page, path.Base(page.at.Path), nil
}

// one shows a request and answers it.
func (p *petitioned) one(ctx context.Context, named string) error {
	page, id, err := p.opened(ctx, named)
	if err != nil {
		return err
	}
	f := page.form("/approvals/" + id)
	if f == nil { // it was answered, or is over
		page.ended(p.out)
		if p.settled() {
			return errors.New("it was not answered now")
		}
		return nil
	}
	page.petition(p.out, id, f)
	a, err := p.answer(ctx, f)
	if err != nil {
		return err
	}
	if a.word == "" {
		fmt.Fprintln(p.out, "Nothing was answered.")
		return nil
	}
	f.tickBoxes(a.boxes)
	f.values.Set("answer", a.word)
	if page, err = p.browser.send(ctx, page, f); err != nil {
		return err
	}
	if page.form("/approvals/"+id) != nil {
		return fmt.Errorf("it was not answered: %q asks for more than a terminal has; open it in a browser", page.title)
	}
	page.ended(p.out)
	return nil
}

// answer is what the command line says, or the person.
func (p *petitioned) answer(ctx context.Context, f *sheet) (answer, error) {
	switch {
	case p.Deny:
		return answer{word: "deny"}, nil
	case p.Report:
		return answer{word: "report"}, nil
	case len(p.Only) > 0:
		boxes, err := f.named(p.Only)
		return answer{"allow", boxes}, err
	case p.Yes:
		return allowing(f.ticked())
	}
	said, err := p.lines.ask(ctx, p.err, "Approve what is marked (yes), or by number (such as 1 3); deny (no), or deny and report (report)? ")
	if err != nil {
		return answer{}, err
	}
	switch strings.ToLower(said) {
	case "":
		return answer{}, nil
	case "n", "no":
		return answer{word: "deny"}, nil
	case "r", "report":
		return answer{word: "report"}, nil
	case "y", "yes":
		return allowing(f.ticked())
	}
	boxes, err := f.numbered(strings.Fields(said))
	return answer{"allow", boxes}, err
}

// allowing approves something, or else it is no approval.
func allowing(boxes []checkbox) (answer, error) {
	if len(boxes) == 0 {
		return answer{}, errors.New("nothing is marked, so there is nothing to approve; say what")
	}
	return answer{"allow", boxes}, nil
}

// ticked are the boxes that are ticked before anybody touched them.
func (f *sheet) ticked() []checkbox {
	return slices.DeleteFunc(slices.Clone(f.boxes), func(b checkbox) bool { return b.off || !b.on })
}
