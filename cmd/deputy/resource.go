package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

type resourceCmd struct {
	Type    detailTypeCmd      `cmd:"" help:"Types of authorization details (RFC 9396) that a resource server knows."`
	Restore resourceRestoreCmd `cmd:"" help:"End a suspension."`
}

type resourceRestoreCmd struct{ atResource }

// Run restores the resource server.
func (c *resourceRestoreCmd) Run(ctx context.Context, io streams) error {
	r, err := c.as("resources:read resources:write")
	if err != nil {
		return err
	}
	id, err := r.resource(ctx, c.Resource)
	if err != nil {
		return err
	}
	if err := r.call(ctx, http.MethodPatch, "/resource-servers/"+id, map[string]any{"status": "active"}, nil); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is active.\n", id)
	return nil
}

type detailTypeCmd struct {
	List   detailTypeListCmd   `cmd:"" help:"List the types of a resource server."`
	Set    detailTypeSetCmd    `cmd:"" help:"Register a type, or replace what is said of it."`
	Remove detailTypeRemoveCmd `cmd:"" help:"Delete a type: nothing of it is granted any more, and live tokens that carry it end."`
}

// apiDetailType is a type as the admin API tells it.
type apiDetailType struct {
	Type     string            `json:"type"`
	Scope    string            `json:"scope"`
	Risk     string            `json:"risk"`
	Template map[string]string `json:"template"`
}

// atResource names a resource server.
type atResource struct {
	connection
	Resource string `arg:"" help:"Identifier or id of the resource server."`
}

// types is where its types are in the admin API.
func (c *atResource) types(ctx context.Context, scopes string) (*remote, string, error) {
	r, err := c.as(scopes)
	if err != nil {
		return nil, "", err
	}
	id, err := r.resource(ctx, c.Resource)
	return r, "/resource-servers/" + id + "/detail-types", err
}

type detailTypeListCmd struct{ atResource }

// Run prints every page of the list.
func (c *detailTypeListCmd) Run(ctx context.Context, io streams) error {
	r, path, err := c.types(ctx, "resources:read")
	if err != nil {
		return err
	}
	return pages(ctx, r, path, url.Values{}, func(d apiDetailType) {
		fmt.Fprintf(io.out, "%-24s %-6s through %s: %s\n", d.Type, d.Risk, d.Scope, d.Template["en"])
	})
}

type detailTypeSetCmd struct {
	atResource
	Type string `arg:"" help:"Name of the type."`
	File string `required:"" type:"existingfile" help:"JSON with scope, risk, schema, template and narrow, as the admin API takes it (docs/policies.md)." placeholder:"FILE"`
}

// Run registers what the file says.
func (c *detailTypeSetCmd) Run(ctx context.Context, io streams) error {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	r, path, err := c.types(ctx, "resources:read resources:write")
	if err != nil {
		return err
	}
	var now apiDetailType
	if err := r.call(ctx, http.MethodPut, path+"/"+url.PathEscape(c.Type), body, &now); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is held through %s, risk %s.\n", now.Type, now.Scope, now.Risk)
	return nil
}

type detailTypeRemoveCmd struct {
	atResource
	Type string `arg:"" help:"Name of the type."`
}

// Run deletes the type.
func (c *detailTypeRemoveCmd) Run(ctx context.Context, io streams) error {
	r, path, err := c.types(ctx, "resources:read resources:write")
	if err != nil {
		return err
	}
	if err := r.call(ctx, http.MethodDelete, path+"/"+url.PathEscape(c.Type), nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s is deleted.\n", c.Type)
	return nil
}
