package models

import (
	"context"

	"github.com/deputyauth/deputy/policies"
)

// Grant is what a chain of tokens hangs from: one authorization. A client's own
// tokens hang from its standing self-grant, so ending that ends them all.
type Grant struct {
	ID        string `gorm:"primaryKey" json:"id"`
	Kind      string `json:"kind"` // the grant type it began with
	ClientID  string `json:"client_id"`
	SubjectID string `json:"subject_id"`
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"created_at"`
	ExpiresAt int64  `json:"expires_at"`
	RevokedAt int64  `json:"revoked_at"`
}

// Token is the record of an issued access token. Under a grant, tokens form a
// tree: each was exchanged from its parent.
type Token struct {
	ID         string   `gorm:"primaryKey" json:"id"` // jti
	GrantID    string   `json:"grant_id"`
	ParentID   string   `json:"parent_id"`
	Txn        string   `json:"txn"` // the first token of the chain
	ClientID   string   `json:"client_id"`
	SubjectID  string   `json:"subject_id"`
	ResourceID string   `json:"resource_server_id"`
	Scopes     []string `gorm:"serializer:json" json:"scopes"`
	Chain      []string `gorm:"serializer:json" json:"chain"`
	// Details of its authorization, at the resource server it is for (RFC 9396).
	Details    []policies.Detail `gorm:"serializer:json" json:"authorization_details,omitempty"`
	DecisionID string            `json:"decision_id"`
	IssuedAt   int64             `json:"issued_at"`
	ExpiresAt  int64             `json:"expires_at"`
	RevokedAt  int64             `json:"revoked_at"`
}

// complete brings the record into the form it is stored in: no list is null.
func (t *Token) complete() {
	if t.Scopes == nil {
		t.Scopes = []string{}
	}
	if t.Chain == nil {
		t.Chain = []string{}
	}
	if t.Details == nil {
		t.Details = []policies.Detail{}
	}
}

func selfGrant(clientID string, now int64) Grant {
	return Grant{ID: NewID(PrefixGrant), Kind: "client_credentials", ClientID: clientID, SubjectID: clientID, CreatedAt: now, ExpiresAt: Never}
}

// Grant reads one grant. ErrNotFound if there is none.
func (s *Store) Grant(ctx context.Context, id string) (*Grant, error) {
	return get[Grant](ctx, s, "getGrant", id)
}

// Grants lists grants, oldest first; clientID and subjectID narrow the list.
func (s *Store) Grants(ctx context.Context, clientID, subjectID string, p Page) ([]Grant, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"client_id": clientID, "subject_id": subjectID})
	return list(q, "listGrants", "id", p, func(g Grant) string { return g.ID })
}

// Token reads the record of one token. ErrNotFound if Deputy never issued it.
func (s *Store) Token(ctx context.Context, id string) (*Token, error) {
	t, err := get[Token](ctx, s, "getToken", id)
	if err != nil {
		return nil, err
	}
	one := []Token{*t}
	return &one[0], s.endWithGrants(ctx, one)
}

// endWithGrants tells of tokens whose grant was ended that they ended with it.
func (s *Store) endWithGrants(ctx context.Context, tokens []Token) error {
	ids := make([]string, len(tokens))
	for i, t := range tokens {
		ids[i] = t.GrantID
	}
	var ended []Grant
	if err := s.read.WithContext(ctx).Where("id in ? and revoked_at <> 0", ids).Find(&ended).Error; err != nil {
		return wrap("read grants", err)
	}
	for i := range tokens {
		for _, g := range ended {
			if t := &tokens[i]; g.ID == t.GrantID && (t.RevokedAt == 0 || g.RevokedAt < t.RevokedAt) {
				t.RevokedAt = g.RevokedAt
			}
		}
	}
	return nil
}

// TokenFilter narrows a list of tokens; empty fields do not.
type TokenFilter struct {
	ClientID, SubjectID, GrantID, ParentID, Txn, ResourceID string
	Live                                                    bool // neither expired nor revoked
}

// Tokens lists tokens, oldest first.
func (s *Store) Tokens(ctx context.Context, f TokenFilter, p Page) ([]Token, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{
		"client_id": f.ClientID, "subject_id": f.SubjectID, "grant_id": f.GrantID,
		"parent_id": f.ParentID, "txn": f.Txn, "resource_id": f.ResourceID,
	})
	if f.Live {
		q = q.Where("revoked_at = 0 and expires_at > ?", s.Now()).
			Where("not exists (select 1 from grants where grants.id = tokens.grant_id and grants.revoked_at <> 0)")
	}
	rows, next, err := list(q, "listTokens", "id", p, func(t Token) string { return t.ID })
	if err != nil {
		return nil, "", err
	}
	return rows, next, s.endWithGrants(ctx, rows)
}

// RevokeToken ends a token and everything exchanged from it. Revoking twice is
// no error.
func (s *Store) RevokeToken(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "revokeToken", func(c *change) error { return c.revokeToken(id) })
}

// below is a token with all that was exchanged from it, and from that.
const below = `with recursive fallen(id) as (
	select id from tokens where id = @token
	union all
	select t.id from tokens t join fallen on t.parent_id = fallen.id where t.parent_id <> ''
)`

func (c *change) revokeToken(id string) error {
	var t Token
	if err := c.forUpdate().First(&t, "id = ?", id).Error; err != nil {
		return err
	}
	var fallen []string
	if err := c.tx.Raw(below+` select t.id from tokens t join fallen on t.id = fallen.id where t.revoked_at = 0 order by t.id`,
		map[string]any{"token": id}).Scan(&fallen).Error; err != nil {
		return err
	}
	if len(fallen) == 0 {
		return nil
	}
	if err := c.revokeTokens(fallen); err != nil {
		return err
	}
	c.touch("txn", t.Txn)
	return c.record(id, nil, map[string]any{"revoked": fallen})
}

// revokeTokens stays below the databases' limits on bound values.
func (c *change) revokeTokens(ids []string) error {
	for len(ids) > 0 {
		n := min(len(ids), 500)
		if err := c.tx.Model(&Token{}).Where("id in ?", ids[:n]).Update("revoked_at", c.now).Error; err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// RevokeGrant ends a grant and every token that hangs from it. A client whose
// self-grant ends gets a new one: its old tokens are dead, it may ask for others.
func (s *Store) RevokeGrant(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "revokeGrant", func(c *change) error { return c.revokeGrant(id) })
}

func (c *change) revokeGrant(id string) error {
	var g Grant
	if err := c.forUpdate().First(&g, "id = ?", id).Error; err != nil {
		return err
	}
	if g.RevokedAt != 0 {
		return nil
	}
	if err := c.endGrant(&g); err != nil {
		return err
	}
	next := selfGrant(g.ClientID, c.now)
	res := c.tx.Model(&Client{}).Where("id = ? and self_grant_id = ?", g.ClientID, g.ID).Update("self_grant_id", next.ID)
	if res.Error != nil || res.RowsAffected == 0 {
		return res.Error
	}
	c.touch("client", g.ClientID)
	return c.tx.Create(&next).Error
}

func (c *change) endGrant(g *Grant) error {
	before := *g
	g.RevokedAt = c.now
	if err := c.tx.Model(g).Update("revoked_at", c.now).Error; err != nil {
		return err
	}
	c.touch("grant", g.ID)
	return c.record(g.ID, before, g)
}
