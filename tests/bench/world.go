//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server"
)

// The world of the measurements. Agents hold their scopes through groups: each
// is in one of sixteen, and each group has five of nine roles. The first agents
// stand in lines of five, each of whom operates a service whose scope leads to
// the next one's, so that a token can travel four hops.

const (
	issuer   = "https://deputy.bench.example"
	line     = 5   // agents in a line
	maxLines = 200 // so that the services do not grow with the agents
	life     = 14400

	ordersURI = "https://orders.bench.example"
	searchURI = "https://search.bench.example"
	asked     = "orders:read search:web" // what client credentials ask for, at orders
)

// world says how large it is.
type world struct {
	agents int
	held   int // scopes each agent holds through its group; a multiple of five
}

func (w world) lines() int { return min(w.agents/line, maxLines) }

func (w world) String() string { return fmt.Sprintf("%d agents, %d scopes held", w.agents, w.held) }

func agentID(i int) string { return fmt.Sprintf("agt_%026d", i) }

func secretOf(i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "bench %d", i))
	return models.SecretPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// serviceURI is the service of the agent at a place in a line.
func serviceURI(l, place int) string {
	return fmt.Sprintf("https://s%d.line%d.bench.example", place, l)
}

func serviceID(l, place int) string { return fmt.Sprintf("rsv_%026d", l*line+place) }

func scopeOf(place int) string { return fmt.Sprintf("step:%d", place) }

// load makes the world in an empty database, through the tables themselves:
// the admin API would take hours for a million agents.
func (w world) load(ctx context.Context, o models.Options) error {
	if err := migrate(ctx, o); err != nil {
		return err
	}
	db, err := openGORM(o)
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	l := &loader{world: w, db: db.WithContext(ctx), now: time.Now().Unix(), owner: models.NewID(models.PrefixUser)}
	for _, step := range []func() error{l.people, l.clients, l.catalogue, l.lineServices, l.settle} {
		if err := step(); err != nil {
			return fmt.Errorf("load %s: %w", w, err)
		}
	}
	return nil
}

// migrate makes an empty database Deputy's.
func migrate(ctx context.Context, o models.Options) error {
	s, err := models.Open(o)
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), server.EnsureSelf(ctx, s, issuer), s.Close())
}

func openGORM(o models.Options) (*gorm.DB, error) {
	cfg := &gorm.Config{SkipDefaultTransaction: true, PrepareStmt: true, Logger: logger.Discard}
	if o.URL != "" {
		return gorm.Open(postgres.Open(o.URL), cfg)
	}
	file := "file:" + filepath.Join(o.Dir, "deputy.db")
	return gorm.Open(sqlite.Dialector{DriverName: "sqlite", DSN: file + "?_pragma=synchronous(OFF)&_pragma=busy_timeout(10000)&_txlock=immediate"}, cfg)
}

type loader struct {
	world
	db    *gorm.DB
	now   int64
	owner string
}

func (l *loader) meta(id string) models.Meta {
	return models.Meta{ID: id, Version: 1, CreatedAt: l.now, UpdatedAt: l.now}
}

func (l *loader) people() error {
	return l.db.Create(&models.User{
		Meta: l.meta(l.owner), Username: "owner", Name: "Owner", Status: models.StatusActive, ExpiresAt: models.Never, Labels: models.Labels{},
	}).Error
}

// clients inserts agents with their credentials and self-grants, some thousand
// to a transaction.
func (l *loader) clients() error {
	const chunk = 5000
	for from := 0; from < l.agents; from += chunk {
		err := l.db.Transaction(func(tx *gorm.DB) error { return l.insertClients(tx, from, min(from+chunk, l.agents)) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) insertClients(tx *gorm.DB, from, to int) error {
	n := to - from
	clients, grants, creds := make([]models.Client, n), make([]models.Grant, n), make([]models.Credential, n)
	for i := range n {
		id := agentID(from + i)
		grants[i] = models.Grant{
			ID: models.NewID(models.PrefixGrant), Kind: "client_credentials", ClientID: id, SubjectID: id, CreatedAt: l.now, ExpiresAt: models.Never,
		}
		clients[i] = models.Client{
			Meta: l.meta(id), Kind: models.KindAgent, Name: fmt.Sprintf("agent-%07d", from+i), Purpose: "Is measured", OwnerID: &l.owner, Sponsor: "Quality",
			Status: models.StatusActive, ExpiresAt: l.now + models.DefaultExpiry, Labels: models.Labels{"team": "blue"},
			GrantTypes:    []string{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"},
			DefaultScopes: []models.ScopeRef{}, RedirectURIs: []string{}, PostLogoutURIs: []string{}, AuthMethod: models.AuthAny, MaxTTL: life, SelfGrantID: grants[i].ID,
		}
		creds[i] = models.Credential{
			ID: models.NewID(models.PrefixCredential), ClientID: id, Kind: models.CredentialSecret,
			SecretHash: models.HashSecret(secretOf(from + i)), CreatedAt: l.now, ExpiresAt: models.Never,
		}
	}
	return errors.Join(tx.CreateInBatches(clients, 500).Error, tx.CreateInBatches(grants, 500).Error, tx.CreateInBatches(creds, 500).Error)
}

const (
	roles  = 9
	groups = 16
)

func roleID(k int) string  { return fmt.Sprintf("rol_%026d", k) }
func groupID(g int) string { return fmt.Sprintf("grp_%026d", g) }

// catalogue makes the two services that client credentials ask at, and the
// roles and groups through which agents hold their scopes.
func (l *loader) catalogue() error {
	servers := []models.ResourceServer{
		l.server(models.NewID(models.PrefixResource), ordersURI, "orders", nil),
		l.server(models.NewID(models.PrefixResource), searchURI, "search", nil),
	}
	var rows []models.Role
	var scopes []models.Scope
	var held []models.RoleScope
	for k := range roles {
		at := servers[k%2].ID
		rows = append(rows, models.Role{Meta: l.meta(roleID(k)), Name: fmt.Sprintf("role-%d", k)})
		for j := range l.held / 5 {
			name := fmt.Sprintf("item-%d-%05d:read", k, j)
			if k == 0 && j < 2 {
				name = []string{"orders:read", "search:web"}[j]
			}
			scopes = append(scopes, models.Scope{ResourceID: at, Name: name, Risk: models.RiskLow})
			held = append(held, models.RoleScope{RoleID: roleID(k), ResourceID: at, Scope: name})
		}
	}
	return l.db.Transaction(func(tx *gorm.DB) error {
		return errors.Join(tx.Create(&servers).Error, tx.CreateInBatches(scopes, 500).Error, tx.Create(&rows).Error,
			tx.CreateInBatches(held, 500).Error, l.groups(tx))
	})
}

// groups gives group g role 0, and of each further pair of roles the one that a
// bit of g picks.
func (l *loader) groups(tx *gorm.DB) error {
	var rows []models.Group
	var given []models.Assignment
	for g := range groups {
		rows = append(rows, models.Group{Meta: l.meta(groupID(g)), Name: fmt.Sprintf("group-%d", g)})
		for b := range 5 {
			k := 0
			if b > 0 {
				k = 2*b - 1 + g>>(b-1)&1
			}
			given = append(given, models.Assignment{ID: models.NewID(models.PrefixAssignment), RoleID: roleID(k), PrincipalID: groupID(g), CreatedAt: l.now})
		}
	}
	if err := errors.Join(tx.Create(&rows).Error, tx.Create(&given).Error); err != nil {
		return err
	}
	members := make([]models.GroupMember, l.agents)
	for i := range members {
		members[i] = models.GroupMember{GroupID: groupID(i % groups), MemberID: agentID(i)}
	}
	return tx.CreateInBatches(members, 5000).Error
}

func (l *loader) server(id, uri, name string, operator *string) models.ResourceServer {
	return models.ResourceServer{
		Meta: l.meta(id), Identifier: uri, Name: name, OperatorID: operator, Status: models.StatusActive,
		TokenTTL: life, MaxDepth: models.DefaultMaxDepth,
	}
}

// lineServices makes the services of the lines: the scope at each place leads to
// that at the next, and one role a line holds them all.
func (l *loader) lineServices() error {
	var servers []models.ResourceServer
	var scopes []models.Scope
	var edges []models.Downstream
	var rows []models.Role
	var held []models.RoleScope
	var given []models.Assignment
	for n := range l.lines() {
		role := fmt.Sprintf("rol_line%d", n)
		rows = append(rows, models.Role{Meta: l.meta(role), Name: fmt.Sprintf("line-%d", n)})
		for p := range line {
			operator, id := agentID(n*line+p), serviceID(n, p)
			servers = append(servers, l.server(id, serviceURI(n, p), fmt.Sprintf("service-%d-%d", n, p), &operator))
			scopes = append(scopes, models.Scope{ResourceID: id, Name: scopeOf(p), Risk: models.RiskLow})
			held = append(held, models.RoleScope{RoleID: role, ResourceID: id, Scope: scopeOf(p)})
			given = append(given, models.Assignment{ID: models.NewID(models.PrefixAssignment), RoleID: role, PrincipalID: operator, CreatedAt: l.now})
			if p+1 < line {
				edges = append(edges, models.Downstream{ResourceID: id, Name: scopeOf(p), ToResourceID: serviceID(n, p+1), ToName: scopeOf(p + 1)})
			}
		}
	}
	if len(servers) == 0 {
		return nil
	}
	return l.db.Transaction(func(tx *gorm.DB) error {
		return errors.Join(tx.CreateInBatches(servers, 500).Error, tx.CreateInBatches(scopes, 500).Error, tx.CreateInBatches(edges, 500).Error,
			tx.CreateInBatches(rows, 500).Error, tx.CreateInBatches(held, 500).Error, tx.CreateInBatches(given, 500).Error)
	})
}

// settle leaves the database as one that has been up for a while. Postgres
// would gather statistics by itself; SQLite never does.
func (l *loader) settle() error {
	if l.db.Name() == "postgres" {
		return l.db.Exec("vacuum analyze").Error
	}
	return l.db.Exec("pragma wal_checkpoint(truncate)").Error
}
