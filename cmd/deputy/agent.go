package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

type agentCmd struct {
	Create    agentCreateCmd    `cmd:"" help:"Register an agent (or application) and print its first secret, once."`
	List      agentListCmd      `cmd:"" help:"List agents and applications."`
	Show      agentShowCmd      `cmd:"" help:"Show one, with its groups, roles and live credentials."`
	Set       agentSetCmd       `cmd:"" help:"Change what is named; everything else stays."`
	Ask       agentAskCmd       `cmd:"" help:"Say whom it may ask for approval besides its owner and whoever has consented to it."`
	Transfer  agentTransferCmd  `cmd:"" help:"Ask somebody to answer for it from now on; nothing changes until they accept."`
	Transfers agentTransfersCmd `cmd:"" help:"List who is asked to answer for which."`
	Rotate    agentRotateCmd    `cmd:"" help:"Give it a new secret; the old ones live on for the overlap."`
	Renew     agentRenewCmd     `cmd:"" help:"As the agent itself: put a new secret into the file that holds its old one."`
	Key       agentKeyCmd       `cmd:"" help:"Give it a public key, or an address of keys, to prove itself with."`
	Revoke    agentRevokeCmd    `cmd:"" help:"End credentials of it at once."`
	Unused    agentUnusedCmd    `cmd:"" help:"Tell which scopes it holds and does not use, and which narrower role would do."`
	Suspend   agentSuspendCmd   `cmd:"" help:"Silence it and every token it has a part in, now."`
	Restore   agentRestoreCmd   `cmd:"" help:"End a suspension."`
}

// apiClient is a client as the admin API tells it.
type apiClient struct {
	apiMeta
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	ExpiresAt string `json:"expires_at"`

	LastUsedAt string `json:"last_used_at"`
}

type apiCredential struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	ExpiresAt string `json:"expires_at"`
	RevokedAt string `json:"revoked_at"`
	Secret    string `json:"secret"`
}

type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"`
}

type agentCreateCmd struct {
	connection
	Name     string   `arg:"" help:"Its unique name."`
	Kind     string   `default:"agent" enum:"agent,application" help:"agent or application."`
	Owner    string   `help:"Username of the user who answers for it (required for agents)."`
	Sponsor  string   `help:"Who stands for what it is for: a person, a team, a cost centre (required for agents)."`
	Purpose  string   `help:"What it is for."`
	Roles    []string `name:"role" help:"Names of roles to give it."`
	Lifetime int      `help:"Days until it expires (default: 90 for agents)."`
	agentSettings
}

// Run registers the agent.
func (c *agentCreateCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	body, roles, err := c.body(ctx, r)
	if err != nil {
		return err
	}
	var client apiClient
	if err := r.call(ctx, http.MethodPost, "/clients", body, &client); err != nil {
		return err
	}
	for _, id := range roles {
		if err := r.call(ctx, http.MethodPost, "/assignments", map[string]any{"role_id": id, "principal_id": client.ID}, nil); err != nil {
			return err
		}
	}
	if c.Public != nil && *c.Public {
		fmt.Fprintf(io.err, "%s %s is registered. It is public and has no secret.\n", client.Kind, client.Name)
		fmt.Fprintf(io.out, "client_id=%s\n", client.ID)
		return nil
	}
	secret, err := r.newSecret(ctx, client.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.err, "%s %s is registered. The secret is shown once.\n", client.Kind, client.Name)
	fmt.Fprintf(io.out, "client_id=%s\nclient_secret=%s\n", client.ID, secret)
	return nil
}

// body is what to register, and the ids of the roles to give it.
func (c *agentCreateCmd) body(ctx context.Context, r *remote) (body map[string]any, roles []string, err error) {
	body = map[string]any{"kind": c.Kind, "name": c.Name, "purpose": c.Purpose, "sponsor": c.Sponsor}
	if c.Owner != "" {
		if body["owner_id"], err = r.user(ctx, c.Owner); err != nil {
			return nil, nil, err
		}
	}
	if c.Lifetime > 0 {
		body["expires_at"] = endIn(c.Lifetime)
	}
	for _, name := range c.Roles {
		id, err := r.role(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		roles = append(roles, id)
	}
	return body, roles, c.into(ctx, r, body)
}

func (r *remote) newSecret(ctx context.Context, clientID string) (string, error) {
	var made apiCredential
	err := r.call(ctx, http.MethodPost, "/clients/"+clientID+"/credentials", map[string]any{"kind": "secret", "name": "first"}, &made)
	return made.Secret, err
}

// find turns a name into an id.
func (r *remote) find(ctx context.Context, query, name, what string) (string, error) {
	var found list[struct {
		ID string `json:"id"`
	}]
	if err := r.call(ctx, http.MethodGet, query+url.QueryEscape(name), nil, &found); err != nil {
		return "", err
	}
	if len(found.Items) != 1 {
		return "", fmt.Errorf("there is no %s named %q", what, name)
	}
	return found.Items[0].ID, nil
}

// client finds a client by id or name.
func (r *remote) client(ctx context.Context, nameOrID string) (*apiClient, error) {
	if len(nameOrID) > 4 && (nameOrID[:4] == "agt_" || nameOrID[:4] == "app_") {
		var c apiClient
		return &c, r.call(ctx, http.MethodGet, "/clients/"+url.PathEscape(nameOrID), nil, &c)
	}
	var found list[apiClient]
	if err := r.call(ctx, http.MethodGet, "/clients?name="+url.QueryEscape(nameOrID), nil, &found); err != nil {
		return nil, err
	}
	if len(found.Items) != 1 {
		return nil, fmt.Errorf("there is no agent or application named %q", nameOrID)
	}
	return &found.Items[0], nil
}

type agentListCmd struct {
	connection
	Kind   string `help:"agent or application."`
	Status string `help:"active, suspended or decommissioned."`

	Orphaned bool          `help:"Only those whose owner is suspended, removed or expired: they get no tokens."`
	Expiring time.Duration `help:"Only those that end within this time, such as 720h."`
	Idle     time.Duration `help:"Only those that have not proved who they are for this long, such as 720h."`
}

// Run prints every page of the list.
func (c *agentListCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	q := url.Values{}
	setIf(q, "kind", c.Kind)
	setIf(q, "status", c.Status)
	if c.Orphaned {
		q.Set("orphaned", "true")
	}
	if c.Expiring > 0 {
		q.Set("expires_before", time.Now().Add(c.Expiring).UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(io.err, "%-32s %-12s %-14s %-24s %-22s %s\n", "ID", "KIND", "STATUS", "NAME", "EXPIRES", "LAST USED")
	return pages(ctx, r, "/clients", q, func(a apiClient) {
		if used, err := time.Parse(time.RFC3339, a.LastUsedAt); c.Idle > 0 && err == nil && time.Since(used) < c.Idle {
			return
		}
		fmt.Fprintf(io.out, "%-32s %-12s %-14s %-24s %-22s %s\n", a.ID, a.Kind, a.Status, a.Name, a.ExpiresAt, cmp.Or(a.LastUsedAt, "never"))
	})
}

type agentRotateCmd struct {
	connection
	Agent   string        `arg:"" help:"Name or id."`
	Overlap time.Duration `default:"24h" help:"How long the old secrets go on working."`
}

// Run rotates the youngest live secret of the agent. One that held secrets and holds no
// live one, because it was revoked after a leak, say, gets a new one.
func (c *agentRotateCmd) Run(ctx context.Context, io streams) error {
	r, err := c.admin()
	if err != nil {
		return err
	}
	client, err := r.client(ctx, c.Agent)
	if err != nil {
		return err
	}
	path := "/clients/" + client.ID + "/credentials"
	var held list[apiCredential]
	if err := r.call(ctx, http.MethodGet, path+"?limit=200", nil, &held); err != nil {
		return err
	}
	secrets := false
	for i := len(held.Items) - 1; i >= 0; i-- { // the youngest that lives
		old := held.Items[i]
		secrets = secrets || old.Kind == "secret"
		if old.Kind != "secret" || old.RevokedAt != "" || past(old.ExpiresAt) {
			continue
		}
		var next apiCredential
		body := map[string]any{"overlap": int(c.Overlap.Seconds())}
		if err := r.call(ctx, http.MethodPost, path+"/"+old.ID+"/rotate", body, &next); err != nil {
			return err
		}
		fmt.Fprintf(io.err, "The new secret is shown once; %s works for %s more.\n", old.ID, c.Overlap)
		fmt.Fprintf(io.out, "client_id=%s\nclient_secret=%s\n", client.ID, next.Secret)
		return nil
	}
	if !secrets {
		return fmt.Errorf("%s holds no secret to rotate", client.Name)
	}
	secret, err := r.newSecret(ctx, client.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.err, "It held no secret that works. The new one is shown once.\n")
	fmt.Fprintf(io.out, "client_id=%s\nclient_secret=%s\n", client.ID, secret)
	return nil
}

func past(at string) bool {
	t, err := time.Parse(time.RFC3339, at)
	return err == nil && t.Before(time.Now())
}

type agentSuspendCmd struct {
	connection
	Agent  string `arg:"" help:"Name or id."`
	DryRun bool   `help:"Only tell what would fall."`
}

// Run tells what falls, and suspends the agent.
func (c *agentSuspendCmd) Run(ctx context.Context, io streams) error {
	r, client, err := c.agent(ctx, c.Agent)
	if err != nil {
		return err
	}
	if err := r.falls(ctx, io, "/clients/"+client.ID); err != nil || c.DryRun {
		return err
	}
	return r.switchClient(ctx, io, client, "suspend")
}

type agentRestoreCmd struct {
	connection
	Agent string `arg:"" help:"Name or id."`
}

// Run restores the agent.
func (c *agentRestoreCmd) Run(ctx context.Context, io streams) error {
	r, client, err := c.agent(ctx, c.Agent)
	if err != nil {
		return err
	}
	return r.switchClient(ctx, io, client, "restore")
}

// agent is a client by name or id, and the remote as an administrator.
func (c connection) agent(ctx context.Context, nameOrID string) (*remote, *apiClient, error) {
	r, err := c.admin()
	if err != nil {
		return nil, nil, err
	}
	client, err := r.client(ctx, nameOrID)
	return r, client, err
}

func (r *remote) switchClient(ctx context.Context, io streams, client *apiClient, action string) error {
	if err := r.call(ctx, http.MethodPost, "/clients/"+client.ID+"/"+action, nil, client); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is %s.\n", client.Name, client.Status)
	return nil
}
