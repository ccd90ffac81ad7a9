package main

import (
	"context"
	"fmt"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// receivers looks at where events are pushed to: each that is not well is named.
func (c *doctorCmd) receivers(ctx context.Context, d *doctor, store *models.Store) {
	const check = "event receivers"
	all, _, err := store.EventReceivers(ctx, models.Page{Limit: 200})
	if err != nil {
		d.fail(check, unreachableDo, "%v", err)
		return
	}
	well, waiting := 0, 0
	for i := range all {
		left, err := grants.LeftUntold(ctx, store, &all[i])
		if err != nil {
			d.fail(check, unreachableDo, "%v", err)
			return
		}
		if d.receiver(&all[i], left) {
			well++
			waiting += left.Events
		}
	}
	switch {
	case len(all) == 0:
		d.ok(check, "there are none")
	case well == len(all):
		d.ok(check, "%d take events; %d wait to be told", well, waiting)
	}
}

// receiver says how one is if it is not well.
func (d *doctor) receiver(r *models.EventReceiver, left grants.Untold) (well bool) {
	const (
		theirsDo = "see that it answers there, and deputy receiver list; what it does not take for a day it is never told"
		oursDo   = "see that a server runs, and its log"
	)
	check := "event receiver " + r.ID
	now := d.now()
	waits := now.Sub(time.UnixMilli(left.Oldest)).Round(time.Second)
	detail := fmt.Sprintf("%s: took all up to %s; %d wait", r.URL, time.UnixMilli(left.Taken).UTC().Format(time.RFC3339), left.Events)
	if left.Events > 0 {
		detail += fmt.Sprintf(", the oldest for %v", waits)
	}
	failing := time.Duration(0)
	if r.FailingSince != 0 {
		failing = now.Sub(time.Unix(r.FailingSince, 0)).Round(time.Second)
		detail += fmt.Sprintf("; %d attempts failed since %v", r.Tries, failing)
	}
	switch {
	case left.Gone:
		d.warn(check, oursDo, "%s: its place in the feed is gone, so it has to be told to look at everything anew", r.URL)
	case failing > waitsTooLong:
		d.fail(check, theirsDo, "%s", detail)
	case failing > overdueWarn:
		d.warn(check, theirsDo, "%s", detail)
	case failing == 0 && left.Events > 0 && waits > overdueFail:
		d.fail(check, oursDo, "%s", detail)
	case failing == 0 && left.Events > 0 && waits > overdueWarn:
		d.warn(check, oursDo, "%s", detail)
	default:
		return true
	}
	return false
}
