package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

type receiverCmd struct {
	Add    receiverAddCmd    `cmd:"" help:"Have events pushed to an address from now on."`
	List   receiverListCmd   `cmd:"" help:"List where events are pushed to."`
	Remove receiverRemoveCmd `cmd:"" help:"Push events there no more."`
}

// apiReceiver is an event receiver as the admin API tells it.
type apiReceiver struct {
	ID         string `json:"id"`
	URL        string `json:"url"`
	ResourceID string `json:"resource_server_id,omitempty"`
}

func (a apiReceiver) String() string {
	if a.ResourceID == "" {
		return fmt.Sprintf("%s  all events  %s", a.ID, a.URL)
	}
	return fmt.Sprintf("%s  %s  %s", a.ID, a.ResourceID, a.URL)
}

type receiverAddCmd struct {
	connection
	To       string `arg:"" help:"An https address that takes Security Event Tokens (RFC 8935)." placeholder:"URL"`
	Resource string `help:"Identifier or id of the resource server whose events it gets. Without: all events."`
}

// Run registers it.
func (c *receiverAddCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = "events:write resources:read"
	body := map[string]string{"url": c.To}
	if c.Resource != "" {
		if body["resource_server_id"], err = r.resource(ctx, c.Resource); err != nil {
			return err
		}
	}
	var made apiReceiver
	if err := r.call(ctx, http.MethodPost, "/event-receivers", body, &made); err != nil {
		return err
	}
	fmt.Fprintln(io.out, made)
	return nil
}

type receiverListCmd struct{ connection }

// Run prints every page of the list.
func (c *receiverListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = "events:read"
	return pages(ctx, r, "/event-receivers", url.Values{}, func(one apiReceiver) { fmt.Fprintln(io.out, one) })
}

type receiverRemoveCmd struct {
	connection
	ID string `arg:"" help:"Its id (evr_…)."`
}

// Run removes it.
func (c *receiverRemoveCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = "events:write"
	if err := r.call(ctx, http.MethodDelete, "/event-receivers/"+url.PathEscape(c.ID), nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(io.out, "Removed. What it was not told yet it will not be told.")
	return nil
}
