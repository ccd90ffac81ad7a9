package models

import (
	"context"
	"slices"

	"gorm.io/gorm"
)

// ChangesKept is how many epochs of changes stay, at least. A cache reads them four
// times a second, and a decision takes seconds: whoever is further behind begins anew.
const ChangesKept = 10_000

// forgottenAtOnce bounds how many epochs one transaction forgets: others wait for it.
const forgottenAtOnce = 20_000

// PurgeChanges forgets what changed more than keep epochs ago. Whoever would have
// needed it is told by the head how far back changes are known: a cache that is further
// behind begins anew, and a decision on facts that are older is taken again.
func (s *Store) PurgeChanges(ctx context.Context, keep int64) error {
	for more := true; more; {
		err := s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			head, err := lockHead(within{tx})
			if err != nil {
				return err
			}
			until := min(head.Epoch-keep, head.Forgotten+forgottenAtOnce)
			if more = until > head.Forgotten; !more {
				return nil
			}
			if err := tx.Exec("delete from changes where epoch <= ?", until).Error; err != nil {
				return err
			}
			return tx.Exec("update ledger_head set forgotten = ? where id = 1", until).Error
		})
		if err != nil {
			return wrap("purge changes", err)
		}
	}
	return nil
}

// stale reports whether something the view hangs from was touched after it, or may have
// been: what changed so long ago is forgotten.
func (v *View) stale(head *Head, latest map[string]int64) bool {
	return v.Epoch < head.Forgotten || slices.ContainsFunc(v.Deps, func(k string) bool { return latest[k] > v.Epoch })
}

// PurgeUsed forgets single-use values that expired before a moment.
func (s *Store) PurgeUsed(ctx context.Context, moment int64) error {
	return wrap("purge", s.write.WithContext(ctx).Where("expires_at < ?", moment).Delete(&Once{}).Error)
}
