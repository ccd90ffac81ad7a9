package limits

import (
	"context"
	"time"
)

// Marks keeps a number for a name under a purpose, for all replicas. 0 stands for
// none. SwapMark changes it only from what it was (models.Store).
type Marks interface {
	Mark(ctx context.Context, purpose, name string) (int64, error)
	SwapMark(ctx context.Context, purpose, name string, was, next int64) (bool, error)
}

// swap changes a mark as next says, which returns what it becomes of what it was, or
// how long nothing is looked at. Of many at once each sees what came before it.
func swap(ctx context.Context, m Marks, purpose, name string, next func(was int64) (int64, time.Duration)) (time.Duration, error) {
	for {
		was, err := m.Mark(ctx, purpose, name)
		if err != nil {
			return 0, err
		}
		to, wait := next(was)
		if wait > 0 {
			return wait, nil
		}
		if done, err := m.SwapMark(ctx, purpose, name, was, to); done || err != nil {
			return 0, err
		}
	}
}

// userCodeRate is for codes of one user that are given: twelve an hour, as often as they
// may be asked, and twelve at once.
var userCodeRate = rate{5 * time.Minute, 12}

// UserCodes bounds guesses at the codes that users have chosen, at whichever replica
// they are made.
type UserCodes struct {
	marks Marks
	now   func() time.Time
}

// NewUserCodes counts in marks.
func NewUserCodes(marks Marks, now func() time.Time) *UserCodes { return &UserCodes{marks, now} }

// Take notes that somebody gives a code of a user, and returns for how long nobody who
// does is listened to: 0 if they are.
func (u *UserCodes) Take(ctx context.Context, userID string) (time.Duration, error) {
	return swap(ctx, u.marks, "user_code", userID, func(was int64) (int64, time.Duration) {
		full, wait := userCodeRate.next(time.Duration(was), time.Duration(u.now().UnixNano()))
		return int64(full), wait
	})
}
