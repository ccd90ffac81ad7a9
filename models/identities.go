package models

import (
	"context"
	"errors"
	"unicode/utf8"

	"gorm.io/gorm"
)

// Identity is who a user is at an upstream provider. It is found by issuer and
// subject alone (OpenID Connect Core section 5.7): an e-mail address is nobody's.
type Identity struct {
	ID         string `gorm:"primaryKey" json:"id"`
	UserID     string `json:"user_id"`
	Issuer     string `json:"issuer"`
	Subject    string `json:"subject"`
	CreatedAt  int64  `gorm:"autoCreateTime:false" json:"created_at"`
	LastUsedAt int64  `json:"last_used_at"`
}

// maxIdentities a user may have at once.
const maxIdentities = 20

// LinkIdentity makes a provider's subject be a user. Linking it again is no error;
// ErrConflict: it is somebody else already.
func (s *Store) LinkIdentity(ctx context.Context, by By, row *Identity) error {
	return s.change(ctx, by, "linkIdentity", func(c *change) error {
		if row.Subject == "" || len(row.Subject) > 255 || !utf8.ValidString(row.Subject) {
			return invalid("subject", "must be text of 255 bytes at most") // OpenID Connect Core section 2
		}
		if err := c.live(row.UserID); err != nil {
			return err
		}
		var there Identity
		err := c.forUpdate().Take(&there, "issuer = ? and subject = ?", row.Issuer, row.Subject).Error
		switch {
		case err == nil && there.UserID == row.UserID:
			*row = there
			return nil
		case err == nil:
			return ErrConflict
		case !errors.Is(err, gorm.ErrRecordNotFound):
			return err
		}
		var n int64
		if err := c.tx.Model(row).Where("user_id = ?", row.UserID).Count(&n).Error; err != nil {
			return err
		}
		if n >= maxIdentities {
			return invalid("identities", "%d at once is the most; remove one first", maxIdentities)
		}
		row.ID, row.CreatedAt, row.LastUsedAt = NewID(PrefixIdentity), c.now, 0
		if err := c.tx.Create(row).Error; err != nil {
			return err
		}
		return c.record(row.ID, nil, row)
	})
}

// IdentityOf finds who a provider's subject is. ErrNotFound if nobody.
func (s *Store) IdentityOf(ctx context.Context, issuer, subject string) (*Identity, error) {
	var row Identity
	err := s.read.WithContext(ctx).Take(&row, "issuer = ? and subject = ?", issuer, subject).Error
	if err != nil {
		return nil, wrap("getIdentity", absent(err))
	}
	return &row, nil
}

// Identities are those of a user, oldest first.
func (s *Store) Identities(ctx context.Context, userID string) ([]Identity, error) {
	var rows []Identity
	err := s.read.WithContext(ctx).Where("user_id = ?", userID).Order("id").Find(&rows).Error
	return rows, wrap("listIdentities", err)
}

// UnlinkIdentity makes a provider's subject be nobody. Sessions that began with it
// go on.
func (s *Store) UnlinkIdentity(ctx context.Context, by By, userID, id string) error {
	return s.change(ctx, by, "unlinkIdentity", func(c *change) error {
		var row Identity
		// SECURITY: only the user's own.
		if err := c.forUpdate().First(&row, "id = ? and user_id = ?", id, userID).Error; err != nil {
			return err
		}
		return c.unlink(&row)
	})
}

func (c *change) unlink(row *Identity) error {
	if err := c.tx.Delete(row).Error; err != nil {
		return err
	}
	return c.record(row.ID, row, nil)
}

func (c *change) unlinkAll(userID string) error {
	var rows []Identity
	err := c.forUpdate().Where("user_id = ?", userID).Order("id").Find(&rows).Error
	for i := 0; err == nil && i < len(rows); i++ {
		err = c.unlink(&rows[i])
	}
	return err
}

// UseUp uses up a single-use value for good. ErrUsed: it was before.
func (s *Store) UseUp(ctx context.Context, o Once) error {
	return s.change(ctx, By{}, "useUp", func(c *change) error { return c.useUp(o) })
}
