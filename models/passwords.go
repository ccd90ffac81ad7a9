package models

import (
	"context"
	"errors"

	"gorm.io/gorm/clause"
)

// Password is what a user knows. Nobody reads it but to check it.
type Password struct {
	UserID    string `gorm:"primaryKey"`
	Hash      string // argon2id in PHC form
	ChangedAt int64
}

// Password reads a user's password. ErrNotFound if they have none.
func (s *Store) Password(ctx context.Context, userID string) (*Password, error) {
	var p Password
	err := s.read.WithContext(ctx).Take(&p, "user_id = ?", userID).Error
	return &p, wrap("getPassword", absent(err))
}

// SetPassword gives a user a password and ends every session of theirs but keep.
func (s *Store) SetPassword(ctx context.Context, by By, userID, hash, keep string) error {
	return s.change(ctx, by, "setPassword", func(c *change) error {
		if err := c.setPassword(userID, hash); err != nil {
			return err
		}
		return c.endSessions(userID, keep)
	})
}

func (c *change) setPassword(userID, hash string) error {
	if err := c.account(userID); err != nil {
		return err
	}
	row := Password{UserID: userID, Hash: hash, ChangedAt: c.now}
	if err := c.tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
		return err
	}
	return c.record(userID, nil, map[string]any{"password_changed_at": c.now})
}

// account holds a user who may have ways to sign in.
func (c *change) account(userID string) error {
	var u User
	if err := c.forUpdate().First(&u, "id = ?", userID).Error; err != nil {
		return err
	}
	if u.Status == StatusDecommissioned {
		return invalid("user", "a removed user cannot sign in")
	}
	return nil
}

// is tells whether a conditional update changed its row; if not, what it was
// conditional on was used up by somebody else.
func is(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrUsed
	}
	return err
}

// TOTP is a user's second factor: codes of an authenticator app (RFC 6238).
type TOTP struct {
	UserID      string `gorm:"primaryKey" json:"user_id"`
	Sealed      []byte `json:"-"` // the secret, under the master key
	ConfirmedAt int64  `json:"confirmed_at"`
	LastStep    int64  `json:"-"` // whose code was used; no code of it or before works again
}

// TableName is totp.
func (TOTP) TableName() string { return "totp" }

// TOTP reads a user's second factor. ErrNotFound if they have none.
func (s *Store) TOTP(ctx context.Context, userID string) (*TOTP, error) {
	var t TOTP
	err := s.read.WithContext(ctx).Take(&t, "user_id = ?", userID).Error
	return &t, wrap("getTOTP", absent(err))
}

// PrepareTOTP keeps the secret of a second factor that is not yet asked for.
// ErrConflict if the user has one that is.
func (s *Store) PrepareTOTP(ctx context.Context, by By, userID string, sealed []byte) error {
	return s.change(ctx, by, "prepareTotp", func(c *change) error {
		if err := c.account(userID); err != nil {
			return err
		}
		var old TOTP
		err := c.forUpdate().Take(&old, "user_id = ?", userID).Error
		if err == nil && old.ConfirmedAt != 0 {
			return ErrConflict
		}
		if err != nil && !errors.Is(classify(err), ErrNotFound) {
			return err
		}
		row := TOTP{UserID: userID, Sealed: sealed}
		if err := c.tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return err
		}
		return c.record(userID, nil, row)
	})
}

// ConfirmTOTP turns a second factor on, using up the step whose code showed that
// it works. ErrUsed if there is none to be confirmed.
func (s *Store) ConfirmTOTP(ctx context.Context, by By, userID string, step int64) error {
	return s.change(ctx, by, "confirmTotp", func(c *change) error {
		res := c.tx.Model(&TOTP{}).Where("user_id = ? and confirmed_at = 0", userID).Updates(map[string]any{"confirmed_at": c.now, "last_step": step})
		if err := is(res.RowsAffected, res.Error); err != nil {
			return err
		}
		return c.record(userID, nil, TOTP{UserID: userID, ConfirmedAt: c.now})
	})
}

// RemoveTOTP ends a user's second factor. That there is none is no error.
func (s *Store) RemoveTOTP(ctx context.Context, by By, userID string) error {
	return s.change(ctx, by, "removeTotp", func(c *change) error { return c.removeTOTP(userID) })
}

func (c *change) removeTOTP(userID string) error {
	var t TOTP
	err := c.forUpdate().Take(&t, "user_id = ?", userID).Error
	if errors.Is(classify(err), ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.tx.Delete(&t).Error; err != nil {
		return err
	}
	return c.record(userID, t, nil)
}
