package people

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// SetupNeeded tells whether nobody administers yet.
func (p *People) SetupNeeded(ctx context.Context) (bool, error) {
	if p.administered.Load() { // the page that asks is everybody's first
		return false, nil
	}
	there, err := p.store.Administered(ctx)
	if there {
		p.administered.Store(true)
	}
	return !there, err
}

// NewSetupLink makes a link for the first person. Only its token is returned.
func (p *People) NewSetupLink(ctx context.Context) (string, error) {
	return p.store.CreateLink(ctx, models.By{System: "start"}, &models.Link{Purpose: models.LinkSetup, ExpiresAt: p.now().Add(SetupLife).Unix()})
}

// SetupLink is nil if the setup link works; a Problem if not.
func (p *People) SetupLink(ctx context.Context, call grants.Call, token string) error {
	_, _, err := p.linked(ctx, call, "setup", token, models.LinkSetup)
	return err
}

// NewUser is who somebody says they are when they begin.
type NewUser struct{ Username, Name, Email, Password string }

// SetUp makes the first person, who administers, and signs them in.
func (p *People) SetUp(ctx context.Context, call grants.Call, b Browser, token string, n NewUser) (*SignedIn, error) {
	if err := p.SetupLink(ctx, call, token); err != nil {
		return nil, err
	}
	hash, err := p.hash(ctx, n.Password, n.Username, n.Email, n.Name)
	if err != nil {
		return nil, err
	}
	user := &models.User{Username: n.Username, Name: n.Name, Email: n.Email}
	err = p.store.SetUp(ctx, models.By{System: "setup link", RequestID: call.RequestID, IP: call.IP}, token, user, hash)
	if err != nil {
		return nil, p.problemOf(ctx, call, "setup", err)
	}
	return p.begin(ctx, call, b, models.SignIn{Session: models.Session{UserID: user.ID, ACR: OneFactor, AMR: []string{"pwd"}}})
}

// problemOf is what a person is told of an error of the store.
func (p *People) problemOf(ctx context.Context, call grants.Call, action string, err error) error {
	var inv *models.Invalid
	switch {
	case errors.As(err, &inv):
		return &Problem{Reason: "invalid_" + inv.Field, Field: inv.Field}
	case errors.Is(err, models.ErrConflict):
		return &Problem{Reason: "username_taken", Field: "username"}
	case errors.Is(err, models.ErrUsed), errors.Is(err, models.ErrNotFound):
		return p.refuse(ctx, call, grants.Failure{Action: action, Reason: "link_dead"}, deadLink())
	}
	return err
}

// Invited is who an invitation or a recovery link is for.
func (p *People) Invited(ctx context.Context, call grants.Call, token string) (*models.User, error) {
	_, user, err := p.linked(ctx, call, "recover", token, models.LinkInvite, models.LinkRecover)
	return user, err
}

// Recover gives whoever has the link a new password and signs them in. Their
// second factor, passkeys and sessions are gone.
func (p *People) Recover(ctx context.Context, call grants.Call, b Browser, token, password string) (*SignedIn, error) {
	user, err := p.Invited(ctx, call, token)
	if err != nil {
		return nil, err
	}
	hash, err := p.hash(ctx, password, user.Username, user.Email, user.Name)
	if err != nil {
		return nil, err
	}
	if _, err := p.store.Recover(ctx, By(call, user.ID), token, hash); err != nil {
		return nil, p.problemOf(ctx, call, "recover", err)
	}
	return p.begin(ctx, call, b, models.SignIn{Session: models.Session{UserID: user.ID, ACR: OneFactor, AMR: []string{"pwd"}}})
}
