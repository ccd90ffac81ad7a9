package models

import (
	"context"
	"errors"

	"gorm.io/gorm"
)

// UserCode is what an agent must know to ask a user (CIBA Core section 7.1, user_code).
type UserCode struct {
	UserID    string `gorm:"primaryKey"`
	Mark      string // HMAC of the code under a key of the server's
	UpdatedAt int64  `gorm:"autoUpdateTime:false"`
}

// SetUserCode has agents need a code to ask a user, or, if mark is "", none any more.
func (s *Store) SetUserCode(ctx context.Context, by By, userID, mark string) error {
	return s.change(ctx, by, "setUserCode", func(c *change) error {
		c.touch("user", userID)
		if err := c.tx.Delete(&UserCode{}, "user_id = ?", userID).Error; err != nil {
			return err
		}
		if mark != "" {
			if err := c.tx.Create(&UserCode{UserID: userID, Mark: mark, UpdatedAt: c.now}).Error; err != nil {
				return blame(err, "user_id", "names nobody")
			}
		}
		return c.record(userID, nil, map[string]bool{"user_code": mark != ""})
	})
}

// UserCode is the mark of the code that a user has chosen, "" if none.
func (v *View) UserCode(ctx context.Context, userID string) (string, error) {
	v.Deps = append(v.Deps, key("user", userID))
	var row UserCode
	err := v.store.read.WithContext(ctx).First(&row, "user_id = ?", userID).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return "", nil
	}
	return row.Mark, wrap("load user code", err)
}

// HasUserCode tells whether a user has chosen a code.
func (s *Store) HasUserCode(ctx context.Context, userID string) (bool, error) {
	var n int64
	err := s.read.WithContext(ctx).Model(&UserCode{}).Where("user_id = ?", userID).Count(&n).Error
	return n > 0, wrap("load user code", err)
}
