package bundles

import (
	"context"
	"os"
	"time"
)

// Watch loads the house policy in dir whenever its content has changed and come
// to rest, until ctx ends. A version that is unfit is reported once, and the old
// one serves on.
func (e *Engine) Watch(ctx context.Context, dir string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	before := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			before = e.reload(dir, before)
		}
	}
}

// reload loads what is new in dir, once two looks in succession find the same:
// files are often copied one by one, and half a policy may well be fit. What is
// loaded is what the second look found. It returns the fingerprint of that.
func (e *Engine) reload(dir, before string) string {
	src, err := read(os.DirFS(dir), houseRoot)
	seen := fingerprint(src, err)
	if seen != before || e.known(seen) {
		return seen
	}
	if err := e.load(src, err); err != nil {
		e.log.Error("house policy refused; the old one serves on", "dir", dir, "serving", e.Status().House, "error", err)
		return seen
	}
	e.log.Info("house policy loaded", "dir", dir, "revision", e.Status().House)
	return seen
}
