package models

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"
)

// Kinds of credentials.
const (
	CredentialSecret = "secret"     // client_secret_basic, client_secret_post
	CredentialKey    = "public_key" // private_key_jwt
	CredentialKeySet = "jwks_uri"   // private_key_jwt, with any key that is at an address of the client's now
)

// SecretPrefix lets scanners find a leaked client secret.
const SecretPrefix = "deputy_sk_"

// Credential is one of possibly several a client holds at once.
type Credential struct {
	ID         string `gorm:"primaryKey" json:"id"`
	ClientID   string `json:"client_id"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	SecretHash []byte `json:"-"`
	PublicJWK  string `gorm:"column:public_jwk" json:"public_jwk,omitempty"`
	JWKSURI    string `gorm:"column:jwks_uri" json:"jwks_uri,omitempty"`
	CreatedAt  int64  `gorm:"autoCreateTime:false" json:"created_at"`
	ExpiresAt  int64  `json:"expires_at"`
	MeantUntil int64  `json:"meant_until,omitempty"` // its end as it was made, before a rotation brought that nearer; 0: unknown
	LastUsedAt int64  `json:"last_used_at"`
	RevokedAt  int64  `json:"revoked_at"`
}

// Live reports whether the credential may prove anything at time now (unix seconds).
func (c *Credential) Live(now int64) bool { return c.RevokedAt == 0 && now < c.ExpiresAt }

// Life is for how many seconds the credential was meant to live when it was made; Never
// if without end. That a rotation brought its end nearer does not count.
func (c *Credential) Life() int64 {
	until := max(c.MeantUntil, c.ExpiresAt)
	if until >= Never {
		return Never
	}
	return until - c.CreatedAt
}

// After is when something ends that lives for so many seconds from now; Never for those
// of one without end.
func After(now, life int64) int64 { return min(Never, now+life) }

// HashSecret is how a secret is stored. It carries 256 random bits, so one round is enough.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// CreateCredential gives a client another credential. For a secret, the plain
// text is returned: this once, and nowhere else. For a public key, PublicJWK
// must be set and must have been checked.
func (s *Store) CreateCredential(ctx context.Context, by By, c *Credential) (secret string, err error) {
	err = s.change(ctx, by, "createCredential", func(ch *change) error {
		secret, err = ch.addCredential(c)
		return err
	})
	return secret, err
}

func (ch *change) addCredential(c *Credential) (secret string, err error) {
	var owner Client
	if err := ch.tx.First(&owner, "id = ?", c.ClientID).Error; err != nil {
		return "", err
	}
	if owner.Status == StatusDecommissioned {
		return "", invalid("client", "is decommissioned")
	}
	c.ID, c.CreatedAt = NewID(PrefixCredential), ch.now
	if c.ExpiresAt == 0 {
		c.ExpiresAt = Never
	}
	c.MeantUntil = c.ExpiresAt
	if err := c.validate(ch.now); err != nil {
		return "", err
	}
	if c.Kind == CredentialSecret {
		secret = newSecret(SecretPrefix)
		c.SecretHash = HashSecret(secret)
	}
	var live int64
	if err := ch.tx.Model(c).Where("client_id = ? and revoked_at = 0 and expires_at > ?", c.ClientID, ch.now).Count(&live).Error; err != nil {
		return "", err
	}
	if live >= 20 {
		return "", invalid("credentials", "a client may hold 20 at once; revoke one first")
	}
	if err := ch.tx.Create(c).Error; err != nil {
		return "", err
	}
	ch.touch("credentials", c.ClientID)
	return secret, ch.record(c.ID, nil, c)
}

func (c *Credential) validate(now int64) error {
	switch {
	case c.Kind != CredentialSecret && c.Kind != CredentialKey && c.Kind != CredentialKeySet:
		return invalid("kind", "must be %s, %s or %s", CredentialSecret, CredentialKey, CredentialKeySet)
	case (c.Kind == CredentialKey) != (c.PublicJWK != ""):
		return invalid("public_jwk", "belongs to a %s, and to nothing else", CredentialKey)
	case (c.Kind == CredentialKeySet) != (c.JWKSURI != ""):
		return invalid("jwks_uri", "belongs to a credential of this kind, and to nothing else")
	case c.ExpiresAt <= now:
		return invalid("expires_at", "is in the past")
	}
	if err := checkBackchannel("jwks_uri", c.JWKSURI); err != nil {
		return err
	}
	if err := checkExpiry(c.ExpiresAt); err != nil {
		return err
	}
	return checkText("name", c.Name, 100)
}

// RotateCredential makes a successor of a secret and lets the old one live for
// overlap more seconds, so that both work while the client is being changed over.
func (s *Store) RotateCredential(ctx context.Context, by By, clientID, id string, overlap, expiresAt int64) (next *Credential, secret string, err error) {
	if overlap < 0 || overlap > 30*24*3600 {
		return nil, "", invalid("overlap", "must be 0 to 2592000 seconds")
	}
	err = s.change(ctx, by, "rotateCredential", func(ch *change) error {
		var old Credential
		if err := ch.forUpdate().First(&old, "id = ? and client_id = ?", id, clientID).Error; err != nil {
			return err
		}
		if old.Kind != CredentialSecret {
			return invalid("kind", "only secrets are rotated; register the new key instead")
		}
		if !old.Live(ch.now) {
			return invalid("id", "this credential is no longer live; issue a new one")
		}
		before := old
		old.ExpiresAt = min(old.ExpiresAt, ch.now+overlap)
		if err := ch.tx.Model(&old).Update("expires_at", old.ExpiresAt).Error; err != nil {
			return err
		}
		if err := ch.record(old.ID, before, old); err != nil {
			return err
		}
		next = &Credential{ClientID: clientID, Kind: CredentialSecret, Name: old.Name, ExpiresAt: expiresAt}
		secret, err = ch.addCredential(next)
		return err
	})
	return next, secret, err
}

// RevokeCredential ends a credential at once. Revoking twice is no error.
func (s *Store) RevokeCredential(ctx context.Context, by By, clientID, id string) error {
	return s.change(ctx, by, "revokeCredential", func(ch *change) error { return ch.revokeCredential(clientID, id) })
}

func (ch *change) revokeCredential(clientID, id string) error {
	var c Credential
	if err := ch.forUpdate().First(&c, "id = ? and client_id = ?", id, clientID).Error; err != nil {
		return err
	}
	if c.RevokedAt != 0 {
		return nil
	}
	before := c
	c.RevokedAt = ch.now
	if err := ch.tx.Model(&c).Update("revoked_at", ch.now).Error; err != nil {
		return err
	}
	ch.touch("credentials", clientID)
	return ch.record(c.ID, before, c)
}

// CredentialShown is the credential with which the token was got that the decision
// rests on by which somebody acts. ErrNotFound: there was none.
func (s *Store) CredentialShown(ctx context.Context, by By) (*Credential, error) {
	allowed, err := s.EntryByID(ctx, by.DecisionID)
	if err != nil {
		return nil, err
	}
	token, err := s.Token(ctx, allowed.TokenID)
	if err != nil {
		return nil, err
	}
	issued, err := s.EntryByID(ctx, token.DecisionID)
	if err != nil {
		return nil, err
	}
	var kept struct {
		Input struct{ Credential struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(issued.Detail), &kept); err != nil {
		return nil, fmt.Errorf("read the detail of %s: %w", issued.ID, err)
	}
	return s.Credential(ctx, by.ClientID, kept.Input.Credential.ID)
}

// Credential reads one credential of a client.
func (s *Store) Credential(ctx context.Context, clientID, id string) (*Credential, error) {
	var c Credential
	err := s.read.WithContext(ctx).First(&c, "id = ? and client_id = ?", id, clientID).Error
	return &c, wrap("getCredential", err)
}

// Credentials lists a client's credentials, live or not, oldest first.
func (s *Store) Credentials(ctx context.Context, clientID string, p Page) ([]Credential, string, error) {
	if _, err := s.Client(ctx, clientID); err != nil {
		return nil, "", err
	}
	q := s.read.WithContext(ctx).Where("client_id = ?", clientID)
	return list(q, "listCredentials", "id", p, func(c Credential) string { return c.ID })
}

// LastUsed is when each of some clients last proved who it is, to the minute (unix
// seconds). Those that never did are left out.
func (s *Store) LastUsed(ctx context.Context, clients []string) (map[string]int64, error) {
	var rows []struct {
		ClientID string
		At       int64
	}
	err := s.read.WithContext(ctx).Model(&Credential{}).Select("client_id, max(last_used_at) as at").
		Where("client_id in ? and last_used_at > 0", clients).Group("client_id").Scan(&rows).Error
	used := map[string]int64{}
	for _, r := range rows {
		used[r.ClientID] = r.At
	}
	return used, wrap("last used", err)
}

// MarkUsed notes when credentials were last used (id -> unix seconds). It is
// bookkeeping, not a change: no decision depends on it.
func (s *Store) MarkUsed(ctx context.Context, used map[string]int64) error {
	return wrap("mark used", s.mark(ctx, &Credential{}, "last_used_at", used))
}

// mark moves times of rows forward (id -> unix seconds).
func (s *Store) mark(ctx context.Context, model any, column string, times map[string]int64) error {
	return s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		for _, id := range slices.Sorted(maps.Keys(times)) { // in order, so that replicas do not lock crosswise
			at := times[id]
			if err := tx.Model(model).Where("id = ? and "+column+" < ?", id, at).Update(column, at).Error; err != nil {
				return err
			}
		}
		return nil
	})
}
