package models

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
)

// An archive is a file of lines. The first is an archiveHead; then comes every entry, as
// the text that the tree commits to, and every fact they speak of. The head's note signs
// the tree right behind the last entry, so that the file is proven by the ledger's key alone.
type archiveHead struct {
	Version int    `json:"deputy_archive"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`   // the first entry that is not in it
	Edge    []byte `json:"edge"` // of the tree before From, as growTree has it
	Note    string `json:"note"` // a signed head of size To
}

type archivedFact struct {
	Digest string `json:"fact"`
	Body   string `json:"body"`
}

// Archive says what is in one.
type Archive struct {
	From    int64     `json:"from"`
	To      int64     `json:"to"`
	Root    tlog.Hash `json:"root"` // of the tree at To
	SHA256  string    `json:"sha256"`
	Entries int64     `json:"entries"`
	Facts   int64     `json:"facts"`
}

// ActionArchive is what the ledger calls it when its beginning was archived.
const ActionArchive = "archiveLedger"

// archivedUntil is the first entry that is not archived, as the ledger itself says.
func archivedUntil(db *gorm.DB) (int64, error) {
	var rows []Entry
	if err := db.Where("kind = ? and action = ?", KindChange, ActionArchive).Order("seq desc").Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return 0, err
	}
	var detail struct{ After Archive }
	if err := json.Unmarshal([]byte(rows[0].Detail), &detail); err != nil {
		return 0, nil // it was tampered with: then what it speaks of is missing
	}
	return max(0, detail.After.To), nil
}

// ArchivedUntil is the first entry that is not archived.
func (s *Store) ArchivedUntil(ctx context.Context) (int64, error) {
	n, err := archivedUntil(s.read.WithContext(ctx))
	return n, wrap("read ledger", err)
}

// WriteArchive writes the entries from the first one that is not archived yet to the last
// signed head before which all are older than a moment, in unix milliseconds. ErrNotFound
// if there is none. It removes nothing.
func (s *Store) WriteArchive(ctx context.Context, out io.Writer, before int64) error {
	return wrap("archive ledger", s.snapshot(ctx, func(db *gorm.DB) error {
		head, err := archiveOf(db, before)
		if err != nil {
			return err
		}
		w := bufio.NewWriter(out)
		if err := writeLine(w, head); err != nil {
			return err
		}
		digests := map[string]bool{}
		err = eachEntry(db, head.From, head.To, func(e *Entry) error {
			digestsIn(e.Detail, digests)
			_, err := w.Write(append(e.leaf(), '\n'))
			return err
		})
		if err != nil {
			return err
		}
		for some := range slices.Chunk(slices.Sorted(maps.Keys(digests)), 500) {
			var rows []FactBody
			if err := db.Where("digest in ?", some).Order("digest").Find(&rows).Error; err != nil {
				return err
			}
			for _, f := range rows {
				if err := writeLine(w, archivedFact(f)); err != nil {
					return err
				}
			}
		}
		return w.Flush()
	}))
}

// Archivable tells whether there is something that WriteArchive would write.
func (s *Store) Archivable(ctx context.Context, before int64) (bool, error) {
	err := s.snapshot(ctx, func(db *gorm.DB) error {
		_, err := archiveOf(db, before)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, wrap("archive ledger", err)
}

// archiveOf finds where an archive begins and ends.
func archiveOf(db *gorm.DB, before int64) (archiveHead, error) {
	from, err := archivedUntil(db)
	if err != nil {
		return archiveHead{}, err
	}
	var young []int64 // the first entry that is not old enough
	if err := db.Model(&Entry{}).Where("seq >= ? and at >= ?", from, before).Order("seq").Limit(1).Pluck("seq", &young).Error; err != nil {
		return archiveHead{}, err
	}
	q := db.Where("size > ?", from)
	if len(young) > 0 {
		q = q.Where("size <= ?", young[0])
	}
	var heads []SignedHead
	if err := q.Order("size desc").Limit(1).Find(&heads).Error; err != nil {
		return archiveHead{}, err
	}
	if len(heads) == 0 {
		return archiveHead{}, ErrNotFound
	}
	edge, err := edgeAt(storedHashes(db), from)
	return archiveHead{Version: 1, From: from, To: heads[0].Size, Edge: edge, Note: heads[0].Note}, err
}

func writeLine(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(body, '\n'))
	}
	return err
}

func eachEntry(db *gorm.DB, from, to int64, see func(*Entry) error) error {
	for from < to {
		var rows []Entry
		if err := db.Where("seq >= ? and seq < ?", from, to).Order("seq").Limit(500).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Seq != from || rows[len(rows)-1].Seq != from+int64(len(rows))-1 {
			return fmt.Errorf("entries from %d on are missing: run deputy audit verify", from)
		}
		for i := range rows {
			if err := see(&rows[i]); err != nil {
				return err
			}
		}
		from += int64(len(rows))
	}
	return nil
}

// digestPattern finds what may be the digest of a fact, and perhaps more.
var digestPattern = regexp.MustCompile(`"[0-9a-f]{64}"`)

func digestsIn(detail string, into map[string]bool) {
	for _, found := range digestPattern.FindAllString(detail, -1) {
		into[found[1:len(found)-1]] = true
	}
}

// ErrArchive: an archive is not what was archived.
var ErrArchive = errors.New("the archive does not hold")

// maxLine bounds one line of an archive, in bytes.
const maxLine = 64 << 20

// ReadArchive proves an archive by the keys that heads may be signed by: each entry, their
// order, that none is missing, and each fact. see is shown the entries as they come, which
// are proven only when it returns; nil shows nobody. ErrArchive if it does not hold.
func ReadArchive(in io.Reader, v note.Verifiers, see func(Entry)) (*Archive, error) {
	sum := sha256.New()
	lines := bufio.NewScanner(io.TeeReader(in, sum))
	lines.Buffer(make([]byte, 1<<16), maxLine)
	var head archiveHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Version != 1 || head.From < 0 || head.To <= head.From {
		return nil, fmt.Errorf("%w: it is none", ErrArchive)
	}
	if (&Head{Size: head.From, Edge: head.Edge}).check() != nil {
		return nil, fmt.Errorf("%w: its head is damaged", ErrArchive)
	}
	tree, problem := (&verifier{v: v}).open(head.Note)
	if problem != "" || tree.N != head.To {
		return nil, fmt.Errorf("%w: the signature of its head does not hold, or speaks of something else", ErrArchive)
	}
	a := &Archive{From: head.From, To: head.To, Root: tree.Hash}
	for edge := head.Edge; lines.Scan(); {
		if seq := head.From + a.Entries; seq < head.To {
			var e Entry
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Seq != seq {
				return nil, fmt.Errorf("%w: entry %d is missing, or cannot be read", ErrArchive, seq)
			}
			_, edge = growTree(edge, seq, lines.Bytes())
			if a.Entries++; seq+1 == head.To && rootOf(edge) != tree.Hash {
				return nil, fmt.Errorf("%w: its entries are not those that were signed", ErrArchive)
			}
			if see != nil {
				see(e)
			}
			continue
		}
		var f archivedFact
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("%w: fact %d cannot be read", ErrArchive, a.Facts)
		}
		if digest := sha256.Sum256([]byte(f.Body)); hex.EncodeToString(digest[:]) != f.Digest {
			return nil, fmt.Errorf("%w: fact %s does not match its digest", ErrArchive, f.Digest)
		}
		a.Facts++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	if head.From+a.Entries != head.To {
		return nil, fmt.Errorf("%w: it ends before entry %d", ErrArchive, head.From+a.Entries)
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return a, nil
}
