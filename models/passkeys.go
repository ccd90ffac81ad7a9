package models

import "context"

// Passkey is a key pair of a user's device (WebAuthn); Deputy knows the public half.
type Passkey struct {
	ID           string `gorm:"primaryKey" json:"id"`
	UserID       string `json:"user_id"`
	Name         string `json:"name"`
	CredentialID string `json:"credential_id"` // the authenticator's, base64url
	Record       string `json:"-"`             // JSON: public key and what the authenticator said of itself
	SignCount    int64  `json:"sign_count"`
	CreatedAt    int64  `gorm:"autoCreateTime:false" json:"created_at"`
	LastUsedAt   int64  `json:"last_used_at"`
	RevokedAt    int64  `json:"revoked_at"`
}

// maxPasskeys a user may hold at once.
const maxPasskeys = 20

// CreatePasskey registers a passkey, using up the challenge it answers. ErrUsed:
// the challenge was answered before. ErrConflict: the authenticator's key is known.
func (s *Store) CreatePasskey(ctx context.Context, by By, p *Passkey, challenge Once) error {
	return s.change(ctx, by, "createPasskey", func(c *change) error {
		if err := c.useUp(challenge); err != nil {
			return err
		}
		if err := checkText("name", p.Name, 100); err != nil {
			return err
		}
		if err := c.account(p.UserID); err != nil {
			return err
		}
		var live int64
		if err := c.tx.Model(p).Where("user_id = ? and revoked_at = 0", p.UserID).Count(&live).Error; err != nil {
			return err
		}
		if live >= maxPasskeys {
			return invalid("passkeys", "%d at once is the most; remove one first", maxPasskeys)
		}
		p.ID, p.CreatedAt, p.LastUsedAt, p.RevokedAt = NewID(PrefixPasskey), c.now, 0, 0
		if err := c.tx.Create(p).Error; err != nil {
			return err
		}
		return c.record(p.ID, nil, p)
	})
}

// useUp uses up a single-use value for good, with whatever else the change does.
func (c *change) useUp(o Once) error {
	fresh, err := usedTable.insertNew(within{c.tx}, o.Purpose, o.Value, o.ExpiresAt)
	if err == nil && !fresh {
		err = ErrUsed
	}
	return err
}

// Passkeys are a user's passkeys that work, oldest first.
func (s *Store) Passkeys(ctx context.Context, userID string) ([]Passkey, error) {
	var rows []Passkey
	err := s.read.WithContext(ctx).Where("user_id = ? and revoked_at = 0", userID).Order("id").Find(&rows).Error
	return rows, wrap("listPasskeys", err)
}

// RevokePasskey ends a passkey of a user. Ending it twice is no error.
func (s *Store) RevokePasskey(ctx context.Context, by By, userID, id string) error {
	return s.change(ctx, by, "revokePasskey", func(c *change) error {
		var p Passkey
		// SECURITY: only the user's own.
		if err := c.forUpdate().First(&p, "id = ? and user_id = ?", id, userID).Error; err != nil {
			return err
		}
		return c.revokePasskey(&p)
	})
}

func (c *change) revokePasskey(p *Passkey) error {
	if p.RevokedAt != 0 {
		return nil
	}
	before := *p
	p.RevokedAt = c.now
	if err := c.tx.Model(p).Update("revoked_at", c.now).Error; err != nil {
		return err
	}
	return c.record(p.ID, before, p)
}

func (c *change) revokePasskeys(userID string) error {
	var rows []Passkey
	if err := c.forUpdate().Where("user_id = ? and revoked_at = 0", userID).Order("id").Find(&rows).Error; err != nil {
		return err
	}
	for i := range rows {
		if err := c.revokePasskey(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}
