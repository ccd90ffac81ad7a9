package models

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// EffectiveScope is one scope a client holds, and the roles it comes from.
type EffectiveScope struct {
	ResourceID string
	Identifier string // of the resource server
	Scope      string
	Risk       string
	Roles      []ScopeSource
}

// ScopeSource is one role that gives a scope, and how the client comes by it.
type ScopeSource struct {
	RoleID string
	Role   string   // its name
	Direct bool     // assigned to the client itself
	Via    []string // groups it is assigned to and the client is in, directly or through others
}

// EffectiveScopes lists what a client holds, by resource server and scope. It
// is read by the loader that makes the fact policy sees, so the two cannot
// disagree; only the explanations are added here.
func (s *Store) EffectiveScopes(ctx context.Context, clientID string, p Page) (rows []EffectiveScope, next string, err error) {
	err = s.snapshot(ctx, func(db *gorm.DB) error {
		if err := db.First(&Client{}, "id = ?", clientID).Error; err != nil {
			return err
		}
		held, err := heldScopes(db, clientID)
		if err != nil {
			return err
		}
		rows, next = effectivePage(held, p)
		if len(rows) == 0 {
			return nil
		}
		return explain(db, clientID, rows)
	})
	return rows, next, wrap("listEffectiveScopes", err)
}

// heldScopes are those that a client's fact says, with the ids of the roles.
func heldScopes(db *gorm.DB, clientID string) (rows []EffectiveScope, err error) {
	fact, _, err := loadPrincipal(db, clientID)
	if err != nil {
		return nil, err
	}
	for resource, scopes := range fact.Scopes {
		for scope, roles := range scopes {
			row := EffectiveScope{ResourceID: resource, Scope: scope}
			for _, id := range roles {
				row.Roles = append(row.Roles, ScopeSource{RoleID: id})
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// key orders effective scopes and names one in a cursor; no scope holds a space.
func (e EffectiveScope) key() string { return e.ResourceID + " " + e.Scope }

func effectivePage(rows []EffectiveScope, p Page) ([]EffectiveScope, string) {
	slices.SortFunc(rows, func(a, b EffectiveScope) int { return strings.Compare(a.key(), b.key()) })
	rows = slices.DeleteFunc(rows, func(e EffectiveScope) bool { return e.key() <= p.After })
	if len(rows) <= p.size() {
		return rows, ""
	}
	rows = rows[:p.size()]
	return rows, rows[len(rows)-1].key()
}

// explain adds names, risks and the groups that roles come through.
func explain(db *gorm.DB, clientID string, rows []EffectiveScope) error {
	sources, err := sourcesOf(db, clientID)
	if err != nil {
		return err
	}
	var resources, names []string
	for _, row := range rows {
		resources, names = append(resources, row.ResourceID), append(names, row.Scope)
	}
	var servers []ResourceServer
	if err := db.Where("id in ?", resources).Find(&servers).Error; err != nil {
		return err
	}
	var scopes []Scope
	if err := db.Where("resource_id in ? and name in ?", resources, names).Find(&scopes).Error; err != nil {
		return err
	}
	identifiers, risks := map[string]string{}, map[ScopeRef]string{}
	for _, r := range servers {
		identifiers[r.ID] = r.Identifier
	}
	for _, sc := range scopes {
		risks[ScopeRef{sc.ResourceID, sc.Name}] = sc.Risk
	}
	for i, row := range rows {
		rows[i].Identifier, rows[i].Risk = identifiers[row.ResourceID], risks[ScopeRef{row.ResourceID, row.Scope}]
		for j, src := range row.Roles {
			rows[i].Roles[j] = sources[src.RoleID]
		}
	}
	return nil
}

// sourcesOf tells, for each role a principal has, how it comes by it.
func sourcesOf(db *gorm.DB, id string) (map[string]ScopeSource, error) {
	groups, err := groupsOf(db, id)
	if err != nil {
		return nil, err
	}
	var assigned []struct{ RoleID, Name, PrincipalID string }
	err = db.Model(&Assignment{}).Select("role_id, roles.name, principal_id").Joins("join roles on roles.id = role_id").
		Where("principal_id in ?", append(groups, id)).Order("principal_id").Scan(&assigned).Error
	out := map[string]ScopeSource{}
	for _, a := range assigned {
		src := out[a.RoleID]
		src.RoleID, src.Role = a.RoleID, a.Name
		if a.PrincipalID == id {
			src.Direct = true
		} else {
			src.Via = append(src.Via, a.PrincipalID)
		}
		out[a.RoleID] = src
	}
	return out, err
}
