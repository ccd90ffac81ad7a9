package grants

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
)

// Untold is what an event receiver has still to be told.
type Untold struct {
	Events int   // no more than untoldAtMost are counted
	Oldest int64 // when the first of them happened, unix milliseconds
	Taken  int64 // when what it took last happened
	Gone   bool  // nothing can go on from its place: it will be told a reset, and nothing was counted
}

const untoldAtMost = 1000

// LeftUntold reads the feed from a receiver's place on.
func LeftUntold(ctx context.Context, store *models.Store, r *models.EventReceiver) (u Untold, err error) {
	at, ok := models.ParsePosition(r.Position)
	err = models.ErrGone
	if ok {
		u.Taken, err = store.PositionTime(ctx, at)
	}
	if errors.Is(err, models.ErrGone) {
		return Untold{Gone: true}, nil
	}
	if err != nil {
		return u, err
	}
	now, err := store.FeedNow(ctx)
	if err != nil {
		return u, err
	}
	who := receives(r)
	for at.Compare(now) < 0 && u.Events < untoldAtMost {
		events, end, err := store.Feed(ctx, at, now.Seq+1)
		if err != nil {
			return u, err
		}
		for _, e := range events {
			if !who.Sees(e) {
				continue
			}
			if u.Events++; u.Events == 1 {
				u.Oldest = e.At
			}
		}
		at = end
	}
	return u, nil
}
