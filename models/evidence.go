package models

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
)

// Evidence shows that an entry is in the ledger, to whoever trusts the root.
type Evidence struct {
	Tree   Tree   // as it stands
	Leaf   string // the exact text the tree commits to
	Hashes tlog.RecordProof
}

// Evidence proves that an entry is in the tree as it stands.
func (s *Store) Evidence(ctx context.Context, e *Entry) (ev Evidence, err error) {
	err = s.snapshot(ctx, func(db *gorm.DB) error {
		var head Head
		if err := db.First(&head, "id = 1").Error; err != nil {
			return err
		}
		ev = Evidence{Tree: Tree{Size: head.Size, Root: rootOf(head.Edge)}, Leaf: string(e.leaf())}
		ev.Hashes, err = tlog.ProveRecord(head.Size, e.Seq, storedHashes(db))
		return err
	})
	return ev, wrap("prove entry", err)
}
