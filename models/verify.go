package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// verifier recomputes the ledger within one snapshot of the database.
type verifier struct {
	db    *gorm.DB
	v     note.Verifiers
	notes []string // heads that were kept elsewhere
	out   *Verification

	size    int64               // of the ledger, as most of what there is has it
	edge    []byte              // of the tree as recomputed from the rows
	roots   map[int64]tlog.Hash // root for each size that a head speaks of
	altered map[int64]bool      // seqs of rows that are not what was written
}

// maxFindings is enough to see that something is badly wrong.
const maxFindings = 1000

func (s *Store) snapshot(ctx context.Context, fn func(*gorm.DB) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.postgres {
		opts.Isolation = sql.LevelRepeatableRead
		return s.read.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			if err := tx.Exec("set local idle_in_transaction_session_timeout = 0").Error; err != nil { // nobody waits for a reader
				return err
			}
			return fn(tx)
		}, opts)
	}
	return s.read.WithContext(ctx).Transaction(fn) // WAL: a read transaction is a snapshot
}

func (w *verifier) find(where, format string, args ...any) {
	if len(w.out.Findings) < maxFindings {
		w.out.Findings = append(w.out.Findings, Finding{Where: where, Problem: fmt.Sprintf(format, args...)})
	}
}

// entries walks the rows in order, growing the tree anew and comparing each
// hash with the one that was stored when the row was written.
func (w *verifier) entries() error {
	var head Head
	if err := w.db.First(&head, "id = 1").Error; err != nil {
		return err
	}
	var err error
	if w.out.Archived, err = archivedUntil(w.db); err != nil {
		return err
	}
	hashes, err := w.measure(head.Size)
	if err != nil {
		return err
	}
	if err := w.collectSizes(); err != nil {
		return err
	}
	if err := w.beyond(); err != nil {
		return err
	}
	if err := w.strays(); err != nil {
		return err
	}
	w.out.Entries, w.out.Root = w.size, rootOf(w.edge)
	switch {
	case head.Size != w.size:
		w.find("ledger_head", "speaks of %d entries where there are %d", head.Size, w.size)
	case len(w.out.Findings) > 0: // may well be why the rest does not match
	case hashes != storageIndex(w.size):
		w.find("ledger_tree", "holds %d hashes where %d entries have %d", hashes, w.size, storageIndex(w.size))
	case !slices.Equal(w.edge, head.Edge):
		w.find("ledger_head", "does not match the tree")
	}
	return nil
}

// measure finds out how large the ledger is when head, rows and tree may each
// have been tampered with: as large as the one in the middle. It returns how
// many hashes the tree has.
func (w *verifier) measure(head int64) (hashes int64, err error) {
	var rows, bytes int64
	if err := w.db.Model(&Entry{}).Where("seq < 0 or seq >= ?", w.out.Archived).Count(&rows).Error; err != nil {
		return 0, err
	}
	rows += w.out.Archived
	if err := w.db.Raw("select coalesce(sum(length(hashes)), 0) from ledger_tree").Scan(&bytes).Error; err != nil {
		return 0, err
	}
	hashes = bytes / tlog.HashSize
	tree := sort.Search(int(hashes), func(n int) bool { return storageIndex(int64(n)+1) > hashes })
	sizes := []int64{head, rows, int64(tree)}
	slices.Sort(sizes)
	w.size = sizes[1]
	return hashes, nil
}

// beyond walks what is not archived. What is, is taken as the tree has it: the roots of
// heads that were signed since cover it, and so do those that are kept elsewhere.
func (w *verifier) beyond() (err error) {
	stored := storedHashes(w.db)
	for size := range w.roots {
		if size > w.out.Archived {
			continue
		}
		edge, err := edgeAt(stored, size)
		if err != nil && !errors.Is(err, errNoHash) {
			return err
		}
		w.roots[size] = rootOf(edge)
	}
	w.edge, err = edgeAt(stored, w.out.Archived)
	if errors.Is(err, errNoHash) {
		w.find("ledger_tree", "the hashes of what is archived are missing: %v", err)
		w.edge, err = nil, nil
		w.out.Archived = 0
	}
	if err != nil {
		return err
	}
	return w.walk(w.out.Archived)
}

// walk recomputes the tree from an entry on; edge is that of the tree before it.
func (w *verifier) walk(next int64) error {
	stored := storedHashes(w.db)
	missing := func(until int64) error {
		for ; next < until; next++ {
			w.find(fmt.Sprintf("entry %d", next), "the row is missing")
			if err := w.grow(stored, next, nil, ""); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		var rows []Entry
		if err := w.db.Where("seq >= ? and seq < ?", next, w.size).Order("seq").Limit(500).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			return missing(w.size)
		}
		for _, e := range rows {
			if err := missing(e.Seq); err != nil {
				return err
			}
			if err := w.grow(stored, next, e.leaf(), e.ID); err != nil {
				return err
			}
			next++
		}
	}
}

// strays are rows where the ledger has no place for any.
func (w *verifier) strays() error {
	var rows []Entry
	if err := w.db.Where("seq < 0 or seq >= ?", w.size).Order("seq").Limit(maxFindings).Find(&rows).Error; err != nil {
		return err
	}
	for _, e := range rows {
		w.find(fmt.Sprintf("entry %d (%s)", e.Seq, e.ID), "the row lies outside the ledger")
	}
	return nil
}

// grow adds row n to the recomputed tree. A row that is not what was written is
// named, and the stored leaf stands in for it, so that only it is.
func (w *verifier) grow(stored tlog.HashReader, n int64, leaf []byte, id string) error {
	hashes, edge := growTree(w.edge, n, leaf)
	for i := 0; i*tlog.HashSize < len(hashes); i++ {
		var want tlog.Hash
		copy(want[:], hashes[i*tlog.HashSize:])
		got, err := stored.ReadHashes([]int64{storageIndex(n) + int64(i)})
		if errors.Is(err, errNoHash) {
			w.find(fmt.Sprintf("tree at entry %d", n), "%v", err)
			break
		}
		if err != nil {
			return err
		}
		if got[0] == want {
			continue
		}
		switch {
		case i > 0:
			w.find(fmt.Sprintf("tree at entry %d", n), "a stored hash does not match the hashes below it")
		case leaf != nil:
			w.find(fmt.Sprintf("entry %d (%s)", n, id), "the row is not what was written")
			w.altered[n] = true
		}
		hashes, edge = regrow(w.edge, n, got[0], i)
	}
	w.edge = edge
	if _, asked := w.roots[n+1]; asked {
		w.roots[n+1] = rootOf(edge)
	}
	return nil
}

// regrow is growTree with the hash at level i replaced by h.
func regrow(edge []byte, n int64, h tlog.Hash, level int) (stored, next []byte) {
	next = append([]byte(nil), edge...)
	for l := 0; l < level; l++ {
		next = next[:len(next)-tlog.HashSize]
		stored = append(stored, make([]byte, tlog.HashSize)...)
		n >>= 1
	}
	stored = append(stored, h[:]...)
	for ; n&1 == 1; n >>= 1 {
		var left tlog.Hash
		copy(left[:], next[len(next)-tlog.HashSize:])
		next = next[:len(next)-tlog.HashSize]
		h = tlog.NodeHash(left, h)
		stored = append(stored, h[:]...)
	}
	return stored, append(next, h[:]...)
}

// collectSizes notes at which sizes the root of the tree will be asked for.
func (w *verifier) collectSizes() error {
	var sizes []int64
	if err := w.db.Model(&SignedHead{}).Pluck("size", &sizes).Error; err != nil {
		return err
	}
	for _, text := range w.notes {
		if tree, problem := w.open(text); problem == "" {
			sizes = append(sizes, tree.N)
		}
	}
	w.roots = map[int64]tlog.Hash{}
	for _, n := range sizes {
		w.roots[n] = rootOf(nil)
	}
	return nil
}

func (w *verifier) heads() error {
	var heads []SignedHead
	if err := w.db.Order("size").Find(&heads).Error; err != nil {
		return err
	}
	w.out.Heads, w.out.Unsigned = int64(len(heads)), w.out.Entries
	for _, h := range heads {
		name := fmt.Sprintf("head %d", h.Size)
		tree, problem := w.open(h.Note)
		switch {
		case problem != "":
			w.find(name, "%s", problem)
		case tree.N != h.Size:
			w.find(name, "speaks of %d entries", tree.N)
		case h.Size > w.out.Entries:
			w.find(name, "signed %d entries, but the ledger has only %d: the end was cut off", h.Size, w.out.Entries)
		case tree.Hash != w.roots[h.Size]:
			w.find(name, "does not match the entries before it")
		default:
			w.out.Unsigned = w.out.Entries - h.Size
		}
	}
	return nil
}

// kept compares heads that were stored elsewhere with the tree as it is now.
func (w *verifier) kept() error {
	for _, text := range w.notes {
		tree, problem := w.open(text)
		name := fmt.Sprintf("kept head %d", tree.N)
		switch {
		case problem != "":
			w.find("kept head", "%s", problem)
		case tree.N > w.size:
			w.find(name, "signed %d entries, but the ledger has only %d: the end was cut off", tree.N, w.size)
		case tree.Hash != w.roots[tree.N]:
			w.find(name, "does not match the ledger: what came before it was rewritten")
		}
	}
	return nil
}

func (w *verifier) open(text string) (tlog.Tree, string) {
	n, err := note.Open([]byte(text), w.v)
	if err != nil {
		return tlog.Tree{}, "the signature does not hold"
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return tlog.Tree{}, "is not a tree head"
	}
	return tree, ""
}

func (w *verifier) facts() error {
	var after string
	for {
		var rows []FactBody
		if err := w.db.Where("digest > ?", after).Order("digest").Limit(500).Find(&rows).Error; err != nil || len(rows) == 0 {
			return err
		}
		for _, f := range rows {
			after = f.Digest
			w.out.Facts++
			if sum := sha256.Sum256([]byte(f.Body)); hex.EncodeToString(sum[:]) != f.Digest {
				w.find("fact "+f.Digest, "the body does not match its digest")
			}
		}
	}
}

// tokens holds the record of each token against the decision that granted it.
func (w *verifier) tokens() error {
	var after string
	for {
		var rows []Token
		if err := w.db.Where("id > ?", after).Order("id").Limit(500).Find(&rows).Error; err != nil || len(rows) == 0 {
			return err
		}
		ids := make([]string, len(rows))
		for i, t := range rows {
			ids[i] = t.DecisionID
		}
		var entries []Entry
		if err := w.db.Where("id in ?", ids).Find(&entries).Error; err != nil {
			return err
		}
		byID := make(map[string]Entry, len(entries))
		for _, e := range entries {
			byID[e.ID] = e
		}
		for _, t := range rows {
			after = t.ID
			e, there := byID[t.DecisionID]
			if there && w.altered[e.Seq] {
				continue // it is the entry that does not match
			}
			if problem := tokenProblem(t, e); problem != "" {
				w.find("token "+t.ID, "%s", problem)
			}
		}
	}
}

func tokenProblem(t Token, e Entry) string {
	if e.TokenID != t.ID || e.Kind != KindDecision || e.Outcome != OutcomeGranted {
		return "no decision in the ledger granted it"
	}
	var d struct {
		Input struct {
			Now int64 `json:"now"`
		} `json:"input"`
		Decision policies.Decision `json:"decision"`
	}
	if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
		return "the decision that granted it cannot be read"
	}
	if t.ClientID != e.ClientID || t.SubjectID != e.SubjectID || t.ResourceID != e.ResourceID || t.GrantID != e.GrantID ||
		t.ParentID != e.ParentID || t.Txn != e.Txn || t.IssuedAt != d.Input.Now || t.ExpiresAt != t.IssuedAt+d.Decision.TTL ||
		!slices.Equal(t.Scopes, d.Decision.Scopes) || !slices.Equal(t.Chain, d.Decision.Chain) || !sameDetails(t.Details, d.Decision.Details) {
		return "is not what the ledger granted"
	}
	return ""
}
