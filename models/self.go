package models

import (
	"context"
	"errors"
	"slices"
)

// Deputy's own API is a resource server with a fixed id, so that no other can
// pose as it; the administrator role holds all of its scopes.
const (
	SelfID      = "rsv_deputy"
	AdminRoleID = "rol_admin"
)

// SelfScopes are the scopes of Deputy's own API. Which operation needs which is
// policy (policies/floor/admin).
func SelfScopes() []Scope {
	scope := func(name, risk, description string) Scope {
		return Scope{ResourceID: SelfID, Name: name, Risk: risk, Description: description, Downstream: []ScopeRef{}}
	}
	return []Scope{
		scope("audit:read", RiskMedium, "Read the ledger of decisions and changes"),
		scope("clients:read", RiskLow, "See agents, applications and what they may do"),
		scope("clients:suspend", RiskHigh, "Suspend and restore agents and applications"),
		scope("clients:write", RiskMedium, "Register, edit and decommission agents and applications"),
		scope("credentials:write", RiskHigh, "Issue, rotate and revoke credentials"),
		scope("groups:read", RiskLow, "See groups and their members"),
		scope("groups:write", RiskMedium, "Create, edit and delete groups"),
		scope("keys:read", RiskLow, "See signing keys"),
		scope("keys:write", RiskHigh, "Rotate signing keys"),
		scope("policy:read", RiskLow, "See which policy serves"),
		scope("resources:read", RiskLow, "See resource servers and their scopes"),
		scope("resources:write", RiskHigh, "Register and edit resource servers and their scopes"),
		scope("roles:assign", RiskHigh, "Give roles to users, clients and groups, and take them away"),
		scope("roles:read", RiskLow, "See roles and who has them"),
		scope("roles:write", RiskHigh, "Create, edit and delete roles"),
		scope("tokens:read", RiskMedium, "See grants and tokens"),
		scope("tokens:revoke", RiskHigh, "Revoke grants and tokens"),
		scope("users:read", RiskLow, "See users"),
		scope("users:suspend", RiskHigh, "Suspend and restore users"),
		scope("users:write", RiskMedium, "Create, edit and remove users"),
	}
}

// EnsureSelf registers Deputy's own API under identifier, with its scopes and
// the administrator role, and adds what a newer release brings. It changes
// nothing that is there already.
func (s *Store) EnsureSelf(ctx context.Context, identifier string) error {
	by := By{System: "start"}
	self, err := s.ResourceServer(ctx, SelfID)
	if err == nil && self.Identifier == identifier {
		have, _, err := s.Scopes(ctx, SelfID, Page{Limit: 200})
		if err != nil {
			return err
		}
		if len(have) == len(SelfScopes()) {
			return nil
		}
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.change(ctx, by, "ensureSelf", func(c *change) error { return c.ensureSelf(identifier) })
}

func (c *change) ensureSelf(identifier string) error {
	self := ResourceServer{Meta: Meta{ID: SelfID}}
	if err := c.tx.Limit(1).Find(&self, "id = ?", SelfID).Error; err != nil {
		return err
	}
	if self.Version == 0 || self.Identifier != identifier { // a new issuer is a new audience: old tokens are for the old one
		self.Identifier, self.Name, self.Description = identifier, "deputy", "Deputy's own API"
		self.Status, self.TokenTTL, self.MaxDepth = StatusActive, DefaultResourceTTL, DefaultMaxDepth
		self.stamp(c.now)
		if err := self.validate(); err != nil {
			return err
		}
		if err := c.tx.Save(&self).Error; err != nil {
			return err
		}
		self.touches(c)
		if err := c.record(SelfID, nil, self); err != nil {
			return err
		}
	}
	role := Role{Meta: Meta{ID: AdminRoleID}, Name: "deputy-admin", Description: "Everything Deputy's own API offers"}
	for _, sc := range SelfScopes() {
		var there int64
		if err := c.tx.Model(&Scope{}).Where("resource_id = ? and name = ?", SelfID, sc.Name).Count(&there).Error; err != nil {
			return err
		}
		if there == 0 {
			if _, err := c.putScope(&sc); err != nil {
				return err
			}
		}
		role.Scopes = append(role.Scopes, ScopeRef{ResourceID: SelfID, Name: sc.Name})
	}
	return c.ensureRole(&role)
}

// ensureRole creates the role, or adds the scopes it lacks.
func (c *change) ensureRole(role *Role) error {
	var old []Role
	if err := c.forUpdate().Where("id = ?", role.ID).Find(&old).Error; err != nil {
		return err
	}
	if len(old) == 0 {
		if err := c.insert(role); err != nil {
			return err
		}
		return c.putRoleScopes(role)
	}
	if err := fillScopes(c.tx, old); err != nil {
		return err
	}
	for _, ref := range role.Scopes {
		if !slices.Contains(old[0].Scopes, ref) {
			old[0].Scopes = append(old[0].Scopes, ref)
		}
	}
	old[0].touches(c)
	return c.putRoleScopes(&old[0])
}
