package models

import (
	"context"

	"gorm.io/gorm"
)

// Who somebody is, is told by a resource server like any other: Deputy's userinfo
// endpoint. Its scopes are those of OpenID Connect. Clients hold them by a role
// that administrators assign; a person may always be asked who they are, so every
// user holds them, without an assignment.
const (
	OpenIDID     = "rsv_openid"
	OpenIDRoleID = "rol_openid"
	PersonRoleID = "rol_person"
)

// OpenIDScopes are the scopes by which a client learns who a user is. What each
// of them releases is policy (policies/floor/identity).
func OpenIDScopes() []Scope {
	scope := func(name, description string) Scope {
		return Scope{ResourceID: OpenIDID, Name: name, Risk: RiskLow, Description: description, Downstream: []ScopeRef{}}
	}
	return []Scope{
		scope("email", "See your e-mail address"),
		scope("groups", "See which groups you are in"),
		scope("openid", "Know that it is you, each time you sign in"),
		scope("profile", "See your name and user name"),
	}
}

// builtIn tells the resource servers that are Deputy itself.
func builtIn(resourceID string) bool { return resourceID == SelfID || resourceID == OpenIDID }

// builtInRole tells the roles that every start makes sure of.
func builtInRole(id string) bool {
	return id == AdminRoleID || id == OpenIDRoleID || id == PersonRoleID
}

// EnsureOpenID registers the userinfo endpoint under identifier, with its scopes
// and the two roles that hold them, and adds what a newer release brings. Whether
// the database is this issuer's, EnsureSelf has settled before: the endpoint goes
// where Deputy's own API went.
func (s *Store) EnsureOpenID(ctx context.Context, identifier string) error {
	identifier, err := canonicalURI("identifier", identifier)
	if err != nil {
		return err
	}
	return s.change(ctx, By{System: "start"}, "ensureOpenID", func(c *change) error {
		err := c.ensureServer(ResourceServer{
			Meta: Meta{ID: OpenIDID}, Identifier: identifier, Name: "openid", Description: "Who you are, for applications you sign in to",
			Status: StatusActive, TokenTTL: DefaultResourceTTL, MaxDepth: DefaultMaxDepth,
		})
		if err != nil {
			return err
		}
		if err := c.moveServer(OpenIDID, identifier); err != nil {
			return err
		}
		all, added, err := c.ensureScopes(OpenIDID, OpenIDScopes())
		if err != nil {
			return err
		}
		signIn := Role{Meta: Meta{ID: OpenIDRoleID}, Name: "openid", Description: "Sign people in", Scopes: all}
		if err := c.ensureRole(signIn, added); err != nil {
			return err
		}
		return c.ensureRole(Role{Meta: Meta{ID: PersonRoleID}, Name: "person", Description: "What every user holds", Scopes: all}, added)
	})
}

// moveServer puts a resource server under another identifier, if it is not there.
func (c *change) moveServer(id, identifier string) error {
	var r ResourceServer
	if err := c.load(&r, id, AnyVersion); err != nil || r.Identifier == identifier {
		return err
	}
	before := r
	r.Identifier = identifier
	r.stamp(c.now)
	if err := c.tx.Save(&r).Error; err != nil {
		return err
	}
	r.touches(c)
	return c.record(id, before, r)
}

// Profile is what there is to say of who a user is.
type Profile struct {
	Username  string
	Name      string
	Email     string
	Groups    []string // names, of those that they are in directly or through others
	UpdatedAt int64
}

// Profile reads what is known of a user. ErrNotFound if there is none.
func (v *View) Profile(ctx context.Context, userID string) (*Profile, error) {
	p, err := see(ctx, v, "profile:"+userID, func(db *gorm.DB) (*Profile, []string, error) {
		var u User
		if err := db.First(&u, "id = ?", userID).Error; err != nil {
			return nil, nil, err
		}
		ids, err := groupsOf(db, userID)
		if err != nil {
			return nil, nil, err
		}
		deps := []string{key("user", userID)}
		for _, id := range ids {
			deps = append(deps, key("group", id))
		}
		p := &Profile{Username: u.Username, Name: u.Name, Email: u.Email, UpdatedAt: u.UpdatedAt, Groups: []string{}}
		err = db.Model(&Group{}).Where("id in ?", ids).Order("name").Pluck("name", &p.Groups).Error
		return p, deps, err
	})
	if err == nil && p == nil {
		err = wrap("load profile", ErrNotFound)
	}
	return p, err
}
