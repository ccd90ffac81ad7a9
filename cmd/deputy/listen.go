package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// How soon a lost connection for announcements is made anew: at once the first
// time, then twice as late each time, and never in step with the other replicas.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	heardWell  = time.Second // whoever listened for so long begins anew
)

// listen keeps facts and signing keys up with what other replicas change, until
// ctx ends. What it misses is found by the tasks that look again and again.
func (d *deputy) listen(ctx context.Context, log *slog.Logger) {
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		var heard time.Time // that it listens
		err := d.store.Listen(ctx, func(ctx context.Context) {
			if heard.IsZero() {
				heard = time.Now()
			}
			if err := d.keys.Reload(ctx); err != nil && ctx.Err() == nil {
				log.Error("signing keys could not be read after a change", "error", err)
			}
		})
		if ctx.Err() != nil {
			return
		}
		if !heard.IsZero() && time.Since(heard) > heardWell {
			retry = firstRetry
		}
		wait := retry/2 + rand.N(retry)
		log.Warn("changes by other replicas are found by polling alone", "error", err, "retry", wait.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
