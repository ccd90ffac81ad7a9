package models

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// Kinds of clients. Rules are the same for both; an agent must have an owner.
const (
	KindAgent       = "agent"
	KindApplication = "application"
)

// Grant types in which a person answers away from the client.
const (
	GrantCIBA   = "urn:openid:params:grant-type:ciba"
	GrantDevice = "urn:ietf:params:oauth:grant-type:device_code"
)

// How a client gets to know what a person answered (CIBA Core section 5).
const (
	DeliveryPoll = "poll"
	DeliveryPing = "ping"
	DeliveryPush = "push"
)

// Grant types a client may be allowed to use: those in which it asks for itself or
// hands on a token, those in which a person takes part, and those in which one does
// who is elsewhere.
var (
	machineTypes = []string{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"}
	peoplesTypes = []string{"authorization_code", "refresh_token"}
	awayTypes    = []string{GrantCIBA, GrantDevice}
	grantTypes   = slices.Concat(machineTypes, peoplesTypes, awayTypes)
)

// Ways a client authenticates (token_endpoint_auth_method).
const (
	AuthAny  = "any"  // by whatever live credential it presents
	AuthNone = "none" // it has none: a public client, held to PKCE alone
)

// DefaultTokenTTL is the longest life of a client's tokens unless it was set up otherwise, in seconds.
const DefaultTokenTTL = 3600

// DefaultExpiry of a new agent, in seconds from its creation: 90 days.
const DefaultExpiry = 90 * 24 * 3600

// Client is an agent or an application: an OAuth client with an identity of its own.
type Client struct {
	Meta
	Kind          string     `json:"kind"`
	Name          string     `json:"name"` // unique handle
	Purpose       string     `json:"purpose"`
	OwnerID       *string    `json:"owner_id"` // the user who answers for it
	Sponsor       string     `json:"sponsor"`  // who stands for what it is for: a person, team or cost centre
	Status        string     `json:"status"`
	ExpiresAt     int64      `json:"expires_at"`
	Labels        Labels     `gorm:"serializer:json" json:"labels"`
	GrantTypes    []string   `gorm:"serializer:json" json:"grant_types"`
	DefaultScopes []ScopeRef `gorm:"serializer:json" json:"default_scopes"` // if none are requested
	MaxTTL        int64      `gorm:"column:max_ttl" json:"max_ttl"`         // seconds
	SelfGrantID   string     `json:"self_grant_id"`                         // what its own tokens hang from

	RedirectURIs []string `gorm:"column:redirect_uris;serializer:json" json:"redirect_uris"` // where people are sent back to, compared exactly
	// Where people are sent who signed out, compared exactly.
	PostLogoutURIs []string `gorm:"column:post_logout_redirect_uris;serializer:json" json:"post_logout_redirect_uris"`
	AuthMethod     string   `gorm:"column:token_endpoint_auth_method" json:"token_endpoint_auth_method"`
	BackchannelURI string   `gorm:"column:backchannel_logout_uri" json:"backchannel_logout_uri"` // is told when somebody signed out; "" if it need not be
	// How it gets to know what people answered, and where, unless it polls.
	DeliveryMode         string `gorm:"column:backchannel_token_delivery_mode" json:"backchannel_token_delivery_mode"`
	NotificationEndpoint string `gorm:"column:backchannel_client_notification_endpoint" json:"backchannel_client_notification_endpoint"`
}

func (c *Client) touches(ch *change) { ch.touch("client", c.ID) }

func (c *Client) refers() string { return "owner_id" }

func (c *Client) validate() error {
	if c.Labels == nil {
		c.Labels = Labels{}
	}
	if c.GrantTypes == nil {
		c.GrantTypes = []string{}
	}
	if c.DefaultScopes == nil {
		c.DefaultScopes = []ScopeRef{}
	}
	if c.RedirectURIs == nil {
		c.RedirectURIs = []string{}
	}
	if c.PostLogoutURIs == nil {
		c.PostLogoutURIs = []string{}
	}
	if c.Kind != KindAgent && c.Kind != KindApplication {
		return invalid("kind", "must be agent or application")
	}
	if c.Kind == KindAgent && (c.OwnerID == nil || *c.OwnerID == "") {
		return invalid("owner_id", "an agent needs an owner: the user who answers for it")
	}
	if c.MaxTTL < 1 || c.MaxTTL > 86400 {
		return invalid("max_ttl", "must be 1 to 86400 seconds")
	}
	for _, s := range c.DefaultScopes {
		if err := CheckScope("default_scopes", s.Name); err != nil {
			return err
		}
	}
	for _, err := range []error{
		checkHandle("name", c.Name), checkText("purpose", c.Purpose, 1000), checkText("sponsor", c.Sponsor, 200),
		checkStatus(c.Status, StatusActive, StatusSuspended, StatusDecommissioned), checkLabels(c.Labels), checkExpiry(c.ExpiresAt),
		c.checkGrantTypes(), checkRedirects("redirect_uris", c.Kind, c.RedirectURIs), checkRedirects("post_logout_redirect_uris", c.Kind, c.PostLogoutURIs), checkBackchannel("backchannel_logout_uri", c.BackchannelURI), c.checkDelivery(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkGrantTypes: a grant type is allowed to who can use it.
func (c *Client) checkGrantTypes() error {
	if c.AuthMethod != AuthAny && c.AuthMethod != AuthNone {
		return invalid("token_endpoint_auth_method", "must be %s or %s", AuthAny, AuthNone)
	}
	for _, g := range c.GrantTypes {
		switch {
		case !slices.Contains(grantTypes, g):
			return invalid("grant_types", "%q is not one of %v", g, grantTypes)
		case c.AuthMethod == AuthNone && (g == GrantCIBA || slices.Contains(machineTypes, g)):
			return invalid("grant_types", "%q needs a credential, which a public client has not", g)
		case g == "authorization_code" && len(c.RedirectURIs) == 0:
			return invalid("redirect_uris", "%s needs one: where people are sent back to", g)
		}
	}
	return nil
}

// checkDelivery: whoever is to be told says where.
func (c *Client) checkDelivery() error {
	switch c.DeliveryMode {
	case DeliveryPoll:
		if c.NotificationEndpoint != "" {
			return invalid("backchannel_client_notification_endpoint", "is for ping and push only")
		}
		return nil
	case DeliveryPing, DeliveryPush:
		if c.NotificationEndpoint == "" {
			return invalid("backchannel_client_notification_endpoint", "is needed for %s", c.DeliveryMode)
		}
		return checkBackchannel("backchannel_client_notification_endpoint", c.NotificationEndpoint)
	}
	return invalid("backchannel_token_delivery_mode", "must be poll, ping or push")
}

// unsponsored is what is wrong with an agent that nobody stands for. Those that were
// made when none was needed stay as they are until they get one.
func (c *Client) unsponsored() error {
	if c.Kind == KindAgent && strings.TrimSpace(c.Sponsor) == "" {
		return invalid("sponsor", "an agent needs one: who stands for what it is for, such as a person, a team or a cost centre")
	}
	return nil
}

// CreateClient stores a new client, filling in id, status, and, where they were
// left out, expiry (90 days for agents), token lifetime, grant types, and how it
// authenticates.
func (s *Store) CreateClient(ctx context.Context, by By, c *Client) error {
	prefix := PrefixApplication
	if c.Kind == KindAgent {
		prefix = PrefixAgent
	}
	c.Meta, c.Status = newMeta(prefix), StatusActive
	if c.ExpiresAt == 0 {
		c.ExpiresAt = Never
		if c.Kind == KindAgent {
			c.ExpiresAt = s.Now() + DefaultExpiry
		}
	}
	if c.MaxTTL == 0 {
		c.MaxTTL = DefaultTokenTTL
	}
	if c.AuthMethod == "" {
		c.AuthMethod = AuthAny
	}
	if c.DeliveryMode == "" {
		c.DeliveryMode = DeliveryPoll
	}
	if c.GrantTypes == nil {
		c.GrantTypes = c.usualTypes()
	}
	return s.change(ctx, by, "createClient", func(ch *change) error {
		g := selfGrant(c.ID, ch.now)
		c.SelfGrantID = g.ID
		if err := ch.insert(c); err != nil {
			return err
		}
		if err := c.unsponsored(); err != nil {
			return err
		}
		return ch.tx.Create(&g).Error
	})
}

// usualTypes are the grant types a client may use unless it was set up otherwise.
// Those of people are never among them for who has a credential: acting for
// somebody is a thing to be allowed, not to be found out about.
func (c *Client) usualTypes() []string {
	if c.AuthMethod == AuthNone {
		return slices.Clone(peoplesTypes)
	}
	return slices.Clone(machineTypes)
}

// Client reads one client. ErrNotFound if there is none.
func (s *Store) Client(ctx context.Context, id string) (*Client, error) {
	return get[Client](ctx, s, "getClient", id)
}

// ClientFilter narrows a list of clients; empty fields do not.
type ClientFilter struct {
	Kind, Status, OwnerID, Name string
	RoleID                      string // assigned directly
	Label, LabelValue           string // LabelValue alone does nothing
	Orphaned                    bool   // nobody answers for them: their owner is suspended, removed or expired
	ExpiresBefore               int64  // live ones that end before, in unix seconds; 0: whenever
}

// Clients lists clients by id: agents before applications, each oldest first.
func (s *Store) Clients(ctx context.Context, f ClientFilter, p Page) ([]Client, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"kind": f.Kind, "status": f.Status, "owner_id": f.OwnerID, "name": f.Name})
	if f.RoleID != "" {
		q = q.Where("id in (select principal_id from assignments where role_id = ?)", f.RoleID)
	}
	if f.Label != "" {
		if !labelPattern.MatchString(f.Label) {
			return nil, "", wrap("listClients", invalid("label", "is not a label"))
		}
		q = s.whereLabel(q, f.Label, f.LabelValue)
	}
	if f.Orphaned {
		q = q.Where("status <> ? and owner_id in (select id from users where status <> ? or expires_at <= ?)", StatusDecommissioned, StatusActive, s.Now())
	}
	if f.ExpiresBefore != 0 {
		q = q.Where("status <> ? and expires_at > ? and expires_at < ?", StatusDecommissioned, s.Now(), f.ExpiresBefore)
	}
	return list(q, "listClients", "id", p, func(c Client) string { return c.ID })
}

// UpdateClient changes what edit changes, if the client is still ifVersion.
func (s *Store) UpdateClient(ctx context.Context, by By, id string, ifVersion int64, edit func(*Client)) (*Client, error) {
	return update(ctx, s, by, "updateClient", id, ifVersion, func(ch *change, c *Client) error {
		if c.Status == StatusDecommissioned {
			return invalid("status", "a decommissioned client cannot be changed")
		}
		before := *c
		edit(c)
		c.SelfGrantID = before.SelfGrantID
		switch {
		case c.Kind != before.Kind:
			return invalid("kind", "cannot change: the id says it")
		case c.Status == StatusDecommissioned:
			return invalid("status", "decommission the client instead: more than this ends with it")
		case before.unsponsored() == nil && c.unsponsored() != nil:
			return c.unsponsored()
		case sameOwner(c.OwnerID, before.OwnerID):
			return nil
		}
		return ch.endTransfers("client_id = ?", id)
	})
}

// SuspendClient silences a client until it is restored: it gets no token, and
// every token it holds or stands in the chain of is inactive. What it asked people
// and nobody has answered is cancelled, and so is an offer of it that is open: whoever was
// asked was to decide on an agent that works.
func (s *Store) SuspendClient(ctx context.Context, by By, id string) (*Client, error) {
	return s.setClientStatus(ctx, by, "suspendClient", id, StatusSuspended)
}

// RestoreClient ends a suspension.
func (s *Store) RestoreClient(ctx context.Context, by By, id string) (*Client, error) {
	return s.setClientStatus(ctx, by, "restoreClient", id, StatusActive)
}

func (s *Store) setClientStatus(ctx context.Context, by By, action, id, status string) (*Client, error) {
	return update(ctx, s, by, action, id, AnyVersion, func(ch *change, c *Client) error {
		if c.Status == StatusDecommissioned {
			return invalid("status", "a decommissioned client stays decommissioned")
		}
		c.Status = status
		return ch.stopped(id, status)
	})
}

// DecommissionClient ends a client for good. Its credentials are revoked, what it
// asked people is cancelled, and an offer of it, and its grants end with every token that hangs from them; a token it exchanged from
// another's names it, and is dead for that. The record stays, because the ledger
// names it.
func (s *Store) DecommissionClient(ctx context.Context, by By, id string, ifVersion int64) error {
	_, err := update(ctx, s, by, "deleteClient", id, ifVersion, func(ch *change, c *Client) error {
		c.Status = StatusDecommissioned
		if err := ch.tx.Model(&Credential{}).Where("client_id = ? and revoked_at = 0", c.ID).Update("revoked_at", ch.now).Error; err != nil {
			return err
		}
		ch.touch("credentials", c.ID)
		var grants []Grant
		if err := ch.tx.Where("client_id = ? and revoked_at = 0", c.ID).Find(&grants).Error; err != nil {
			return err
		}
		for _, g := range grants {
			if err := ch.endGrant(&g); err != nil {
				return err
			}
		}
		return errors.Join(ch.cancelApprovals(id), ch.endTransfersOf(id))
	})
	return err
}

// whereLabel keeps what has the label, with that value if one is given.
func (s *Store) whereLabel(q *gorm.DB, label, value string) *gorm.DB {
	column := "labels" // SQLite reads text as JSON; Postgres must be told
	if s.postgres {
		column = "cast(labels as json)"
	}
	if value == "" {
		return q.Where(column+" ->> ? is not null", label)
	}
	return q.Where(column+" ->> ? = ?", label, value)
}

// where adds an equality for every filter that is set, in the same order each
// time, so that the same filters are the same statement. Columns are constants.
func where(q *gorm.DB, filters map[string]string) *gorm.DB {
	for _, column := range slices.Sorted(maps.Keys(filters)) {
		if v := filters[column]; v != "" {
			q = q.Where(column+" = ?", v)
		}
	}
	return q
}
