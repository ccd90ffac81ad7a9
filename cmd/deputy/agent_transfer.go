package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// apiTransfer is an offer to answer for a client as the admin API tells it.
type apiTransfer struct {
	ID        string `json:"id"`
	ClientID  string `json:"client_id"`
	FromID    string `json:"from_id"`
	ToID      string `json:"to_id"`
	Named     string `json:"named"`
	State     string `json:"state"`
	ExpiresAt string `json:"expires_at"`
}

type agentTransferCmd struct {
	connection
	Agent  string `arg:"" help:"Name or id."`
	User   string `arg:"" optional:"" help:"Username or id of whoever is asked."`
	Cancel bool   `help:"Take back the offer that is open instead."`
}

// Run offers the agent to the user, or takes the offer back.
func (c *agentTransferCmd) Run(ctx context.Context, io streams) error {
	if c.Cancel == (c.User != "") {
		return errors.New("give the user who is asked, or --cancel")
	}
	r, client, err := c.agent(ctx, c.Agent)
	if err != nil {
		return err
	}
	if c.Cancel {
		return r.cancelTransfer(ctx, io, client)
	}
	to, err := r.user(ctx, c.User)
	if err != nil {
		return err
	}
	return r.offerTransfer(ctx, io, client, to, c.User)
}

// offerTransfer asks a user to answer for a client.
func (r *remote) offerTransfer(ctx context.Context, io streams, client *apiClient, to, called string) error {
	var t apiTransfer
	if err := r.call(ctx, http.MethodPost, "/clients/"+client.ID+"/transfer", map[string]string{"to": to}, &t); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is offered to %s until %s.\n", client.Name, called, t.ExpiresAt)
	return nil
}

func (r *remote) cancelTransfer(ctx context.Context, io streams, client *apiClient) error {
	var open list[apiTransfer]
	if err := r.call(ctx, http.MethodGet, "/transfers?state=open&client_id="+url.QueryEscape(client.ID), nil, &open); err != nil {
		return err
	}
	if len(open.Items) == 0 {
		return fmt.Errorf("nobody is asked to answer for %s", client.Name)
	}
	if err := r.call(ctx, http.MethodPost, "/transfers/"+open.Items[0].ID+"/cancel", nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is offered to nobody any more.\n", client.Name)
	return nil
}

type agentTransfersCmd struct {
	connection
	State string `default:"open" enum:"open,accepted,declined,cancelled,expired,all" help:"open, accepted, declined, cancelled, expired or all."`
}

// Run prints the offers, oldest first.
func (c *agentTransfersCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("clients:read users:read")
	if err != nil {
		return err
	}
	q := url.Values{}
	if c.State != "all" {
		q.Set("state", c.State)
	}
	named := r.names()
	fmt.Fprintf(io.err, "%-30s %-10s %-24s %-20s %-20s %s\n", "ID", "STATE", "AGENT", "FROM", "TO", "ENDS")
	return pages(ctx, r, "/transfers", q, func(t apiTransfer) {
		from, to := "nobody", t.Named
		if t.FromID != "" {
			from = named.of(ctx, t.FromID)
		}
		if t.ToID != "" {
			to = named.of(ctx, t.ToID)
		}
		fmt.Fprintf(io.out, "%-30s %-10s %-24s %-20s %-20s %s\n", t.ID, t.State, named.of(ctx, t.ClientID), from, to, t.ExpiresAt)
	})
}
