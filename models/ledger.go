package models

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Kinds and outcomes of ledger entries.
const (
	KindDecision = "decision" // policy answered
	KindChange   = "change"   // an administrator or the system changed something
	KindFailure  = "failure"  // it never came to a question: unreadable, or not who they say

	OutcomeGranted = "granted"
	OutcomeRefused = "refused"
	OutcomeDone    = "done"
)

// Entry is one row of the ledger. It holds no secret, token or password.
type Entry struct {
	Seq        int64  `gorm:"primaryKey;autoIncrement:false" json:"seq"` // from 0, without gaps
	ID         string `json:"id"`
	At         int64  `json:"at"` // unix milliseconds
	Kind       string `json:"kind"`
	Action     string `json:"action"`
	Outcome    string `json:"outcome"`
	ClientID   string `json:"client_id"`
	SubjectID  string `json:"subject_id"`
	ResourceID string `json:"resource_id"`
	TokenID    string `json:"token_id"` // issued or presented
	ParentID   string `json:"parent_id"`
	Txn        string `json:"txn"`
	GrantID    string `json:"grant_id"`
	Policy     string `json:"policy"` // revision of the house policy
	Detail     string `json:"detail"` // JSON: what was asked, answered and why
}

// TableName is ledger.
func (Entry) TableName() string { return "ledger" }

// Head is the one row that orders all batches.
type Head struct {
	ID    int64 `gorm:"primaryKey"`
	Size  int64
	Epoch int64
	Edge  []byte // hashes of the tree's right edge, see tree.go

	Forgotten int64 // changes up to this epoch are, see forget.go
	Pruned    int64 // how often facts were removed, see prune.go
}

// TableName is ledger_head.
func (Head) TableName() string { return "ledger_head" }

var errDamaged = errors.New("the ledger's head is damaged: restore it, then run deputy audit verify")

// check holds the head to its form, so that a damaged one stops Deputy in an
// orderly way.
func (h *Head) check() error {
	if h.Size < 0 || len(h.Edge) != bits.OnesCount64(uint64(h.Size))*tlog.HashSize {
		return errDamaged
	}
	return nil
}

// FactBody is a fact by its digest.
type FactBody struct {
	Digest string `gorm:"primaryKey"`
	Body   string
}

// TableName is facts.
func (FactBody) TableName() string { return "facts" }

// Once is something that may be used a single time until it expires.
type Once struct {
	Purpose   string `gorm:"primaryKey"`
	Value     string `gorm:"primaryKey"`
	ExpiresAt int64  // unix seconds
}

// TableName is used_once.
func (Once) TableName() string { return "used_once" }

// Record is what one decision wants written, all of it or nothing.
type Record struct {
	Entry Entry
	Token *Token     // that was issued
	Facts []FactBody // that the decision was taken on
	Once  *Once      // that it uses up
	Spent *Spent     // the code or refresh token that it uses up
	View  *View      // what it saw; nil if it drew on no facts

	Refresh *RefreshToken // that was issued
	Told    *Told         // what it leaves in a notice
}

// Append commits a record and returns when it is durable. ErrStale: a fact
// changed since the decision was taken, or what it spends was spent; decide again.
// ErrUsed: its single-use value was used before. Anything else: nothing was
// written, fail closed.
func (s *Store) Append(ctx context.Context, r *Record) error {
	return s.ledger.append(ctx, r)
}

// committer gathers records of concurrent requests into one transaction. It
// waits for nobody who has yet to wait: a batch is what arrived while the last
// was written, and what was about to.
type committer struct {
	store *Store
	queue chan *pending
	done  chan struct{}
	once  sync.Once

	known  map[string]bool // digests that are stored, as far as this process knows
	pruned int64           // how often facts had been removed when it knew
}

type pending struct {
	ctx    context.Context
	record *Record
	result chan error
}

// Bounds of one batch and of what waits for the next.
const (
	maxBatch = 256
	maxQueue = 4096
	maxKnown = 100_000

	// patience is how often everybody who can go on is let go on before a batch is
	// closed. It costs no time when nobody can.
	patience = 2

	commitTimeout = 10 * time.Second
)

func newCommitter(s *Store) *committer {
	c := &committer{store: s, queue: make(chan *pending, maxQueue), done: make(chan struct{}), known: map[string]bool{}}
	go c.run()
	return c
}

func (c *committer) append(ctx context.Context, r *Record) error {
	p := &pending{ctx: ctx, record: r, result: make(chan error, 1)}
	select {
	case c.queue <- p:
	default:
		return fmt.Errorf("append to ledger: %w: too many records waiting", ErrUnavailable)
	}
	late := ctx.Done()
	for {
		select {
		case err := <-p.result:
			return err
		case <-late:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) { // it may yet be written, for nobody to use
				return fmt.Errorf("append to ledger: %w: %w", ErrUnavailable, ctx.Err())
			}
			late = nil // hanging up changes nothing
		case <-c.done:
			select { // the last batch may have held it
			case err := <-p.result:
				return err
			default:
				return fmt.Errorf("append to ledger: %w: shutting down", ErrUnavailable)
			}
		}
	}
}

func (c *committer) run() {
	defer close(c.done)
	for last := false; !last; {
		var batch []*pending
		if batch, last = c.gather(); len(batch) > 0 {
			c.commit(batch)
		}
	}
}

// gather waits for a record and takes those that wait behind it, and those that
// requests which could go on at once bring along: a commit costs as much for one
// as for ten. last tells that close was called before any that are left.
func (c *committer) gather() (batch []*pending, last bool) {
	for p := range c.queue {
		if p == nil {
			return batch, true
		}
		batch = append(batch, p)
		for range patience {
			if len(c.queue) == 0 {
				runtime.Gosched()
			}
		}
		if len(batch) == maxBatch || len(c.queue) == 0 {
			break
		}
	}
	return batch, false
}

func (c *committer) close() {
	c.once.Do(func() { c.queue <- nil })
	<-c.done
}

// commit writes one batch. Requests that must not be in it are told so; the
// others share its fate, unless it failed by what one of them asked to write.
func (c *committer) commit(batch []*pending) {
	began, refused := c.store.pulse.begin(), map[*pending]error{}
	// One caller's hanging up is not the others' loss; a database that hangs is everybody's.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), commitTimeout)
	defer cancel()
	err := c.store.atomically(ctx, func(u unit) error {
		clear(refused)
		head, err := lockHead(u)
		if err != nil {
			return err
		}
		if head.Pruned != c.pruned {
			clear(c.known)
			c.pruned = head.Pruned
		}
		if err := staleOnes(u, head, batch, refused); err != nil {
			return err
		}
		if err := spentOnes(u, batch, refused); err != nil {
			return err
		}
		if err := usedOnes(u, batch, refused); err != nil {
			return err
		}
		if err := toldOnes(u, batch, refused); err != nil {
			return err
		}
		return c.write(u, head, batch, refused)
	})
	err = wrap("append to ledger", err)
	c.store.pulse.end(err)
	c.store.observer.Committed(len(batch), time.Since(began), err)
	if err != nil && len(batch) > 1 && !errors.Is(err, ErrUnavailable) {
		for _, p := range batch {
			c.commit([]*pending{p})
		}
		return
	}
	for _, p := range batch {
		switch {
		case err != nil:
			p.result <- err
		case refused[p] != nil:
			p.result <- refused[p]
		default:
			c.remember(p.record.Facts)
			p.result <- nil
		}
	}
}

func (c *committer) write(u unit, head *Head, batch []*pending, refused map[*pending]error) error {
	var entries []Entry
	var tokens []*Token
	facts := map[string]FactBody{}
	for _, p := range batch {
		if refused[p] != nil {
			continue
		}
		entries = append(entries, p.record.Entry)
		if p.record.Token != nil {
			p.record.Token.complete()
			tokens = append(tokens, p.record.Token)
		}
		for _, f := range p.record.Facts {
			if !c.known[f.Digest] {
				facts[f.Digest] = f
			}
		}
	}
	rows := slices.SortedFunc(maps.Values(facts), func(a, b FactBody) int { return strings.Compare(a.Digest, b.Digest) })
	if err := factsTable.insert(u, len(rows), func(i int) []any { return []any{rows[i].Digest, rows[i].Body} }); err != nil {
		return err
	}
	if err := tokensTable.insert(u, len(tokens), func(i int) []any { return tokens[i].row() }); err != nil {
		return err
	}
	if err := succeed(u, batch, refused); err != nil {
		return err
	}
	return appendEntries(u, head, entries)
}

func (c *committer) remember(facts []FactBody) {
	if len(c.known) > maxKnown {
		clear(c.known)
	}
	for _, f := range facts {
		c.known[f.Digest] = true
	}
}

// lockHead takes the row that orders all batches. On SQLite the transaction
// itself is the lock.
func lockHead(u unit) (*Head, error) {
	query := "select id, size, epoch, edge, forgotten, pruned from ledger_head where id = 1"
	if u.dialect() == "postgres" {
		query += " for update"
	}
	head, found := Head{}, false
	err := u.each(func(scan func(...any) error) error {
		found = true
		return scan(&head.ID, &head.Size, &head.Epoch, &head.Edge, &head.Forgotten, &head.Pruned)
	}, query)
	if err == nil && !found {
		err = errDamaged
	}
	if err != nil {
		return nil, err
	}
	return &head, head.check()
}

// staleOnes finds the records whose facts were touched after they were seen.
func staleOnes(u unit, head *Head, batch []*pending, refused map[*pending]error) error {
	oldest := head.Epoch
	for _, p := range batch {
		if p.record.View != nil {
			oldest = min(oldest, p.record.View.Epoch)
		}
	}
	latest, err := changedSince(u, head, oldest)
	if err != nil {
		return err
	}
	for _, p := range batch {
		if p.record.View != nil && p.record.View.stale(head, latest) {
			refused[p] = ErrStale
		}
	}
	return nil
}

// changedSince tells in which epoch each key was last touched, of those touched
// after epoch.
func changedSince(u unit, head *Head, epoch int64) (map[string]int64, error) {
	if epoch >= head.Epoch {
		return nil, nil
	}
	query := "select epoch, key from changes where epoch > ?"
	if u.dialect() == "postgres" {
		query = "select epoch, key from changes where epoch > $1"
	}
	latest := map[string]int64{}
	err := u.each(func(scan func(...any) error) error {
		var c Changed
		err := scan(&c.Epoch, &c.Key)
		latest[c.Key] = max(latest[c.Key], c.Epoch)
		return err
	}, query, epoch)
	return latest, err
}

// appendEntries gives entries their places, grows the tree over them and moves
// the head. It is the only writer of the ledger.
func appendEntries(u unit, head *Head, entries []Entry) error {
	first, hashes := storageIndex(head.Size), []byte(nil)
	for i := range entries {
		entries[i].Seq = head.Size
		grown, edge := growTree(head.Edge, head.Size, entries[i].leaf())
		hashes, head.Edge = append(hashes, grown...), edge
		head.Size++
	}
	if len(entries) > 0 {
		if err := ledgerTable.insert(u, len(entries), func(i int) []any { return entries[i].row() }); err != nil {
			return err
		}
		if err := treeTable.insert(u, 1, func(int) []any { return []any{first, hashes} }); err != nil {
			return err
		}
	}
	query := "update ledger_head set size = ?, epoch = ?, edge = ? where id = 1"
	if u.dialect() == "postgres" {
		query = "update ledger_head set size = $1, epoch = $2, edge = $3 where id = 1"
	}
	return u.exec(query, head.Size, head.Epoch, head.Edge)
}
