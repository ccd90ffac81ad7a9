package models

import (
	"context"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
)

// EntryFilter narrows a list of ledger entries; empty fields do not.
type EntryFilter struct {
	Kind, Action, Outcome, ClientID, SubjectID, ResourceID, TokenID, Txn, GrantID, Policy string
	Since, Until                                                                          int64 // unix milliseconds, inclusive and exclusive; 0 = open
	Newest                                                                                bool  // newest first
}

// Entries lists ledger entries in order of sequence; after is the seq of the
// last entry of the page before, -1 for the first page. more tells whether
// others follow.
func (s *Store) Entries(ctx context.Context, f EntryFilter, after int64, limit int) (rows []Entry, more bool, err error) {
	limit = Page{Limit: limit}.size()
	if f.ClientID == "" && f.SubjectID == "" {
		err = f.query(s.read.WithContext(ctx), after).Limit(limit + 1).Find(&rows).Error
	} else {
		rows, err = s.alongStretches(ctx, f, after, limit+1)
	}
	if err != nil {
		return nil, false, wrap("list entries", err)
	}
	if len(rows) > limit {
		return rows[:limit], true, nil
	}
	return rows, false, nil
}

func (f EntryFilter) query(db *gorm.DB, after int64) *gorm.DB {
	q := where(db, map[string]string{
		"kind": f.Kind, "action": f.Action, "outcome": f.Outcome, "client_id": f.ClientID, "subject_id": f.SubjectID,
		"resource_id": f.ResourceID, "token_id": f.TokenID, "txn": f.Txn, "grant_id": f.GrantID, "policy": f.Policy,
	})
	if f.Since > 0 {
		q = q.Where("at >= ?", f.Since)
	}
	if f.Until > 0 {
		q = q.Where("at < ?", f.Until)
	}
	if f.Newest {
		q = q.Order("seq desc")
	} else {
		q = q.Order("seq")
	}
	if after >= 0 {
		q = q.Where(map[bool]string{false: "seq > ?", true: "seq < ?"}[f.Newest], after)
	}
	return q
}

// The ledger's entries are indexed by stretches of so many rows, so that what is
// written together lies together. A list looks into some stretches at a time.
const (
	stretch         = 256
	stretchesAtOnce = 128
)

// alongStretches lists the entries of one client or subject.
func (s *Store) alongStretches(ctx context.Context, f EntryFilter, after int64, limit int) (rows []Entry, err error) {
	db := s.read.WithContext(ctx)
	var size int64
	if err := db.Model(&Head{}).Select("size").Scan(&size).Error; err != nil {
		return nil, err
	}
	at, last, step := max(after, 0)/stretch, size/stretch, int64(1)
	if f.Newest {
		at, last, step = last, 0, -1
		if after >= 0 {
			at = after / stretch
		}
	}
	for ; len(rows) < limit && (last-at)*step >= 0; at += step * stretchesAtOnce {
		some := make([]int64, 0, stretchesAtOnce)
		for n := at; len(some) < stretchesAtOnce && (last-n)*step >= 0; n += step {
			some = append(some, n)
		}
		var found []Entry
		if err := f.within(f.query(db, after), some).Limit(limit - len(rows)).Find(&found).Error; err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// within narrows a query to some stretches, in the words of the indexes: that by
// subject leaves out clients who act for themselves, whom the other one finds.
func (f EntryFilter) within(q *gorm.DB, stretches []int64) *gorm.DB {
	if f.ClientID != "" {
		return q.Where("(seq / 256) in ?", stretches)
	}
	return q.Where("((seq / 256) in ? and subject_id = ? and subject_id <> client_id) or ((seq / 256) in ? and client_id = ?)",
		stretches, f.SubjectID, stretches, f.SubjectID)
}

// EntryByID reads one entry. ErrNotFound if there is none.
func (s *Store) EntryByID(ctx context.Context, id string) (*Entry, error) {
	return get[Entry](ctx, s, "read entry", id)
}

// FactBodies reads recorded facts by digest.
func (s *Store) FactBodies(ctx context.Context, digests []string) (map[string]string, error) {
	var rows []FactBody
	if err := s.read.WithContext(ctx).Where("digest in ?", digests).Find(&rows).Error; err != nil {
		return nil, wrap("read facts", err)
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.Digest] = r.Body
	}
	return out, nil
}

// Finding is something in the ledger that is not as it was written.
type Finding struct {
	Where   string // "entry 12 (dec_…)", "fact 3fa2…", "head 40"
	Problem string
}

func (f Finding) String() string { return f.Where + ": " + f.Problem }

// Verification is what Verify found.
type Verification struct {
	Entries  int64
	Facts    int64
	Heads    int64
	Unsigned int64 // entries newer than the newest signed head
	Archived int64 // entries from the first on that are not here any more, as the ledger says
	Root     tlog.Hash
	Findings []Finding
}

// Verify recomputes the ledger from its rows: every entry against its leaf in
// the tree, every stored hash against its children, every signed head against
// the tree of its size, every fact against its digest, every issued token
// against the entry that granted it. It reads one snapshot and changes nothing.
// v are the keys that heads may be signed by, kept heads that were stored elsewhere.
func (s *Store) Verify(ctx context.Context, v note.Verifiers, kept []string) (Verification, error) {
	var out Verification
	err := s.snapshot(ctx, func(db *gorm.DB) error {
		w := &verifier{db: db, v: v, notes: kept, out: &out, altered: map[int64]bool{}}
		for _, step := range []func() error{w.entries, w.heads, w.kept, w.facts, w.tokens} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return out, wrap("verify ledger", err)
}
