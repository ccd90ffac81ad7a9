package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/upkeep"
)

// Bounds of what doctor is content with.
const (
	keyTooOld      = 365 * 24 * time.Hour
	connectTimeout = 10 * time.Second
	overdueWarn    = time.Minute // a server sends within seconds
	overdueFail    = 10 * time.Minute
	waitsTooLong   = time.Hour
	headUnsigned   = time.Minute
	someFindings   = 5
	damagedDo      = "see the server's log; deputy audit verify names every finding. Keep the database as it is, and compare with a backup"
	migrateDo      = "deputy migrate"
	unreachableDo  = "see that it runs, and DEPUTY_DATABASE_URL or DEPUTY_DATA_DIR"
)

// local looks at what a server on this machine would work with.
func (c *doctorCmd) local(ctx context.Context, d *doctor) {
	c.stored(ctx, d)
	c.policy(ctx, d)
	c.mail(ctx, d)
}

// stored looks at the database and what is in it.
func (c *doctorCmd) stored(ctx context.Context, d *doctor) {
	store := c.reachable(ctx, d)
	if store == nil {
		return
	}
	defer store.Close()
	if !c.schema(ctx, d, store) {
		return
	}
	for _, check := range []func(context.Context, *doctor, *models.Store){c.databaseClock, c.sealed, c.signing, c.outbox, c.receivers, c.ledger} {
		check(ctx, d, store)
	}
}

// reachable opens the database, and makes none.
func (c *doctorCmd) reachable(ctx context.Context, d *doctor) *models.Store {
	if c.DatabaseURL == "" {
		if _, err := os.Stat(filepath.Join(c.DataDir, "deputy.db")); err != nil {
			d.fail("database", unreachableDo, "there is none in %s", c.DataDir)
			return nil
		}
	}
	store, err := c.open()
	if err == nil {
		one, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		if err = store.Ping(one); err != nil {
			_ = store.Close()
		}
	}
	if err != nil {
		d.fail("database", unreachableDo, "%v", err)
		return nil
	}
	d.ok("database", "%s answers", store.Dialect())
	return store
}

func (c *doctorCmd) schema(ctx context.Context, d *doctor, store *models.Store) bool {
	schema, err := store.Schema(ctx)
	switch {
	case err != nil:
		d.fail("schema", migrateDo, "there is none: %v", err)
	case schema.Has > schema.Wants:
		d.fail("schema", "run the newer release", "it is of version %d, and this release knows %d", schema.Has, schema.Wants)
	case schema.Missing > 0:
		d.fail("schema", migrateDo, "it is of version %d, this release wants %d, and %d steps were not taken", schema.Has, schema.Wants, schema.Missing)
	default:
		d.ok("schema", "version %d, as this release wants it", schema.Has)
		return true
	}
	return false
}

func (c *doctorCmd) databaseClock(ctx context.Context, d *doctor, store *models.Store) {
	there, err := store.Clock(ctx)
	if err != nil {
		d.fail("database clock", unreachableDo, "%v", err)
		return
	}
	d.skew("database clock", "the database's clock", there)
}

// sealed tries the master key on everything.
func (c *doctorCmd) sealed(ctx context.Context, d *doctor, store *models.Store) {
	const check = "master key"
	if c.MasterKey == "" {
		d.warn(check, "set DEPUTY_MASTER_KEY as the server has it", "it is not given, so whether it opens what is sealed is not known")
		return
	}
	master, err := c.master()
	if err != nil {
		d.fail(check, "set DEPUTY_MASTER_KEY as the server has it", "%v", err)
		return
	}
	n, err := opens(ctx, store, master)
	if err != nil {
		d.fail(check, "set DEPUTY_MASTER_KEY as the server has it; after it was changed, deputy keys rewrap", "%v", err)
		return
	}
	d.ok(check, "it opens all that is sealed: %d secrets", n)
}

func (c *doctorCmd) signing(ctx context.Context, d *doctor, store *models.Store) {
	const check, do = "signing key", "deputy keys rotate"
	keys, err := store.SigningKeys(ctx)
	if err != nil {
		d.fail(check, unreachableDo, "%v", err)
		return
	}
	now := d.now().Unix()
	var active, last *models.SigningKey
	for i, k := range keys {
		if k.Purpose != models.KeyForTokens {
			continue
		}
		if k.ActiveAt <= now && now < k.RetiresAt {
			active = &keys[i]
		}
		if last == nil || k.RetiresAt > last.RetiresAt {
			last = &keys[i]
		}
	}
	switch {
	case active == nil:
		d.fail(check, do, "none signs tokens now")
	case last.RetiresAt != models.Never:
		d.fail(check, do, "the last one ends at %s, and none follows", time.Unix(last.RetiresAt, 0).UTC().Format(time.RFC3339))
	case time.Duration(now-active.ActiveAt)*time.Second > keyTooOld:
		d.warn(check, do, "%s signs since %s", active.ID, time.Unix(active.ActiveAt, 0).UTC().Format(time.DateOnly))
	default:
		d.ok(check, "%s signs since %s", active.ID, time.Unix(active.ActiveAt, 0).UTC().Format(time.DateOnly))
	}
}

func (c *doctorCmd) outbox(ctx context.Context, d *doctor, store *models.Store) {
	const check = "outbox"
	w, err := store.Waiting(ctx)
	if err != nil {
		d.fail(check, unreachableDo, "%v", err)
		return
	}
	if w.Notices == 0 {
		d.ok(check, "nothing waits to be told")
		return
	}
	now := d.now()
	overdue, oldest := now.Sub(time.Unix(w.Due, 0)).Round(time.Second), now.Sub(time.Unix(w.Oldest, 0)).Round(time.Second)
	const nobody = "see that a server runs, and its log"
	switch {
	case overdue > overdueFail:
		d.fail(check, nobody, "%d wait, and nobody sends: the first should have gone %v ago", w.Notices, overdue)
	case overdue > overdueWarn:
		d.warn(check, nobody, "%d wait, and the first should have gone %v ago", w.Notices, overdue)
	case oldest > waitsTooLong:
		d.warn(check, "see /account/word, or the ledger, for what keeps it from being taken", "%d wait, the oldest for %v", w.Notices, oldest)
	default:
		d.ok(check, "%d wait, the oldest for %v", w.Notices, oldest)
	}
}

// ledger verifies what was written last; the whole of it is for deputy audit verify.
func (c *doctorCmd) ledger(ctx context.Context, d *doctor, store *models.Store) {
	const check = "ledger"
	verifiers, err := upkeep.Verifiers(ctx, store, nil)
	if err != nil {
		d.fail(check, "start the server once", "%v", err)
		return
	}
	n := max(1, c.Entries)
	if c.Thorough {
		n = math.MaxInt64
	}
	v, err := store.VerifyLatest(ctx, verifiers, n)
	if err != nil {
		d.fail(check, damagedDo, "%v", err)
		return
	}
	if len(v.Findings) > 0 {
		var first []string
		for _, f := range v.Findings[:min(someFindings, len(v.Findings))] {
			first = append(first, f.String())
		}
		d.fail(check, damagedDo, "%d findings: %s", len(v.Findings), strings.Join(first, "; "))
		return
	}
	d.ok(check, "the last %d entries are as they were written", v.Entries)
	c.signedLately(ctx, d, store, v.Unsigned)
}

func (c *doctorCmd) signedLately(ctx context.Context, d *doctor, store *models.Store, unsigned int64) {
	const check = "ledger head"
	head, err := store.LatestHead(ctx)
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		d.fail(check, unreachableDo, "%v", err)
		return
	}
	if age := d.now().Sub(time.UnixMilli(head.At)); unsigned > 0 && age > headUnsigned {
		d.warn(check, "start the server: it signs the head every second", "%d entries are newer than the newest signed head", unsigned)
		return
	}
	d.ok(check, "the newest signed head covers all but the last %d entries", unsigned)
}

// policy loads what a server would load, and runs the tests of house policy.
func (c *doctorCmd) policy(ctx context.Context, d *doctor) {
	const check = "policy"
	options := bundles.Options{Log: slog.New(slog.DiscardHandler)}
	if c.PolicyDir != "" {
		if _, err := os.Stat(c.PolicyDir); err != nil {
			d.fail(check, "see DEPUTY_POLICY_DIR", "%v", err)
			return
		}
		options.House = os.DirFS(c.PolicyDir)
	}
	engine, err := bundles.New(options)
	if err != nil {
		d.fail(check, "deputy policy check", "a server would not start with it: %v", err)
		return
	}
	d.ok(check, "it loads, with house policy %s", engine.Status().House)
	if c.PolicyDir != "" {
		c.tested(ctx, d, "policy: house", options.House, ".")
	}
	if c.Thorough {
		for _, root := range []string{"floor", "compose"} {
			c.tested(ctx, d, "policy: "+root, bundles.Shipped(), root)
		}
	}
}

func (c *doctorCmd) tested(ctx context.Context, d *doctor, check string, fsys fs.FS, root string) {
	const do = "deputy policy test"
	report, err := bundles.Test(ctx, fsys, root)
	switch {
	case err != nil:
		d.fail(check, do, "%v", err)
	case len(report.Failed) > 0:
		d.fail(check, do, "%d of its tests fail: %s", len(report.Failed), report.Failed[0])
	case report.Passed == 0:
		d.warn(check, "write some: docs/policies.md", "it has no tests")
	default:
		d.ok(check, "%d tests pass", report.Passed)
	}
}

func (c *doctorCmd) mail(ctx context.Context, d *doctor) {
	const check = "mail"
	smtp, err := c.smtp(c.Issuer)
	if err == nil && smtp == nil {
		d.ok(check, "no mail server is set: people get no mail")
		return
	}
	if err == nil {
		_, err = c.from(false)
	}
	if err == nil {
		one, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		err = smtp.Connect(one)
	}
	if err != nil {
		d.fail(check, "see DEPUTY_SMTP_… and DEPUTY_MAIL_FROM", "%v", err)
		return
	}
	d.ok(check, "%s takes mail", smtp.Address)
}
