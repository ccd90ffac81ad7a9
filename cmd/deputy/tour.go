package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

type tourCmd struct {
	connection
	Keep bool `help:"Leave the world of this tour on the server."`
}

// Run makes a world of its own, plays in it, and takes it down again. It fails
// if any step does not come out as it must.
func (c *tourCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	w, err := makeWorld(ctx, r, "-"+strings.ToLower(rand.Text()[:6]))
	if err != nil {
		return err
	}
	err = play(ctx, io.out, r, w)
	if c.Keep {
		return err
	}
	return errors.Join(err, w.clear(ctx, r))
}

// play plays the stories.
func play(ctx context.Context, out io.Writer, r *remote, w *world) error {
	t := &tour{ctx: ctx, out: out, r: r, w: w}
	t.protectYourAgent()
	t.connectToServices()
	t.multiAgent()
	if err := w.leave(ctx, r.issuer); err != nil {
		t.wrong("%v", err)
	}
	if t.failed > 0 {
		return fmt.Errorf("tour: %d of %d steps did not come out as they must", t.failed, t.steps)
	}
	fmt.Fprintf(out, "\nThe tour is over: %d steps, each as it must be.\n", t.steps)
	return nil
}

// tour is a play in progress. After a step has gone wrong the rest still runs:
// what fails together is worth seeing together.
type tour struct {
	ctx    context.Context
	out    io.Writer
	r      *remote
	w      *world
	steps  int
	failed int
}

func (t *tour) protectYourAgent() {
	t.title("Story 1: Protect your agent", "chat-widget may chat with support-agent; admin-tool may also read analytics. Each gets exactly that.")
	support := t.w.audience("support-agent")
	widget := t.get("chat-widget asks for what it may have", "chat-widget", support, "agent:chat")
	tool := t.get("admin-tool asks for both", "admin-tool", support, "agent:chat agent:analytics")
	t.refuse("chat-widget asks for analytics", "invalid_scope", func() error {
		_, err := t.r.clientCredentials(t.ctx, t.w.cast["chat-widget"], support, "agent:chat agent:analytics")
		return err
	})
	t.active("support-agent looks at the widget's token", "support-agent", widget, true)
	t.active("search-agent, who is not its audience, sees nothing", "search-agent", widget, false)
	t.admin("an administrator suspends chat-widget", "chat-widget", "suspend")
	t.refuse("chat-widget asks again", "unauthorized_client", func() error {
		_, err := t.r.clientCredentials(t.ctx, t.w.cast["chat-widget"], support, "agent:chat")
		return err
	})
	t.active("its live token is silent at once", "support-agent", widget, false)
	t.active("admin-tool never noticed: its token lives", "support-agent", tool, true)
	t.get("and it gets new ones", "admin-tool", support, "agent:chat")
	t.admin("chat-widget is restored", "chat-widget", "restore")
}

func (t *tour) multiAgent() {
	t.title("Story 3: Multi-agent", "orchestrator hands work on; each token is narrower, locked to one service, and names everybody before it.")
	const task = "agent:orchestrate"
	first := t.allows("she lets it", t.asks("Alice asks orchestrator to do something, which asks her back", "alice", "orchestrator", "orchestrator", task, task, ""), task, task).Access
	search := t.exchange("orchestrator exchanges it for search", "orchestrator", "alice", first, "search-agent", "search:web", "orchestrator")
	summarize := t.exchange("search-agent exchanges what it was sent", "search-agent", "alice", search, "summarize-agent", "summarize:text", "search-agent <- orchestrator")
	notes := t.exchange("summarize-agent exchanges in turn: three nested actors", "summarize-agent", "alice", summarize, "notes-agent", "notes:append",
		"summarize-agent <- search-agent <- orchestrator")

	t.active("the summarize token is alive at summarize-agent", "summarize-agent", summarize, true)
	t.active("replayed at search-agent it is nothing", "search-agent", summarize, false)
	t.refuse("summarize-agent tries to use the token that was for search-agent", "invalid_request", func() error {
		_, err := t.r.exchange(t.ctx, t.w.cast["summarize-agent"], search, t.w.audience("notes-agent"), "notes:append", nil)
		return err
	})
	more := func(search string) func() error {
		return func() error {
			_, err := t.r.exchange(t.ctx, t.w.cast["search-agent"], search, t.w.audience("summarize-agent"), "summarize:archive", nil)
			return err
		}
	}
	t.refuse("search-agent asks for more: everybody here holds it, but neither the task nor Alice's consent reaches it", "invalid_scope", more(search))
	own := t.get("at night orchestrator works for itself", "orchestrator", t.w.audience("orchestrator"), task)
	alone := t.exchange("and hands that on", "orchestrator", "orchestrator", own, "search-agent", "search:web", "orchestrator")
	t.refuse("there too, search-agent gets no more than the task reaches", "invalid_scope", more(alone))
	t.refuse("search-agent asks for what it does not hold either", "invalid_scope", func() error {
		_, err := t.r.exchange(t.ctx, t.w.cast["search-agent"], search, t.w.audience("orchestrator"), "agent:orchestrate", nil)
		return err
	})
	t.refuse("search-agent brings orchestrator's token as actor", "invalid_request", func() error {
		_, err := t.r.exchange(t.ctx, t.w.cast["search-agent"], search, t.w.audience("summarize-agent"), "summarize:text",
			url.Values{"actor_token": {first}, "actor_token_type": {"urn:ietf:params:oauth:token-type:access_token"}})
		return err
	})
	t.ledger("the ledger shows the whole chain", first, "orchestrator", "orchestrator", "search-agent", "summarize-agent")
	t.admin("search-agent is stopped", "search-agent", "suspend")
	t.active("everything below it falls: the summarize token", "summarize-agent", summarize, false)
	t.active("and the notes token", "notes-agent", notes, false)
	t.active("orchestrator's token lives on", "orchestrator", first, true)
	t.refuse("and nothing grows from what fell", "invalid_request", func() error {
		_, err := t.r.exchange(t.ctx, t.w.cast["summarize-agent"], summarize, t.w.audience("notes-agent"), "notes:append", nil)
		return err
	})
	t.admin("search-agent is restored", "search-agent", "restore")
	search = t.exchange("and hears from orchestrator again", "orchestrator", "alice", first, "search-agent", "search:web", "orchestrator")
	t.takesBack("Alice takes back what she let orchestrator do", "alice", "orchestrator")
	t.active("all of it ends: what orchestrator had", "orchestrator", first, false)
	t.active("and what search-agent had from it, of which she never knew", "search-agent", search, false)
}

func (t *tour) title(name, text string) {
	fmt.Fprintf(t.out, "\n%s\n%s\n%s\n", name, strings.Repeat("=", len(name)), text)
}

func (t *tour) step(what string) {
	t.steps++
	fmt.Fprintf(t.out, "\n%2d. %s\n", t.steps, what)
}

func (t *tour) wrong(format string, args ...any) {
	t.failed++
	fmt.Fprintf(t.out, "    WRONG: %s\n", fmt.Sprintf(format, args...))
}

// get takes a token of who's own, which must say exactly what was asked for.
func (t *tour) get(what, who, resource, scope string) string {
	t.step(what)
	got, err := t.r.clientCredentials(t.ctx, t.w.cast[who], resource, scope)
	if err != nil {
		t.wrong("%v", err)
		return ""
	}
	t.check(got.Access, who, "", resource, scope)
	return got.Access
}

// exchange trades a token, whose successor must speak for sub and name the chain.
func (t *tour) exchange(what, who, sub, subject, at, scope, chain string) string {
	t.step(what)
	got, err := t.r.exchange(t.ctx, t.w.cast[who], subject, t.w.audience(at), scope, nil)
	if err != nil {
		t.wrong("%v", err)
		return ""
	}
	t.check(got.Access, sub, chain, t.w.audience(at), scope)
	return got.Access
}

// check prints what a token says and compares it with what it must say.
func (t *tour) check(raw, subject, chain, audience, scope string) {
	c, err := readClaims(raw)
	if err != nil {
		t.wrong("the token cannot be read: %v", err)
		return
	}
	got := ""
	if c.Act != nil {
		got = chainOf(c.Act, t.w.name)
	}
	fmt.Fprintf(t.out, "    sub %s | act %s | aud %s | scope %s\n", t.w.name(c.Subject), chainOf(c.Act, t.w.name), c.Audience, c.Scope)
	have, want := strings.Fields(c.Scope), strings.Fields(scope)
	slices.Sort(have)
	slices.Sort(want)
	if t.w.name(c.Subject) != subject || got != chain || c.Audience != audience || !slices.Equal(have, want) {
		t.wrong("it must be sub %s | act %s | aud %s | scope %s", subject, chain, audience, scope)
	}
}

// refuse runs what must be refused, with this code.
func (t *tour) refuse(what, code string, attempt func() error) {
	t.step(what)
	err := attempt()
	var no *refused
	switch {
	case err == nil:
		t.wrong("it was granted")
	case !errors.As(err, &no):
		t.wrong("%v", err)
	default:
		fmt.Fprintf(t.out, "    refused: %s. %s (%s)\n", no.Code, no.Description, no.DecisionID)
		if no.Code != code {
			t.wrong("it must be refused with %s", code)
		}
	}
}

// active introspects a token as who.
func (t *tour) active(what, who, raw string, want bool) {
	t.step(what)
	var answer struct {
		Active bool   `json:"active"`
		Scope  string `json:"scope"`
	}
	if err := t.r.form(t.ctx, t.w.cast[who], "/oauth2/introspect", url.Values{"token": {raw}}, &answer); err != nil {
		t.wrong("%v", err)
		return
	}
	fmt.Fprintf(t.out, "    %s sees: active %t %s\n", who, answer.Active, answer.Scope)
	if answer.Active != want {
		t.wrong("it must be active %t", want)
	}
}

func (t *tour) admin(what, who, action string) {
	t.step(what)
	var c apiClient
	if err := t.r.call(t.ctx, http.MethodPost, "/clients/"+t.w.cast[who].ID+"/"+action, nil, &c); err != nil {
		t.wrong("%v", err)
		return
	}
	fmt.Fprintf(t.out, "    %s is %s\n", who, c.Status)
}

// ledger reads the grants of a chain back; they must be these clients', in order.
func (t *tour) ledger(what, root string, clients ...string) {
	t.step(what)
	c, err := readClaims(root)
	if err != nil {
		t.wrong("%v", err)
		return
	}
	var found list[struct {
		Action   string `json:"action"`
		Outcome  string `json:"outcome"`
		ID       string `json:"id"`
		ClientID string `json:"client_id"`
		TokenID  string `json:"token_id"`
	}]
	if err := t.r.call(t.ctx, http.MethodGet, "/audit/entries?order=asc&outcome=granted&txn="+c.Txn, nil, &found); err != nil {
		t.wrong("%v", err)
		return
	}
	var got []string
	for _, e := range found.Items {
		if strings.HasPrefix(e.Action, "issue:") {
			got = append(got, t.w.name(e.ClientID))
			fmt.Fprintf(t.out, "    %s %s by %s -> %s\n", e.ID, e.Action, t.w.name(e.ClientID), e.TokenID)
		}
	}
	if !slices.Equal(got, clients) {
		t.wrong("the chain in the ledger is %v, and must be %v", got, clients)
	}
}
