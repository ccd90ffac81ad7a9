package models

import (
	"context"
	"slices"

	"gorm.io/gorm"
)

// Group holds users, clients and other groups; roles assigned to it are theirs.
type Group struct {
	Meta
	Name        string `json:"name"`
	Description string `json:"description"`

	// Services, in the ledger, are the resource servers at which its members lost something
	// when it was removed.
	Services []string `gorm:"-" json:"services,omitempty"`
}

// TableName avoids the SQL keyword.
func (Group) TableName() string { return "user_groups" }

func (g *Group) touches(c *change) { c.touch("group", g.ID) }

func (g *Group) validate() error {
	if err := checkHandle("name", g.Name); err != nil {
		return err
	}
	return checkText("description", g.Description, 1000)
}

// GroupMember is one membership.
type GroupMember struct {
	GroupID  string `gorm:"primaryKey" json:"group_id"`
	MemberID string `gorm:"primaryKey" json:"member_id"`
}

// CreateGroup stores a new, empty group.
func (s *Store) CreateGroup(ctx context.Context, by By, g *Group) error {
	g.Meta = newMeta(PrefixGroup)
	return create(ctx, s, by, "createGroup", g)
}

// Group reads one group. ErrNotFound if there is none.
func (s *Store) Group(ctx context.Context, id string) (*Group, error) {
	return get[Group](ctx, s, "getGroup", id)
}

// Groups lists groups, oldest first; name and memberID narrow the list.
func (s *Store) Groups(ctx context.Context, name, memberID string, p Page) ([]Group, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"name": name})
	if memberID != "" {
		q = q.Where("id in (select group_id from group_members where member_id = ?)", memberID)
	}
	return list(q, "listGroups", "id", p, func(g Group) string { return g.ID })
}

// UpdateGroup changes what edit changes, if the group is still ifVersion.
func (s *Store) UpdateGroup(ctx context.Context, by By, id string, ifVersion int64, edit func(*Group)) (*Group, error) {
	return update(ctx, s, by, "updateGroup", id, ifVersion, func(_ *change, g *Group) error {
		edit(g)
		return nil
	})
}

// DeleteGroup removes a group; its members lose what they had through it.
func (s *Store) DeleteGroup(ctx context.Context, by By, id string, ifVersion int64) error {
	return remove(ctx, s, by, "deleteGroup", id, ifVersion, func(c *change, g *Group) (err error) {
		if g.Services, err = c.servicesThrough(g.ID); err != nil {
			return err
		}
		if err := c.tx.Where("principal_id = ?", g.ID).Delete(&Assignment{}).Error; err != nil {
			return err
		}
		if err := c.tx.Where("principal_id = ?", g.ID).Delete(&Acquaintance{}).Error; err != nil {
			return err
		}
		return c.tx.Where("group_id = ? or member_id = ?", g.ID, g.ID).Delete(&GroupMember{}).Error
	})
}

// GroupMembers lists the direct members of a group by id.
func (s *Store) GroupMembers(ctx context.Context, groupID string, p Page) ([]GroupMember, string, error) {
	if _, err := s.Group(ctx, groupID); err != nil {
		return nil, "", err
	}
	q := s.read.WithContext(ctx).Where("group_id = ?", groupID)
	return list(q, "listGroupMembers", "member_id", p, func(m GroupMember) string { return m.MemberID })
}

// AddGroupMember puts a user, client or group into a group. Being in already is
// no error; a group cannot, through however many others, contain itself.
func (s *Store) AddGroupMember(ctx context.Context, by By, groupID, memberID string) error {
	return s.change(ctx, by, "addGroupMember", func(c *change) error {
		if err := c.tx.First(&Group{}, "id = ?", groupID).Error; err != nil {
			return err
		}
		if err := c.exists("member_id", memberID); err != nil {
			return err
		}
		above, err := groupsOf(c.tx, groupID)
		if err != nil {
			return err
		}
		if memberID == groupID || slices.Contains(above, memberID) {
			return invalid("member_id", "a group cannot contain itself")
		}
		row := GroupMember{GroupID: groupID, MemberID: memberID}
		var there int64
		if err := c.tx.Model(&row).Where("group_id = ? and member_id = ?", groupID, memberID).Count(&there).Error; err != nil || there > 0 {
			return err
		}
		if err := c.tx.Create(&row).Error; err != nil {
			return err
		}
		c.touchPrincipal(memberID)
		return c.recordMember(row, true)
	})
}

// RemoveGroupMember takes a member out of a group. ErrNotFound if it is not in.
func (s *Store) RemoveGroupMember(ctx context.Context, by By, groupID, memberID string) error {
	return s.change(ctx, by, "removeGroupMember", func(c *change) error {
		row := GroupMember{GroupID: groupID, MemberID: memberID}
		res := c.tx.Where("group_id = ? and member_id = ?", groupID, memberID).Delete(&GroupMember{})
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return ErrNotFound
		}
		c.touchPrincipal(memberID)
		return c.recordMember(row, false)
	})
}

// groupsOf finds every group that id is in, directly or through others.
func groupsOf(db *gorm.DB, id string) ([]string, error) {
	var ids []string
	err := db.Raw(`with recursive up(id) as (
		select group_id from group_members where member_id = ?
		union
		select m.group_id from group_members m join up on m.member_id = up.id
	) select id from up`, id).Scan(&ids).Error
	return ids, err
}

// touchPrincipal marks whatever id names as changed.
func (c *change) touchPrincipal(id string) {
	switch {
	case HasPrefix(id, PrefixUser):
		c.touch("user", id)
	case HasPrefix(id, PrefixGroup):
		c.touch("group", id)
	default:
		c.touch("client", id)
	}
}

// exists checks that id names a user, a client or a group.
func (c *change) exists(field, id string) error {
	table := "clients"
	switch {
	case HasPrefix(id, PrefixUser):
		table = "users"
	case HasPrefix(id, PrefixGroup):
		table = "user_groups"
	}
	var n int64
	if err := c.tx.Table(table).Where("id = ?", id).Count(&n).Error; err != nil {
		return err
	}
	if n == 0 {
		return invalid(field, "%q names no user, client or group", id)
	}
	return nil
}
