package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

type roleCmd struct {
	List   roleListCmd   `cmd:"" help:"List roles with their scopes, or those that somebody was given."`
	Create roleCreateCmd `cmd:"" help:"Make a role of some scopes."`
	Give   roleGiveCmd   `cmd:"" help:"Give a role to users, agents, applications or groups."`
	Take   roleTakeCmd   `cmd:"" help:"Take a role away from them again."`
}

// apiRole is a role as the admin API tells it.
type apiRole struct {
	apiMeta
	Name   string `json:"name"`
	Scopes []struct {
		Resource string `json:"resource_server_id"`
		Scope    string `json:"scope"`
	} `json:"scopes"`
}

// apiAssignment says who was given a role.
type apiAssignment struct {
	ID     string `json:"id"`
	RoleID string `json:"role_id"`
	Holder string `json:"principal_id"`
}

type roleListCmd struct {
	connection
	Of string `help:"Only roles that this user, agent, application or group was given itself."`
}

// Run prints every page of the list.
func (c *roleListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("roles:read resources:read")
	if err != nil {
		return err
	}
	named := r.names()
	show := func(role apiRole) {
		fmt.Fprintf(io.out, "%-32s %s\n", role.ID, role.Name)
		for _, s := range role.Scopes {
			fmt.Fprintf(io.out, "    %s at %s\n", s.Scope, named.of(ctx, s.Resource))
		}
	}
	if c.Of == "" {
		return pages(ctx, r, "/roles", url.Values{}, show)
	}
	r.scopes += " users:read clients:read groups:read"
	id, err := r.principal(ctx, c.Of)
	if err != nil {
		return err
	}
	var given []string
	if err := pages(ctx, r, "/assignments", url.Values{"principal_id": {id}}, func(a apiAssignment) { given = append(given, a.RoleID) }); err != nil {
		return err
	}
	for _, id := range given {
		var role apiRole
		if err := r.call(ctx, http.MethodGet, "/roles/"+url.PathEscape(id), nil, &role); err != nil {
			return err
		}
		show(role)
	}
	return nil
}

type roleCreateCmd struct {
	connection
	Name        string   `arg:"" help:"Its unique name."`
	Scopes      []string `arg:"" sep:"none" placeholder:"'URI SCOPE …'" help:"What it holds: a resource server, and scopes there. May be given several times."`
	Description string   `help:"What it is for."`
}

// Run makes the role.
func (c *roleCreateCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("roles:read roles:write resources:read")
	if err != nil {
		return err
	}
	refs, err := r.scopeRefs(ctx, c.Scopes)
	if err != nil {
		return err
	}
	var made apiRole
	body := map[string]any{"name": c.Name, "description": c.Description, "scopes": refs}
	if err := r.call(ctx, http.MethodPost, "/roles", body, &made); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s holds %d scopes.\n", made.Name, len(made.Scopes))
	return nil
}

// assigning is a change of who has a role.
type assigning struct {
	connection
	Role string   `arg:"" help:"Name or id of the role."`
	To   []string `arg:"" name:"holder" help:"Names or ids of users, agents, applications or groups."`
}

// find reads who and what it is about, before anything changes.
func (c *assigning) find(ctx context.Context) (r *remote, role string, holders []string, err error) {
	if r, err = c.as("roles:read roles:assign users:read clients:read groups:read"); err != nil {
		return nil, "", nil, err
	}
	if role, err = r.role(ctx, c.Role); err != nil {
		return nil, "", nil, err
	}
	holders, err = r.principals(ctx, c.To)
	return r, role, holders, err
}

type roleGiveCmd struct{ assigning }

// Run gives the role to each of them.
func (c *roleGiveCmd) Run(ctx context.Context, io streams) error {
	r, role, holders, err := c.find(ctx)
	if err != nil {
		return err
	}
	for i, id := range holders {
		if err := r.call(ctx, http.MethodPost, "/assignments", map[string]any{"role_id": role, "principal_id": id}, nil); err != nil {
			return fmt.Errorf("%s: %w", c.To[i], err)
		}
		fmt.Fprintf(io.out, "%s has %s.\n", c.To[i], c.Role)
	}
	return nil
}

type roleTakeCmd struct{ assigning }

// Run takes the role away from each of them. What they have through groups stays.
func (c *roleTakeCmd) Run(ctx context.Context, io streams) error {
	r, role, holders, err := c.find(ctx)
	if err != nil {
		return err
	}
	for i, id := range holders {
		var given list[apiAssignment]
		q := url.Values{"role_id": {role}, "principal_id": {id}}
		if err := r.call(ctx, http.MethodGet, "/assignments?"+q.Encode(), nil, &given); err != nil {
			return err
		}
		if len(given.Items) == 0 {
			return fmt.Errorf("%s was not given %s", c.To[i], c.Role)
		}
		if err := r.call(ctx, http.MethodDelete, "/assignments/"+given.Items[0].ID, nil, nil); err != nil {
			return fmt.Errorf("%s: %w", c.To[i], err)
		}
		fmt.Fprintf(io.out, "%s has no %s.\n", c.To[i], c.Role)
	}
	return nil
}
