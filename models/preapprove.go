package models

import (
	"context"
	"slices"
)

// Preapprove stores a consent in a user's place. by says who agreed for them. What a
// user has said themselves stays as it is: ErrConflict if a consent to the client at
// the resource server is live already. c is the result.
func (s *Store) Preapprove(ctx context.Context, by By, c *Consent) error {
	return s.change(ctx, by, ActionPreapprove, func(ch *change) error {
		var client Client
		if err := ch.tx.Limit(1).Find(&client, "id = ?", c.ClientID).Error; err != nil {
			return err
		}
		if client.ID == "" {
			return invalid("client_id", "names nothing that exists")
		}
		var live int64
		err := ch.tx.Model(&Consent{}).Where("subject_id = ? and client_id = ? and resource_id = ? and approval_id = '' and revoked_at = 0 and expires_at > ?",
			c.SubjectID, c.ClientID, c.ResourceID, ch.now).Count(&live).Error
		if err != nil {
			return err
		}
		if live > 0 {
			return ErrConflict
		}
		var defined []string
		if err := ch.tx.Model(&Scope{}).Where("resource_id = ? and name in ?", c.ResourceID, c.Scopes).Pluck("name", &defined).Error; err != nil {
			return err
		}
		for _, scope := range c.Scopes {
			if !slices.Contains(defined, scope) {
				return invalid("scopes", "%q is not defined at the resource server", scope)
			}
		}
		c.Redirects = RedirectsDigest(client.RedirectURIs)
		if c.PreapprovedBy = by.SubjectID; c.PreapprovedBy == "" {
			c.PreapprovedBy = by.ClientID
		}
		return ch.newConsent(c)
	})
}
