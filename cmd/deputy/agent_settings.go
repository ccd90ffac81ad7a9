package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/deputyauth/deputy/models"
)

// agentSettings are what create and set have in common. What is not given is left
// to the server, or as it is.
type agentSettings struct {
	Redirect      []string `name:"redirect-uri" sep:"none" placeholder:"URI" help:"Where people are sent back to. May be given several times, as may all that follow with URIs or scopes; together they replace what was there, and an empty one takes everything away."`
	Grant         []string `aliases:"grant-type" placeholder:"TYPE" help:"How it may get tokens: client_credentials, token-exchange, authorization_code, refresh_token, ciba, device_code."`
	Public        *bool    `negatable:"" help:"It has no credential, and is held to PKCE."`
	PostLogout    []string `name:"post-logout-uri" sep:"none" placeholder:"URI" help:"Where people are sent back to after they signed out."`
	Backchannel   *string  `name:"backchannel-logout-uri" placeholder:"URI" help:"What is called when a session ends in which somebody signed in to it."`
	Delivery      *string  `placeholder:"MODE" help:"How it gets to know what people answered whom it asked by ciba: poll, ping or push."`
	Notification  *string  `name:"notification-endpoint" placeholder:"URI" help:"For ping and push: what is called then."`
	DefaultScopes []string `sep:"none" placeholder:"'URI SCOPE …'" help:"What it gets when it asks for no scope: a resource server, and scopes there."`
}

// grantNames are what grant types may be called besides.
var grantNames = map[string]string{
	"token-exchange": exchangeGrant, "token_exchange": exchangeGrant, "ciba": models.GrantCIBA, "device_code": models.GrantDevice, "device-code": models.GrantDevice,
}

// into adds what is given to a body for the admin API.
func (s *agentSettings) into(ctx context.Context, r *remote, body map[string]any) error {
	for field, given := range map[string][]string{"redirect_uris": s.Redirect, "grant_types": s.Grant, "post_logout_redirect_uris": s.PostLogout} {
		if given == nil {
			continue
		}
		values := []string{}
		for _, value := range given {
			if full, ok := grantNames[value]; ok && field == "grant_types" {
				value = full
			}
			if value != "" {
				values = append(values, value)
			}
		}
		body[field] = values
	}
	if s.Public != nil {
		body["token_endpoint_auth_method"] = models.AuthAny
		if *s.Public {
			body["token_endpoint_auth_method"] = models.AuthNone
		}
	}
	if s.Backchannel != nil {
		body["backchannel_logout_uri"] = *s.Backchannel
	}
	s.tells(body)
	if s.DefaultScopes == nil {
		return nil
	}
	refs, err := r.scopeRefs(ctx, s.DefaultScopes)
	body["default_scopes"] = refs
	return err
}

// tells is how the client gets to know answers. Whoever polls is told nowhere.
func (s *agentSettings) tells(body map[string]any) {
	if s.Delivery != nil {
		body["backchannel_token_delivery_mode"] = *s.Delivery
		if *s.Delivery == models.DeliveryPoll {
			body["backchannel_client_notification_endpoint"] = ""
		}
	}
	if s.Notification != nil {
		body["backchannel_client_notification_endpoint"] = *s.Notification
	}
}

// scopeRefs reads scopes that are each written behind their resource server.
func (r *remote) scopeRefs(ctx context.Context, given []string) ([]map[string]string, error) {
	refs := []map[string]string{}
	for _, one := range given {
		words := strings.Fields(one)
		if len(words) == 0 {
			continue
		}
		if len(words) == 1 {
			return nil, fmt.Errorf("%q names no scope: write the resource server and its scopes, with spaces between", one)
		}
		resource, err := r.resource(ctx, words[0])
		if err != nil {
			return nil, err
		}
		for _, scope := range words[1:] {
			refs = append(refs, map[string]string{"resource_server_id": resource, "scope": scope})
		}
	}
	return refs, nil
}

// endIn is when something ends that lives so many days.
func endIn(days int) string { return time.Now().AddDate(0, 0, days).UTC().Format(time.RFC3339) }

type agentSetCmd struct {
	connection
	agentSettings
	Agent    string  `arg:"" help:"Name or id."`
	Name     string  `help:"Another unique name."`
	Purpose  *string `help:"What it is for."`
	Sponsor  *string `help:"Who stands for what it is for."`
	Owner    string  `help:"Username or id of the user who answers for it from now on, without being asked (see transfer)."`
	Lifetime int     `help:"Days until it expires, from now."`
}

// Run changes what is named, if nobody else changed the client meanwhile.
func (c *agentSetCmd) Run(ctx context.Context, io streams) error {
	r, client, err := c.agent(ctx, c.Agent)
	if err != nil {
		return err
	}
	change := map[string]any{}
	if c.Name != "" {
		change["name"] = c.Name
	}
	if c.Purpose != nil {
		change["purpose"] = *c.Purpose
	}
	if c.Sponsor != nil {
		change["sponsor"] = *c.Sponsor
	}
	if c.Owner != "" {
		if change["owner_id"], err = r.user(ctx, c.Owner); err != nil {
			return err
		}
	}
	if c.Lifetime > 0 {
		change["expires_at"] = endIn(c.Lifetime)
	}
	if err := c.into(ctx, r, change); err != nil {
		return err
	}
	if len(change) == 0 {
		return errors.New("nothing was named to change")
	}
	if err := r.ask(ctx, request{method: http.MethodPatch, path: "/clients/" + client.ID, body: change, version: client.Version}, client); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is changed.\n", client.Name)
	return nil
}

type agentShowCmd struct {
	connection
	Agent string `arg:"" help:"Name or id."`
}

// Run prints the client, its groups, roles and credentials.
func (c *agentShowCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("clients:read users:read roles:read resources:read groups:read")
	if err != nil {
		return err
	}
	found, err := r.client(ctx, c.Agent)
	if err != nil {
		return err
	}
	var one struct {
		apiClient
		Purpose     string   `json:"purpose"`
		Owner       string   `json:"owner_id"`
		Sponsor     string   `json:"sponsor"`
		Grants      []string `json:"grant_types"`
		Redirects   []string `json:"redirect_uris"`
		PostLogout  []string `json:"post_logout_redirect_uris"`
		Backchannel string   `json:"backchannel_logout_uri"`
		AuthMethod  string   `json:"token_endpoint_auth_method"`
		Delivery    string   `json:"backchannel_token_delivery_mode"`
		Told        string   `json:"backchannel_client_notification_endpoint"`
		Defaults    []struct {
			Resource string `json:"resource_server_id"`
			Scope    string `json:"scope"`
		} `json:"default_scopes"`
	}
	if err := r.call(ctx, http.MethodGet, "/clients/"+found.ID, nil, &one); err != nil {
		return err
	}
	named := r.names()
	for _, line := range [][2]string{
		{"id", one.ID}, {"kind", one.Kind}, {"name", one.Name}, {"purpose", one.Purpose}, {"owner", named.of(ctx, one.Owner)}, {"sponsor", one.Sponsor}, {"status", one.Status},
		{"expires", one.ExpiresAt}, {"grants", strings.Join(one.Grants, " ")}, {"auth", one.AuthMethod}, {"redirects", strings.Join(one.Redirects, " ")},
		{"post-logout", strings.Join(one.PostLogout, " ")}, {"backchannel", one.Backchannel}, {"answers", strings.TrimSpace(one.Delivery + " " + one.Told)},
	} {
		told(io, line[0], line[1])
	}
	for _, d := range one.Defaults {
		told(io, "default", d.Scope+" at "+named.of(ctx, d.Resource))
	}
	if err := r.holdings(ctx, io, one.ID); err != nil {
		return err
	}
	return pages(ctx, r, "/clients/"+one.ID+"/credentials", url.Values{}, func(held apiCredential) {
		if held.RevokedAt == "" && !past(held.ExpiresAt) {
			told(io, "credential", fmt.Sprintf("%s %s %q", held.ID, held.Kind, held.Name))
		}
	})
}
