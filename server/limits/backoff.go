package limits

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"
)

// Bounds of a Backoff.
const (
	backoffNames   = 1 << 16
	freeFailures   = 5
	firstPause     = time.Second
	longestPause   = time.Minute
	backoffForgets = 15 * time.Minute
)

// Backoff slows down guessing at one name, wherever the guesses come from and
// whichever replica they reach. The first five failures cost nothing; after each
// further one nothing is looked at for a while: a second, then twice as long each
// time, a minute at most. What comes meanwhile does not prolong it. A quarter of an
// hour without a failure and all is forgotten.
//
// Like the tables of failures it has a fixed size, and a name has a slot by a
// hash that nobody outside can compute.
type Backoff struct {
	marks Marks
	seed  []byte
	now   func() time.Time
}

// NewBackoff counts in marks, in slots that seed decides; replicas share both.
func NewBackoff(marks Marks, seed []byte, now func() time.Time) *Backoff {
	return &Backoff{marks, seed, now}
}

// passwords is the purpose of its marks: failures in a row (8 bits), and when the
// last was (unix milliseconds, the bits above).
const passwords = "sign_in"

// Take says how long it is until an attempt at name is looked at; 0: this one is,
// and counts as failed until Clear says otherwise. So of many at once no more
// get through than of as many in a row.
func (b *Backoff) Take(ctx context.Context, name string) (time.Duration, error) {
	return swap(ctx, b.marks, passwords, b.slot(name), func(was int64) (int64, time.Duration) {
		now := b.now().UnixMilli()
		failed, last := was&0xff, min(was>>8, now) // the clock may have jumped back
		if time.Duration(now-last)*time.Millisecond >= backoffForgets {
			failed = 0
		}
		wait := pause(failed) - time.Duration(now-last)*time.Millisecond
		return now<<8 | min(failed+1, 0xff), max(0, wait)
	})
}

// Clear forgets the failures at name: somebody proved to be who they say.
func (b *Backoff) Clear(ctx context.Context, name string) error {
	slot := b.slot(name)
	_, err := swap(ctx, b.marks, passwords, slot, func(int64) (int64, time.Duration) { return 0, 0 })
	return err
}

// pause is how long nothing is looked at after so many failures.
func pause(failed int64) time.Duration {
	if failed < freeFailures {
		return 0
	}
	if failed-freeFailures >= 6 {
		return longestPause
	}
	return min(longestPause, firstPause<<(failed-freeFailures))
}

func (b *Backoff) slot(name string) string {
	mac := hmac.New(sha256.New, b.seed)
	mac.Write([]byte(name))
	return strconv.Itoa(int(binary.BigEndian.Uint64(mac.Sum(nil)) % backoffNames))
}
