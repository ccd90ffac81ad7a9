package models

import (
	"context"

	"gorm.io/gorm"
)

// Role bundles scopes.
type Role struct {
	Meta
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Scopes      []ScopeRef `gorm:"-" json:"scopes"`
}

// RoleScope is one scope in a role.
type RoleScope struct {
	RoleID     string `gorm:"primaryKey"`
	ResourceID string `gorm:"primaryKey"`
	Scope      string `gorm:"primaryKey"`
}

// Assignment gives a role to a user, a client or a group.
type Assignment struct {
	ID          string `gorm:"primaryKey" json:"id"`
	RoleID      string `json:"role_id"`
	PrincipalID string `json:"principal_id"`
	CreatedAt   int64  `gorm:"autoCreateTime:false" json:"created_at"`
}

func (r *Role) touches(c *change) { c.touch("role", r.ID) }

func (r *Role) validate() error {
	if err := checkHandle("name", r.Name); err != nil {
		return err
	}
	if len(r.Scopes) > 10000 {
		return invalid("scopes", "at most 10000 in one role")
	}
	return checkText("description", r.Description, 1000)
}

// CreateRole stores a new role with its scopes.
func (s *Store) CreateRole(ctx context.Context, by By, r *Role) error {
	r.Meta = newMeta(PrefixRole)
	return s.change(ctx, by, "createRole", func(c *change) error {
		if err := c.insert(r); err != nil {
			return err
		}
		return c.putRoleScopes(r)
	})
}

// Role reads one role with its scopes. ErrNotFound if there is none.
func (s *Store) Role(ctx context.Context, id string) (*Role, error) {
	r, err := get[Role](ctx, s, "getRole", id)
	if err != nil {
		return nil, err
	}
	return r, wrap("getRole", r.fill(s.read.WithContext(ctx)))
}

// Roles lists roles, oldest first; name narrows the list.
func (s *Store) Roles(ctx context.Context, name string, p Page) ([]Role, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"name": name})
	rows, next, err := list(q, "listRoles", "id", p, func(r Role) string { return r.ID })
	if err != nil {
		return nil, "", err
	}
	return rows, next, wrap("listRoles", fillScopes(s.read.WithContext(ctx), rows))
}

// UpdateRole changes what edit changes, scopes included, if the role is still ifVersion.
func (s *Store) UpdateRole(ctx context.Context, by By, id string, ifVersion int64, edit func(*Role)) (*Role, error) {
	return update(ctx, s, by, "updateRole", id, ifVersion, func(c *change, r *Role) error {
		edit(r)
		return c.putRoleScopes(r)
	})
}

// DeleteRole removes a role and its assignments.
func (s *Store) DeleteRole(ctx context.Context, by By, id string, ifVersion int64) error {
	if builtInRole(id) {
		return invalid("id", "a role of Deputy's own cannot be deleted")
	}
	return remove[Role](ctx, s, by, "deleteRole", id, ifVersion, nil)
}

func (c *change) putRoleScopes(r *Role) error {
	if err := c.tx.Where("role_id = ?", r.ID).Delete(&RoleScope{}).Error; err != nil {
		return err
	}
	r.Scopes = distinct(r.Scopes)
	if len(r.Scopes) == 0 {
		return nil
	}
	rows := make([]RoleScope, len(r.Scopes))
	for i, ref := range r.Scopes {
		rows[i] = RoleScope{RoleID: r.ID, ResourceID: ref.ResourceID, Scope: ref.Name}
	}
	return blame(c.tx.CreateInBatches(rows, 500).Error, "scopes", "names a scope that its resource server does not define")
}

func (r *Role) fill(db *gorm.DB) error {
	rows := []Role{*r}
	err := fillScopes(db, rows)
	*r = rows[0]
	return err
}

func fillScopes(db *gorm.DB, roles []Role) error {
	if len(roles) == 0 {
		return nil
	}
	ids, at := make([]string, len(roles)), map[string]int{}
	for i := range roles {
		ids[i], at[roles[i].ID] = roles[i].ID, i
		roles[i].Scopes = []ScopeRef{}
	}
	var rows []RoleScope
	if err := db.Where("role_id in ?", ids).Order("role_id, resource_id, scope").Find(&rows).Error; err != nil {
		return err
	}
	for _, row := range rows {
		r := &roles[at[row.RoleID]]
		r.Scopes = append(r.Scopes, ScopeRef{ResourceID: row.ResourceID, Name: row.Scope})
	}
	return nil
}

// CreateAssignment gives a role to a principal. ErrConflict if it has it.
func (s *Store) CreateAssignment(ctx context.Context, by By, a *Assignment) error {
	return s.change(ctx, by, "createAssignment", func(c *change) error {
		if err := c.exists("principal_id", a.PrincipalID); err != nil {
			return err
		}
		return c.assign(a)
	})
}

func (c *change) assign(a *Assignment) error {
	a.ID, a.CreatedAt = NewID(PrefixAssignment), c.now
	if err := c.tx.Create(a).Error; err != nil {
		return blame(err, "role_id", "%q names no role", a.RoleID)
	}
	c.touchPrincipal(a.PrincipalID)
	return c.recordAssigned(*a, true)
}

// DeleteAssignment takes a role away. ErrNotFound if there is no such assignment.
func (s *Store) DeleteAssignment(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "deleteAssignment", func(c *change) error {
		var a Assignment
		if err := c.forUpdate().First(&a, "id = ?", id).Error; err != nil {
			return err
		}
		if err := c.tx.Delete(&a).Error; err != nil {
			return err
		}
		c.touchPrincipal(a.PrincipalID)
		return c.recordAssigned(a, false)
	})
}

// Assignments lists assignments, oldest first; roleID and principalID narrow the list.
func (s *Store) Assignments(ctx context.Context, roleID, principalID string, p Page) ([]Assignment, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"role_id": roleID, "principal_id": principalID})
	return list(q, "listAssignments", "id", p, func(a Assignment) string { return a.ID })
}
