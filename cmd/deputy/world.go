package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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
	holds               []pair
}

var services = []service{ // what others hang from comes first
	{"notes-agent", []scopeSpec{{"notes:append", "low", "Keep a note", nil}}},
	{"summarize-agent", []scopeSpec{
		{"summarize:text", "low", "Summarize a text", []pair{{"notes-agent", "notes:append"}}},
		{"summarize:archive", "medium", "Summarize everything there is", nil},
	}},
	{"search-agent", []scopeSpec{{"search:web", "low", "Search the web", []pair{{"summarize-agent", "summarize:text"}}}}},
	{"orchestrator", []scopeSpec{{"agent:orchestrate", "medium", "Carry out a task with other agents", []pair{{"search-agent", "search:web"}}}}},
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
	{"chat-widget", "application", "The chat on the shop's pages", []pair{{"support-agent", "agent:chat"}}},
	{"admin-tool", "application", "What the support team works with", []pair{{"support-agent", "agent:chat"}, {"support-agent", "agent:analytics"}}},
	{"support-agent", "agent", "Answers customers", nil},
	{"orchestrator", "agent", "Splits a task among other agents", append([]pair{{"orchestrator", "agent:orchestrate"}}, chainScopes...)},
	{"search-agent", "agent", "Searches the web", chainScopes[1:]},
	{"summarize-agent", "agent", "Summarizes texts", chainScopes[3:]},
	{"notes-agent", "agent", "Keeps notes", nil},
}

// world is the sample world as it was made: ids, secrets and audiences by name.
type world struct {
	suffix    string
	cast      map[string]credentials
	names     map[string]string // id -> name
	resources map[string]string // service -> resource server id
}

// audience is the identifier of a service of this world.
func (w *world) audience(service string) string { return "https://" + service + w.suffix + ".example" }

func (w *world) name(id string) string {
	if n := w.names[id]; n != "" {
		return n
	}
	return id
}

// makeWorld registers owner, clients, services, scopes and roles. Names end in
// suffix, so that several worlds fit on one server.
func makeWorld(ctx context.Context, r *remote, suffix string) (*world, error) {
	w := &world{suffix: suffix, cast: map[string]credentials{}, names: map[string]string{}, resources: map[string]string{}}
	var owner struct {
		ID string `json:"id"`
	}
	if err := r.call(ctx, http.MethodPost, "/users", map[string]any{"username": "olivia" + suffix, "name": "Olivia Owner"}, &owner); err != nil {
		return nil, fmt.Errorf("make the sample world: %w", err)
	}
	for _, step := range []func() error{
		func() error { return w.register(ctx, r, owner.ID) },
		func() error { return w.offer(ctx, r) },
		func() error { return w.assign(ctx, r) },
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("make the sample world: %w", err)
		}
	}
	return w, nil
}

func (w *world) register(ctx context.Context, r *remote, ownerID string) error {
	for _, m := range cast {
		var c apiClient
		body := map[string]any{"kind": m.kind, "name": m.name + w.suffix, "purpose": m.purpose, "owner_id": ownerID}
		if err := r.call(ctx, http.MethodPost, "/clients", body, &c); err != nil {
			return err
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
		if len(m.holds) == 0 {
			continue
		}
		var role struct {
			ID string `json:"id"`
		}
		body := map[string]any{"name": m.name + w.suffix + "-role", "description": "What " + m.name + " needs", "scopes": w.refs(m.holds)}
		if err := r.call(ctx, http.MethodPost, "/roles", body, &role); err != nil {
			return err
		}
		if err := r.call(ctx, http.MethodPost, "/assignments", map[string]any{"role_id": role.ID, "principal_id": w.cast[m.name].ID}, nil); err != nil {
			return err
		}
	}
	return nil
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
	return nil
}
