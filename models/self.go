package models

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
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
		scope("consents:write", RiskHigh, "Agree in a user's place to what an agent may do for them"),
		scope("credentials:own", RiskHigh, "Make the successor of one's own secret"),
		scope("credentials:write", RiskHigh, "Issue, rotate and revoke credentials"),
		scope("events:read", RiskMedium, "Follow everything that ends or changes, as it happens"),
		scope("events:write", RiskHigh, "Have events sent to addresses elsewhere, all of them too"),
		scope("groups:read", RiskLow, "See groups and their members"),
		scope("groups:write", RiskMedium, "Create, edit and delete groups"),
		scope("keys:read", RiskLow, "See signing keys"),
		scope("keys:write", RiskHigh, "Rotate signing keys"),
		scope("owners:assign", RiskHigh, "Put somebody in charge of an agent or application without asking them"),
		scope("policy:explain", RiskMedium, "Ask what any request would be answered, and why"),
		scope("policy:read", RiskLow, "See which policy serves"),
		scope("resources:read", RiskLow, "See resource servers and their scopes"),
		scope("resources:write", RiskHigh, "Register and edit resource servers and their scopes"),
		scope("roles:assign", RiskHigh, "Give roles to users, clients and groups, and take them away"),
		scope("roles:read", RiskLow, "See roles and who has them"),
		scope("roles:write", RiskHigh, "Create, edit and delete roles"),
		scope("tokens:read", RiskMedium, "See grants and tokens"),
		scope("tokens:revoke", RiskHigh, "Revoke grants and tokens"),
		scope("upstreams:read", RiskLow, "See the OpenID providers people may sign in with"),
		scope("upstreams:write", RiskHigh, "Add, change and remove OpenID providers people may sign in with"),
		scope("users:read", RiskLow, "See users"),
		scope("users:suspend", RiskHigh, "Suspend and restore users"),
		scope("users:write", RiskMedium, "Create, edit and remove users"),
	}
}

// ErrOtherIssuer: the database belongs to a server with another issuer.
var ErrOtherIssuer = errors.New("this database belongs to another issuer")

// EnsureSelf registers Deputy's own API under identifier, with its scopes and
// the administrator role, and adds what a newer release brings. It changes
// nothing that is there already: ErrOtherIssuer if that is under another
// identifier, because renaming it would shut out whoever serves there.
func (s *Store) EnsureSelf(ctx context.Context, identifier string) error {
	identifier, err := canonicalURI("identifier", identifier)
	if err != nil {
		return err
	}
	self, err := s.ResourceServer(ctx, SelfID)
	if err == nil && self.Identifier != identifier {
		return fmt.Errorf("%w: its API is %s, not %s", ErrOtherIssuer, self.Identifier, identifier)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.change(ctx, By{System: "start"}, "ensureSelf", func(c *change) error { return c.ensureSelf(identifier) })
}

// RenameSelf moves Deputy's own API to another identifier: a new issuer is a new
// audience, and tokens for the old one are dead.
func (s *Store) RenameSelf(ctx context.Context, by By, identifier string) error {
	identifier, err := canonicalURI("identifier", identifier)
	if err != nil {
		return err
	}
	_, err = update(ctx, s, by, "renameSelf", SelfID, AnyVersion, func(_ *change, r *ResourceServer) error {
		r.Identifier = identifier
		return nil
	})
	return err
}

func (c *change) ensureSelf(identifier string) error {
	err := c.ensureServer(ResourceServer{
		Meta: Meta{ID: SelfID}, Identifier: identifier, Name: "deputy", Description: "Deputy's own API",
		Status: StatusActive, TokenTTL: DefaultResourceTTL, MaxDepth: DefaultMaxDepth,
	})
	if err != nil {
		return err
	}
	all, added, err := c.ensureScopes(SelfID, SelfScopes())
	if err != nil {
		return err
	}
	return c.ensureRole(Role{Meta: Meta{ID: AdminRoleID}, Name: "deputy-admin", Description: "Everything Deputy's own API offers", Scopes: all}, added)
}

// ensureServer registers a resource server of Deputy's, unless it is there.
func (c *change) ensureServer(self ResourceServer) error {
	var there ResourceServer
	err := c.load(&there, self.ID, AnyVersion)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return c.insert(&self)
	}
	return err
}

// ensureScopes defines those of one resource server's scopes that are not there.
func (c *change) ensureScopes(resourceID string, scopes []Scope) (all, added []ScopeRef, err error) {
	var there []string
	if err := c.tx.Model(&Scope{}).Where("resource_id = ?", resourceID).Pluck("name", &there).Error; err != nil {
		return nil, nil, err
	}
	var missing []Scope
	for _, sc := range scopes {
		ref := ScopeRef{ResourceID: resourceID, Name: sc.Name}
		all = append(all, ref)
		if !slices.Contains(there, sc.Name) {
			missing, added = append(missing, sc), append(added, ref)
		}
	}
	if len(missing) == 0 {
		return all, nil, nil
	}
	if err := c.tx.Create(&missing).Error; err != nil {
		return nil, nil, err
	}
	c.touch("resource", resourceID)
	for _, sc := range missing {
		if err := c.record(resourceID, nil, sc); err != nil {
			return nil, nil, err
		}
	}
	return all, added, nil
}

// ensureRole creates a role of Deputy's, or gives it the scopes that were added.
func (c *change) ensureRole(fresh Role, added []ScopeRef) error {
	var role Role
	err := c.load(&role, fresh.ID, AnyVersion)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		if err := c.insert(&fresh); err != nil {
			return err
		}
		return c.putRoleScopes(&fresh)
	}
	if err != nil || len(added) == 0 {
		return err
	}
	before := role
	role.Scopes = append(slices.Clone(role.Scopes), added...)
	if err := c.putRoleScopes(&role); err != nil {
		return err
	}
	role.stamp(c.now)
	if err := c.tx.Save(&role).Error; err != nil {
		return err
	}
	role.touches(c)
	return c.record(fresh.ID, before, role)
}
