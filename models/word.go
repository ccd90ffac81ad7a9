package models

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Subscription is a browser that shows its user what they are asked (Web Push): where
// its push service takes messages for it, and the keys they are encrypted under.
type Subscription struct {
	ID        string `gorm:"primaryKey" json:"id"`
	UserID    string `json:"user_id"`
	Endpoint  string `json:"-"` // whoever knows it may try to send there
	P256dh    string `gorm:"column:p256dh" json:"-"`
	Auth      string `json:"-"`
	Device    string `json:"device"`
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"created_at"`
}

// maxSubscriptions a user may have; the oldest makes room for the next.
const maxSubscriptions = 10

// Sizes of a subscription's keys, in bytes (RFC 8291): a point on P-256, and a secret.
const (
	pointSize  = 65
	secretSize = 16
)

func (row *Subscription) validate() error {
	u, err := url.Parse(row.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || len(row.Endpoint) > 2000 {
		return invalid("endpoint", "must be an address")
	}
	for name, key := range map[string]struct {
		text string
		size int
	}{"p256dh": {row.P256dh, pointSize}, "auth": {row.Auth, secretSize}} {
		if raw, err := base64.RawURLEncoding.DecodeString(key.text); err != nil || len(raw) != key.size {
			return invalid(name, "must be %d bytes in base64url", key.size)
		}
	}
	return checkText("device", row.Device, 200)
}

// Subscribe lets a browser show a user what they are asked. A browser is its last
// user's: who subscribed with it before does not see what this one is asked.
func (s *Store) Subscribe(ctx context.Context, by By, row *Subscription) error {
	return s.change(ctx, by, "subscribe", func(c *change) error {
		if err := row.validate(); err != nil {
			return err
		}
		if err := c.live(row.UserID); err != nil {
			return err
		}
		var rows []Subscription
		err := c.forUpdate().Where("endpoint = ? or user_id = ?", row.Endpoint, row.UserID).Order("id desc").Find(&rows).Error
		if err != nil {
			return err
		}
		kept := 1
		for i := range rows {
			if rows[i].Endpoint != row.Endpoint && kept < maxSubscriptions {
				kept++
				continue
			}
			if err := c.unsubscribe(&rows[i]); err != nil {
				return err
			}
		}
		row.ID, row.CreatedAt = NewID(PrefixSubscription), c.now
		if err := c.tx.Create(row).Error; err != nil {
			return err
		}
		return c.record(row.ID, nil, row)
	})
}

func (c *change) unsubscribe(row *Subscription) error {
	if err := c.tx.Delete(row).Error; err != nil {
		return err
	}
	return c.record(row.ID, row, nil)
}

// Unsubscribe ends what Subscribe began. ErrNotFound: there is no such, or it is
// somebody else's.
func (s *Store) Unsubscribe(ctx context.Context, by By, userID, id string) error {
	return s.change(ctx, by, "unsubscribe", func(c *change) error {
		var row Subscription
		// SECURITY: only the user's own.
		if err := c.forUpdate().First(&row, "id = ? and user_id = ?", id, userID).Error; err != nil {
			return err
		}
		return c.unsubscribe(&row)
	})
}

// Subscriptions are those of a user, oldest first.
func (s *Store) Subscriptions(ctx context.Context, userID string) ([]Subscription, error) {
	var rows []Subscription
	err := s.read.WithContext(ctx).Where("user_id = ?", userID).Order("id").Find(&rows).Error
	return rows, wrap("listSubscriptions", err)
}

// PushKey is as whom this server speaks to push services (RFC 8292). Its private part
// is sealed by the caller before it gets here.
type PushKey struct {
	ID        string `gorm:"primaryKey" json:"id"`
	Public    string `json:"public"`
	Sealed    []byte `json:"-"`
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"created_at"`
}

// PushKey is the server's; offered is stored as it if there is none yet. Every
// subscription hangs from it, so it stays.
func (s *Store) PushKey(ctx context.Context, offered func() (*PushKey, error)) (*PushKey, error) {
	var row PushKey
	err := s.read.WithContext(ctx).Order("id").Take(&row).Error
	if err == nil || !errors.Is(err, gorm.ErrRecordNotFound) {
		return &row, wrap("getPushKey", err)
	}
	err = s.change(ctx, By{System: "start"}, "createPushKey", func(c *change) error {
		err := c.tx.Order("id").Take(&row).Error // the ledger's head is held: nobody else makes one now
		if err == nil || !errors.Is(err, gorm.ErrRecordNotFound) {
			return err
		}
		made, err := offered()
		if err != nil {
			return err
		}
		row = *made
		row.CreatedAt = c.now
		if err := c.tx.Create(&row).Error; err != nil {
			return err
		}
		return c.record(row.ID, nil, row)
	})
	return &row, err
}

// WordSettings are how somebody wants word to reach them.
type WordSettings struct {
	UserID    string `gorm:"primaryKey" json:"user_id"`
	Lang      string `json:"lang"` // BCP 47, "" for the server's first
	UpdatedAt int64  `gorm:"autoUpdateTime:false" json:"updated_at"`
}

// TableName is word_settings.
func (WordSettings) TableName() string { return "word_settings" }

// WordSettings are a user's; the zero value if they chose nothing.
func (s *Store) WordSettings(ctx context.Context, userID string) (WordSettings, error) {
	row := WordSettings{UserID: userID}
	err := s.read.WithContext(ctx).Where("user_id = ?", userID).Limit(1).Find(&row).Error
	return row, wrap("getWordSettings", err)
}

// SetWord changes how word reaches somebody.
func (s *Store) SetWord(ctx context.Context, by By, row WordSettings) error {
	return s.change(ctx, by, "setWord", func(c *change) error {
		if err := checkText("lang", row.Lang, 35); err != nil {
			return err
		}
		if err := c.live(row.UserID); err != nil {
			return err
		}
		row.UpdatedAt = c.now
		if err := c.tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return err
		}
		return c.record(row.UserID, nil, row)
	})
}
