package models

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"
)

// TokensOutlived is how far back an archive must end, in seconds: twice as long as any
// token lives, so that what is archived speaks of none that can be used.
const TokensOutlived = 2 * 86400

// removedAtOnce bounds how many entries one transaction removes: others wait for it.
const removedAtOnce = 2000

// Archived records that the beginning of the ledger is in an archive, which the caller has
// proven and stored, and removes it: entries, the tokens they granted, the heads before it,
// and facts that nothing speaks of any more. The tree's hashes stay, so that what is left is
// proven as before. If it is interrupted, RemoveArchived goes on.
func (s *Store) Archived(ctx context.Context, by By, a Archive) error {
	err := s.change(ctx, by, ActionArchive, func(c *change) error {
		from, err := archivedUntil(c.tx)
		if err != nil {
			return err
		}
		edge, err := edgeAt(storedHashes(c.tx), a.To)
		switch {
		case err != nil:
			return err
		case a.From != from:
			return fmt.Errorf("the archive begins at entry %d, and the ledger is archived up to %d: %w", a.From, from, ErrConflict)
		case rootOf(edge) != a.Root:
			return fmt.Errorf("the archive is of another ledger: %w", ErrConflict)
		}
		var live int64
		err = c.tx.Raw(`select count(*) from tokens where expires_at >= ? and decision_id in (select id from ledger where seq < ?)`, c.now, a.To).Scan(&live).Error
		if err != nil {
			return err
		}
		if live > 0 {
			return fmt.Errorf("the archive speaks of %d tokens that live: %w", live, ErrConflict)
		}
		return c.record(objectOfLedger, nil, a)
	})
	if err != nil {
		return err
	}
	return s.RemoveArchived(ctx)
}

// RemoveArchived removes what is archived. There may be nothing left of it.
func (s *Store) RemoveArchived(ctx context.Context) error {
	until, err := s.ArchivedUntil(ctx)
	if err != nil {
		return err
	}
	digests := map[string]bool{}
	for {
		var rows []Entry
		if err := s.read.WithContext(ctx).Where("seq < ?", until).Order("seq").Limit(removedAtOnce).Find(&rows).Error; err != nil {
			return wrap("remove archived", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, e := range rows {
			digestsIn(e.Detail, digests)
		}
		if err := s.removeEntries(ctx, rows[len(rows)-1].Seq); err != nil {
			return wrap("remove archived", err)
		}
	}
	if err := s.write.WithContext(ctx).Exec("delete from ledger_heads where size < ?", until).Error; err != nil {
		return wrap("remove archived", err)
	}
	return wrap("remove facts", s.pruneFacts(ctx, digests))
}

// removeEntries removes entries up to one, with the tokens they granted.
func (s *Store) removeEntries(ctx context.Context, last int64) error {
	return s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		err := tx.Exec(`delete from tokens where id in (select token_id from ledger where seq <= ?)
			and decision_id in (select id from ledger where seq <= ?)`, last, last).Error
		if err != nil {
			return err
		}
		return tx.Exec("delete from ledger where seq <= ?", last).Error
	})
}

// pruneFacts removes those facts that no entry speaks of. Most of the ledger is read
// before anybody has to wait; the rest, and what is removed, is one transaction in the order
// of all batches, after which no server takes for stored what it remembers to be.
func (s *Store) pruneFacts(ctx context.Context, facts map[string]bool) error {
	if len(facts) == 0 {
		return nil
	}
	seen, err := stillSpoken(s.read.WithContext(ctx), -1, facts)
	if err != nil || len(facts) == 0 {
		return err
	}
	return s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		head, err := lockHead(within{tx})
		if err != nil {
			return err
		}
		if _, err := stillSpoken(tx, seen, facts); err != nil {
			return err
		}
		for some := range slices.Chunk(slices.Sorted(maps.Keys(facts)), 500) {
			if err := tx.Where("digest in ?", some).Delete(&FactBody{}).Error; err != nil {
				return err
			}
		}
		return tx.Exec("update ledger_head set pruned = ? where id = 1", head.Pruned+1).Error
	})
}

// stillSpoken takes out of facts what entries after one speak of, and tells which it
// read last.
func stillSpoken(db *gorm.DB, after int64, facts map[string]bool) (int64, error) {
	for {
		var rows []Entry
		if err := db.Select("seq", "detail").Where("seq > ?", after).Order("seq").Limit(1000).Find(&rows).Error; err != nil || len(rows) == 0 {
			return after, err
		}
		spoken := map[string]bool{}
		for _, e := range rows {
			digestsIn(e.Detail, spoken)
			after = e.Seq
		}
		maps.DeleteFunc(facts, func(digest string, _ bool) bool { return spoken[digest] })
	}
}
