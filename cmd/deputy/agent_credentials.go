package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

type agentKeyCmd struct {
	connection
	Agent string `arg:"" help:"Name or id."`
	File  string `type:"existingfile" xor:"key" required:"" help:"A public key as JWK, for private_key_jwt."`
	URI   string `name:"jwks-uri" xor:"key" required:"" help:"Where the agent keeps its keys, as a JWK set; it changes them there."`
	Name  string `help:"To tell it from others."`
}

// Run gives the agent a key, or an address of keys, to prove itself with.
func (c *agentKeyCmd) Run(ctx context.Context, io streams) error {
	r, client, err := c.agent(ctx, c.Agent)
	if err != nil {
		return err
	}
	body := map[string]any{"kind": "jwks_uri", "name": c.Name, "jwks_uri": c.URI}
	if c.File != "" {
		raw, err := os.ReadFile(c.File)
		if err != nil {
			return err
		}
		if !json.Valid(raw) {
			return fmt.Errorf("%s is no JWK", c.File)
		}
		body = map[string]any{"kind": "public_key", "name": c.Name, "public_jwk": json.RawMessage(raw)}
	}
	var made apiCredential
	if err := r.call(ctx, http.MethodPost, "/clients/"+client.ID+"/credentials", body, &made); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s may prove itself with %s.\n", client.Name, made.ID)
	return nil
}

type agentRevokeCmd struct {
	connection
	Agent       string   `arg:"" help:"Name or id."`
	Credentials []string `arg:"" optional:"" help:"Ids of credentials (see agent show)."`
	All         bool     `help:"Every one it has: it cannot prove itself until it is given another."`
	DryRun      bool     `help:"Only tell what is left then."`
}

// Run ends credentials of the agent at once.
func (c *agentRevokeCmd) Run(ctx context.Context, io streams) error {
	if c.All == (len(c.Credentials) > 0) {
		return errors.New("name credentials, or --all of them")
	}
	r, client, err := c.agent(ctx, c.Agent)
	if err != nil {
		return err
	}
	path := "/clients/" + client.ID + "/credentials"
	if c.All {
		err := pages(ctx, r, path, url.Values{}, func(held apiCredential) {
			if held.RevokedAt == "" && !past(held.ExpiresAt) {
				c.Credentials = append(c.Credentials, held.ID)
			}
		})
		if err != nil {
			return err
		}
	}
	for _, id := range c.Credentials {
		if err := r.falls(ctx, io, path+"/"+id); err != nil {
			return err
		}
		if c.DryRun {
			continue
		}
		if err := r.call(ctx, http.MethodDelete, path+"/"+id, nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s is revoked.\n", id)
	}
	return nil
}
