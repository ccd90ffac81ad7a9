package models

import (
	"context"
	"errors"
	"slices"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// Acquaintance lets a client ask a user, or the members of a group, though nothing
// else is between them.
type Acquaintance struct {
	ClientID    string `gorm:"primaryKey" json:"client_id"`
	PrincipalID string `gorm:"primaryKey" json:"principal_id"`
	CreatedAt   int64  `gorm:"autoCreateTime:false" json:"created_at"`
}

// Acquaint lets a client ask a user or the members of a group. That it may already
// is no error.
func (s *Store) Acquaint(ctx context.Context, by By, clientID, principalID string) error {
	if !HasPrefix(principalID, PrefixUser) && !HasPrefix(principalID, PrefixGroup) {
		return wrap("acquaint", invalid("principal_id", "must be a user or a group"))
	}
	return s.change(ctx, by, "acquaint", func(c *change) error {
		var client Client
		if err := c.tx.First(&client, "id = ?", clientID).Error; err != nil {
			return err
		}
		var there int64
		table := any(&User{})
		if HasPrefix(principalID, PrefixGroup) {
			table = &Group{}
		}
		if err := c.tx.Model(table).Where("id = ?", principalID).Count(&there).Error; err != nil {
			return err
		}
		if there == 0 {
			return invalid("principal_id", "names nothing that exists")
		}
		row := Acquaintance{ClientID: clientID, PrincipalID: principalID, CreatedAt: c.now}
		res := c.tx.Limit(1).Find(&Acquaintance{}, "client_id = ? and principal_id = ?", clientID, principalID)
		if res.Error != nil || res.RowsAffected > 0 {
			return res.Error
		}
		if err := c.tx.Create(&row).Error; err != nil {
			return err
		}
		c.touch("client", clientID)
		return c.record(clientID, nil, row)
	})
}

// Estrange takes that back. ErrNotFound if it was not so.
func (s *Store) Estrange(ctx context.Context, by By, clientID, principalID string) error {
	return s.change(ctx, by, "estrange", func(c *change) error {
		row := Acquaintance{ClientID: clientID, PrincipalID: principalID}
		res := c.tx.Where("client_id = ? and principal_id = ?", clientID, principalID).Delete(&Acquaintance{})
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return ErrNotFound
		}
		c.touch("client", clientID)
		return c.record(clientID, row, nil)
	})
}

// Acquaintances lists whom a client may ask by Acquaint.
func (s *Store) Acquaintances(ctx context.Context, clientID string, p Page) ([]Acquaintance, string, error) {
	q := s.read.WithContext(ctx).Where("client_id = ?", clientID)
	return list(q, "listAcquaintances", "principal_id", p, func(a Acquaintance) string { return a.PrincipalID })
}

// How far back policy sees what was asked and denied, in seconds.
const (
	askedWithin  = 3600
	deniedWithin = 24 * 3600
	reportedFor  = 30 * 24 * 3600
)

// ApprovalsKept is for how long policy may look at approvals that are over, in
// seconds, with a day for clocks.
const ApprovalsKept = reportedFor + deniedWithin

// Acquaintance is what there is between a client and a user whom it asks.
func (v *View) Acquaintance(ctx context.Context, clientID, userID string) (*policies.Acquaintance, error) {
	v.Deps = append(v.Deps, key("asked", userID), key("consents", userID+"/"+clientID), key("client", clientID), key("user", userID))
	db, now := v.store.read.WithContext(ctx), v.store.Now()
	var out policies.Acquaintance
	err := db.Raw(`select
		coalesce(sum(case when state = 'pending' and expires_at > @now then 1 else 0 end), 0) as waiting,
		coalesce(sum(case when client_id = @client and state = 'pending' and expires_at > @now then 1 else 0 end), 0) as pending,
		coalesce(sum(case when client_id = @client and created_at > @hour then 1 else 0 end), 0) as asked,
		coalesce(sum(case when client_id = @client and state = 'denied' and answered_at > @day then 1 else 0 end), 0) as denials,
		coalesce(max(case when client_id = @client and state = 'denied' then answered_at end), 0) as denied_at,
		coalesce(max(case when client_id = @client and reported = 1 then answered_at end), 0) as reported_at
		from approvals where subject_id = @user and created_at > @month`,
		map[string]any{"now": now, "client": clientID, "user": userID, "hour": now - askedWithin, "day": now - deniedWithin, "month": now - reportedFor},
	).Scan(&out).Error
	if err == nil {
		err = known(db, v, clientID, userID, now, &out.Known)
	}
	if err != nil {
		return nil, wrap("load acquaintance", err)
	}
	return &out, nil
}

// known tells by what client and user know each other: owner | consent | listed, ""
// if by nothing.
func known(db *gorm.DB, v *View, clientID, userID string, now int64, out *string) error {
	var client Client
	if err := db.First(&client, "id = ?", clientID).Error; err != nil {
		return err
	}
	if client.OwnerID != nil && *client.OwnerID == userID {
		*out = "owner"
		return nil
	}
	var n int64
	err := db.Model(&Consent{}).Where("subject_id = ? and client_id = ? and approval_id = '' and revoked_at = 0 and expires_at > ?", userID, clientID, now).Count(&n).Error
	if err != nil {
		return err
	}
	if n > 0 {
		*out = "consent"
		return nil
	}
	listed, err := isListed(db, v, clientID, userID)
	if listed {
		*out = "listed"
	}
	return err
}

// isListed tells whether an administrator let a client ask a user, by name or by a
// group of theirs.
func isListed(db *gorm.DB, v *View, clientID, userID string) (yes bool, err error) {
	var listed []string
	if err := db.Model(&Acquaintance{}).Where("client_id = ?", clientID).Pluck("principal_id", &listed).Error; err != nil {
		return false, err
	}
	groups, err := groupsOf(db, userID)
	if err != nil {
		return false, err
	}
	for _, id := range append(groups, userID) {
		if HasPrefix(id, PrefixGroup) {
			v.Deps = append(v.Deps, key("group", id))
		}
		yes = yes || slices.Contains(listed, id)
	}
	return yes, nil
}

// ByApproval reads the approval that an auth_req_id or device code names, nil if it
// is none of ours, and what it carries once it was answered, nil until then. It is
// never kept in memory.
func (v *View) ByApproval(ctx context.Context, raw string) (*Approval, *Carried, error) {
	return v.approvalWhere(ctx, "hash = ?", HashCode(raw))
}

// Approval reads an approval by its id, like ByApproval.
func (v *View) Approval(ctx context.Context, id string) (*Approval, *Carried, error) {
	return v.approvalWhere(ctx, "id = ?", id)
}

func (v *View) approvalWhere(ctx context.Context, query, arg string) (*Approval, *Carried, error) {
	var a Approval
	err := v.store.read.WithContext(ctx).First(&a, query, arg).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, wrap("load approval", err)
	}
	v.Deps = append(v.Deps, key("approval", a.ID))
	if a.GrantID == "" {
		return &a, nil, nil
	}
	c, err := v.CodeOf(ctx, a.GrantID)
	return &a, c, err
}
