package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/deputyauth/deputy/models"
)

// apiMeta is what every object of the admin API with a version has.
type apiMeta struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

// names caches what ids are called, for commands that print them.
type names struct {
	r     *remote
	known map[string]string
}

func (r *remote) names() *names { return &names{r, map[string]string{}} }

// where is the list of the admin API that an id is in, by its prefix, and the
// field that names what is in it. "" if there is none.
func where(id string) (list, field string) {
	switch prefix, _, _ := strings.Cut(id, "_"); prefix {
	case models.PrefixUser:
		return "/users", "username"
	case models.PrefixAgent, models.PrefixApplication:
		return "/clients", "name"
	case models.PrefixGroup:
		return "/groups", "name"
	case models.PrefixRole:
		return "/roles", "name"
	case models.PrefixResource:
		return "/resource-servers", "identifier"
	}
	return "", ""
}

// of is what id is called; the id itself where that cannot be told.
func (n *names) of(ctx context.Context, id string) string {
	if name, ok := n.known[id]; ok {
		return name
	}
	n.known[id] = id
	if list, field := where(id); list != "" {
		var one map[string]any
		if n.r.call(ctx, http.MethodGet, list+"/"+url.PathEscape(id), nil, &one) == nil {
			n.known[id] = fmt.Sprint(one[field])
		}
	}
	return n.known[id]
}

// byName finds the id of one of a kind by its name; an id stands for itself.
func (r *remote) byName(ctx context.Context, name, list, field, what string) (string, error) {
	if of, _ := where(name); of == list {
		return name, nil
	}
	return r.find(ctx, list+"?"+field+"=", name, what)
}

func (r *remote) user(ctx context.Context, name string) (string, error) {
	return r.byName(ctx, name, "/users", "username", "user")
}

func (r *remote) resource(ctx context.Context, name string) (string, error) {
	return r.byName(ctx, name, "/resource-servers", "identifier", "resource server")
}

func (r *remote) role(ctx context.Context, name string) (string, error) {
	return r.byName(ctx, name, "/roles", "name", "role")
}

func (r *remote) group(ctx context.Context, name string) (string, error) {
	return r.byName(ctx, name, "/groups", "name", "group")
}

// principal finds who can hold roles and be in groups: a user, an agent or
// application, or a group. A name that several of these have tells none of them.
func (r *remote) principal(ctx context.Context, name string) (string, error) {
	if list, _ := where(name); list == "/users" || list == "/clients" || list == "/groups" {
		return name, nil
	}
	var found []string
	for _, query := range []string{"/users?username=", "/clients?name=", "/groups?name="} {
		var page list[apiMeta]
		if err := r.call(ctx, http.MethodGet, query+url.QueryEscape(name), nil, &page); err != nil {
			return "", err
		}
		for _, one := range page.Items {
			found = append(found, one.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no user, agent, application or group named %q", name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%q is the name of %s; give the id", name, strings.Join(found, " and "))
}

// principals finds each of several.
func (r *remote) principals(ctx context.Context, named []string) ([]string, error) {
	ids := make([]string, len(named))
	for i, name := range named {
		var err error
		if ids[i], err = r.principal(ctx, name); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// holdings prints which groups somebody is in, and which roles they were given
// themselves.
func (r *remote) holdings(ctx context.Context, io streams, id string) error {
	var groups, roles []string
	err := pages(ctx, r, "/groups", url.Values{"member_id": {id}}, func(g struct{ Name string }) { groups = append(groups, g.Name) })
	if err != nil {
		return err
	}
	named := r.names()
	err = pages(ctx, r, "/assignments", url.Values{"principal_id": {id}}, func(a apiAssignment) { roles = append(roles, named.of(ctx, a.RoleID)) })
	if err != nil {
		return err
	}
	told(io, "groups", strings.Join(groups, " "))
	told(io, "roles", strings.Join(roles, " "))
	return nil
}

// told prints a line of what a show command tells; what is empty is not told.
func told(io streams, label, value string) {
	if value != "" {
		fmt.Fprintf(io.out, "%-12s %s\n", label, value)
	}
}
