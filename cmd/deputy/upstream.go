package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/deputyauth/deputy/models"
)

type upstreamCmd struct {
	Add    upstreamAddCmd    `cmd:"" help:"Add an OpenID provider that people may sign in with, and print where it must send them back to."`
	List   upstreamListCmd   `cmd:"" help:"List the providers."`
	Set    upstreamSetCmd    `cmd:"" help:"Change a provider, or close and open it."`
	Remove upstreamRemoveCmd `cmd:"" help:"Remove a provider. Sessions go on, and accounts stay linked should its issuer come back."`
}

// upstreamScopes is what these commands need of the admin API.
const upstreamScopes = "upstreams:read upstreams:write"

// apiUpstream is a provider as the admin API tells it.
type apiUpstream struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Issuer      string `json:"issuer"`
	ClientID    string `json:"client_id"`
	Status      string `json:"status"`
	RedirectURI string `json:"redirect_uri"`
}

// upstreams is the remote with the scopes that providers take.
func (c connection) upstreams() (*remote, error) {
	r, err := c.admin()
	if err == nil {
		r.scopes = upstreamScopes
	}
	return r, err
}

type upstreamAddCmd struct {
	connection
	Issuer         string   `arg:"" help:"The provider's issuer, as it writes it."`
	Name           string   `required:"" help:"On the button of the page to sign in."`
	UpstreamClient string   `required:"" help:"Client id as which Deputy is registered there." placeholder:"ID"`
	UpstreamSecret Secret   `env:"DEPUTY_UPSTREAM_SECRET" help:"Client secret there." placeholder:"SECRET"`
	Scope          []string `help:"Scopes to ask for; openid unless told."`
	ACR            []string `name:"acr" help:"acr_values to ask for where more than a password is wanted."`
}

// Run adds the provider.
func (c *upstreamAddCmd) Run(ctx context.Context, io streams) error {
	r, err := c.upstreams()
	if err != nil {
		return err
	}
	in := map[string]any{"name": c.Name, "issuer": c.Issuer, "client_id": c.UpstreamClient}
	if c.UpstreamSecret != "" {
		in["client_secret"] = string(c.UpstreamSecret)
	}
	if len(c.Scope) > 0 {
		in["scopes"] = c.Scope
	}
	if len(c.ACR) > 0 {
		in["acr_values"] = c.ACR
	}
	var made apiUpstream
	if err := r.call(ctx, http.MethodPost, "/upstreams", in, &made); err != nil {
		return err
	}
	fmt.Fprintf(io.err, "%s is added. Register this as its redirect URI there:\n", made.ID)
	fmt.Fprintln(io.out, made.RedirectURI)
	return nil
}

type upstreamListCmd struct{ connection }

// Run prints every page of the list.
func (c *upstreamListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.upstreams()
	if err != nil {
		return err
	}
	return pages(ctx, r, "/upstreams", url.Values{}, func(one apiUpstream) {
		fmt.Fprintf(io.out, "%-32s %-10s %-24q %s %s\n", one.ID, one.Status, one.Name, one.Issuer, one.RedirectURI)
	})
}

type upstreamSetCmd struct {
	connection
	ID             string `arg:"" help:"Id of the provider."`
	Name           string `help:"On the button of the page to sign in."`
	UpstreamClient string `help:"Client id there." placeholder:"ID"`
	UpstreamSecret Secret `env:"DEPUTY_UPSTREAM_SECRET" help:"Client secret there." placeholder:"SECRET"`
	Status         string `enum:"active,suspended," default:"" help:"Suspended, it signs nobody in (${enum})."`
}

// Run changes what is named.
func (c *upstreamSetCmd) Run(ctx context.Context, io streams) error {
	r, err := c.upstreams()
	if err != nil {
		return err
	}
	change := map[string]string{}
	for field, value := range map[string]string{"name": c.Name, "client_id": c.UpstreamClient, "client_secret": string(c.UpstreamSecret), "status": c.Status} {
		if value != "" {
			change[field] = value
		}
	}
	var now apiUpstream
	if err := r.call(ctx, http.MethodPatch, "/upstreams/"+url.PathEscape(c.ID), change, &now); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is %s.\n", now.ID, now.Status)
	return nil
}

type upstreamRemoveCmd struct {
	connection
	ID string `arg:"" help:"Id of the provider."`
}

// Run removes the provider.
func (c *upstreamRemoveCmd) Run(ctx context.Context, io streams) error {
	r, err := c.upstreams()
	if err != nil {
		return err
	}
	if err := r.call(ctx, http.MethodDelete, "/upstreams/"+url.PathEscape(c.ID), nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(io.out, "Removed.")
	return nil
}

type userIdentitiesCmd struct {
	account
	Unlink string `help:"Id of one that is to sign the user in no more." placeholder:"ID"`
}

// Run lists who a user is at OpenID providers, or unlinks one of them.
func (c *userIdentitiesCmd) Run(ctx context.Context, io streams) error {
	store, user, err := c.find(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if c.Unlink != "" {
		if err := store.UnlinkIdentity(ctx, models.By{System: "deputy user identities"}, user.ID, c.Unlink); err != nil {
			return err
		}
		fmt.Fprintln(io.out, "Unlinked. Sessions go on; deputy user sessions --end ends them.")
		return nil
	}
	rows, err := store.Identities(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, r := range rows {
		fmt.Fprintf(io.out, "%-32s %s %q\n", r.ID, r.Issuer, r.Subject)
	}
	return nil
}
