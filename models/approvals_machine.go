package models

import (
	"context"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// allowMachine answers an approval of a machine: what was allowed, and until when, is
// written to it. No consent comes of it and no grant, so that it counts for nothing but
// the one token request that brings it; see Spent.
func (c *change) allowMachine(row *Approval, a Allowed) error {
	row.Granted, row.ApprovedUntil = ApprovalGranted{Scopes: a.Code.Scopes, Details: a.Code.Details}, a.Until
	if err := c.tx.Save(row).Error; err != nil {
		return err
	}
	return c.record(row.ID, nil, row.told())
}

// Approver is how a user stands who is asked, or was, to let a client do something by
// itself: whether they answer for it, or an administrator listed them, and whether they
// are still there. nil if there is no such user.
func (v *View) Approver(ctx context.Context, clientID, userID string) (*policies.Approver, error) {
	who, err := v.Principal(ctx, userID)
	if err != nil || who == nil || who.Value.Kind != "user" {
		return nil, err
	}
	v.Deps = append(v.Deps, key("client", clientID), key("user", userID))
	out := &policies.Approver{Status: who.Value.Status, ExpiresAt: who.Value.ExpiresAt}
	db := v.store.read.WithContext(ctx)
	out.Known, err = answersFor(db, v, clientID, userID)
	return out, wrap("load approver", err)
}

func answersFor(db *gorm.DB, v *View, clientID, userID string) (string, error) {
	var client Client
	if err := db.First(&client, "id = ?", clientID).Error; err != nil {
		return "", err
	}
	if client.OwnerID != nil && *client.OwnerID == userID {
		return "owner", nil
	}
	listed, err := isListed(db, v, clientID, userID)
	if listed {
		return "listed", err
	}
	return "", err
}
