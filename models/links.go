package models

import (
	"context"
	"crypto/subtle"
	"slices"

	"gorm.io/gorm"
)

// Purposes of links. None can stand in for another.
const (
	LinkSetup        = "setup"   // makes the first administrator
	LinkInvite       = "invite"  // lets a new user choose a password
	LinkRecover      = "recover" // lets a user begin anew
	LinkSecondFactor = "otp"     // a password was right, the second factor is still to come

	LinkUpstreamFactor = "otp-upstream" // a provider vouched for them, the second factor is still to come
)

// LinkPurposes are all of them.
var LinkPurposes = []string{LinkSetup, LinkInvite, LinkRecover, LinkSecondFactor, LinkUpstreamFactor}

// LinkPrefix lets scanners find a leaked link.
const LinkPrefix = "dpt_lnk_"

// Link works once, for one purpose, for whoever has its token.
type Link struct {
	ID        string  `gorm:"primaryKey" json:"id"`
	Purpose   string  `json:"purpose"`
	UserID    *string `json:"user_id,omitempty"` // nil for a setup link
	TokenHash []byte  `json:"-"`
	CreatedAt int64   `gorm:"autoCreateTime:false" json:"created_at"`
	ExpiresAt int64   `json:"expires_at"`
	UsedAt    int64   `json:"used_at"`
}

// CreateLink makes a link. Its token is returned: this once, and nowhere else.
// Links that a user had for the same purpose end.
func (s *Store) CreateLink(ctx context.Context, by By, l *Link) (token string, err error) {
	err = s.change(ctx, by, "createLink", func(c *change) error {
		if err := l.validate(c.now); err != nil {
			return err
		}
		if l.UserID != nil {
			if err := c.account(*l.UserID); err != nil {
				return err
			}
			if err := c.endLinks(*l.UserID, l.Purpose); err != nil {
				return err
			}
		}
		l.ID, l.CreatedAt, l.UsedAt = NewID(PrefixLink), c.now, 0
		token = newToken(LinkPrefix, l.ID)
		l.TokenHash = HashSecret(token)
		if err := c.tx.Create(l).Error; err != nil {
			return err
		}
		return c.record(l.ID, nil, l)
	})
	return token, err
}

func (l *Link) validate(now int64) error {
	switch {
	case !slices.Contains([]string{LinkSetup, LinkInvite, LinkRecover, LinkSecondFactor, LinkUpstreamFactor}, l.Purpose):
		return invalid("purpose", "is not known")
	case (l.Purpose == LinkSetup) != (l.UserID == nil):
		return invalid("user", "belongs to every link but one for set-up")
	case l.ExpiresAt <= now:
		return invalid("expires_at", "is in the past")
	}
	return nil
}

// Link reads a link that works, for one of purposes. ErrNotFound if there is none.
func (s *Store) Link(ctx context.Context, token string, purposes ...string) (*Link, error) {
	l, err := working(s.read.WithContext(ctx), s.Now(), token, purposes)
	if err != nil {
		return nil, wrap("getLink", absent(err))
	}
	return l, nil
}

func working(q *gorm.DB, now int64, token string, purposes []string) (*Link, error) {
	var l Link
	err := q.Where("id = ? and used_at = 0 and expires_at > ?", opens(LinkPrefix, PrefixLink, token), now).Where("purpose in ?", purposes).Take(&l).Error
	if err == nil && subtle.ConstantTimeCompare(l.TokenHash, HashSecret(token)) != 1 {
		err = ErrNotFound
	}
	return &l, err
}

// redeem uses a link up. ErrNotFound if it does not work: of any number who try,
// one succeeds.
func (c *change) redeem(token string, purposes ...string) (*Link, error) {
	l, err := working(c.forUpdate(), c.now, token, purposes)
	if err != nil {
		return nil, err
	}
	before := *l
	res := c.tx.Model(l).Where("used_at = 0").Update("used_at", c.now)
	if err := is(res.RowsAffected, res.Error); err != nil {
		return nil, err
	}
	l.UsedAt = c.now
	return l, c.record(l.ID, before, l)
}

// endLinks ends a user's links that were not used, all or those for a purpose.
func (c *change) endLinks(userID string, purposes ...string) error {
	q := c.tx.Model(&Link{}).Where("user_id = ? and used_at = 0 and expires_at > ?", userID, c.now)
	if len(purposes) > 0 {
		q = q.Where("purpose in ?", purposes)
	}
	return q.Update("expires_at", c.now).Error
}

// Recover lets whoever has an invitation or a recovery link choose a password,
// and begins anew: second factor, passkeys, identities at providers, sessions and other links end, since
// somebody else may be behind them.
func (s *Store) Recover(ctx context.Context, by By, token, hash string) (userID string, err error) {
	err = s.change(ctx, by, "recover", func(c *change) error {
		link, err := c.redeem(token, LinkInvite, LinkRecover)
		if err != nil {
			return err
		}
		userID = *link.UserID
		for _, step := range []func() error{
			func() error { return c.live(userID) },
			func() error { return c.setPassword(userID, hash) },
			func() error { return c.removeTOTP(userID) },
			func() error { return c.revokePasskeys(userID) },
			func() error { return c.unlinkAll(userID) },
			func() error { return c.endSessions(userID, "") },
			func() error { return c.endLinks(userID) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return userID, err
}

// Administered tells whether there is a person with the administrator role, be it
// through a group. One who is suspended counts: that is somebody's decision, and
// no reason to let another begin.
func (s *Store) Administered(ctx context.Context) (bool, error) {
	var there bool
	err := s.read.WithContext(ctx).Raw(administered, AdminRoleID, StatusDecommissioned).Scan(&there).Error
	return there, wrap("administered", err)
}

const administered = `with recursive down(id) as (
		select principal_id from assignments where role_id = ?
		union
		select m.member_id from group_members m join down on m.group_id = down.id
	) select exists (select 1 from users join down on users.id = down.id where users.status <> ?)`

// SetUp makes the first person, with the administrator role and a password, for
// whoever has a setup link. ErrUsed if somebody was first.
func (s *Store) SetUp(ctx context.Context, by By, token string, u *User, hash string) error {
	return s.change(ctx, by, "setUp", func(c *change) error {
		if _, err := c.redeem(token, LinkSetup); err != nil {
			return err
		}
		var there bool
		if err := c.tx.Raw(administered, AdminRoleID, StatusDecommissioned).Scan(&there).Error; err != nil {
			return err
		}
		if there {
			return ErrUsed
		}
		u.Meta, u.Status, u.ExpiresAt = newMeta(PrefixUser), StatusActive, Never
		if err := c.insert(u); err != nil {
			return err
		}
		if err := c.setPassword(u.ID, hash); err != nil {
			return err
		}
		return c.assign(&Assignment{RoleID: AdminRoleID, PrincipalID: u.ID})
	})
}
