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
	lastRetry  = 5 * time.Second
)

// listen keeps facts and signing keys up with what other replicas change, until
// ctx ends. What it misses is found by the tasks that look again and again.
func (d *deputy) listen(ctx context.Context, log *slog.Logger) {
	keys := func(ctx context.Context) {
		if err := d.keys.Reload(ctx); err != nil && ctx.Err() == nil {
			log.Error("signing keys could not be read after a change", "error", err)
		}
	}
	for retry := firstRetry; ; {
		begun := time.Now()
		err := d.store.Listen(ctx, keys)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > lastRetry {
			retry = firstRetry // it worked for a while
		}
		log.Warn("changes by other replicas are found by polling alone", "error", err, "retry", retry.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry/2 + rand.N(retry)):
		}
		retry = min(2*retry, lastRetry)
	}
}
