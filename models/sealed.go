package models

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// What a seal is bound to, besides the id of the row alone.
func SealedTOTP(userID string) string       { return "totp:" + userID }
func SealedUpstream(id string) string       { return "upstream:" + id }
func SealedHandle(approvalID string) string { return "handle " + approvalID }
func sealedByID(id string) string           { return id }

// sealedColumn is where something lies that is sealed under the master key.
type sealedColumn struct {
	table, key, column string
	name               func(key string) string // what its seal is bound to
}

// sealedColumns are all of them. Whoever adds a column adds it here, else it is lost
// when the master key is changed; a test holds the schema against the list.
var sealedColumns = []sealedColumn{
	{"signing_keys", "id", "sealed", sealedByID},
	{"derivation_keys", "id", "sealed", sealedByID},
	{"push_keys", "id", "sealed", sealedByID},
	{"upstreams", "id", "sealed", SealedUpstream},
	{"totp", "user_id", "sealed", SealedTOTP},
	{"approvals", "id", "notification_token", SealedHandle},
	{"outbox", "id", "payload", sealedByID},
}

// EachSealed shows everything that is sealed, and tells how much that was.
func (s *Store) EachSealed(ctx context.Context, see func(name string, sealed []byte) error) (int, error) {
	n := 0
	err := s.snapshot(ctx, func(db *gorm.DB) error {
		for _, c := range sealedColumns {
			seen, err := c.each(db, func(_, name string, sealed []byte) error { return see(name, sealed) })
			if n += seen; err != nil {
				return err
			}
		}
		return nil
	})
	return n, wrap("read what is sealed", err)
}

// Reseal puts what again makes of it in the place of everything that is sealed, all of
// it or nothing, and tells how much that was. Nothing is sealed meanwhile by others: it
// holds the ledger's head.
func (s *Store) Reseal(ctx context.Context, by By, again func(name string, sealed []byte) ([]byte, error)) (int, error) {
	total := 0
	err := s.change(ctx, by, "rewrapKeys", func(c *change) error {
		total = 0
		counts := map[string]int{}
		for _, column := range sealedColumns {
			update := fmt.Sprintf("update %s set %s = ? where %s = ?", column.table, column.column, column.key)
			n, err := column.each(c.tx, func(key, name string, sealed []byte) error {
				anew, err := again(name, sealed)
				if err != nil {
					return err
				}
				return c.tx.Exec(update, anew, key).Error
			})
			if err != nil {
				return err
			}
			counts[column.table], total = n, total+n
		}
		c.touch("keys", KeyForTokens)
		return c.record(objectOfMaster, nil, counts)
	})
	return total, err
}

// each shows the rows of one column, in order of their keys.
func (c sealedColumn) each(db *gorm.DB, see func(key, name string, sealed []byte) error) (n int, err error) {
	type row struct {
		Key    string
		Sealed []byte
	}
	query := fmt.Sprintf("select %s as key, %s as sealed from %s where length(%s) > 0 and %s > ? order by %s limit 200", c.key, c.column, c.table, c.column, c.key, c.key)
	for after := ""; ; {
		var rows []row
		if err := db.Raw(query, after).Scan(&rows).Error; err != nil || len(rows) == 0 {
			return n, err
		}
		for _, r := range rows {
			if err := see(r.Key, c.name(r.Key), r.Sealed); err != nil {
				return n, err
			}
			after = r.Key
			n++
		}
	}
}

// DerivationKey is what is derived from, sealed.
type DerivationKey struct {
	ID        string `gorm:"primaryKey"`
	Sealed    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
}

// TableName is derivation_keys.
func (DerivationKey) TableName() string { return "derivation_keys" }

// derivationID is the id of the one row, so that of several servers that start at once
// one makes it.
const derivationID = "key_derivation"

// DerivationKey reads it. If there is none, the one that first makes is stored.
func (s *Store) DerivationKey(ctx context.Context, first func(id string) []byte) (*DerivationKey, error) {
	var rows []DerivationKey
	if err := s.read.WithContext(ctx).Limit(1).Find(&rows).Error; err != nil {
		return nil, wrap("read derivation key", err)
	}
	if len(rows) == 1 {
		return &rows[0], nil
	}
	err := s.change(ctx, By{System: "start"}, "createDerivationKey", func(c *change) error {
		if err := c.tx.Limit(1).Find(&rows).Error; err != nil || len(rows) == 1 {
			return err
		}
		rows = []DerivationKey{{ID: derivationID, Sealed: first(derivationID), CreatedAt: c.now}}
		if err := c.tx.Create(&rows[0]).Error; err != nil {
			return err
		}
		return c.record(derivationID, nil, map[string]int64{"created_at": c.now})
	})
	if err != nil {
		return nil, err
	}
	return &rows[0], nil
}
