package models

import (
	"context"

	"gorm.io/gorm"
)

// EventReceiver is where events are pushed to (RFC 8935): those that concern a
// resource server, or all.
type EventReceiver struct {
	Meta
	ResourceID *string `json:"resource_server_id"` // nil: all events
	URL        string  `gorm:"column:url" json:"url"`

	Position     string `json:"-"` // in the feed: all up to there was taken
	NextAt       int64  `json:"-"` // when to go on, at the earliest
	Tries        int64  `json:"-"` // that failed, of the next event
	FailingSince int64  `json:"-"` // 0: it is not
}

// maxReceivers bounds how many there are: every event is looked at for each.
const maxReceivers = 100

// No decision hangs from one, so that nothing is touched.
func (r *EventReceiver) touches(*change) {}

func (r *EventReceiver) refers() string { return "resource_server_id" }

func (r *EventReceiver) validate() error {
	if r.URL == "" {
		return invalid("url", "must be given")
	}
	return checkBackchannel("url", r.URL)
}

// CreateEventReceiver registers one, for events from now on.
func (s *Store) CreateEventReceiver(ctx context.Context, by By, r *EventReceiver) error {
	now, err := s.FeedNow(ctx)
	if err != nil {
		return err
	}
	r.Meta, r.Position = newMeta(PrefixEventReceiver), now.String()
	return s.change(ctx, by, "createEventReceiver", func(c *change) error {
		var there int64
		if err := c.tx.Model(&EventReceiver{}).Count(&there).Error; err != nil {
			return err
		}
		if there >= maxReceivers {
			return invalid("url", "there are %d receivers already; remove one first", there)
		}
		return c.insert(r)
	})
}

// EventReceiver reads one. ErrNotFound if there is none.
func (s *Store) EventReceiver(ctx context.Context, id string) (*EventReceiver, error) {
	return get[EventReceiver](ctx, s, "getEventReceiver", id)
}

// EventReceivers lists them, oldest first.
func (s *Store) EventReceivers(ctx context.Context, p Page) ([]EventReceiver, string, error) {
	return list(s.read.WithContext(ctx), "listEventReceivers", "id", p, func(r EventReceiver) string { return r.ID })
}

// DeleteEventReceiver removes one. What it was not told yet it will not be told.
func (s *Store) DeleteEventReceiver(ctx context.Context, by By, id string, ifVersion int64) error {
	return remove[EventReceiver](ctx, s, by, "deleteEventReceiver", id, ifVersion, nil)
}

// Times of pushing events, in seconds: how long whoever took a receiver may be at it
// before another replica is, how long one event is tried for, and how far apart attempts
// get.
const (
	receiverClaim = 60
	eventLife     = 24 * 3600
	firstAgain    = int64(1)
	longestAgain  = int64(600)
)

// Due tells whether a receiver may be told something now.
func (r *EventReceiver) Due(now int64) bool { return r.NextAt <= now }

// Tired tells whether its next event has been tried for long enough.
func (r *EventReceiver) Tired(now int64) bool {
	return r.FailingSince != 0 && now-r.FailingSince >= eventLife
}

// TakeEventReceiver gives the caller a minute to tell a receiver what is next. False:
// somebody else is at it, or was.
func (s *Store) TakeEventReceiver(ctx context.Context, r *EventReceiver) (bool, error) {
	until := s.Now() + receiverClaim
	return s.setReceiver(s.write.WithContext(ctx), r, map[string]any{"next_at": until}, func() { r.NextAt = until })
}

// MoveEventReceiver notes that a receiver has taken all up to a position. It is never
// told of it again. False: somebody else is at it by now.
func (s *Store) MoveEventReceiver(ctx context.Context, r *EventReceiver, to Position) (bool, error) {
	return s.moveReceiver(s.write.WithContext(ctx), r, to)
}

func (s *Store) moveReceiver(db *gorm.DB, r *EventReceiver, to Position) (bool, error) {
	return s.setReceiver(db, r, map[string]any{"position": to.String(), "tries": 0, "failing_since": 0}, func() {
		r.Position, r.Tries, r.FailingSince = to.String(), 0, 0
	})
}

// LeaveEventReceiver lets others go on at once.
func (s *Store) LeaveEventReceiver(ctx context.Context, r *EventReceiver) error {
	_, err := s.setReceiver(s.write.WithContext(ctx), r, map[string]any{"next_at": 0}, func() { r.NextAt = 0 })
	return err
}

// EventFailed notes that a receiver did not take the next event: it is tried again, ever
// more seldom.
func (s *Store) EventFailed(ctx context.Context, r *EventReceiver) error {
	now := s.Now()
	since := r.FailingSince
	if since == 0 {
		since = now
	}
	next := now + min(firstAgain<<min(r.Tries, 20), longestAgain)
	_, err := s.setReceiver(s.write.WithContext(ctx), r, map[string]any{"next_at": next, "tries": r.Tries + 1, "failing_since": since}, func() {
		r.NextAt, r.Tries, r.FailingSince = next, r.Tries+1, since
	})
	return err
}

// EventGivenUp notes, in the ledger, that a receiver will not be told of an event, and goes
// on behind it.
func (s *Store) EventGivenUp(ctx context.Context, r *EventReceiver, e Event, why string) (moved bool, err error) {
	err = s.change(ctx, By{System: "events"}, "giveUpEvent", func(c *change) error {
		if moved, err = s.moveReceiver(c.tx, r, e.Position); err != nil || !moved {
			return err
		}
		return c.record(r.ID, nil, map[string]any{"event": e.Position.String(), "type": e.Type, "tries": r.Tries, "error": why})
	})
	return moved && err == nil, err
}

// setReceiver changes a receiver that is as it was read. What is changed is bookkeeping,
// no version of it.
func (s *Store) setReceiver(db *gorm.DB, r *EventReceiver, to map[string]any, done func()) (bool, error) {
	res := db.Model(&EventReceiver{}).Where("id = ? and position = ? and next_at = ?", r.ID, r.Position, r.NextAt).UpdateColumns(to)
	if res.Error == nil && res.RowsAffected == 1 {
		done()
	}
	return res.RowsAffected == 1, wrap("push events", res.Error)
}
