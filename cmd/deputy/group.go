package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

type groupCmd struct {
	Add    groupAddCmd    `cmd:"" help:"Add an empty group."`
	List   groupListCmd   `cmd:"" help:"List groups."`
	Show   groupShowCmd   `cmd:"" help:"Show a group, its roles, and who is in it."`
	Join   groupJoinCmd   `cmd:"" help:"Put users, agents, applications or groups into a group; its roles are theirs."`
	Leave  groupLeaveCmd  `cmd:"" help:"Take members out of a group."`
	Remove groupRemoveCmd `cmd:"" help:"Delete a group; its members lose what they had through it."`
}

// apiGroup is a group as the admin API tells it.
type apiGroup struct {
	apiMeta
	Name        string `json:"name"`
	Description string `json:"description"`
}

type groupAddCmd struct {
	connection
	Name        string `arg:"" help:"Its unique name."`
	Description string `help:"Who is in it."`
}

// Run adds the group.
func (c *groupAddCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("groups:write")
	if err != nil {
		return err
	}
	var g apiGroup
	if err := r.call(ctx, http.MethodPost, "/groups", map[string]any{"name": c.Name, "description": c.Description}, &g); err != nil {
		return err
	}
	fmt.Fprintf(io.err, "%s is added.\n", g.Name)
	fmt.Fprintf(io.out, "group_id=%s\n", g.ID)
	return nil
}

type groupListCmd struct {
	connection
	Member string `help:"Only groups that this user, agent, application or group is in directly."`
}

// Run prints every page of the list.
func (c *groupListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("groups:read")
	if err != nil {
		return err
	}
	q := url.Values{}
	if c.Member != "" {
		r.scopes += " users:read clients:read"
		id, err := r.principal(ctx, c.Member)
		if err != nil {
			return err
		}
		q.Set("member_id", id)
	}
	return pages(ctx, r, "/groups", q, func(g apiGroup) {
		fmt.Fprintf(io.out, "%-32s %-24s %s\n", g.ID, g.Name, g.Description)
	})
}

// someGroup is a group as commands name one.
type someGroup struct {
	connection
	Group string `arg:"" help:"Name or id of the group."`
}

// find reads the group with a token that may do what comes next.
func (c *someGroup) find(ctx context.Context, scopes string) (*remote, *apiGroup, error) {
	r, err := c.as(scopes)
	if err != nil {
		return nil, nil, err
	}
	id, err := r.group(ctx, c.Group)
	if err != nil {
		return nil, nil, err
	}
	var g apiGroup
	return r, &g, r.call(ctx, http.MethodGet, "/groups/"+url.PathEscape(id), nil, &g)
}

type groupShowCmd struct{ someGroup }

// Run prints the group, its roles and its members.
func (c *groupShowCmd) Run(ctx context.Context, io streams) error {
	r, g, err := c.find(ctx, "groups:read roles:read users:read clients:read")
	if err != nil {
		return err
	}
	told(io, "id", g.ID)
	told(io, "name", g.Name)
	told(io, "about", g.Description)
	if err := r.holdings(ctx, io, g.ID); err != nil {
		return err
	}
	named := r.names()
	return pages(ctx, r, "/groups/"+g.ID+"/members", url.Values{}, func(m struct {
		MemberID string `json:"member_id"`
	}) {
		told(io, "member", m.MemberID+" "+named.of(ctx, m.MemberID))
	})
}

// membership is a change of who is in a group.
type membership struct {
	someGroup
	Members []string `arg:"" help:"Names or ids of users, agents, applications or groups."`
}

func (c *membership) change(ctx context.Context, io streams, method, done string) error {
	r, g, err := c.find(ctx, "groups:read users:read clients:read roles:assign")
	if err != nil {
		return err
	}
	ids, err := r.principals(ctx, c.Members) // all of them, before anything changes
	if err != nil {
		return err
	}
	for i, id := range ids {
		if err := r.call(ctx, method, "/groups/"+g.ID+"/members/"+url.PathEscape(id), nil, nil); err != nil {
			return fmt.Errorf("%s: %w", c.Members[i], err)
		}
		fmt.Fprintf(io.out, "%s is %s %s.\n", c.Members[i], done, g.Name)
	}
	return nil
}

type groupJoinCmd struct{ membership }

// Run puts each member into the group.
func (c *groupJoinCmd) Run(ctx context.Context, io streams) error {
	return c.change(ctx, io, http.MethodPut, "in")
}

type groupLeaveCmd struct{ membership }

// Run takes each member out of the group.
func (c *groupLeaveCmd) Run(ctx context.Context, io streams) error {
	return c.change(ctx, io, http.MethodDelete, "out of")
}

type groupRemoveCmd struct{ someGroup }

// Run deletes the group.
func (c *groupRemoveCmd) Run(ctx context.Context, io streams) error {
	r, g, err := c.find(ctx, "groups:read groups:write")
	if err != nil {
		return err
	}
	if err := r.ask(ctx, request{method: http.MethodDelete, path: "/groups/" + g.ID, version: g.Version}, nil); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is removed.\n", g.Name)
	return nil
}
