package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// apiUser is a user as the admin API tells it.
type apiUser struct {
	apiMeta
	Username  string `json:"username"`
	Name      string `json:"name"`
	Email     string `json:"email"`
	Status    string `json:"status"`
	ExpiresAt string `json:"expires_at"`
}

// as is the remote with the scopes of the admin API that a command takes.
func (c connection) as(scopes string) (*remote, error) {
	r, err := c.admin()
	if err == nil {
		r.scopes = scopes
	}
	return r, err
}

type userAddCmd struct {
	connection
	Username string `arg:"" help:"What they sign in with."`
	Name     string `help:"What they are called."`
	Email    string `help:"Their address."`
	Invite   bool   `help:"Print a one-time link, too, with which they choose a password."`
}

// Run adds the user and, if they are invited, prints their link.
func (c *userAddCmd) Run(ctx context.Context, io streams) error {
	scopes := "users:write"
	if c.Invite {
		scopes += " credentials:write"
	}
	r, err := c.as(scopes)
	if err != nil {
		return err
	}
	var u apiUser
	if err := r.call(ctx, http.MethodPost, "/users", map[string]any{"username": c.Username, "name": c.Name, "email": c.Email}, &u); err != nil {
		return err
	}
	fmt.Fprintf(io.err, "%s is added.\n", u.Username)
	fmt.Fprintf(io.out, "user_id=%s\n", u.ID)
	if !c.Invite {
		return nil
	}
	var link struct{ URL string }
	if err := r.call(ctx, http.MethodPost, "/users/"+u.ID+"/links", map[string]any{"purpose": "invite"}, &link); err != nil {
		return fmt.Errorf("%s has no invitation: %w", u.Username, err)
	}
	fmt.Fprintln(io.err, "The link is shown once, and works once, for a day.")
	fmt.Fprintf(io.out, "invitation=%s\n", link.URL)
	return nil
}

type userListCmd struct {
	connection
	Status string `help:"active, suspended or decommissioned."`
}

// Run prints every page of the list.
func (c *userListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("users:read")
	if err != nil {
		return err
	}
	q := url.Values{}
	setIf(q, "status", c.Status)
	return pages(ctx, r, "/users", q, func(u apiUser) {
		fmt.Fprintf(io.out, "%-32s %-14s %-24s %-24q %s\n", u.ID, u.Status, u.Username, u.Name, u.Email)
	})
}

// someUser is a user as commands that go through the admin API name one.
type someUser struct {
	connection
	User string `arg:"" help:"User name or id."`
}

// find reads the user with a token that may do what comes next.
func (c *someUser) find(ctx context.Context, scopes string) (*remote, *apiUser, error) {
	r, err := c.as(scopes)
	if err != nil {
		return nil, nil, err
	}
	id, err := r.user(ctx, c.User)
	if err != nil {
		return nil, nil, err
	}
	var u apiUser
	return r, &u, r.call(ctx, http.MethodGet, "/users/"+url.PathEscape(id), nil, &u)
}

type userShowCmd struct{ someUser }

// Run prints the user, their groups and roles, and whom they answer for.
func (c *userShowCmd) Run(ctx context.Context, io streams) error {
	r, u, err := c.find(ctx, "users:read groups:read roles:read clients:read")
	if err != nil {
		return err
	}
	for _, line := range [][2]string{
		{"id", u.ID}, {"username", u.Username}, {"name", u.Name}, {"email", u.Email}, {"status", u.Status}, {"expires", u.ExpiresAt},
	} {
		told(io, line[0], line[1])
	}
	if err := r.holdings(ctx, io, u.ID); err != nil {
		return err
	}
	return pages(ctx, r, "/clients", url.Values{"owner_id": {u.ID}}, func(owned apiClient) {
		told(io, "owns", fmt.Sprintf("%s %s (%s)", owned.Kind, owned.Name, owned.Status))
	})
}

type userSuspendCmd struct {
	someUser
	DryRun bool `help:"Only tell what would fall."`
}

// Run tells what falls, and suspends the user.
func (c *userSuspendCmd) Run(ctx context.Context, io streams) error {
	r, u, err := c.find(ctx, "users:read users:suspend tokens:read clients:read")
	if err != nil {
		return err
	}
	if err := r.falls(ctx, io, "/users/"+u.ID); err != nil || c.DryRun {
		return err
	}
	return r.switchUser(ctx, io, u, "suspend")
}

type userRestoreCmd struct{ someUser }

// Run restores the user.
func (c *userRestoreCmd) Run(ctx context.Context, io streams) error {
	r, u, err := c.find(ctx, "users:read users:suspend")
	if err != nil {
		return err
	}
	return r.switchUser(ctx, io, u, "restore")
}

func (r *remote) switchUser(ctx context.Context, io streams, u *apiUser, action string) error {
	if err := r.call(ctx, http.MethodPost, "/users/"+u.ID+"/"+action, nil, u); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is %s.\n", u.Username, u.Status)
	return nil
}

type userHandoverCmd struct {
	someUser
	To  string `arg:"" help:"Username or id of whoever is to answer for them."`
	Now bool   `help:"Put them in charge at once, without asking. It takes owners:assign."`
}

// Run hands over one agent after another, so that it can be run again if it is cut off.
// Unless it is to be now, whoever is to answer for them is asked.
func (c *userHandoverCmd) Run(ctx context.Context, io streams) error {
	r, u, err := c.find(ctx, "users:read clients:read clients:write")
	if err != nil {
		return err
	}
	heir, err := r.user(ctx, c.To)
	if err != nil {
		return err
	}
	var owned []apiClient
	if err := pages(ctx, r, "/clients", url.Values{"owner_id": {u.ID}}, func(a apiClient) { owned = append(owned, a) }); err != nil {
		return err
	}
	for _, a := range owned {
		if a.Status == "decommissioned" {
			continue
		}
		if !c.Now {
			if err := r.offerTransfer(ctx, io, &a, heir, c.To); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
			continue
		}
		change := request{method: http.MethodPatch, path: "/clients/" + a.ID, body: map[string]any{"owner_id": heir}, version: a.Version}
		if err := r.ask(ctx, change, nil); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		fmt.Fprintf(io.out, "%s is %s's now.\n", a.Name, c.To)
	}
	return nil
}

type userRemoveCmd struct {
	someUser
	Yes bool `help:"Do it: nobody comes back from this."`
}

// Run tells what falls, and removes the user for good if that is meant.
func (c *userRemoveCmd) Run(ctx context.Context, io streams) error {
	r, u, err := c.find(ctx, "users:read users:write users:suspend tokens:read clients:read")
	if err != nil {
		return err
	}
	if err := r.falls(ctx, io, "/users/"+u.ID); err != nil {
		return err
	}
	if !c.Yes {
		return errors.New("nothing was done: a user who is removed does not come back; give --yes, or suspend them")
	}
	if err := r.ask(ctx, request{method: http.MethodDelete, path: "/users/" + u.ID, version: u.Version}, nil); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is removed.\n", u.Username)
	return nil
}
