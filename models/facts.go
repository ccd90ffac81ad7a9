package models

import (
	"context"
	"errors"
	"slices"
	"sort"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// View is what one decision saw: the facts it loaded, as of which epoch, and
// the keys they hang from. The ledger refuses the decision if one of those keys
// changed after the epoch.
type View struct {
	store *Store
	Epoch int64
	Deps  []string

	life int // of the cache
}

// View begins a decision.
func (s *Store) View(ctx context.Context) (*View, error) {
	epoch, life, err := s.facts.position(ctx)
	if err != nil {
		return nil, err
	}
	return &View{store: s, Epoch: epoch, life: life}, nil
}

// Refresh brings the cached facts up to the last committed change.
func (s *Store) Refresh(ctx context.Context) error {
	err := s.facts.refresh(ctx)
	mark(&s.pulse.factsCurrent, err)
	return err
}

// see loads a fact for this view. What does not exist is the zero value and is
// not cached: there is no end to the names of what does not exist.
func see[T any](ctx context.Context, v *View, name string, fetch func(*gorm.DB) (T, []string, error)) (T, error) {
	value, deps, _, err := load(ctx, v.store.facts, name, fetch)
	v.Deps = append(v.Deps, deps...)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return value, err
}

// Principal is the fact of a client or user, nil if id names none.
func (v *View) Principal(ctx context.Context, id string) (*policies.Fact[policies.Principal], error) {
	if !HasPrefix(id, PrefixAgent) && !HasPrefix(id, PrefixApplication) && !HasPrefix(id, PrefixUser) {
		return nil, nil
	}
	return see(ctx, v, "principal:"+id, func(db *gorm.DB) (*policies.Fact[policies.Principal], []string, error) {
		p, deps, err := loadPrincipal(db, id)
		if err != nil {
			return nil, nil, err
		}
		f, err := policies.NewFact(*p)
		return f, deps, err
	})
}

func loadPrincipal(db *gorm.DB, id string) (*policies.Principal, []string, error) {
	var p *policies.Principal
	var deps []string
	var err error
	if HasPrefix(id, PrefixUser) {
		p, deps, err = loadUser(db, id)
	} else {
		p, deps, err = loadClient(db, id)
	}
	if err != nil {
		return nil, nil, err
	}
	groups, err := groupsOf(db, id)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range groups {
		deps = append(deps, key("group", g))
	}
	var roles []string
	if err := db.Model(&Assignment{}).Where("principal_id in ?", append(groups, id)).Distinct().Pluck("role_id", &roles).Error; err != nil {
		return nil, nil, err
	}
	if p.Kind == "user" && !slices.Contains(roles, PersonRoleID) {
		roles = append(roles, PersonRoleID)
	}
	for _, r := range roles {
		deps = append(deps, key("role", r))
	}
	p.Scopes, err = scopesOf(db, roles)
	return p, deps, err
}

func loadClient(db *gorm.DB, id string) (*policies.Principal, []string, error) {
	deps := []string{key("client", id)}
	var c Client
	if err := db.First(&c, "id = ?", id).Error; err != nil {
		return nil, nil, err
	}
	p := &policies.Principal{
		ID: c.ID, Kind: c.Kind, Name: c.Name, Status: c.Status, ExpiresAt: c.ExpiresAt, Labels: labels(c.Labels),
		GrantTypes: c.GrantTypes, MaxTTL: c.MaxTTL, Defaults: map[string][]string{}, SelfGrant: c.SelfGrantID, Public: c.AuthMethod == AuthNone,
	}
	for _, d := range c.DefaultScopes {
		p.Defaults[d.ResourceID] = append(p.Defaults[d.ResourceID], d.Name)
	}
	if c.OwnerID == nil {
		return p, deps, nil
	}
	deps = append(deps, key("user", *c.OwnerID))
	var owner User
	if err := db.First(&owner, "id = ?", *c.OwnerID).Error; err != nil {
		return nil, nil, err
	}
	p.Owner = &policies.Owner{ID: owner.ID, Status: owner.Status, ExpiresAt: owner.ExpiresAt}
	return p, deps, nil
}

func loadUser(db *gorm.DB, id string) (*policies.Principal, []string, error) {
	deps := []string{key("user", id)}
	var u User
	if err := db.First(&u, "id = ?", id).Error; err != nil {
		return nil, nil, err
	}
	return &policies.Principal{
		ID: u.ID, Kind: "user", Name: u.Username, Status: u.Status, ExpiresAt: u.ExpiresAt, Labels: labels(u.Labels),
	}, deps, nil
}

// scopesOf is the union of what roles hold, with the roles each scope comes from.
func scopesOf(db *gorm.DB, roles []string) (map[string]map[string][]string, error) {
	out := map[string]map[string][]string{}
	var rows []RoleScope
	if len(roles) > 0 {
		if err := db.Where("role_id in ?", roles).Order("role_id").Find(&rows).Error; err != nil {
			return nil, err
		}
	}
	for _, row := range rows {
		if out[row.ResourceID] == nil {
			out[row.ResourceID] = map[string][]string{}
		}
		out[row.ResourceID][row.Scope] = append(out[row.ResourceID][row.Scope], row.RoleID)
	}
	for resource, scopes := range out {
		out[resource] = shared(scopes)
	}
	return out, nil
}

// alike are scopes held at one service. Many hold the same by the same roles, and
// what they hold is most of a fact.
var alike = policies.NewRecent[string, map[string][]string](4096)

func shared(scopes map[string][]string) map[string][]string {
	name := policies.Alike(scopes)
	if known, ok := alike.Get(name); ok {
		return known
	}
	alike.Put(name, scopes)
	return scopes
}

// Resource is the fact of a resource server, nil if id names none.
func (v *View) Resource(ctx context.Context, id string) (*policies.Fact[policies.Resource], error) {
	return see(ctx, v, "resource:"+id, func(db *gorm.DB) (*policies.Fact[policies.Resource], []string, error) {
		var r ResourceServer
		if err := db.First(&r, "id = ?", id).Error; err != nil {
			return nil, nil, err
		}
		fact := policies.Resource{
			ID: r.ID, Identifier: r.Identifier, Name: r.Name, Status: r.Status,
			TokenTTL: r.TokenTTL, MaxDepth: r.MaxDepth, Scopes: map[string]policies.Scope{},
		}
		if r.OperatorID != nil {
			fact.Operator = *r.OperatorID
		}
		var scopes []Scope
		if err := db.Where("resource_id = ?", id).Find(&scopes).Error; err != nil {
			return nil, nil, err
		}
		for _, sc := range scopes {
			fact.Scopes[sc.Name] = policies.Scope{Risk: sc.Risk}
		}
		var err error
		if fact.Types, err = detailTypesOf(db, id); err != nil {
			return nil, nil, err
		}
		f, err := policies.NewFact(fact)
		return f, []string{key("resource", id)}, err
	})
}

// ResourceByName finds a resource server by its identifier (in canonical form)
// or its id; nil if there is none.
func (v *View) ResourceByName(ctx context.Context, name string) (*policies.Fact[policies.Resource], error) {
	if HasPrefix(name, PrefixResource) {
		return v.Resource(ctx, name)
	}
	id, err := see(ctx, v, "identifier:"+name, func(db *gorm.DB) (string, []string, error) {
		var id string
		if err := db.Model(&ResourceServer{}).Where("identifier = ?", name).Pluck("id", &id).Error; err != nil {
			return "", nil, err
		}
		if id == "" {
			return "", nil, ErrNotFound
		}
		return id, []string{key("resource", id)}, nil
	})
	if err != nil || id == "" {
		return nil, err
	}
	return v.Resource(ctx, id)
}

// Credentials are the unrevoked credentials of a client. They are no fact of
// policy's, but a decision hangs from the one that was used. cached tells that
// they were not read just now.
func (v *View) Credentials(ctx context.Context, clientID string) (rows []Credential, cached bool, err error) {
	rows, deps, cached, err := load(ctx, v.store.facts, "credentials:"+clientID, func(db *gorm.DB) ([]Credential, []string, error) {
		rows, err := liveCredentials(db, clientID)
		if err == nil && len(rows) == 0 {
			err = ErrNotFound
		}
		return rows, []string{key("credentials", clientID)}, err
	})
	v.Deps = append(v.Deps, deps...)
	if errors.Is(err, ErrNotFound) {
		return nil, false, nil
	}
	return rows, cached, err
}

// CredentialsInMemory are those of them that were read before, nil if none were.
// It reads nothing.
func (v *View) CredentialsInMemory(clientID string) []Credential {
	rows, deps := peek[[]Credential](v.store.facts, "credentials:"+clientID)
	v.Deps = append(v.Deps, deps...)
	return rows
}

// CredentialsNow reads them past the cache.
func (v *View) CredentialsNow(ctx context.Context, clientID string) ([]Credential, error) {
	rows, err := liveCredentials(v.store.read.WithContext(ctx), clientID)
	v.Deps = append(v.Deps, key("credentials", clientID))
	return rows, wrap("load credentials", err)
}

func liveCredentials(db *gorm.DB, clientID string) (rows []Credential, err error) {
	err = db.Where("client_id = ? and revoked_at = 0", clientID).Order("id").Find(&rows).Error
	return slices.Clone(rows), err // found with room for twenty
}

// TokenState is what the database knows of a token beyond what is signed in it.
type TokenState struct {
	Known   bool
	Revoked bool
	Grant   policies.Grant
	Txn     string

	ClientID, SubjectID, ResourceID string // as issued
}

// TokenState reads the state of a token. A token that Deputy never issued is not
// Known. Ending its grant, or the token it was exchanged from, ends a token too.
func (v *View) TokenState(ctx context.Context, id string) (TokenState, error) {
	return see(ctx, v, "token:"+id, func(db *gorm.DB) (TokenState, []string, error) {
		var row struct {
			RevokedAt, GrantRevoked, GrantExpires int64
			GrantID, Txn                          string
			ClientID, SubjectID, ResourceID       string
		}
		res := db.Raw(`select t.revoked_at, t.txn, t.grant_id, t.client_id, t.subject_id, t.resource_id,
			g.revoked_at as grant_revoked, g.expires_at as grant_expires
			from tokens t join grants g on g.id = t.grant_id where t.id = ?`, id).Scan(&row)
		if res.Error != nil {
			return TokenState{}, nil, res.Error
		}
		if res.RowsAffected == 0 {
			return TokenState{}, nil, ErrNotFound
		}
		return TokenState{
			Known: true, Revoked: row.RevokedAt != 0 || row.GrantRevoked != 0, Txn: row.Txn,
			ClientID: row.ClientID, SubjectID: row.SubjectID, ResourceID: row.ResourceID,
			Grant: policies.Grant{ID: row.GrantID, ExpiresAt: row.GrantExpires, Revoked: row.GrantRevoked != 0},
		}, []string{key("txn", row.Txn), key("grant", row.GrantID)}, nil
	})
}

// Reach is everything a token's scopes lead to: themselves, and, following
// downstream edges however far, what doing them needs at other services. Being
// a closure, the reach of a token exchanged from another is within the other's.
func (v *View) Reach(ctx context.Context, resourceID string, scopes []string) (map[string]map[string][]string, error) {
	edges, err := see(ctx, v, "downstream", func(db *gorm.DB) (map[ScopeRef][]ScopeRef, []string, error) {
		var rows []Downstream
		if err := db.Find(&rows).Error; err != nil {
			return nil, nil, err
		}
		edges := map[ScopeRef][]ScopeRef{}
		for _, e := range rows {
			from := ScopeRef{e.ResourceID, e.Name}
			edges[from] = append(edges[from], ScopeRef{e.ToResourceID, e.ToName})
		}
		return edges, []string{keyDownstream}, nil
	})
	if err != nil {
		return nil, err
	}
	return closure(edges, resourceID, scopes), nil
}

func closure(edges map[ScopeRef][]ScopeRef, resourceID string, scopes []string) map[string]map[string][]string {
	reach := map[string]map[string][]string{}
	for _, own := range scopes {
		todo := []ScopeRef{{resourceID, own}}
		for seen := map[ScopeRef]bool{}; len(todo) > 0; {
			ref := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[ref] {
				continue
			}
			seen[ref] = true
			if reach[ref.ResourceID] == nil {
				reach[ref.ResourceID] = map[string][]string{}
			}
			if via := reach[ref.ResourceID][ref.Name]; !slices.Contains(via, own) {
				reach[ref.ResourceID][ref.Name] = append(via, own)
			}
			todo = append(todo, edges[ref]...)
		}
	}
	for _, names := range reach {
		for _, via := range names {
			sort.Strings(via)
		}
	}
	return reach
}

func labels(l Labels) map[string]string {
	if l == nil {
		return map[string]string{}
	}
	return l
}
