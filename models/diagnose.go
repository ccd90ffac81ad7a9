package models

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
)

// Clock is what the database takes the time to be.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	query := "select (julianday('now') - 2440587.5) * 86400.0"
	if s.postgres {
		query = "select extract(epoch from clock_timestamp())::float8"
	}
	var seconds float64
	if err := s.read.WithContext(ctx).Raw(query).Scan(&seconds).Error; err != nil {
		return time.Time{}, wrap("read clock", err)
	}
	return time.UnixMilli(int64(seconds * 1000)), nil
}

// Waiting is what the outbox holds.
type Waiting struct {
	Notices int64
	Oldest  int64 // when the oldest was made, unix seconds
	Due     int64 // when the one that is due longest should have been sent
}

// Waiting reads it. Times are 0 if nothing waits.
func (s *Store) Waiting(ctx context.Context) (Waiting, error) {
	var w Waiting
	err := s.read.WithContext(ctx).Raw(`select count(*) as notices, coalesce(min(created_at), 0) as oldest,
		coalesce(min(next_at), 0) as due from outbox`).Scan(&w).Error
	return w, wrap("read outbox", err)
}

// VerifyLatest is Verify of the last n entries alone: each against its leaf, the
// hashes above them against each other and against the head, and the newest signed head.
// What lies before, or is archived, is taken as the tree has it.
func (s *Store) VerifyLatest(ctx context.Context, v note.Verifiers, n int64) (Verification, error) {
	var out Verification
	err := s.snapshot(ctx, func(db *gorm.DB) error {
		w := &verifier{db: db, v: v, out: &out, altered: map[int64]bool{}, roots: map[int64]tlog.Hash{}}
		return w.latest(n)
	})
	return out, wrap("verify ledger", err)
}

func (w *verifier) latest(n int64) error {
	var head Head
	if err := w.db.First(&head, "id = 1").Error; err != nil {
		return err
	}
	if err := head.check(); err != nil {
		return err
	}
	var signed []SignedHead
	if err := w.db.Order("size desc").Limit(1).Find(&signed).Error; err != nil {
		return err
	}
	archived, err := archivedUntil(w.db)
	if err != nil {
		return err
	}
	from := max(archived, head.Size-n)
	if w.edge, err = edgeAt(storedHashes(w.db), from); err != nil {
		return err
	}
	w.size = head.Size
	for _, h := range signed {
		w.roots[h.Size] = rootOf(w.edge) // right if it signed just what lies before
	}
	if err := w.walk(from); err != nil {
		return err
	}
	w.out.Entries, w.out.Root, w.out.Unsigned = head.Size-from, rootOf(w.edge), head.Size
	if len(w.out.Findings) == 0 && !slices.Equal(w.edge, head.Edge) {
		w.find("ledger_head", "does not match the tree")
	}
	for _, h := range signed {
		w.out.Heads, w.out.Unsigned = 1, head.Size-h.Size
		tree, problem := w.open(h.Note)
		switch name := fmt.Sprintf("head %d", h.Size); {
		case problem != "":
			w.find(name, "%s", problem)
		case h.Size > head.Size:
			w.find(name, "signed %d entries, but the ledger has only %d: the end was cut off", h.Size, head.Size)
		case h.Size >= from && tree.Hash != w.roots[h.Size]:
			w.find(name, "does not match the entries before it")
		}
	}
	return nil
}

// edgeAt is the right edge of the tree when it had n records, read off its stored hashes.
func edgeAt(stored tlog.HashReader, n int64) (edge []byte, err error) {
	for at := int64(0); at < n; {
		level := bits.Len64(uint64(n-at)) - 1
		hashes, err := stored.ReadHashes([]int64{tlog.StoredHashIndex(level, at>>level)})
		if err != nil {
			return nil, err
		}
		edge = append(edge, hashes[0][:]...)
		at += 1 << level
	}
	return edge, nil
}
