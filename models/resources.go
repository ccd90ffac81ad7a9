package models

import (
	"context"
	"net/url"
	"strings"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// Risk levels of scopes.
const (
	RiskLow    = "low"
	RiskMedium = "medium"
	RiskHigh   = "high"
)

// ResourceServer is a service that accepts tokens: an API, an MCP server, an
// agent. Its identifier is the audience of tokens for it.
type ResourceServer struct {
	Meta
	Identifier  string  `json:"identifier"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	OperatorID  *string `json:"operator_id"` // the client that is this service
	Status      string  `json:"status"`
	TokenTTL    int64   `gorm:"column:token_ttl" json:"token_ttl"` // seconds
	MaxDepth    int     `json:"max_depth"`                         // actors in a chain
}

// Scope is something a resource server lets callers do.
type Scope struct {
	ResourceID  string     `gorm:"primaryKey" json:"resource_server_id"`
	Name        string     `gorm:"primaryKey" json:"name"`
	Description string     `json:"description"`
	Risk        string     `json:"risk"`
	Downstream  []ScopeRef `gorm:"-" json:"downstream"` // what doing it may need elsewhere
}

// Downstream is one edge: a token with the first scope may be exchanged for the second.
type Downstream struct {
	ResourceID   string `gorm:"primaryKey"`
	Name         string `gorm:"primaryKey"`
	ToResourceID string `gorm:"primaryKey"`
	ToName       string `gorm:"primaryKey"`
}

// TableName is scope_downstream.
func (Downstream) TableName() string { return "scope_downstream" }

func (r *ResourceServer) touches(c *change) { c.touch("resource", r.ID) }

func (r *ResourceServer) refers() string { return "operator_id" }

func (r *ResourceServer) validate() error {
	canonical, err := canonicalURI("identifier", r.Identifier)
	if err != nil {
		return err
	}
	r.Identifier = canonical
	if r.TokenTTL < 1 || r.TokenTTL > 86400 {
		return invalid("token_ttl", "must be 1 to 86400 seconds")
	}
	if r.MaxDepth < 0 || r.MaxDepth > policies.Ceiling {
		return invalid("max_depth", "must be 0 to %d", policies.Ceiling)
	}
	for _, err := range []error{
		checkHandle("name", r.Name), checkText("description", r.Description, 1000), checkStatus(r.Status, StatusActive, StatusSuspended),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// CanonicalURI checks a resource identifier (RFC 8707 section 2: absolute, no
// fragment) and gives the one form under which it is compared: scheme and host
// in lower case, no default port, and no lone slash for a path.
func CanonicalURI(raw string) (string, error) { return canonicalURI("resource", raw) }

func canonicalURI(field, raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > 2048:
		return "", invalid(field, "is not a URI")
	case !u.IsAbs():
		return "", invalid(field, "must be an absolute URI")
	case strings.Contains(raw, "#"):
		return "", invalid(field, "must not have a fragment")
	case u.User != nil:
		return "", invalid(field, "must not have user information")
	case (u.Scheme == "https" || u.Scheme == "http" || u.Host != "") && u.Hostname() == "":
		return "", invalid(field, "must name a host")
	case strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "["):
		return "", invalid(field, "must name one host and one port")
	}
	for _, r := range raw {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' {
			return "", invalid(field, "must be printable ASCII")
		}
	}
	u.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":") // url.Parse has lowered the scheme
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		u.Host = u.Host[:strings.LastIndex(u.Host, ":")]
	}
	if u.Path == "/" && u.RawQuery == "" {
		u.Path, u.RawPath = "", ""
	}
	return u.String(), nil
}

// DefaultMaxDepth and DefaultResourceTTL (seconds) are what a new resource server gets.
const (
	DefaultMaxDepth    = 4
	DefaultResourceTTL = 600
)

// NoActors, as the MaxDepth of a new resource server, is a depth of 0: tokens
// for it have no chain. 0 itself stands for the default there.
const NoActors = -1

// CreateResourceServer stores a new resource server, without scopes.
func (s *Store) CreateResourceServer(ctx context.Context, by By, r *ResourceServer) error {
	r.Meta, r.Status = newMeta(PrefixResource), StatusActive
	if r.TokenTTL == 0 {
		r.TokenTTL = DefaultResourceTTL
	}
	switch r.MaxDepth {
	case 0:
		r.MaxDepth = DefaultMaxDepth
	case NoActors:
		r.MaxDepth = 0
	}
	return create(ctx, s, by, "createResourceServer", r)
}

// ResourceServer reads one resource server. ErrNotFound if there is none.
func (s *Store) ResourceServer(ctx context.Context, id string) (*ResourceServer, error) {
	return get[ResourceServer](ctx, s, "getResourceServer", id)
}

// ResourceFilter narrows a list of resource servers; empty fields do not.
type ResourceFilter struct{ Name, Identifier, Status, OperatorID string }

// ResourceServers lists resource servers, oldest first.
func (s *Store) ResourceServers(ctx context.Context, f ResourceFilter, p Page) ([]ResourceServer, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{
		"name": f.Name, "identifier": f.Identifier, "status": f.Status, "operator_id": f.OperatorID,
	})
	return list(q, "listResourceServers", "id", p, func(r ResourceServer) string { return r.ID })
}

// UpdateResourceServer changes what edit changes, if it is still ifVersion.
func (s *Store) UpdateResourceServer(ctx context.Context, by By, id string, ifVersion int64, edit func(*ResourceServer)) (*ResourceServer, error) {
	return update(ctx, s, by, "updateResourceServer", id, ifVersion, func(_ *change, r *ResourceServer) error {
		identifier := r.Identifier
		edit(r)
		if r.Identifier != identifier {
			return invalid("identifier", "cannot change: tokens are locked to it; register another resource server")
		}
		if builtIn(r.ID) && r.Status != StatusActive {
			return invalid("status", "Deputy's own API cannot be suspended: nobody could restore it")
		}
		if builtIn(r.ID) && r.OperatorID != nil {
			return invalid("operator_id", "nobody operates Deputy's own API but Deputy")
		}
		return nil
	})
}

// DeleteResourceServer removes a resource server and its scopes; every token
// for it is dead, and roles lose those scopes.
func (s *Store) DeleteResourceServer(ctx context.Context, by By, id string, ifVersion int64) error {
	if builtIn(id) {
		return invalid("id", "Deputy's own API cannot be deleted")
	}
	return remove(ctx, s, by, "deleteResourceServer", id, ifVersion, func(c *change, r *ResourceServer) error {
		if err := c.touchRolesWith("resource_id = ?", r.ID); err != nil {
			return err
		}
		c.touched[keyDownstream] = true
		return nil
	})
}

// Scopes lists the scopes of a resource server by name.
func (s *Store) Scopes(ctx context.Context, resourceID string, p Page) ([]Scope, string, error) {
	if _, err := s.ResourceServer(ctx, resourceID); err != nil {
		return nil, "", err
	}
	q := s.read.WithContext(ctx).Where("resource_id = ?", resourceID)
	rows, next, err := list(q, "listScopes", "name", p, func(sc Scope) string { return sc.Name })
	if err != nil {
		return nil, "", err
	}
	return rows, next, wrap("listScopes", fillDownstream(s.read.WithContext(ctx), resourceID, rows))
}

// PutScope defines a scope or replaces what it says, downstream scopes included.
func (s *Store) PutScope(ctx context.Context, by By, sc *Scope) (created bool, err error) {
	if builtIn(sc.ResourceID) {
		return false, invalid("resource_server_id", "the scopes of Deputy's own API are the release's")
	}
	if sc.Risk == "" {
		sc.Risk = RiskLow
	}
	if err := sc.validate(); err != nil {
		return false, err
	}
	err = s.change(ctx, by, "putScope", func(c *change) error {
		created, err = c.putScope(sc)
		return err
	})
	return created, err
}

func (sc *Scope) validate() error {
	if err := CheckScope("name", sc.Name); err != nil {
		return err
	}
	if sc.Risk != RiskLow && sc.Risk != RiskMedium && sc.Risk != RiskHigh {
		return invalid("risk", "must be low, medium or high")
	}
	if len(sc.Downstream) > 200 {
		return invalid("downstream", "at most 200")
	}
	return checkText("description", sc.Description, 500)
}

func (c *change) putScope(sc *Scope) (created bool, err error) {
	if err := c.tx.First(&ResourceServer{}, "id = ?", sc.ResourceID).Error; err != nil {
		return false, err
	}
	var old []Scope
	if err := c.forUpdate().Where("resource_id = ? and name = ?", sc.ResourceID, sc.Name).Find(&old).Error; err != nil {
		return false, err
	}
	var before any
	if len(old) > 0 {
		if err := fillDownstream(c.tx, sc.ResourceID, old); err != nil {
			return false, err
		}
		before = old[0]
	}
	if err := c.tx.Save(sc).Error; err != nil {
		return false, err
	}
	if err := c.putDownstream(sc); err != nil {
		return false, err
	}
	c.touch("resource", sc.ResourceID)
	c.touched[keyDownstream] = true
	return len(old) == 0, c.record(sc.ResourceID, before, sc)
}

func (c *change) putDownstream(sc *Scope) error {
	if err := c.tx.Where("resource_id = ? and name = ?", sc.ResourceID, sc.Name).Delete(&Downstream{}).Error; err != nil {
		return err
	}
	sc.Downstream = distinct(sc.Downstream)
	for _, to := range sc.Downstream {
		edge := Downstream{ResourceID: sc.ResourceID, Name: sc.Name, ToResourceID: to.ResourceID, ToName: to.Name}
		if err := c.tx.Create(&edge).Error; err != nil {
			return blame(err, "downstream", "%q is not a scope of %s", to.Name, to.ResourceID)
		}
	}
	return nil
}

// DeleteScope removes a scope; roles and live tokens lose it.
func (s *Store) DeleteScope(ctx context.Context, by By, resourceID, name string) error {
	return s.change(ctx, by, "deleteScope", func(c *change) error {
		var sc Scope
		if err := c.forUpdate().First(&sc, "resource_id = ? and name = ?", resourceID, name).Error; err != nil {
			return err
		}
		if builtIn(resourceID) {
			return invalid("resource_server_id", "the scopes of Deputy's own API cannot be deleted")
		}
		if err := c.touchRolesWith("resource_id = ? and scope = ?", resourceID, name); err != nil {
			return err
		}
		if err := c.tx.Delete(&sc).Error; err != nil {
			return err
		}
		c.touch("resource", resourceID)
		c.touched[keyDownstream] = true
		return c.record(resourceID, sc, nil)
	})
}

// touchRolesWith marks the roles that hold a scope, so that whoever has them is
// looked at again.
func (c *change) touchRolesWith(query string, args ...any) error {
	var roles []string
	if err := c.tx.Model(&RoleScope{}).Where(query, args...).Distinct().Pluck("role_id", &roles).Error; err != nil {
		return err
	}
	for _, id := range roles {
		c.touch("role", id)
	}
	return nil
}

func fillDownstream(db *gorm.DB, resourceID string, scopes []Scope) error {
	if len(scopes) == 0 {
		return nil
	}
	at := map[string]int{}
	for i := range scopes {
		at[scopes[i].Name] = i
		scopes[i].Downstream = []ScopeRef{}
	}
	var edges []Downstream
	if err := db.Where("resource_id = ?", resourceID).Order("name, to_resource_id, to_name").Find(&edges).Error; err != nil {
		return err
	}
	for _, e := range edges {
		if i, ok := at[e.Name]; ok {
			scopes[i].Downstream = append(scopes[i].Downstream, ScopeRef{ResourceID: e.ToResourceID, Name: e.ToName})
		}
	}
	return nil
}
