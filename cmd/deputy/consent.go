package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type consentCmd struct {
	List       consentListCmd       `cmd:"" help:"List what people agreed to."`
	Revoke     consentRevokeCmd     `cmd:"" help:"End a consent, or one scope of it, and what rests on it, now."`
	Preapprove consentPreapproveCmd `cmd:"" help:"Agree in a user's place to what an agent may do for them. They see who did, and can take it back."`
}

// consentScopes is what these commands need of the admin API.
const consentScopes = "clients:read users:read tokens:read tokens:revoke"

// apiConsent is a consent as the admin API tells it.
type apiConsent struct {
	ID         string   `json:"id"`
	ClientID   string   `json:"client_id"`
	SubjectID  string   `json:"subject_id"`
	ResourceID string   `json:"resource_server_id"`
	Scopes     []string `json:"scopes"`
	ExpiresAt  string   `json:"expires_at"`
	RevokedAt  string   `json:"revoked_at"`
}

type consentListCmd struct {
	connection
	User  string `help:"Username or id of who agreed."`
	Agent string `help:"Name or id of the agent or application it is for."`
	Ended bool   `help:"Show those that ended, too."`
}

// Run prints every page of the list.
func (c *consentListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = consentScopes
	q := url.Values{}
	if !c.Ended {
		q.Set("live", "true")
	}
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
	return pages(ctx, r, "/consents", q, func(one apiConsent) {
		until := one.ExpiresAt
		if one.RevokedAt != "" {
			until = "revoked " + one.RevokedAt
		}
		fmt.Fprintf(io.out, "%-32s %-32s %-32s %-32s %-20s %s\n", one.ID, one.SubjectID, one.ClientID, one.ResourceID, until, strings.Join(one.Scopes, " "))
	})
}

type consentPreapproveCmd struct {
	connection
	User     string        `required:"" help:"Username or id of the user."`
	Agent    string        `required:"" help:"Name or id of the agent or application."`
	Resource string        `required:"" help:"Identifier or id of the resource server." placeholder:"URI"`
	Scope    string        `required:"" help:"Scopes, separated by spaces."`
	For      time.Duration `default:"720h" help:"How long it lasts."`
}

// Run stores the consent and prints its id.
func (c *consentPreapproveCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = "clients:read users:read resources:read consents:write"
	user, err := r.user(ctx, c.User)
	if err != nil {
		return err
	}
	client, err := r.client(ctx, c.Agent)
	if err != nil {
		return err
	}
	resource, err := r.resource(ctx, c.Resource)
	if err != nil {
		return err
	}
	body := map[string]any{
		"client_id": client.ID, "subject_id": user, "resource_server_id": resource, "scopes": strings.Fields(c.Scope),
		"expires_at": time.Now().Add(c.For).UTC().Format(time.RFC3339),
	}
	var one apiConsent
	if err := r.call(ctx, http.MethodPost, "/consents", body, &one); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s: %s may do %s for %s until %s.\n", one.ID, client.Name, strings.Join(one.Scopes, " "), c.User, one.ExpiresAt)
	return nil
}

type consentRevokeCmd struct {
	connection
	Consent string `arg:"" help:"Its id."`
	Scope   string `help:"Take back this scope only."`
	DryRun  bool   `help:"Only tell what would fall."`
}

// Run tells what falls, and takes the consent back.
func (c *consentRevokeCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	r.scopes = consentScopes
	path := "/consents/" + url.PathEscape(c.Consent)
	var one apiConsent
	if err := r.call(ctx, http.MethodGet, path, nil, &one); err != nil {
		return err
	}
	what := strings.Join(one.Scopes, " ")
	if c.Scope != "" {
		what = c.Scope
	}
	named := r.names()
	fmt.Fprintf(io.out, "%s: %s of %s to %s at %s.\n", one.ID, what, named.of(ctx, one.SubjectID), named.of(ctx, one.ClientID), one.ResourceID)
	if err := r.falls(ctx, io, path); err != nil || c.DryRun {
		return err
	}
	q := url.Values{}
	setIf(q, "scope", c.Scope)
	path += "/revoke"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	if err := r.call(ctx, http.MethodPost, path, nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(io.out, "Taken back.")
	return nil
}
