package models

import (
	"context"
	"encoding/json"
)

// States of a transfer. One that is open and whose time is over has expired.
const (
	TransferOpen      = "open"
	TransferAccepted  = "accepted"
	TransferDeclined  = "declined"
	TransferCancelled = "cancelled" // by whoever offered, or because something else took its place
	TransferExpired   = "expired"
)

// TransferLife is how long somebody has to answer, in seconds: 14 days.
const TransferLife = 14 * 24 * 3600

// offersCounted is how far back policy sees what a person offered, in seconds.
const offersCounted = 24 * 3600

// Transfer asks somebody to answer for a client from now on. Until they accept,
// nothing changes.
type Transfer struct {
	ID       string  `gorm:"primaryKey" json:"id"`
	ClientID string  `json:"client_id"`
	FromID   *string `json:"from_id"` // who answered for it when it was offered; nil: nobody
	// ToID is who is asked. Nil: nobody is called as they were named. Such an offer is
	// like any other to whoever made it, and ends with its time.
	ToID       *string `json:"to_id"`
	Named      string  `json:"named"`      // what the owner who offers called them; "" if an administrator does
	OfferedBy  string  `json:"offered_by"` // the user, or the client if nobody is behind it
	State      string  `json:"state"`
	CreatedAt  int64   `gorm:"autoCreateTime:false" json:"created_at"`
	ExpiresAt  int64   `json:"expires_at"`
	AnsweredAt int64   `json:"answered_at"`
}

// Now is the state of the transfer at a moment.
func (t *Transfer) Now(moment int64) string {
	if t.State == TransferOpen && t.ExpiresAt <= moment {
		return TransferExpired
	}
	return t.State
}

// to is who is asked, "" if nobody is.
func (t *Transfer) to() string {
	if t.ToID == nil {
		return ""
	}
	return *t.ToID
}

// OfferTransfer asks t.ToID to answer for t.ClientID, and has them told. An offer that was
// open before is cancelled. If t.Named is set, the owner offers, and must be it still:
// ErrNotFound if not. To nobody it takes what it takes to somebody, down to the
// statements: how long it takes does not tell which.
func (s *Store) OfferTransfer(ctx context.Context, by By, t *Transfer) error {
	return s.change(ctx, by, "offerTransfer", func(c *change) error {
		var client Client
		if err := c.forUpdate().First(&client, "id = ?", t.ClientID).Error; err != nil {
			return err
		}
		t.FromID = client.OwnerID
		// SECURITY: only the owner's own.
		if t.Named != "" && (t.FromID == nil || *t.FromID != by.SubjectID) {
			return ErrNotFound
		}
		if client.Status == StatusDecommissioned {
			return invalid("client_id", "a decommissioned client stays whose it was")
		}
		if err := c.offered(t); err != nil {
			return err
		}
		t.ID, t.State, t.CreatedAt, t.ExpiresAt, t.AnsweredAt = NewID(PrefixTransfer), TransferOpen, c.now, c.now+TransferLife, 0
		t.OfferedBy = by.SubjectID
		if t.OfferedBy == "" {
			t.OfferedBy = by.ClientID
		}
		if err := c.endTransfers("client_id = ?", t.ClientID); err != nil {
			return err
		}
		if err := c.tx.Create(t).Error; err != nil {
			return err
		}
		c.touch("offers", t.OfferedBy)
		// By which channels, and whether there is anybody to tell, is found out when it is due.
		if err := c.notice(Notice{Kind: NoticeWord, Ref: t.ID, ClientID: t.ClientID, SubjectID: t.to()}); err != nil {
			return err
		}
		return c.record(t.ID, nil, t)
	})
}

// offered makes sure that whoever is asked can answer.
func (c *change) offered(t *Transfer) error {
	if err := checkText("to", t.Named, 200); err != nil {
		return err
	}
	switch {
	case t.ToID == nil && t.Named == "":
		return invalid("to", "names nothing that exists")
	case t.ToID != nil && sameOwner(t.FromID, t.ToID):
		return invalid("to", "answers for it already")
	}
	var there int64
	err := c.tx.Model(&User{}).Where("id = ? and status <> ?", t.to(), StatusDecommissioned).Count(&there).Error
	if err == nil && t.ToID != nil && there == 0 {
		return invalid("to", "names nobody who could answer")
	}
	return err
}

// AcceptTransfer has userID answer for the client from now on. ErrNotFound: there is no
// such offer, or it is somebody else's. ErrUsed: it is over.
func (s *Store) AcceptTransfer(ctx context.Context, by By, id, userID string) (*Transfer, error) {
	return s.answerTransfer(ctx, by, "acceptTransfer", id, userID, func(c *change, t *Transfer) error {
		t.State = TransferAccepted
		if err := c.live(userID); err != nil {
			return err
		}
		var client Client
		if err := c.load(&client, t.ClientID, AnyVersion); err != nil {
			return err
		}
		if client.Status == StatusDecommissioned || !sameOwner(client.OwnerID, t.FromID) {
			return ErrUsed
		}
		before, err := json.Marshal(client)
		if err != nil {
			return err
		}
		client.OwnerID = &userID
		client.stamp(c.now)
		if err := c.tx.Save(&client).Error; err != nil {
			return err
		}
		client.touches(c)
		if t.FromID != nil {
			if err := c.tellAnswer(t, *t.FromID, ToldFormer); err != nil {
				return err
			}
		}
		return c.record(client.ID, json.RawMessage(before), client)
	})
}

// DeclineTransfer is the other answer to an offer.
func (s *Store) DeclineTransfer(ctx context.Context, by By, id, userID string) (*Transfer, error) {
	return s.answerTransfer(ctx, by, "declineTransfer", id, userID, func(c *change, t *Transfer) error {
		t.State = TransferDeclined
		if t.FromID != nil && *t.FromID == t.OfferedBy {
			return c.tellAnswer(t, t.OfferedBy, ToldOwner)
		}
		return c.tellAnswer(t, t.OfferedBy, ToldOfferer)
	})
}

func (s *Store) answerTransfer(ctx context.Context, by By, action, id, userID string, answer func(*change, *Transfer) error) (*Transfer, error) {
	var t Transfer
	err := s.change(ctx, by, action, func(c *change) error {
		t = Transfer{}
		// SECURITY: only by who is asked.
		if err := c.forUpdate().First(&t, "id = ? and to_id = ?", id, userID).Error; err != nil {
			return err
		}
		return c.endTransfer(&t, func() error { return answer(c, &t) })
	})
	return &t, err
}

// CancelTransfer takes an offer back; only one that offeredBy made as an owner, if that is set. ErrNotFound:
// there is no such offer, or it is somebody else's. ErrUsed: it is over.
func (s *Store) CancelTransfer(ctx context.Context, by By, id, offeredBy string) (*Transfer, error) {
	var t Transfer
	err := s.change(ctx, by, "cancelTransfer", func(c *change) error {
		t = Transfer{}
		q := c.forUpdate().Where("id = ?", id)
		if offeredBy != "" {
			q = q.Where("offered_by = ? and named <> ''", offeredBy)
		}
		if err := q.First(&t).Error; err != nil {
			return err
		}
		return c.endTransfer(&t, func() error {
			t.State = TransferCancelled
			return nil
		})
	})
	return &t, err
}

// endTransfer ends an offer that is open, as how says. Word of it is worth nothing any more.
func (c *change) endTransfer(t *Transfer, how func() error) error {
	if t.Now(c.now) != TransferOpen {
		return ErrUsed
	}
	before := *t
	if err := how(); err != nil {
		return err
	}
	t.AnsweredAt = c.now
	if err := c.tx.Save(t).Error; err != nil {
		return err
	}
	if err := c.tx.Where("ref = ? and kind = ?", t.ID, NoticeWord).Delete(&Notice{}).Error; err != nil {
		return err
	}
	return c.record(t.ID, before, t)
}

// endTransfers ends all that are open and that the condition finds: whatever they were
// about is decided.
func (c *change) endTransfers(condition string, args ...any) error {
	var rows []Transfer
	if err := c.forUpdate().Where(isOpen).Where(condition, args...).Order("id").Find(&rows).Error; err != nil {
		return err
	}
	return c.as("cancelTransfer", func() error {
		for i := range rows {
			t := &rows[i]
			if t.Now(c.now) == TransferExpired { // makes room, and is what it was
				if err := c.tx.Model(t).Update("state", TransferExpired).Error; err != nil {
					return err
				}
				continue
			}
			err := c.endTransfer(t, func() error {
				t.State = TransferCancelled
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Which offers are open, unless their time is over; and which of them end with a client
// or a user who is stopped: those of the client, or what the user was offered, and what
// they offered as an owner. What they offered as an administrator stays.
const (
	isOpen       = "state = 'open'"
	openOffersOf = isOpen + ` and (client_id = @client or @user <> '' and (to_id = @user or (offered_by = @user and named <> '')))`
)

// endTransfersOf ends the offers of a client or a user who is stopped.
func (c *change) endTransfersOf(id string) error {
	return c.endTransfers(openOffersOf, bindPending(id, c.now))
}

// tellAnswer has a person told how an offer was answered, if they are still there. Where
// no person offered it, nobody is.
func (c *change) tellAnswer(t *Transfer, userID, as string) error {
	var there int64
	err := c.tx.Model(&User{}).Where("id = ? and status = ? and expires_at > ?", userID, StatusActive, c.now).Count(&there).Error
	if err != nil || there == 0 {
		return err
	}
	return c.notice(Notice{Kind: NoticeAnswer, Ref: t.ID, ClientID: t.ClientID, SubjectID: userID, ToldAs: as, EndsAt: c.now + newsLife})
}

func sameOwner(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Transfer reads one. ErrNotFound if there is none.
func (s *Store) Transfer(ctx context.Context, id string) (*Transfer, error) {
	return get[Transfer](ctx, s, "getTransfer", id)
}

// TransferFilter narrows a list of transfers; empty fields do not.
type TransferFilter struct{ ClientID, FromID, ToID, State string }

// Transfers lists transfers, oldest first.
func (s *Store) Transfers(ctx context.Context, f TransferFilter, p Page) ([]Transfer, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"client_id": f.ClientID, "from_id": f.FromID, "to_id": f.ToID})
	switch f.State {
	case "":
	case TransferOpen:
		q = q.Where("state = ? and expires_at > ?", TransferOpen, s.Now())
	case TransferExpired:
		q = q.Where("(state = ? or (state = ? and expires_at <= ?))", TransferExpired, TransferOpen, s.Now())
	default:
		q = q.Where("state = ?", f.State)
	}
	return list(q, "listTransfers", "id", p, func(t Transfer) string { return t.ID })
}

// Offers counts the transfers that a person offered within the last day, whatever became
// of them.
func (v *View) Offers(ctx context.Context, userID string) (int64, error) {
	v.Deps = append(v.Deps, key("offers", userID))
	var n int64
	err := v.store.read.WithContext(ctx).Model(&Transfer{}).Where("offered_by = ? and created_at > ?", userID, v.store.Now()-offersCounted).Count(&n).Error
	return n, wrap("count offers", err)
}
