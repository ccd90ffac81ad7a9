package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/api"
	"github.com/deputyauth/deputy/server/people"
)

type userCmd struct {
	Add      userAddCmd      `cmd:"" group:"admin API" help:"Add a user."`
	List     userListCmd     `cmd:"" group:"admin API" help:"List users."`
	Show     userShowCmd     `cmd:"" group:"admin API" help:"Show a user, their groups and roles, and the agents they answer for."`
	Suspend  userSuspendCmd  `cmd:"" group:"admin API" help:"Stop a user, and with them every agent they own, now."`
	Restore  userRestoreCmd  `cmd:"" group:"admin API" help:"End a suspension."`
	Handover userHandoverCmd `cmd:"" group:"admin API" help:"Ask somebody to answer for every agent of a user who leaves, or put them in charge."`
	Unused   userUnusedCmd   `cmd:"" group:"admin API" help:"Show scopes that users hold by roles and do not use, and the roles that would do."`
	Remove   userRemoveCmd   `cmd:"" group:"admin API" help:"Remove a user for good. The record stays, because the ledger names it."`

	Link       userLinkCmd       `cmd:"" group:"database" help:"Make a one-time link with which a user chooses a password, and print it once."`
	Sessions   userSessionsCmd   `cmd:"" group:"database" help:"Show where a user is signed in, or end all of it."`
	Identities userIdentitiesCmd `cmd:"" group:"database" help:"Show who a user is at OpenID providers, or unlink it."`
}

// account is a user as commands name one.
type account struct {
	database
	User string `arg:"" help:"User name or id."`
}

// find opens the database and reads the user. The caller closes the store.
func (a *account) find(ctx context.Context) (*models.Store, *models.User, error) {
	store, err := a.open()
	if err != nil {
		return nil, nil, err
	}
	read := store.UserNamed
	if models.HasPrefix(a.User, models.PrefixUser) {
		read = store.User
	}
	user, err := read(ctx, a.User)
	if errors.Is(err, models.ErrNotFound) {
		err = fmt.Errorf("there is no user %q", a.User)
	}
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, user, nil
}

type userLinkCmd struct {
	account
	Invite   bool          `help:"The user is new: the page welcomes them."`
	Lifetime time.Duration `default:"24h" help:"How long the link works."`
}

// Run makes the link. Whoever opens it begins anew: what the user signed in with
// before, and where, ends.
func (c *userLinkCmd) Run(ctx context.Context, io streams) error {
	store, user, err := c.find(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	issuer, err := issuerOf(ctx, store)
	if err != nil {
		return err
	}
	link := &models.Link{Purpose: models.LinkRecover, UserID: &user.ID, ExpiresAt: store.Now() + int64(c.Lifetime/time.Second)}
	if c.Invite {
		link.Purpose = models.LinkInvite
	}
	token, err := store.CreateLink(ctx, models.By{System: "deputy user link"}, link)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.err, "This link is shown once, and works once, until %s. It ends %s's password, second factor, passkeys and sessions:\n",
		time.Unix(link.ExpiresAt, 0).UTC().Format(time.RFC3339), user.Username)
	fmt.Fprintf(io.out, "%s/%s/%s\n", issuer, link.Purpose, token)
	return nil
}

// issuerOf is the one the database belongs to.
func issuerOf(ctx context.Context, store *models.Store) (string, error) {
	self, err := store.ResourceServer(ctx, models.SelfID)
	if err != nil {
		return "", fmt.Errorf("whose database is this? Start the server once: %w", err)
	}
	return strings.TrimSuffix(self.Identifier, api.Prefix), nil
}

type userSessionsCmd struct {
	account
	End bool `help:"End all of them."`
}

// Run lists the sessions that have not ended, or ends them.
func (c *userSessionsCmd) Run(ctx context.Context, io streams) error {
	store, user, err := c.find(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	rows, err := store.LiveSessions(ctx, user.ID, int64(people.SessionIdle/time.Second))
	if err != nil {
		return err
	}
	if c.End {
		if err := store.RevokeSessions(ctx, models.By{System: "deputy user sessions"}, user.ID, ""); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%d ended.\n", len(rows))
		return nil
	}
	w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSIGNED IN\tLAST SEEN\tFROM\tWITH\tBROWSER")
	for _, r := range rows {
		at := func(s int64) string { return time.Unix(s, 0).UTC().Format(time.RFC3339) }
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%q\n", r.ID, at(r.CreatedAt), at(r.LastSeenAt), r.IP, strings.Join(r.AMR, "+"), r.UserAgent)
	}
	return w.Flush()
}

type adminLinkCmd struct {
	database
}

// Run makes another setup link, while nobody administers.
func (c *adminLinkCmd) Run(ctx context.Context, io streams) error {
	store, err := c.open()
	if err != nil {
		return err
	}
	defer store.Close()
	issuer, err := issuerOf(ctx, store)
	if err != nil {
		return err
	}
	there, err := store.Administered(ctx)
	if err != nil {
		return err
	}
	if there {
		return errors.New("somebody administers already; deputy user link lets them in again")
	}
	link := &models.Link{Purpose: models.LinkSetup, ExpiresAt: store.Now() + int64(people.SetupLife/time.Second)}
	token, err := store.CreateLink(ctx, models.By{System: "deputy admin link"}, link)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "%s/setup/%s\n", issuer, token)
	return nil
}
