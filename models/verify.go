package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
)

// verifier recomputes the ledger within one snapshot of the database.
type verifier struct {
	db  *gorm.DB
	v   note.Verifier
	out *Verification

	edge  []byte              // of the tree as recomputed from the rows
	roots map[int64]tlog.Hash // root for each size that a head speaks of
}

func (s *Store) snapshot(ctx context.Context, fn func(*gorm.DB) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.postgres {
		opts.Isolation = sql.LevelRepeatableRead
		return s.read.WithContext(ctx).Transaction(fn, opts)
	}
	return s.read.WithContext(ctx).Transaction(fn) // WAL: a read transaction is a snapshot
}

func (w *verifier) find(where, format string, args ...any) {
	if len(w.out.Findings) < 1000 {
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
	if err := w.collectHeadSizes(); err != nil {
		return err
	}
	stored := storedHashes(w.db)
	var next int64
	for {
		var rows []Entry
		if err := w.db.Where("seq >= ?", next).Order("seq").Limit(500).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, e := range rows {
			for ; next < e.Seq; next++ {
				w.find(fmt.Sprintf("entry %d", next), "the row is missing")
				w.grow(stored, next, nil, "")
			}
			w.grow(stored, next, e.leaf(), e.ID)
			next++
		}
	}
	for ; next < head.Size; next++ {
		w.find(fmt.Sprintf("entry %d", next), "the row is missing at the end")
		w.grow(stored, next, nil, "")
	}
	w.out.Entries, w.out.Root = next, rootOf(head.Edge)
	if next > head.Size {
		w.find(fmt.Sprintf("entry %d", head.Size), "there are rows beyond the ledger's end")
	} else if !slices.Equal(w.edge, head.Edge) && len(w.out.Findings) == 0 {
		w.find("ledger_head", "does not match the tree")
	}
	return nil
}

// grow adds row n to the recomputed tree. A row that is not what was written is
// named, and the stored leaf stands in for it, so that only it is.
func (w *verifier) grow(stored tlog.HashReader, n int64, leaf []byte, id string) {
	hashes, edge := growTree(w.edge, n, leaf)
	for i := 0; i*tlog.HashSize < len(hashes); i++ {
		var want tlog.Hash
		copy(want[:], hashes[i*tlog.HashSize:])
		got, err := stored.ReadHashes([]int64{storageIndex(n) + int64(i)})
		switch {
		case err != nil:
			w.find(fmt.Sprintf("tree at entry %d", n), "%v", err)
			w.edge = edge
			return
		case got[0] == want:
			continue
		case i == 0 && leaf != nil:
			w.find(fmt.Sprintf("entry %d (%s)", n, id), "the row is not what was written")
		case i > 0:
			w.find(fmt.Sprintf("tree at entry %d", n), "a stored hash does not match the hashes below it")
		}
		hashes, edge = regrow(w.edge, n, got[0], i)
	}
	w.edge = edge
	if _, asked := w.roots[n+1]; asked {
		w.roots[n+1] = rootOf(edge)
	}
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

func (w *verifier) collectHeadSizes() error {
	var sizes []int64
	if err := w.db.Model(&SignedHead{}).Pluck("size", &sizes).Error; err != nil {
		return err
	}
	w.roots = map[int64]tlog.Hash{}
	for _, n := range sizes {
		w.roots[n] = tlog.Hash{}
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
func (w *verifier) kept(notes []string) error {
	for _, text := range notes {
		tree, problem := w.open(text)
		if problem != "" {
			w.find("kept head", "%s", problem)
			continue
		}
		name := fmt.Sprintf("kept head %d", tree.N)
		if tree.N > w.out.Entries {
			w.find(name, "signed %d entries, but the ledger has only %d: the end was cut off", tree.N, w.out.Entries)
			continue
		}
		root, err := tlog.TreeHash(tree.N, storedHashes(w.db))
		if err != nil || root != tree.Hash {
			w.find(name, "does not match the ledger: what came before it was rewritten")
		}
	}
	return nil
}

func (w *verifier) open(text string) (tlog.Tree, string) {
	n, err := note.Open([]byte(text), note.VerifierList(w.v))
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
		if err := w.db.Where("id in ? and kind = ?", ids, KindDecision).Find(&entries).Error; err != nil {
			return err
		}
		byID := make(map[string]Entry, len(entries))
		for _, e := range entries {
			byID[e.ID] = e
		}
		for _, t := range rows {
			after = t.ID
			if problem := tokenProblem(t, byID[t.DecisionID]); problem != "" {
				w.find("token "+t.ID, "%s", problem)
			}
		}
	}
}

func tokenProblem(t Token, e Entry) string {
	if e.TokenID != t.ID || e.Outcome != OutcomeGranted {
		return "no decision in the ledger granted it"
	}
	var d struct {
		Decision struct {
			Scopes []string `json:"scopes"`
			Chain  []string `json:"chain"`
		} `json:"decision"`
	}
	if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
		return "the decision that granted it cannot be read"
	}
	if t.ClientID != e.ClientID || t.SubjectID != e.SubjectID || t.ResourceID != e.ResourceID || t.GrantID != e.GrantID ||
		t.ParentID != e.ParentID || t.Txn != e.Txn || !slices.Equal(t.Scopes, d.Decision.Scopes) || !slices.Equal(t.Chain, d.Decision.Chain) {
		return "is not what the ledger granted"
	}
	return ""
}
