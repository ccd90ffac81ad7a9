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

// endLeakedSession ends a session whose secret was found, and has its user told.
func (s *Store) endLeakedSession(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "revokeSession", func(c *change) error {
		var row Session
		if err := c.forUpdate().First(&row, "id = ?", id).Error; err != nil {
			return err
		}
		return c.endTheirs(id, &row.UserID, func() error { return c.endSession(&row) })
	})
}

// endLeakedLink ends a link that was found, and has told whom it was for.
func (s *Store) endLeakedLink(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "endLink", func(c *change) error {
		var row Link
		if err := c.forUpdate().First(&row, "id = ?", id).Error; err != nil {
			return err
		}
		return c.endTheirs(id, row.UserID, func() error { return c.endLink(&row) })
	})
}

// endTheirs has a user told that what they signed in by, or could, was found in the
// open, if end ended anything. A link that makes the first administrator is nobody's yet.
func (c *change) endTheirs(ended string, userID *string, end func() error) error {
	if err := end(); err != nil || len(c.entries) == 0 || userID == nil {
		return err
	}
	return c.notice(Notice{Kind: NoticeLeak, Ref: ended, SubjectID: *userID, ToldAs: ToldHolder, EndsAt: c.now + newsLife})
}

// endLink ends a link that was not used. That it ended before is no error.
func (c *change) endLink(l *Link) error {
	if l.UsedAt != 0 || l.ExpiresAt <= c.now {
		return nil
	}
	before := *l
	l.ExpiresAt = c.now
	if err := c.tx.Model(l).Update("expires_at", l.ExpiresAt).Error; err != nil {
		return err
	}
	return c.record(l.ID, before, l)
}
