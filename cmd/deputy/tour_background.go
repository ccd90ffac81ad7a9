package main

import (
	"fmt"
	"net/url"
	"strings"
)

// inTheBackground is the agent of story 2 that has nobody before it: it asks Joe, who
// is elsewhere.
func (t *tour) inTheBackground() {
	pay := t.w.audience("payroll-api")
	const both = "payslips:read account:change"
	asked := t.asksAway("payroll-agent, at night and with nobody before it, asks Joe", "joe", "payroll-agent", pay, both, "Payslip for November")
	t.refuse("Joe has not answered, so it waits", "authorization_pending", t.polls("payroll-agent", asked))
	t.refuse("assistant, which came to know of the request, gets nothing by it", "invalid_grant", t.polls("assistant", asked))
	got := t.approves("Joe looks on his phone, and approves the half of it", "joe", "payroll-agent", asked, "payslips:read")
	t.active("payroll-api looks at the token", "payroll-api", got, true)
	t.refuse("what he approved is carried out once", "invalid_grant", t.polls("payroll-agent", asked))

	asked = t.asksAway("it asks for the other half", "joe", "payroll-agent", pay, "account:change", "Where your pay goes")
	t.answersAway("Joe says no", "joe", "deny", asked, "")
	t.refuse("and no is no: there is no token", "access_denied", t.polls("payroll-agent", asked))
	t.refuse("nor is he asked again at once", "access_denied", func() error {
		_, err := t.asking("joe", "payroll-agent", pay, "account:change", "Please")
		return err
	})
	t.refuse("of Alice, who does not know it, it learns nothing", "unknown_user_id", func() error {
		_, err := t.asking("alice", "payroll-agent", pay, "payslips:read", "")
		return err
	})
	t.takesBack("Joe takes back what he approved", "joe", "payroll-agent")
	t.active("its token is silent at once", "payroll-api", got, false)
}

// cibaGrant is the grant type in which somebody is asked who is elsewhere.
const cibaGrant = "urn:openid:params:grant-type:ciba"

// petition is what an agent asked somebody who is elsewhere.
type petition struct {
	AuthReqID   string `json:"auth_req_id"`
	CompareCode string `json:"compare_code"`
	message     string
}

// asking asks somebody by CIBA.
func (t *tour) asking(who, client, at, scope, message string) (*petition, error) {
	p := petition{message: message}
	form := url.Values{"login_hint": {who + t.w.suffix}, "resource": {at}, "scope": {scope}, "binding_message": {message}}
	return &p, t.r.form(t.ctx, t.w.cast[client], "/oauth2/bc-authorize", form, &p)
}

func (t *tour) asksAway(what, who, client, at, scope, message string) *petition {
	t.step(what)
	p, err := t.asking(who, client, at, scope, message)
	if err != nil {
		t.wrong("%v", err)
		return nil
	}
	fmt.Fprintf(t.out, "    %s asks %s for %s, and says: %q | both see %s\n", client, who, scope, message, p.CompareCode)
	return p
}

// polls asks for what somebody approved, and expects to be refused.
func (t *tour) polls(client string, p *petition) func() error {
	return func() error {
		_, err := t.polled(client, p)
		return err
	}
}

func (t *tour) polled(client string, p *petition) (token, error) {
	var got token
	if p == nil {
		return got, fmt.Errorf("nobody was asked")
	}
	form := url.Values{"auth_req_id": {p.AuthReqID}, "grant_type": {cibaGrant}}
	return got, t.r.form(t.ctx, t.w.cast[client], "/oauth2/token", form, &got)
}

// approves has somebody tick scopes and approve, and the client come for its token.
func (t *tour) approves(what, who, client string, p *petition, ticks string) string {
	if !t.answersAway(what, who, "allow", p, ticks) {
		return ""
	}
	got, err := t.polled(client, p)
	if err != nil {
		t.wrong("%v", err)
		return ""
	}
	t.check(got.Access, who, client, audienceOf(got.Access), ticks)
	return got.Access
}

// answersAway opens the inbox of somebody and answers what waits there.
func (t *tour) answersAway(what, who, answer string, p *petition, ticks string) bool {
	t.step(what)
	if p == nil {
		t.wrong("nobody was asked")
		return false
	}
	page, f, err := t.atTheInbox(who)
	if err == nil {
		text := textOf(page.root)
		fmt.Fprintf(t.out, "    %s reads: %q\n", who, page.title)
		if !strings.Contains(text, p.message) || !strings.Contains(text, p.CompareCode) {
			err = fmt.Errorf("the page shows neither what the agent said nor the code to compare")
		}
	}
	if err == nil {
		f.tick(strings.Fields(ticks))
		f.values.Set("answer", answer)
		page, err = t.w.browsers[who].send(t.ctx, page, f)
	}
	if err != nil {
		t.wrong("%v", err)
		return false
	}
	fmt.Fprintf(t.out, "    and then: %q\n", page.title)
	return true
}

// atTheInbox signs somebody in, if nobody is, and opens what waits for them.
func (t *tour) atTheInbox(who string) (*screen, *sheet, error) {
	b := t.w.browsers[who]
	page, err := b.open(t.ctx, t.r.issuer+"/approvals")
	if err != nil {
		return nil, nil, err
	}
	if f := page.form("/login"); f != nil {
		f.values.Set("username", who+t.w.suffix)
		f.values.Set("password", t.w.passwords[who])
		if _, err = b.send(t.ctx, page, f); err != nil {
			return nil, nil, err
		}
	}
	var waits struct{ Waiting []string }
	if err := b.json(t.ctx, "/approvals/waiting", &waits); err != nil {
		return nil, nil, err
	}
	if len(waits.Waiting) != 1 {
		return nil, nil, fmt.Errorf("%d requests wait for %s", len(waits.Waiting), who)
	}
	at := "/approvals/" + waits.Waiting[0]
	if page, err = b.open(t.ctx, t.r.issuer+at); err != nil {
		return nil, nil, err
	}
	f := page.form(at)
	if f == nil {
		return nil, nil, fmt.Errorf("the page %q asks nothing", page.title)
	}
	return page, f, nil
}
