package models

import (
	"context"
	"slices"

	"gorm.io/gorm"
)

// Purposes of signing keys.
const (
	KeyForTokens = "tokens"
	KeyForLedger = "ledger"
)

// SigningKey is a key Deputy signs with. Its private part is sealed by the
// caller before it gets here. A key signs from ActiveAt until its successor
// does, and is published until ExpiresAt.
type SigningKey struct {
	ID        string `gorm:"primaryKey" json:"id"` // the kid
	Purpose   string `json:"purpose"`
	Alg       string `json:"alg"`
	PublicJWK string `gorm:"column:public_jwk" json:"public_jwk"`
	Sealed    []byte `json:"-"`
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"created_at"`
	ActiveAt  int64  `json:"active_at"`
	RetiresAt int64  `json:"retires_at"` // when the successor takes over, Never if there is none
	ExpiresAt int64  `json:"expires_at"`
}

// SigningKeys lists the keys that are not expired, oldest first.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var keys []SigningKey
	err := s.read.WithContext(ctx).Where("expires_at > ?", s.Now()).Order("active_at, id").Find(&keys).Error
	return keys, wrap("listKeys", err)
}

// LedgerKeys lists every key that ever signed the ledger, oldest first: what they signed
// stays signed by them.
func (s *Store) LedgerKeys(ctx context.Context) ([]SigningKey, error) {
	var keys []SigningKey
	err := s.read.WithContext(ctx).Where("purpose = ?", KeyForLedger).Order("active_at, id").Find(&keys).Error
	return keys, wrap("listKeys", err)
}

// KnownKeys are the keys of tokens that are not expired, and all that ever signed the
// ledger, oldest first: what somebody may have to verify.
func (s *Store) KnownKeys(ctx context.Context) ([]SigningKey, error) {
	var keys []SigningKey
	err := s.read.WithContext(ctx).Where("expires_at > ? or purpose = ?", s.Now(), KeyForLedger).Order("active_at, id").Find(&keys).Error
	return keys, wrap("listKeys", err)
}

// AddSigningKey stores next as the key for its purpose from next.ActiveAt on.
// Keys that serve now retire then, and expire overlap seconds later. If
// onlyIfNone is set and the purpose has a key already, nothing happens.
func (s *Store) AddSigningKey(ctx context.Context, by By, next *SigningKey, overlap int64, onlyIfNone bool) error {
	_, err := s.addKey(ctx, by, next, overlap, func(old []SigningKey) bool { return !onlyIfNone || len(old) == 0 })
	return err
}

// SucceedSigningKey is AddSigningKey if the key of an id is still the last of its purpose:
// of several who see that it is due, one makes the next key. False: somebody else did.
func (s *Store) SucceedSigningKey(ctx context.Context, by By, next *SigningKey, overlap int64, last string) (bool, error) {
	return s.addKey(ctx, by, next, overlap, func(old []SigningKey) bool {
		return slices.ContainsFunc(old, func(k SigningKey) bool { return k.ID == last && k.RetiresAt == Never })
	})
}

func (s *Store) addKey(ctx context.Context, by By, next *SigningKey, overlap int64, wanted func(old []SigningKey) bool) (added bool, err error) {
	err = s.change(ctx, by, "rotateKey", func(c *change) error {
		var old []SigningKey
		if err := c.forUpdate().Where("purpose = ? and retires_at > ?", next.Purpose, next.ActiveAt).Find(&old).Error; err != nil {
			return err
		}
		if added = wanted(old); !added {
			return nil
		}
		for _, k := range old {
			if err := c.retireKey(k, next.ActiveAt, overlap); err != nil {
				return err
			}
		}
		next.CreatedAt, next.RetiresAt, next.ExpiresAt = c.now, Never, Never
		if err := c.tx.Create(next).Error; err != nil {
			return err
		}
		c.touch("keys", next.Purpose)
		return c.record(next.ID, nil, next)
	})
	return added && err == nil, err
}

func (c *change) retireKey(k SigningKey, at, overlap int64) error {
	before := k
	k.RetiresAt, k.ExpiresAt = at, at+overlap
	if err := c.tx.Session(&gorm.Session{}).Save(&k).Error; err != nil {
		return err
	}
	return c.record(k.ID, before, k)
}
