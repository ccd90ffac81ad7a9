package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/people"
)

type migrateCmd struct {
	database
}

// Run migrates the schema.
func (c *migrateCmd) Run(ctx context.Context, io streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Lock(); err != nil { // a server on SQLite must not lose its schema from under it
		return err
	}
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "The %s schema is up to date.\n", store.Dialect())
	return nil
}

type adminCmd struct {
	Create adminCreateCmd `cmd:"" help:"Create an application that may administer everything, and print its secret once."`
	Link   adminLinkCmd   `cmd:"" help:"Print another link with which the first person sets up their account."`
}

type adminCreateCmd struct {
	database
	Name   string `default:"admin" help:"Its name."`
	Issuer string `env:"DEPUTY_ISSUER" help:"Public URL of the server; needed if it was never started."`
}

// Run creates the administrator. A running server sees it at once.
func (c *adminCreateCmd) Run(ctx context.Context, io streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	if err := migrateUnlessServed(ctx, store); err != nil {
		return err
	}
	issuer, err := c.issuer(ctx, store)
	if err != nil {
		return err
	}
	admin, err := createAdmin(ctx, store, c.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.err, "This secret is shown once. Keep it where the commands find it:\n")
	fmt.Fprintf(io.out, "export DEPUTY_URL=%s DEPUTY_CLIENT_ID=%s DEPUTY_CLIENT_SECRET=%s\n", issuer, admin.ID, admin.Secret)
	return nil
}

// offerSetup prints a link to make the first account with, while nobody
// administers. It holds nothing else up: a server may be run by its API alone.
func offerSetup(ctx context.Context, p *people.People, issuer string, io streams) error {
	needed, err := p.SetupNeeded(ctx)
	if err != nil || !needed {
		return err
	}
	token, err := p.NewSetupLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "No person administers this server yet. To make the first account, open this link within %d minutes:\n%s/setup/%s\n",
		int(people.SetupLife.Minutes()), issuer, token)
	return nil
}

// migrateUnlessServed brings the schema up to date, but leaves one alone that a
// server on SQLite works with: that server has brought it to where it wants it.
func migrateUnlessServed(ctx context.Context, store *models.Store) error {
	err := store.Lock()
	if errors.Is(err, models.ErrInUse) {
		return nil
	}
	if err != nil {
		return err
	}
	return store.Migrate(ctx)
}

// issuer is the one the database belongs to; a database that belongs to none is
// given the one of the flag.
func (c *adminCreateCmd) issuer(ctx context.Context, store *models.Store) (string, error) {
	self, err := store.ResourceServer(ctx, models.SelfID)
	if err == nil && c.Issuer == "" {
		return strings.TrimSuffix(self.Identifier, api.Prefix), nil
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		return "", err
	}
	if c.Issuer == "" {
		return "", errors.New("whose administrator? Start the server once, or give --issuer")
	}
	if _, err := server.CheckIssuer(c.Issuer); err != nil {
		return "", err
	}
	return c.Issuer, server.EnsureSelf(ctx, store, c.Issuer)
}

// createAdmin makes an application with the administrator role.
func createAdmin(ctx context.Context, store *models.Store, name string) (*credentials, error) {
	by := models.By{System: "deputy admin create"}
	app := &models.Client{Kind: models.KindApplication, Name: name, Purpose: "Administers Deputy"}
	if err := store.CreateClient(ctx, by, app); err != nil {
		return nil, err
	}
	if err := store.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: app.ID}); err != nil {
		return nil, err
	}
	secret, err := store.CreateCredential(ctx, by, &models.Credential{ClientID: app.ID, Kind: models.CredentialSecret, Name: "first"})
	if err != nil {
		return nil, err
	}
	return &credentials{ID: app.ID, Secret: secret}, nil
}
