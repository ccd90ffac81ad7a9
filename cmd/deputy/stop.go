package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/deputyauth/deputy/models"
)

type stopCmd struct {
	connection
	What   string `arg:"" help:"Id of an agent, application, user, grant, consent, approval, token or resource server; the name of an agent; or an access token itself."`
	DryRun bool   `help:"Only tell what would fall."`
}

// stop is how something of one kind is ended.
type stop struct {
	path   string // of all of its kind in the admin API
	how    string // operation of one of them; "" if it is set in its status
	right  string // that it takes
	undone string // by which command; "" if it cannot be
}

var stops = map[string]stop{
	models.PrefixAgent:       {"/clients/", "suspend", "clients:suspend", "deputy agent restore"},
	models.PrefixApplication: {"/clients/", "suspend", "clients:suspend", "deputy agent restore"},
	models.PrefixUser:        {"/users/", "suspend", "users:suspend", "deputy user restore"},
	models.PrefixGrant:       {"/grants/", "revoke", "tokens:revoke", ""},
	models.PrefixToken:       {"/tokens/", "revoke", "tokens:revoke", ""},
	models.PrefixConsent:     {"/consents/", "revoke", "tokens:revoke", ""},
	models.PrefixApproval:    {"/approvals/", "cancel", "tokens:revoke", ""},
	models.PrefixResource:    {"/resource-servers/", "", "resources:write", "deputy resource restore"},
}

// Run tells what falls with something, and stops it.
func (c *stopCmd) Run(ctx context.Context, io streams) error {
	id := tokenID(c.What)
	prefix, _, _ := strings.Cut(id, "_")
	s, known := stops[prefix]
	r, err := c.as("clients:read")
	if err != nil {
		return err
	}
	if !known {
		client, err := r.client(ctx, id)
		if err != nil {
			return err
		}
		id, s = client.ID, stops[models.PrefixAgent]
	}
	r.scopes, r.bearer = "clients:read users:read tokens:read "+s.right, ""
	path := s.path + url.PathEscape(id)
	if err := r.falls(ctx, io, path); err != nil || c.DryRun {
		return err
	}
	if s.how == "" {
		err = r.call(ctx, http.MethodPatch, path, map[string]any{"status": models.StatusSuspended}, nil)
	} else {
		err = r.call(ctx, http.MethodPost, path+"/"+s.how, nil, nil)
	}
	if err != nil {
		return err
	}
	told := id + " is stopped."
	if s.undone != "" {
		told += " Undo it with: " + s.undone + " " + id
	}
	fmt.Fprintln(io.out, told)
	return nil
}

// tokenID is the id of an access token, or the text itself if it is none. Whether the
// token is genuine is the server's to say.
func tokenID(text string) string {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return text
	}
	var claims struct {
		ID string `json:"jti"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.ID == "" {
		return text
	}
	return claims.ID
}
