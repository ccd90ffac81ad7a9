package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The sample world: who takes part in the stories of the tour. It is made over
// HTTP only, with the admin API, as anybody would.

type service struct {
	name   string // also the name of the client that runs it
	scopes []scopeSpec
}

type scopeSpec struct {
	name, risk, text string
	downstream       []pair // what doing it needs elsewhere
}

type pair struct{ service, scope string }

type castMember struct {
	name, kind, purpose string
	sponsor             string // who stands for what an agent is for
	holds               []pair
	redirects           []string // it acts for people, who come back here; "" stands for its own address
	asks                []string // whom it may ask though they are elsewhere
}

// person is somebody who signs in.
type person struct {
	username, name string
	holds          []pair
}

var services = []service{ // what others hang from comes first
	{"notes-agent", []scopeSpec{{"notes:append", "low", "Keep a note", nil}}},
	{"summarize-agent", []scopeSpec{
		{"summarize:text", "low", "Summarize a text", []pair{{"notes-agent", "notes:append"}}},
		{"summarize:archive", "medium", "Summarize everything there is", nil},
	}},
	{"search-agent", []scopeSpec{{"search:web", "low", "Search the web", []pair{{"summarize-agent", "summarize:text"}}}}},
	{"orchestrator", []scopeSpec{{"agent:orchestrate", "medium", "Carry out a task with other agents", []pair{{"search-agent", "search:web"}}}}},
	{"sales-api", []scopeSpec{
		{"sales:read", "low", "See sales figures and reports", nil},
		{"sales:export", "medium", "Export customer records", nil},
	}},
	{"payroll-api", []scopeSpec{
		{"payslips:read", "medium", "See payslips", nil},
		{"account:change", "high", "Change where pay goes", nil},
	}},
	{"support-agent", []scopeSpec{
		{"agent:chat", "low", "Chat with the support agent", nil},
		{"agent:analytics", "medium", "Read what customers talked about", nil},
	}},
}

// chainScopes is what the task of story 3 needs, and one scope that it does not.
var chainScopes = []pair{
	{"search-agent", "search:web"}, {"summarize-agent", "summarize:archive"},
	{"summarize-agent", "summarize:text"}, {"notes-agent", "notes:append"},
}

var cast = []castMember{
	{name: "chat-widget", kind: "application", purpose: "The chat on the shop's pages", holds: []pair{{"support-agent", "agent:chat"}}},
	{name: "admin-tool", kind: "application", purpose: "What the support team works with", holds: []pair{{"support-agent", "agent:chat"}, {"support-agent", "agent:analytics"}}},
	{name: "support-agent", kind: "agent", purpose: "Answers customers", sponsor: "Customer service"},
	{name: "sales-api", kind: "application", purpose: "Knows what was sold"},
	{name: "reporting-agent", kind: "agent", purpose: "Puts together the weekly sales report", sponsor: "Sales", holds: []pair{{"sales-api", "sales:read"}}},
	{
		name: "assistant", kind: "agent", purpose: "Looks things up for you and gets them done", sponsor: "Office of the managing director",
		holds: []pair{{"sales-api", "sales:read"}, {"sales-api", "sales:export"}}, redirects: []string{"", "http://127.0.0.1/callback"},
		asks: []string{"alice", "joe"},
	},
	{
		name: "orchestrator", kind: "agent", purpose: "Splits a task among other agents", sponsor: "Research",
		holds: append([]pair{{"orchestrator", "agent:orchestrate"}}, chainScopes...), redirects: []string{""},
	},
	{name: "search-agent", kind: "agent", purpose: "Searches the web", sponsor: "Research", holds: chainScopes[1:]},
	{name: "summarize-agent", kind: "agent", purpose: "Summarizes texts", sponsor: "Research", holds: chainScopes[3:]},
	{name: "notes-agent", kind: "agent", purpose: "Keeps notes", sponsor: "Research"},
	{name: "payroll-api", kind: "application", purpose: "Knows what people earn"},
	{
		name: "payroll-agent", kind: "agent", purpose: "Sees to everybody's pay, at night", sponsor: "Human resources",
		holds: []pair{{"payroll-api", "payslips:read"}, {"payroll-api", "account:change"}}, asks: []string{"joe"},
	},
}

// crowd is the people of the sample world. Olivia owns the agents. Whatever an agent does for
// somebody, they must be able to do themselves, down to the last of a chain.
var crowd = []person{
	{"olivia", "Olivia Owner", nil},
	{"alice", "Alice Adams", append([]pair{{"sales-api", "sales:read"}, {"orchestrator", "agent:orchestrate"}}, chainScopes...)},
	{"joe", "Joe Junior", []pair{{"sales-api", "sales:read"}, {"payroll-api", "payslips:read"}, {"payroll-api", "account:change"}}},
}

// world is the sample world as it was made: ids, secrets and audiences by name.
type world struct {
	suffix    string
	cast      map[string]credentials
	names     map[string]string // id -> name
	resources map[string]string // service -> resource server id
	people    map[string]string // user name without suffix -> id
	passwords map[string]string // by user name without suffix
	browsers  map[string]*browser
	exports   string // id of the role with which Alice may export
	assigned  string // id of its assignment, "" while there is none
}

// audience is the identifier of a service of this world.
func (w *world) audience(service string) string { return "https://" + service + w.suffix + ".example" }

// redirect is where a client has people sent back to.
func (w *world) redirect(client string) string { return w.audience(client) + "/callback" }

func (w *world) name(id string) string {
	if n := w.names[id]; n != "" {
		return n
	}
	return id
}

// makeWorld registers people, clients, services, scopes and roles. Names end in
// suffix, so that several worlds fit on one server.
func makeWorld(ctx context.Context, r *remote, suffix string) (*world, error) {
	w := &world{
		suffix: suffix, cast: map[string]credentials{}, names: map[string]string{}, resources: map[string]string{},
		people: map[string]string{}, passwords: map[string]string{}, browsers: map[string]*browser{},
	}
	for _, step := range []func(context.Context, *remote) error{w.gather, w.register, w.offer, w.assign, w.promote} {
		if err := step(ctx, r); err != nil {
			return nil, fmt.Errorf("make the sample world: %w", err)
		}
	}
	return w, nil
}

// gather registers the people, who choose a password each by the link they get, and
// leave.
func (w *world) gather(ctx context.Context, r *remote) error {
	for _, p := range crowd {
		var made struct {
			ID string `json:"id"`
		}
		if err := r.call(ctx, http.MethodPost, "/users", map[string]any{"username": p.username + w.suffix, "name": p.name, "email": p.username + w.suffix + "@people.example"}, &made); err != nil {
			return err
		}
		var link struct {
			URL string `json:"url"`
		}
		if err := r.call(ctx, http.MethodPost, "/users/"+made.ID+"/links", map[string]any{"purpose": "invite"}, &link); err != nil {
			return err
		}
		w.people[p.username], w.names[made.ID], w.passwords[p.username] = made.ID, p.username, strings.ToLower(rand.Text())
		w.browsers[p.username] = newBrowser(r.issuer)
		if err := w.invited(ctx, p.username, link.URL); err != nil {
			return err
		}
	}
	return w.leave(ctx, r.issuer)
}

func (w *world) invited(ctx context.Context, who, link string) error {
	b := w.browsers[who]
	p, err := b.open(ctx, link)
	if err != nil {
		return err
	}
	f := p.form(p.at.Path)
	if f == nil {
		return fmt.Errorf("the page %q takes no password", p.title)
	}
	f.values.Set("password", w.passwords[who])
	f.values.Set("again", w.passwords[who])
	_, err = b.send(ctx, p, f)
	return err
}

// leave signs out whoever is signed in.
func (w *world) leave(ctx context.Context, issuer string) error {
	for who, b := range w.browsers {
		p, err := b.open(ctx, issuer+"/account")
		if err != nil {
			return err
		}
		f := p.form("/logout")
		if f == nil {
			continue // they never came
		}
		if _, err := b.send(ctx, p, f); err != nil {
			return fmt.Errorf("%s does not get out: %w", who, err)
		}
	}
	return nil
}

func (w *world) register(ctx context.Context, r *remote) error {
	for _, m := range cast {
		var c apiClient
		body := map[string]any{"kind": m.kind, "name": m.name + w.suffix, "purpose": m.purpose, "owner_id": w.people["olivia"], "sponsor": m.sponsor}
		types := []string{"client_credentials", exchangeGrant}
		if len(m.redirects) > 0 {
			redirects := slices.Clone(m.redirects)
			redirects[0] = w.redirect(m.name)
			body["redirect_uris"], types = redirects, append(types, "authorization_code", "refresh_token")
		}
		if len(m.asks) > 0 {
			types = append(types, cibaGrant)
		}
		body["grant_types"] = types
		if err := r.call(ctx, http.MethodPost, "/clients", body, &c); err != nil {
			return err
		}
		for _, who := range m.asks {
			if err := r.call(ctx, http.MethodPut, "/clients/"+c.ID+"/acquaintances/"+w.people[who], nil, nil); err != nil {
				return err
			}
		}
		secret, err := r.newSecret(ctx, c.ID)
		if err != nil {
			return err
		}
		w.cast[m.name], w.names[c.ID] = credentials{c.ID, secret}, m.name
	}
	return nil
}

func (w *world) offer(ctx context.Context, r *remote) error {
	for _, s := range services {
		var made struct {
			ID string `json:"id"`
		}
		body := map[string]any{"name": s.name + w.suffix, "identifier": w.audience(s.name), "operator_id": w.cast[s.name].ID}
		if err := r.call(ctx, http.MethodPost, "/resource-servers", body, &made); err != nil {
			return err
		}
		w.resources[s.name] = made.ID
		for _, sc := range s.scopes {
			body := map[string]any{"description": sc.text, "risk": sc.risk, "downstream": w.refs(sc.downstream)}
			if err := r.call(ctx, http.MethodPut, "/resource-servers/"+made.ID+"/scopes/"+url.PathEscape(sc.name), body, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) assign(ctx context.Context, r *remote) error {
	for _, m := range cast {
		if _, _, err := w.role(ctx, r, m.name, w.cast[m.name].ID, m.holds); err != nil {
			return err
		}
	}
	for _, p := range crowd {
		if _, _, err := w.role(ctx, r, p.username, w.people[p.username], p.holds); err != nil {
			return err
		}
	}
	return nil
}

// promote lets Alice export, which Joe may not.
func (w *world) promote(ctx context.Context, r *remote) (err error) {
	w.exports, w.assigned, err = w.role(ctx, r, "exporter", w.people["alice"], []pair{{"sales-api", "sales:export"}})
	return err
}

// exporter gives Alice her role, or takes it away.
func (w *world) exporter(ctx context.Context, r *remote, may bool) error {
	if !may {
		return r.call(ctx, http.MethodDelete, "/assignments/"+w.assigned, nil, nil)
	}
	var err error
	w.assigned, err = w.give(ctx, r, w.exports, w.people["alice"])
	return err
}

// role makes a role for somebody; none if it would be empty.
func (w *world) role(ctx context.Context, r *remote, name, principal string, holds []pair) (id, assignment string, err error) {
	if len(holds) == 0 {
		return "", "", nil
	}
	var role struct {
		ID string `json:"id"`
	}
	body := map[string]any{"name": name + w.suffix + "-role", "description": "What " + name + " needs", "scopes": w.refs(holds)}
	if err := r.call(ctx, http.MethodPost, "/roles", body, &role); err != nil {
		return "", "", err
	}
	assignment, err = w.give(ctx, r, role.ID, principal)
	return role.ID, assignment, err
}

func (w *world) give(ctx context.Context, r *remote, role, principal string) (assignment string, err error) {
	var made struct {
		ID string `json:"id"`
	}
	err = r.call(ctx, http.MethodPost, "/assignments", map[string]any{"role_id": role, "principal_id": principal}, &made)
	return made.ID, err
}

func (w *world) refs(pairs []pair) []map[string]string {
	out := []map[string]string{}
	for _, p := range pairs {
		out = append(out, map[string]string{"resource_server_id": w.resources[p.service], "scope": p.scope})
	}
	return out
}

// clear decommissions everybody and removes the services of this world.
func (w *world) clear(ctx context.Context, r *remote) error {
	for _, s := range services {
		if err := r.call(ctx, http.MethodDelete, "/resource-servers/"+w.resources[s.name], nil, nil); err != nil {
			return err
		}
	}
	for _, who := range w.cast {
		if err := r.call(ctx, http.MethodDelete, "/clients/"+who.ID, nil, nil); err != nil {
			return err
		}
	}
	for _, id := range w.people {
		if err := r.call(ctx, http.MethodDelete, "/users/"+id, nil, nil); err != nil {
			return err
		}
	}
	return nil
}
