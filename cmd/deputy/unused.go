package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// apiUnused is what the admin API tells of unused scopes.
type apiUnused struct {
	Since    string `json:"since"`
	TooYoung bool   `json:"too_young"`
	Held     int    `json:"held"`
	Unused   int    `json:"unused"`
	Items    []struct {
		Resource string      `json:"resource_server"`
		Scope    string      `json:"scope"`
		Roles    []apiSource `json:"roles"`
	} `json:"items"`
	Next     string      `json:"next_cursor"`
	Roles    []apiSource `json:"roles"`
	Narrower struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
		Spare  int `json:"spare"`
		Scopes []struct {
			Resource string `json:"resource_server_id"`
			Scope    string `json:"scope"`
		} `json:"scopes"`
		Total int `json:"total"`
	} `json:"narrower"`
}

// apiSource is a role, and how somebody comes by it.
type apiSource struct {
	Role   string   `json:"role"`
	Direct bool     `json:"direct"`
	Via    []string `json:"via"`
}

type agentUnusedCmd struct {
	connection
	Agent string `arg:"" optional:"" help:"Name or id; without one, a line for each that holds anything it does not use."`
	Days  int    `default:"90" help:"How far back to look."`
}

// Run tells what is not used, and what would do.
func (c *agentUnusedCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("clients:read resources:read groups:read")
	if err != nil {
		return err
	}
	u := unused{remote: r, io: io, path: "/clients/", days: c.Days}
	if c.Agent != "" {
		client, err := r.client(ctx, c.Agent)
		if err != nil {
			return err
		}
		return u.one(ctx, holder{client.ID, client.Name})
	}
	var all []holder
	err = pages(ctx, r, "/clients", url.Values{}, func(a apiClient) {
		if a.Status != "decommissioned" {
			all = append(all, holder{a.ID, a.Name})
		}
	})
	if err != nil {
		return err
	}
	return u.all(ctx, all)
}

type userUnusedCmd struct {
	connection
	User string `arg:"" optional:"" help:"Username or id; without one, a line for each who holds anything they do not use."`
	Days int    `default:"90" help:"How far back to look."`
}

// Run tells what is not used, and what would do.
func (c *userUnusedCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("users:read roles:read resources:read groups:read")
	if err != nil {
		return err
	}
	u := unused{remote: r, io: io, path: "/users/", days: c.Days}
	if c.User != "" {
		id, err := r.user(ctx, c.User)
		if err != nil {
			return err
		}
		return u.one(ctx, holder{id, r.names().of(ctx, id)})
	}
	var all []holder
	err = pages(ctx, r, "/users", url.Values{}, func(a apiUser) {
		if a.Status != "decommissioned" {
			all = append(all, holder{a.ID, a.Username})
		}
	})
	if err != nil {
		return err
	}
	return u.all(ctx, all)
}

// holder is who holds scopes, and how commands name them.
type holder struct{ id, name string }

// unused asks what clients or users do not use, and prints it.
type unused struct {
	*remote
	io   streams
	path string // of all of a kind in the admin API
	days int
}

func (c *unused) of(ctx context.Context, id, after string) (*apiUnused, error) {
	if c.days < 1 {
		return nil, errors.New("--days must be 1 or more")
	}
	q := url.Values{"days": {fmt.Sprint(c.days)}, "limit": {"200"}}
	setIf(q, "cursor", after)
	var u apiUnused
	return &u, c.call(ctx, http.MethodGet, c.path+id+"/unused-scopes?"+q.Encode(), nil, &u)
}

// one prints what one of them does not use, and what would do.
func (c *unused) one(ctx context.Context, who holder) error {
	u, err := c.of(ctx, who.id, "")
	if err != nil {
		return err
	}
	if u.TooYoung {
		fmt.Fprintf(c.io.out, "%s exists for less than %d days: too young to tell.\n", who.name, c.days)
		return nil
	}
	fmt.Fprintf(c.io.out, "%s does not use %d of %d scopes since %s.\n", who.name, u.Unused, u.Held, u.Since)
	for page := u; ; {
		for _, s := range page.Items {
			fmt.Fprintf(c.io.out, "    %s at %s, by %s\n", s.Scope, s.Resource, strings.Join(rolesOf(s.Roles), ", "))
		}
		if page.Next == "" {
			break
		}
		if page, err = c.of(ctx, who.id, page.Next); err != nil {
			return err
		}
	}
	u.narrower(ctx, c.remote, c.io, who)
	return nil
}

// all prints a line for each of them that does not use everything.
func (c *unused) all(ctx context.Context, them []holder) error {
	young := 0
	fmt.Fprintf(c.io.err, "%-24s %6s %6s  %-20s %s\n", "NAME", "UNUSED", "HELD", "SINCE", "WOULD DO")
	for _, who := range them {
		u, err := c.of(ctx, who.id, "")
		if err != nil {
			return err
		}
		if u.TooYoung {
			young++
		}
		if u.Unused > 0 {
			fmt.Fprintf(c.io.out, "%-24s %6d %6d  %-20s %s\n", who.name, u.Unused, u.Held, u.Since, u.wouldDo())
		}
	}
	if young > 0 {
		fmt.Fprintf(c.io.err, "%d exist for less than %d days: too young to tell.\n", young, c.days)
	}
	return nil
}

func rolesOf(sources []apiSource) []string {
	out := make([]string, len(sources))
	for i, src := range sources {
		out[i] = src.Role
	}
	return out
}

// wouldDo is what would do, in few words.
func (u *apiUnused) wouldDo() string {
	switch {
	case u.Narrower.Total == 0:
		return "no role"
	case len(u.Narrower.Roles) == 0:
		return fmt.Sprintf("a role of %d scopes", u.Narrower.Total)
	}
	return strings.Join(u.enough(), ", ")
}

// enough are the names of the roles that would do.
func (u *apiUnused) enough() []string {
	var out []string
	for _, r := range u.Narrower.Roles {
		out = append(out, r.Name)
	}
	return out
}

// narrower prints what would do, as commands.
func (u *apiUnused) narrower(ctx context.Context, r *remote, io streams, who holder) {
	if u.Unused == 0 {
		return
	}
	enough := u.enough()
	switch {
	case u.Narrower.Total == 0:
		fmt.Fprintln(io.out, "It needs no role.")
	case len(enough) > 0:
		fmt.Fprintf(io.out, "Enough, of the roles there are: %s (%d of the unused scopes stay).\n", strings.Join(enough, ", "), u.Narrower.Spare)
		for _, name := range enough {
			if !slices.Contains(rolesOf(u.Roles), name) {
				fmt.Fprintf(io.out, "    deputy role give %s %s\n", name, who.name)
			}
		}
	case u.Narrower.Total > len(u.Narrower.Scopes):
		fmt.Fprintf(io.out, "It needs %d scopes, which are too many to name here.\n", u.Narrower.Total)
		return
	default:
		own := u.ownRole(ctx, r)
		enough = []string{who.name + "-only"}
		fmt.Fprintf(io.out, "No role there is would do. One of its own would:\n    deputy role create %s %s\n    deputy role give %s %s\n", enough[0], own, enough[0], who.name)
	}
	u.rest(ctx, r, io, who, enough)
}

// rest prints how the roles go that are not needed.
func (u *apiUnused) rest(ctx context.Context, r *remote, io streams, who holder, enough []string) {
	named := r.names()
	for _, src := range u.Roles {
		if slices.Contains(enough, src.Role) {
			continue
		}
		if src.Direct {
			fmt.Fprintf(io.out, "    deputy role take %s %s\n", src.Role, who.name)
		}
		for _, group := range src.Via {
			fmt.Fprintf(io.out, "%s comes through the group %s, to which others belong: take %s out of it, or the role from the group.\n", src.Role, named.of(ctx, group), who.name)
		}
	}
}

// ownRole is what a role would hold, as role create takes it.
func (u *apiUnused) ownRole(ctx context.Context, r *remote) string {
	named := r.names()
	var order []string
	at := map[string][]string{}
	for _, s := range u.Narrower.Scopes {
		uri := named.of(ctx, s.Resource)
		if at[uri] == nil {
			order = append(order, uri)
		}
		at[uri] = append(at[uri], s.Scope)
	}
	var out []string
	for _, uri := range order {
		out = append(out, quoted(uri+" "+strings.Join(at[uri], " ")))
	}
	return strings.Join(out, " ")
}

// quoted is a word of a shell, whatever is in it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
