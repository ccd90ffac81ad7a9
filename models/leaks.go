package models

import "context"

// CredentialOf is the client's credential that a secret is; ErrNotFound if it is none.
// It reads past the cache: a secret that somebody found names no client.
func (v *View) CredentialOf(ctx context.Context, secret string) (*Credential, error) {
	var c Credential
	err := v.store.read.WithContext(ctx).Take(&c, "secret_hash = ?", HashSecret(secret)).Error
	v.Deps = append(v.Deps, key("credentials", c.ClientID))
	return &c, wrap("find credential", err)
}

// EndLink ends a link that was not used. That it ended before is no error.
func (s *Store) EndLink(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "endLink", func(c *change) error {
		var l Link
		if err := c.forUpdate().First(&l, "id = ?", id).Error; err != nil {
			return err
		}
		if l.UsedAt != 0 || l.ExpiresAt <= c.now {
			return nil
		}
		before := l
		l.ExpiresAt = c.now
		if err := c.tx.Model(&l).Update("expires_at", l.ExpiresAt).Error; err != nil {
			return err
		}
		return c.record(l.ID, before, l)
	})
}
