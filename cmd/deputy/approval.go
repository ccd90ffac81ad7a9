package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

type approvalCmd struct {
	List   approvalListCmd   `cmd:"" help:"List what agents asked of people."`
	Show   approvalShowCmd   `cmd:"" help:"Show what was asked, and what became of it."`
	Cancel approvalCancelCmd `cmd:"" help:"End a request, or what came of it. Only the person who is asked can answer one (deputy approve)."`
}

// approvalScopes is what these commands need of the admin API.
const approvalScopes = "clients:read users:read tokens:read tokens:revoke"

// apiApproval is an approval as the admin API tells it.
type apiApproval struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	ClientID  string `json:"client_id"`
	SubjectID string `json:"subject_id"`
	Request   struct {
		Scopes    []string `json:"scopes"`
		Resources []string `json:"resources"`
		Message   string   `json:"message"`
		GrantType string   `json:"grant_type"`
		Parent    string   `json:"parent_token_id"`

		Details []json.RawMessage `json:"authorization_details"`
	} `json:"request"`
	CompareCode string `json:"compare_code"`
	Delivery    string `json:"delivery"`
	State       string `json:"state"`
	Reported    bool   `json:"reported"`
	IP          string `json:"ip"`
	UserAgent   string `json:"user_agent"`
	GrantID     string `json:"grant_id"`
	CreatedAt   string `json:"created_at"`
	ExpiresAt   string `json:"expires_at"`
	AnsweredAt  string `json:"answered_at"`
	Until       string `json:"approved_until"`
	UsedAt      string `json:"used_at"`
	TokenID     string `json:"token_id"`
	Granted     []struct {
		Resource string   `json:"resource_id"`
		Scopes   []string `json:"scopes"`
	} `json:"granted"`
}

type approvalListCmd struct {
	connection
	User  string `help:"Username or id of who is asked."`
	Agent string `help:"Name or id of the agent or application that asks."`
	State string `default:"" enum:",pending,approved,denied,cancelled,expired,used" help:"pending, approved, denied, cancelled, expired or used."`
}

// Run prints every page of the list.
func (c *approvalListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as(approvalScopes)
	if err != nil {
		return err
	}
	q := url.Values{}
	setIf(q, "state", c.State)
	if c.User != "" {
		id, err := r.user(ctx, c.User)
		if err != nil {
			return err
		}
		q.Set("subject_id", id)
	}
	if c.Agent != "" {
		client, err := r.client(ctx, c.Agent)
		if err != nil {
			return err
		}
		q.Set("client_id", client.ID)
	}
	named := r.names()
	return pages(ctx, r, "/approvals", q, func(one apiApproval) {
		fmt.Fprintf(io.out, "%-32s %-7s %-9s %-20s %-20s %-20s %s\n", one.ID, one.Kind, one.State, named.of(ctx, one.ClientID),
			named.of(ctx, one.SubjectID), one.CreatedAt, strings.Join(one.Request.Scopes, " "))
	})
}

// someApproval is an approval as commands name one.
type someApproval struct {
	connection
	Approval string `arg:"" help:"Its id (apr_…)."`
}

func (c *someApproval) path() string { return "/approvals/" + url.PathEscape(c.Approval) }

type approvalShowCmd struct{ someApproval }

// Run prints one approval. What the agent says is quoted: it is not Deputy who says it.
func (c *approvalShowCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as(approvalScopes)
	if err != nil {
		return err
	}
	var one apiApproval
	if err := r.call(ctx, http.MethodGet, c.path(), nil, &one); err != nil {
		return err
	}
	named := r.names()
	state := one.State
	if one.Reported {
		state += ", and reported"
	}
	message := ""
	if one.Request.Message != "" {
		message = fmt.Sprintf("%q", one.Request.Message)
	}
	for _, line := range [][2]string{
		{"id", one.ID}, {"kind", one.Kind}, {"state", state}, {"agent", named.of(ctx, one.ClientID)}, {"asks", named.of(ctx, one.SubjectID)},
		{"scopes", strings.Join(one.Request.Scopes, " ")}, {"at", strings.Join(one.Request.Resources, " ")}, {"to get it by", one.Request.GrantType}, {"with token", one.Request.Parent}, {"agent says", message},
		{"compare", one.CompareCode}, {"told by", one.Delivery}, {"from", strings.TrimSpace(one.IP + " " + fmt.Sprintf("%q", one.UserAgent))},
		{"asked", one.CreatedAt}, {"waits until", one.ExpiresAt}, {"answered", one.AnsweredAt}, {"grant", one.GrantID},
		{"until", one.Until}, {"used", one.UsedAt}, {"token", one.TokenID},
	} {
		told(io, line[0], line[1])
	}
	for _, g := range one.Granted {
		told(io, "allowed", strings.Join(g.Scopes, " ")+" at "+named.of(ctx, g.Resource))
	}
	for _, detail := range one.Request.Details {
		told(io, "exactly", plain(string(detail)))
	}
	return nil
}

type approvalCancelCmd struct{ someApproval }

// Run cancels the request.
func (c *approvalCancelCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as(approvalScopes)
	if err != nil {
		return err
	}
	var one apiApproval
	if err := r.call(ctx, http.MethodPost, c.path()+"/cancel", nil, &one); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is %s.\n", one.ID, one.State)
	return nil
}

type agentAskCmd struct {
	connection
	Agent string `arg:"" help:"Name or id."`
	What  string `arg:"" enum:"allow,deny,list" help:"allow, deny or list."`
	Whom  string `arg:"" optional:"" help:"Name or id of a user, or of a group, whose members it may ask."`
}

// Run changes or lists whom the agent may ask.
func (c *agentAskCmd) Run(ctx context.Context, io streams) error {
	if (c.Whom == "") != (c.What == "list") {
		return errors.New("allow or deny whom? name a user or a group; list takes nobody")
	}
	r, err := c.as("clients:read clients:write users:read groups:read")
	if err != nil {
		return err
	}
	client, err := r.client(ctx, c.Agent)
	if err != nil {
		return err
	}
	path := "/clients/" + client.ID + "/acquaintances"
	if c.What == "list" {
		named := r.names()
		return pages(ctx, r, path, url.Values{}, func(one struct {
			PrincipalID string `json:"principal_id"`
		}) {
			fmt.Fprintf(io.out, "%-32s %s\n", one.PrincipalID, named.of(ctx, one.PrincipalID))
		})
	}
	id, err := r.principal(ctx, c.Whom)
	if err != nil {
		return err
	}
	method, may := http.MethodPut, "may"
	if c.What == "deny" {
		method, may = http.MethodDelete, "may no longer"
	}
	if err := r.call(ctx, method, path+"/"+url.PathEscape(id), nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s %s ask %s.\n", client.Name, may, c.Whom)
	return nil
}
