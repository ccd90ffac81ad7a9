package models

import (
	"context"
	"errors"
)

// User is a person: signs in, consents, owns agents.
type User struct {
	Meta
	Username  string `json:"username"` // unique handle
	Name      string `json:"name"`
	Email     string `json:"email"`
	Status    string `json:"status"`
	ExpiresAt int64  `json:"expires_at"`
	Labels    Labels `gorm:"serializer:json" json:"labels"`

	// Answered, in the ledger, are the clients that stop and go on with them: those that
	// they answered for and that were active when something of this changed.
	Answered []string `gorm:"-" json:"answers_for,omitempty"`
}

func (u *User) touches(c *change) { c.touch("user", u.ID) }

func (u *User) validate() error {
	if u.Labels == nil {
		u.Labels = Labels{}
	}
	for _, err := range []error{
		checkHandle("username", u.Username), checkText("name", u.Name, 200), checkEmail(u.Email), checkLabels(u.Labels),
		checkStatus(u.Status, StatusActive, StatusSuspended, StatusDecommissioned), checkExpiry(u.ExpiresAt),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// CreateUser stores a new user, active and without expiry unless one is given.
func (s *Store) CreateUser(ctx context.Context, by By, u *User) error {
	u.Meta, u.Status = newMeta(PrefixUser), StatusActive
	if u.ExpiresAt == 0 {
		u.ExpiresAt = Never
	}
	return create(ctx, s, by, "createUser", u)
}

// User reads one user. ErrNotFound if there is none.
func (s *Store) User(ctx context.Context, id string) (*User, error) {
	return get[User](ctx, s, "getUser", id)
}

// UserNamed reads a user by the name they sign in with. ErrNotFound if nobody is
// called so.
func (s *Store) UserNamed(ctx context.Context, username string) (*User, error) {
	var u User
	err := s.read.WithContext(ctx).Take(&u, "username = ?", username).Error
	return &u, wrap("getUser", absent(err))
}

// UserFilter narrows a list of users; empty fields do not.
type UserFilter struct{ Status, Username, Email string }

// Users lists users, oldest first.
func (s *Store) Users(ctx context.Context, f UserFilter, p Page) ([]User, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"status": f.Status, "username": f.Username, "email": f.Email})
	return list(q, "listUsers", "id", p, func(u User) string { return u.ID })
}

// UpdateUser changes what edit changes, if the user is still ifVersion.
func (s *Store) UpdateUser(ctx context.Context, by By, id string, ifVersion int64, edit func(*User)) (*User, error) {
	return update(ctx, s, by, "updateUser", id, ifVersion, func(c *change, u *User) error {
		if u.Status == StatusDecommissioned {
			return invalid("status", "a removed user cannot be changed")
		}
		edit(u)
		return c.answered(u)
	})
}

// SuspendUser stops a user, and with them every agent they own. What they, or anybody
// by those agents, were asked and have not answered is cancelled.
func (s *Store) SuspendUser(ctx context.Context, by By, id string) (*User, error) {
	return s.setUserStatus(ctx, by, "suspendUser", id, StatusSuspended)
}

// RestoreUser ends a suspension.
func (s *Store) RestoreUser(ctx context.Context, by By, id string) (*User, error) {
	return s.setUserStatus(ctx, by, "restoreUser", id, StatusActive)
}

func (s *Store) setUserStatus(ctx context.Context, by By, action, id, status string) (*User, error) {
	return update(ctx, s, by, action, id, AnyVersion, func(c *change, u *User) error {
		if u.Status == StatusDecommissioned {
			return invalid("status", "a removed user stays removed")
		}
		u.Status = status
		return errors.Join(c.answered(u), c.stopped(id, status))
	})
}

// RemoveUser ends a user for good. The record stays, because the ledger names
// it; agents they own get no more tokens until somebody takes them over.
func (s *Store) RemoveUser(ctx context.Context, by By, id string, ifVersion int64) error {
	_, err := update(ctx, s, by, "deleteUser", id, ifVersion, func(c *change, u *User) error {
		u.Status = StatusDecommissioned
		return errors.Join(c.answered(u), c.cancelApprovals(id), c.endTransfersOf(id))
	})
	return err
}

// answered notes which clients a user answers for.
func (c *change) answered(u *User) error {
	return c.tx.Model(&Client{}).Where("owner_id = ? and status = ? and expires_at > ?", u.ID, StatusActive, c.now).Order("id").Pluck("id", &u.Answered).Error
}
