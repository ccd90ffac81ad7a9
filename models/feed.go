package models

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrGone: what comes after a position cannot be told any more, or the position is
// none of this ledger.
var ErrGone = errors.New("the position is gone")

// feedReach is how far back the feed can be read. No access token lives so long.
const feedReach = 48 * time.Hour

// changesAtOnce bounds how many changes are looked at in one reading of the feed.
const changesAtOnce = 200

// FeedNow is the position after all that there is to tell.
func (s *Store) FeedNow(ctx context.Context) (Position, error) {
	if err := s.Refresh(ctx); err != nil {
		return Position{}, err
	}
	size, _ := s.Grown()
	return s.FeedEnd(ctx, size)
}

// FeedEnd is the position after all that the ledger's first entries have to tell.
func (s *Store) FeedEnd(ctx context.Context, size int64) (Position, error) {
	return s.wholeAt(ctx, size-1)
}

func (s *Store) wholeAt(ctx context.Context, seq int64) (Position, error) {
	e, err := s.placed(ctx, seq)
	if err != nil {
		return Position{}, wrap("read feed", err)
	}
	return Position{Seq: seq, Check: checkOf(e.ID)}, nil
}

func (s *Store) placed(ctx context.Context, seq int64) (*Entry, error) {
	var e Entry
	err := s.read.WithContext(ctx).Select("seq", "id", "at").Take(&e, "seq = ?", seq).Error
	return &e, err
}

// CheckPosition holds a position that somebody kept against the ledger. ErrGone if
// nothing can go on from there.
func (s *Store) CheckPosition(ctx context.Context, p Position) error {
	_, err := s.PositionTime(ctx, p)
	return err
}

// PositionTime is when that happened which a position is behind, in unix milliseconds.
// ErrGone if nothing can go on from there.
func (s *Store) PositionTime(ctx context.Context, p Position) (int64, error) {
	e, err := s.placed(ctx, p.Seq)
	if err = absent(err); errors.Is(classify(err), ErrNotFound) {
		return 0, fmt.Errorf("read feed: %w", ErrGone)
	}
	if err != nil {
		return 0, wrap("read feed", err)
	}
	if checkOf(e.ID) != p.Check || e.At < s.now().Add(-feedReach).UnixMilli() {
		return 0, fmt.Errorf("read feed: %w", ErrGone)
	}
	return e.At, nil
}

// Feed reads what comes after a position, of the ledger's first size entries, in the
// order in which it happened. end is how far it got: before the end of the ledger if
// there is more.
func (s *Store) Feed(ctx context.Context, after Position, size int64) (events []Event, end Position, err error) {
	from := after.Seq
	if after.Object == "" {
		from++
	}
	var rows []Entry
	err = s.read.WithContext(ctx).Select("seq", "id", "at", "action", "detail").Where("kind = 'change' and seq >= ? and seq < ?", from, size).
		Order("seq").Limit(changesAtOnce).Find(&rows).Error
	if err != nil {
		return nil, after, wrap("read feed", err)
	}
	n := &narrator{db: s.read.WithContext(ctx)}
	for i := range rows {
		told, err := n.of(&rows[i])
		if err != nil {
			return nil, after, wrap(fmt.Sprintf("read feed at %d", rows[i].Seq), err)
		}
		for _, e := range told {
			if e.Position.Compare(after) > 0 {
				events = append(events, e)
			}
		}
	}
	if err := n.identify(events); err != nil {
		return nil, after, wrap("read feed", err)
	}
	if len(rows) == changesAtOnce {
		last := rows[len(rows)-1]
		return events, Position{Seq: last.Seq, Check: checkOf(last.ID)}, nil
	}
	if size-1 < from {
		return events, after, nil
	}
	end, err = s.wholeAt(ctx, size-1)
	return events, end, err
}
