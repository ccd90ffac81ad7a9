package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// Prefixes let scanners find leaked codes and refresh tokens.
const (
	CodePrefix    = "dpt_cod_"
	RefreshPrefix = "dpt_rft_"
)

// CodeLife is how long a code may be redeemed, in seconds.
const CodeLife = 60

// Code is what a person granted to a client in one sitting, as the code carries it.
// It stays when it was used: the refresh tokens of its grant say the same.
type Code struct {
	Hash        string `gorm:"primaryKey"` // of the code; see HashCode
	GrantID     string
	ClientID    string
	RedirectURI string                       // as the authorization request had it, "" if it had none
	Challenge   string                       // of PKCE, S256
	Scopes      map[string][]string          `gorm:"serializer:json"` // resource server id -> names
	Details     map[string][]policies.Detail `gorm:"serializer:json"` // likewise; empty if there are none
	Nonce       string
	SessionID   string // in which the person granted it
	AuthTime    int64
	ACR         string   `gorm:"column:acr"`
	AMR         []string `gorm:"column:amr;serializer:json"`
	CreatedAt   int64    `gorm:"autoCreateTime:false"`
	ExpiresAt   int64
	UsedAt      int64 // 0 until it is
}

// RefreshToken succeeds another, or the code. All of one grant are a family.
type RefreshToken struct {
	Hash      string `gorm:"primaryKey"`
	GrantID   string
	ClientID  string
	Parent    string // hash of the one it succeeded, "" of the first
	CreatedAt int64  `gorm:"autoCreateTime:false"`
	ExpiresAt int64
	UsedAt    int64
}

// HashCode is how a code or refresh token is stored and found. It carries 256 bits
// that nobody can guess, so to look for its hash tells nothing about it.
func HashCode(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return hex.EncodeToString(sum[:])
}

// NewCode begins a grant of a user to a client, which rests on a consent at each
// resource server it is for, and makes the code that carries it to the client. The
// code is returned: this once, and nowhere else.
func (s *Store) NewCode(ctx context.Context, by By, g *Grant, rests map[string]string, c *Code) (raw string, err error) {
	err = s.change(ctx, by, "beginGrant", func(ch *change) error {
		raw, err = ch.newCode(g, rests, c)
		return err
	})
	if err != nil {
		return "", err
	}
	return raw, nil
}

func (c *change) newCode(g *Grant, rests map[string]string, code *Code) (raw string, err error) {
	if err := c.beginGrant(g, rests); err != nil {
		return "", err
	}
	for id := range code.Scopes {
		if rests[id] == "" {
			return "", invalid("scopes", "rest on no consent at %s", id)
		}
	}
	for id := range code.Details {
		if len(code.Scopes[id]) == 0 {
			return "", invalid("details", "rest on no scope at %s", id)
		}
	}
	raw = newSecret(CodePrefix)
	code.Hash, code.ExpiresAt = HashCode(raw), c.now+CodeLife
	return raw, c.putCode(g, code)
}

// putCode stores what a secret that its client holds is worth.
func (c *change) putCode(g *Grant, code *Code) error {
	code.GrantID, code.ClientID, code.CreatedAt, code.UsedAt = g.ID, g.ClientID, c.now, 0
	if code.Details == nil {
		code.Details = map[string][]policies.Detail{}
	}
	if code.AMR == nil {
		code.AMR = []string{}
	}
	return c.tx.Create(code).Error
}

// Carried is what a person granted, with what carried it here.
type Carried struct {
	Code    Code
	Grant   Grant
	Refresh *RefreshToken // nil if it was the code itself
}

// Resources are the ids of the resource servers it is for, in order.
func (c *Carried) Resources() []string { return slices.Sorted(maps.Keys(c.Code.Scopes)) }

// ByCode reads what a code carries, used or not. nil if it is no code of ours. It is
// never kept in memory: whether it was used must be known as it is now.
func (v *View) ByCode(ctx context.Context, raw string) (*Carried, error) {
	return v.carried(ctx, "load code", func(db *gorm.DB, c *Carried) error {
		return db.First(&c.Code, "hash = ?", HashCode(raw)).Error
	})
}

// ByRefreshToken reads what a refresh token carries, like ByCode.
func (v *View) ByRefreshToken(ctx context.Context, raw string) (*Carried, error) {
	return v.carried(ctx, "load refresh token", func(db *gorm.DB, c *Carried) error {
		c.Refresh = &RefreshToken{}
		if err := db.First(c.Refresh, "hash = ?", HashCode(raw)).Error; err != nil {
			return err
		}
		return db.First(&c.Code, "grant_id = ?", c.Refresh.GrantID).Error
	})
}

// CodeOf reads the code that began a grant, like ByCode.
func (v *View) CodeOf(ctx context.Context, grantID string) (*Carried, error) {
	return v.carried(ctx, "load code of grant", func(db *gorm.DB, c *Carried) error {
		return db.First(&c.Code, "grant_id = ?", grantID).Error
	})
}

// RefreshTokenOf reads the refresh token of a grant that its client would use next,
// like ByRefreshToken.
func (v *View) RefreshTokenOf(ctx context.Context, grantID string) (*Carried, error) {
	return v.carried(ctx, "load refresh token of grant", func(db *gorm.DB, c *Carried) error {
		c.Refresh = &RefreshToken{}
		if err := db.Order("case when used_at = 0 then 0 else 1 end, created_at desc").First(c.Refresh, "grant_id = ?", grantID).Error; err != nil {
			return err
		}
		return db.First(&c.Code, "grant_id = ?", grantID).Error
	})
}

func (v *View) carried(ctx context.Context, op string, find func(*gorm.DB, *Carried) error) (*Carried, error) {
	db, c := v.store.read.WithContext(ctx), &Carried{}
	err := find(db, c)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err == nil {
		err = db.First(&c.Grant, "id = ?", c.Code.GrantID).Error
	}
	if err != nil {
		return nil, wrap(op, err)
	}
	v.Deps = append(v.Deps, key("grant", c.Grant.ID))
	return c, nil
}
