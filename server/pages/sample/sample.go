// Package sample holds every page with a view as it might be: for tests, and to
// look at them.
package sample

import (
	"time"

	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/word"
)

// Page is one page in one state.
type Page struct {
	Name  string // of the template
	State string // "" for the usual one
	View  any
}

// Path is where a preview shows the page.
func (p Page) Path() string {
	if p.State == "" {
		return "/preview/" + p.Name
	}
	return "/preview/" + p.Name + "-" + p.State
}

// Now is the time that samples are made for.
var Now = time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)

const day = 24 * time.Hour

var (
	assistant    = pages.Party{ID: "agt_assistant", Name: "assistant"}
	reporting    = pages.Party{ID: "agt_reporting", Name: "reporting-agent"}
	orchestrator = pages.Party{ID: "agt_orchestrator", Name: "Research Orchestrator"}
	stranger     = pages.Party{ID: "app_inspector", Name: "MCP Inspector", Unverified: true}
	sales        = pages.Party{ID: "rsv_sales", Name: "Sales API"}
	calendar     = pages.Party{ID: "rsv_calendar", Name: "Calendar"}
)

// Pages are all pages, in every state that looks different.
func Pages() []Page {
	all := entering()
	all = append(all, asking()...)
	all = append(all, approving()...)
	return append(all, account()...)
}

func entering() []Page {
	waiting := &pages.Waiting{Agent: reporting, Service: "Sales API"}
	wrong := func(field, code string, n int) pages.Form {
		return pages.Form{Problems: []pages.Problem{{Field: field, Code: code, N: n}}}
	}
	return []Page{
		{"index", "", pages.Index{Issuer: "https://auth.example"}},
		{"error", "", pages.Failure{Code: "redirect_mismatch", Client: "app_inspector", Detail: "redirect_uri https://inspector.example.evil/cb is not registered."}},
		{"error", "expired", pages.Failure{Code: "expired", Back: "/account"}},
		{"error", "no_cookie", pages.Failure{Code: "no_cookie", Back: "/login"}},
		{"error", "denied", pages.Failure{Code: "access_denied", Client: "agt_reporting", Decision: "dec_01jd9g7t4k"}},
		{"signin", "", pages.SignIn{Return: "atz_9f2c", Waiting: waiting, Passkeys: true}},
		{"signin", "wrong", pages.SignIn{Form: wrong("username", "sign_in_failed", 0), Username: "alice", Passkeys: true}},
		{"signin", "again", pages.SignIn{Return: "atz_9f2c", Username: "alice", Again: true, Waiting: waiting, Passkeys: true, Providers: []pages.Provider{{Name: "Example Workforce", Path: "/login/upstream/ups_workforce"}, {Name: "University of Example", Path: "/login/upstream/ups_university"}}}},
		{"signin", "strong", pages.SignIn{Return: "atz_9f2c", Username: "alice", Again: true, Strong: true, Waiting: &pages.Waiting{Agent: reporting}, Passkeys: true}},
		{"signin", "notice", pages.SignIn{Notice: &pages.Notice{Code: "password_set", Good: true}}},
		{"leaving", "", pages.Leaving{Host: "login.example", Link: "https://login.example/authorize?client_id=deputy&state=sample"}},
		{"error", "unlinked", pages.Failure{Code: "upstream_unlinked", Back: "/login"}},
		{"secondfactor", "", pages.SecondFactor{Return: "atz_9f2c", Waiting: waiting}},
		{"secondfactor", "wrong", pages.SecondFactor{Form: wrong("code", "code_wrong", 0), Return: "atz_9f2c"}},
		{"newpassword", "", pages.NewPassword{Purpose: pages.Recover, Action: "/recover/sample", Username: "alice"}},
		{"newpassword", "invited", pages.NewPassword{Form: wrong("password", "password_short", 8), Purpose: pages.Invite, Action: "/recover/sample", Username: "joe"}},
		{"setup", "", pages.Setup{Action: "/setup/sample"}},
		{"setup", "wrong", pages.Setup{Action: "/setup/sample", Name: "Alice Ng", Username: "alice ng", Email: "alice@", Form: pages.Form{Problems: []pages.Problem{
			{Field: "username", Code: "username_shape"}, {Field: "email", Code: "email_shape"}, {Field: "again", Code: "password_differs"},
		}}}},
		{"logout", "", pages.Logout{Agent: "MCP Inspector", ClientID: "app_inspector", Redirect: "https://inspector.example/bye", State: "s1"}},
		{"logout", "nobody", pages.Logout{}},
		{"signedout", "", pages.SignedOut{}},
		{"mailbox", "", pages.Mailbox{Mails: []pages.Mail{
			{To: "joe@localhost", Subject: "payroll-agent waits for your answer", Link: "https://auth.example/approvals/apr_1", At: Now.Add(-2 * time.Minute),
				Text: "payroll-agent waits for your answer. Sign in to see exactly what it wants: https://auth.example/approvals/apr_1"},
		}}},
		{"mailbox", "none", pages.Mailbox{}},
	}
}

func asking() []Page {
	until := []pages.Choice{
		{Value: "1d", Days: 1, End: Now.Add(day)}, {Value: "7d", Days: 7, End: Now.Add(7 * day)},
		{Value: "30d", Days: 30, End: Now.Add(30 * day), Chosen: true}, {Value: "90d", Days: 90, End: Now.Add(90 * day)},
	}
	consent := pages.Consent{
		Authorization: "atz_9f2c", Agent: reporting, Owner: "Finance Operations", User: "Joe Park", RedirectHost: "reports.example", Until: until,
		Purpose: "Puts together the weekly sales report and sends it to the team.",
		Services: []pages.Asked{{Service: sales, Scopes: []pages.Scope{
			{Value: "rsv_sales sales:read", Name: "sales:read", Words: "See sales figures and reports", Risk: "low", Ticked: true, Before: true},
			{Value: "rsv_sales sales:comment", Name: "sales:comment", Words: "Comment on reports in your name", Risk: "medium", Ticked: true},
			{Name: "sales:export", Words: "Export customer records", Risk: "high", Greyed: "user"},
		}}},
	}
	nothing := consent
	nothing.Form = pages.Form{Problems: []pages.Problem{{Field: "scope", Code: "nothing_ticked"}}}
	nothing.Services = []pages.Asked{{Service: sales, Scopes: []pages.Scope{
		{Value: "rsv_sales sales:read", Name: "sales:read", Words: "See sales figures and reports", Risk: "low"},
		{Name: "sales:comment", Words: "Comment on reports in your name", Risk: "medium", Greyed: "client"},
	}}}
	local := pages.Consent{
		Authorization: "atz_77aa", Agent: stranger, User: "Alice Ng", RedirectHost: "localhost:6274", LocalOnly: true, Risky: true, Until: []pages.Choice{{Value: "1d", Days: 1, End: Now.Add(day), Chosen: true}, {Value: "7d", Days: 7, End: Now.Add(7 * day)}},
		Services: []pages.Asked{
			{Service: sales, Scopes: []pages.Scope{{Value: "rsv_sales sales:read", Name: "sales:read", Words: "See sales figures and reports", Risk: "low", Ticked: true}}},
			{Service: calendar, Scopes: []pages.Scope{
				{Value: "rsv_calendar events:write", Name: "events:write", Words: "Add, change and remove events in your calendar", Risk: "high"},
				{Name: "events:delegate", Words: "Let others see your calendar", Risk: "high", Greyed: "house"},
			}},
		},
	}
	app := consent
	app.App, app.RedirectHost, app.Purpose, app.Until = true, "com.example.reports", "", nil
	allowed, _ := pages.NewContinue("https://reports.example/callback?code=sample&state=s1&iss=https%3A%2F%2Fauth.example", "reporting-agent", pages.Allowed)
	denied, _ := pages.NewContinue("com.example.reports:/callback?error=access_denied&state=s1", "reporting-agent", pages.Denied)
	refused, _ := pages.NewContinue("https://reports.example/callback?error=access_denied&state=s1", "reporting-agent", pages.Refused)
	left, _ := pages.NewContinue("https://reports.example/bye?state=s1", "reporting-agent", pages.Left)
	return []Page{
		{"consent", "", consent}, {"consent", "nothing", nothing}, {"consent", "local", local}, {"consent", "app", app},
		{"continue", "", allowed}, {"continue", "denied", denied}, {"continue", "refused", refused}, {"continue", "left", left},
	}
}

func account() []Page {
	joe := pages.Member{Name: "Joe Park"}
	told := func(code, name string, n int) pages.Member {
		return pages.Member{Name: joe.Name, Notice: &pages.Notice{Code: code, Name: name, N: n, Good: true}}
	}
	cards := []pages.AgentCard{
		{Agent: reporting, Owner: "Finance Operations", Status: "active", Services: []string{"Sales API"}, Scopes: 2, Since: Now.Add(-40 * day), Until: Now.Add(50 * day), Used: Now.Add(-3 * time.Hour)},
		{Agent: assistant, Owner: "Alice Ng", Status: "active", Services: []string{"Sales API", "Calendar"}, Scopes: 4, Since: Now.Add(-80 * day), Until: Now.Add(10 * day), Used: Now.Add(-12 * day)},
		{Agent: orchestrator, Owner: "Research", Status: "suspended", Services: []string{"Search"}, Scopes: 1, Since: Now.Add(-2 * day), Until: Now.Add(28 * day)},
	}
	return append(transfers(joe), []Page{
		{"agents", "", pages.Agents{Member: joe, Agents: cards}},
		{"agents", "none", pages.Agents{Member: told("agent_revoked", "reporting-agent", 0)}},
		{"agent", "", agent(joe)},
		{"agent", "new", pages.AgentPage{Member: told("scope_revoked", "Export customer records", 0), Agent: stranger, Status: "active"}},
		{"revoke", "", pages.Revoke{Member: joe, Kind: pages.RevokeScope, Agent: reporting, Live: 1, Action: "/account/consents/cns_1/revoke", Scope: "sales:comment", What: []pages.Taken{
			{Service: "Sales API", Scopes: []string{"Comment on reports in your name"}},
		}}},
		{"revoke", "consent", pages.Revoke{Member: joe, Kind: pages.RevokeConsent, Agent: reporting, Action: "/account/consents/cns_2/revoke", What: []pages.Taken{
			{Service: "Calendar", Scopes: []string{"See your events"}},
		}}},
		{"revoke", "agent", pages.Revoke{Member: joe, Kind: pages.RevokeAgent, Agent: reporting, Live: 3, Action: "/account/agents/agt_reporting/revoke", What: []pages.Taken{
			{Service: "Sales API", Scopes: []string{"See sales figures and reports", "Comment on reports in your name"}}, {Service: "Calendar", Scopes: []string{"See your events"}},
		}}},
		{"sessions", "", pages.Sessions{Member: told("sessions_ended", "", 2), Sessions: []pages.Session{
			{ID: "ses_1", Device: "Firefox on Linux", IP: "192.0.2.17", SignedIn: Now.Add(-25 * time.Minute), Seen: Now, How: "otp", Current: true},
			{ID: "ses_2", Device: "Safari on iPhone", IP: "2001:db8:85a3::8a2e:370:7334", SignedIn: Now.Add(-30 * time.Hour), Seen: Now.Add(-50 * time.Minute), How: "passkey"},
		}}},
		{"passkeys", "", pages.Passkeys{Member: joe, Passkeys: []pages.Passkey{
			{ID: "psk_1", Name: "iPhone", Added: Now.Add(-200 * day), Used: Now.Add(-30 * time.Hour)}, {ID: "psk_2", Name: "Blue security key", Added: Now.Add(-3 * day)},
		}}},
		{"passkeys", "none", pages.Passkeys{Member: joe}},
		{"security", "", pages.Security{Member: joe, Username: "joe", PasswordSet: Now.Add(-100 * day), Passkeys: 2,
			Identities: []pages.Linked{{ID: "idn_1", Name: "Example Workforce", Since: Now.Add(-9 * day)}}, Providers: []pages.Provider{{Name: "Example Workforce", Path: "/account/identities/link/ups_workforce"}}}},
		{"security", "wrong", pages.Security{Member: joe, Username: "joe", PasswordSet: Now.Add(-3 * day), TOTP: true, Passkeys: 1, Form: pages.Form{Problems: []pages.Problem{{Field: "current", Code: "password_wrong"}}}}},
		{"word", "", wordPage(joe)},
		{"word", "none", pages.WordPage{UserCode: true, Member: joe, Channels: []pages.WordChannel{{Name: "mail"}, {Name: "push"}}, Push: true, PushKey: "BKey", Lang: "en", Languages: languages}},
		{"word", "failed", pages.WordPage{Member: joe, Reached: true, Channels: []pages.WordChannel{{Name: "webhook", On: true}}, Failed: "webhook: answered 503", Lang: "de", Languages: languages}},
		{"totp", "", pages.TOTP{Member: joe, Secret: "JBSW Y3DP EHPK 3PXP", Link: "otpauth://totp/Deputy:joe?secret=JBSWY3DPEHPK3PXP&issuer=Deputy"}},
	}...)
}

func agent(joe pages.Member) pages.AgentPage {
	return pages.AgentPage{
		Member: joe, Agent: reporting, Owner: "Finance Operations", Status: "active", Live: 3, Older: "/account/agents/agt_reporting?before=ev_120",
		Purpose: "Puts together the weekly sales report and sends it to the team.",
		Consents: []pages.Held{
			{ID: "cns_1", Service: sales, Since: Now.Add(-40 * day), Until: Now.Add(50 * day), Used: Now.Add(-3 * time.Hour), Scopes: []pages.Scope{
				{Value: "rsv_sales sales:read", Name: "sales:read", Words: "See sales figures and reports", Risk: "low"},
				{Value: "rsv_sales sales:comment", Name: "sales:comment", Words: "Comment on reports in your name", Risk: "medium"},
			}},
			{ID: "cns_2", Service: calendar, Since: Now.Add(-5 * day), Until: Now.Add(20 * day), PreApprovedBy: "Alice Ng", Scopes: []pages.Scope{
				{Value: "rsv_calendar events:read", Name: "events:read", Words: "See your events", Risk: "low"},
			}},
		},
		Deeds: []pages.Deed{
			{At: Now.Add(-3 * time.Hour), Kind: pages.DeedToken, Service: "Sales API", What: []string{"See sales figures and reports"}},
			{At: Now.Add(-4 * time.Hour), Kind: pages.DeedPassed, To: "summarize-agent", Service: "Summarize", What: []string{"Summarize a text"}},
			{At: Now.Add(-2 * day), Kind: pages.DeedRefused, Service: "Sales API", What: []string{"Export customer records"}},
			{At: Now.Add(-7 * day), Kind: pages.DeedEnded, To: "Olivia Owner", Service: "Files", What: []string{"Read your files"}},
			{At: Now.Add(-8 * day), Kind: pages.DeedInPlace, To: "Olivia Owner", Service: "Files", What: []string{"Read your files"}},
			{At: Now.Add(-9 * day), Kind: pages.DeedRevoked, Service: "Sales API", What: []string{"Export customer records"}},
			{At: Now.Add(-40 * day), Kind: pages.DeedAsked, Service: "Sales API", What: []string{"See sales figures and reports", "Comment on reports in your name", "Export customer records"}},
		},
	}
}

var languages = []word.Language{{Tag: "en", Name: "English"}, {Tag: "de", Name: "Deutsch"}}

func wordPage(joe pages.Member) pages.WordPage {
	joe.Notice = &pages.Notice{Code: "word_sent", Good: true}
	return pages.WordPage{
		Member: joe, Reached: true, Address: "joe.park@finance.example", Push: true, PushKey: "BKey", Lang: "en", Languages: languages,
		Channels: []pages.WordChannel{{Name: "mail", On: true}, {Name: "push", On: true}, {Name: "webhook", On: true}},
		Browsers: []pages.Browser{{ID: "wps_1", Device: "Safari, iPhone", Since: Now.Add(-9 * day)}, {ID: "wps_2", Device: "Firefox, Linux", Since: Now.Add(-time.Hour)}},
	}
}
