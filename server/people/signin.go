package people

import (
	"context"
	"errors"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// wrongPassword is told whatever was wrong: that there is no such user, that they
// are suspended or have no password, or that this is not it.
func wrongPassword() *Problem { return &Problem{Reason: "wrong_password", Field: "password"} }

// SignIn signs somebody in with a password, or, if they have a second factor,
// begins to. Whatever is wrong costs the same.
func (p *People) SignIn(ctx context.Context, call grants.Call, b Browser, username, password string) (*SignedIn, error) {
	name := strings.ToLower(strings.TrimSpace(username))
	user, known, err := p.account(ctx, name)
	if err != nil {
		return nil, err
	}
	a := p.attempt(call, b, "login", name, user)
	right, err := a.look(ctx, func() (bool, error) { return verify(password, known) })
	if err != nil {
		return nil, err
	}
	if reason := p.unfit(user, known, right); reason != "" {
		return nil, a.failed(ctx, reason, wrongPassword())
	}
	factor, err := p.store.TOTP(ctx, user.ID)
	if err == nil && factor.ConfirmedAt != 0 {
		return p.halfway(ctx, call, user.ID, models.LinkSecondFactor)
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		return nil, err
	}
	in := models.SignIn{Password: known, Session: models.Session{UserID: user.ID, ACR: OneFactor, AMR: []string{"pwd"}}}
	done, err := p.begin(ctx, call, b, in)
	if errors.Is(err, models.ErrVersion) || errors.Is(err, models.ErrNotFound) { // changed in this moment
		return nil, a.failed(ctx, "password_changed", wrongPassword())
	}
	if err != nil {
		return nil, err
	}
	return done, a.succeeded(ctx) // not before: a password alone must not pay for guesses at the second factor
}

// account is who is called name, and their password; nil if there is none. It
// takes as many steps for nobody as for somebody.
func (p *People) account(ctx context.Context, name string) (*models.User, *models.Password, error) {
	user, err := p.store.UserNamed(ctx, valid(name))
	nobody := errors.Is(err, models.ErrNotFound)
	if err != nil && !nobody {
		return nil, nil, err
	}
	known, err := p.store.Password(ctx, user.ID)
	switch {
	case err != nil && !errors.Is(err, models.ErrNotFound):
		return nil, nil, err
	case nobody:
		return nil, nil, nil
	case err != nil:
		return user, nil, nil
	}
	return user, known, nil
}

// unfit is why somebody is not signed in, for the ledger; "" if they are.
func (p *People) unfit(user *models.User, known *models.Password, right bool) string {
	switch {
	case user == nil:
		return "unknown_user"
	case known == nil:
		return "no_password"
	case !right:
		return "wrong_password"
	case user.Status != models.StatusActive || user.ExpiresAt <= p.now().Unix():
		return "inactive_user"
	}
	return ""
}

// halfway keeps for a while that the password was right, or that a provider vouched
// for somebody.
func (p *People) halfway(ctx context.Context, call grants.Call, userID, purpose string) (*SignedIn, error) {
	link := &models.Link{Purpose: purpose, UserID: &userID, ExpiresAt: p.now().Add(SecondStep).Unix()}
	token, err := p.store.CreateLink(ctx, By(call, userID), link)
	if err != nil {
		return nil, err
	}
	return &SignedIn{Pending: token}, nil
}

// deadLink is told of every link that does not work, whatever became of it.
func deadLink() *Problem { return &Problem{Reason: "link_dead"} }

// linked is who a link is for. A link that does not work is a Problem.
func (p *People) linked(ctx context.Context, call grants.Call, action, token string, purposes ...string) (*models.Link, *models.User, error) {
	if len(token) > 128 {
		token = ""
	}
	link, err := p.store.Link(ctx, token, purposes...)
	if errors.Is(err, models.ErrNotFound) {
		return nil, nil, p.refuse(ctx, call, grants.Failure{Action: action, Reason: "link_dead"}, deadLink())
	}
	if err != nil || link.UserID == nil {
		return link, nil, err
	}
	user, err := p.store.User(ctx, *link.UserID)
	return link, user, err
}

// SecondFactor completes a sign-in that SignIn began, with a code.
func (p *People) SecondFactor(ctx context.Context, call grants.Call, b Browser, pending, code string) (*SignedIn, error) {
	link, user, err := p.linked(ctx, call, "login.otp", pending, models.LinkSecondFactor, models.LinkUpstreamFactor)
	if err != nil {
		return nil, err
	}
	var step int64
	a := p.attempt(call, b, "login.otp", user.Username, user)
	right, err := a.look(ctx, func() (bool, error) {
		step, err = p.step(ctx, user.ID, code)
		return step != 0, err
	})
	if err != nil {
		return nil, err
	}
	wrong := &Problem{Reason: "wrong_code", Field: "code"}
	if !right {
		return nil, a.failed(ctx, "wrong_code", wrong)
	}
	in := models.SignIn{Link: pending, Step: step, Session: models.Session{UserID: user.ID, ACR: TwoFactors, AMR: amrAfter(link.Purpose)}}
	done, err := p.begin(ctx, call, b, in)
	if errors.Is(err, models.ErrUsed) || errors.Is(err, models.ErrNotFound) {
		return nil, a.failed(ctx, "used_code", wrong)
	}
	if err != nil {
		return nil, err
	}
	return done, a.succeeded(ctx)
}
