package bundles

import (
	"context"
	"os"
	"time"
)

// Watch loads the house policy in dir whenever its content changes, until ctx
// ends. A version that is unfit is reported once, and the old one serves on.
func (e *Engine) Watch(ctx context.Context, dir string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen := e.Status().House
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			seen = e.reload(dir, seen)
		}
	}
}

// reload returns the revision it last looked at, fit or not.
func (e *Engine) reload(dir, seen string) string {
	fsys := os.DirFS(dir)
	revision := fingerprint(fsys)
	if revision == seen {
		return seen
	}
	if err := e.Load(fsys); err != nil {
		e.log.Error("house policy refused; the old one serves on", "dir", dir, "serving", e.Status().House, "error", err)
		return revision
	}
	e.log.Info("house policy loaded", "dir", dir, "revision", e.Status().House)
	return revision
}
