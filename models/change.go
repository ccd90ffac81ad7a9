package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// By says who makes a change, on whose authority, from where. It goes into the
// ledger with the change.
type By struct {
	ClientID   string   `json:"client,omitempty"`
	SubjectID  string   `json:"subject,omitempty"`
	Chain      []string `json:"chain,omitempty"`
	SessionID  string   `json:"session,omitempty"`  // of the person, if they did it themselves
	DecisionID string   `json:"decision,omitempty"` // that allowed it
	RequestID  string   `json:"request_id,omitempty"`
	IP         string   `json:"ip,omitempty"`
	System     string   `json:"system,omitempty"` // the command or task, when no client is behind it

	// Seen is what the decision that allowed the change drew on. If any of it has
	// changed by the time the change is made, Again must allow it anew.
	Seen  *View                             `json:"-"`
	Again func(context.Context) (By, error) `json:"-"`
}

// key is what facts and changes have in common: a fact depends on keys, a
// change touches keys.
func key(kind, id string) string { return kind + ":" + id }

// keyDownstream stands for every downstream edge: there are few, and a token's
// reach may follow any of them.
const keyDownstream = "downstream:*"

// change is one administrative change while it is being made: its rows, what it
// touches, and what the ledger will say, all in one transaction.
type change struct {
	tx      *gorm.DB
	store   *Store
	by      By
	action  string
	now     int64
	touched map[string]bool
	entries []Entry
}

// maxDecided bounds how often the authority for a change is decided anew because what
// it hangs from changed meanwhile: many may be at work at once.
const maxDecided = 5

// change makes a change on the authority of by. If that authority itself changed
// since it was decided, it is decided once more, and its refusal is the answer.
func (s *Store) change(ctx context.Context, by By, action string, fn func(*change) error) error {
	err := s.tryChange(ctx, by, action, fn)
	for again := 1; again < maxDecided && errors.Is(err, ErrStale) && by.Again != nil; again++ {
		if by, err = by.Again(ctx); err != nil {
			return err
		}
		err = s.tryChange(ctx, by, action, fn)
	}
	if errors.Is(err, ErrStale) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// tryChange runs fn in a transaction that begins by taking the ledger's head, so
// that it has its place among the batches of all replicas, and ends by writing
// what was touched and recorded.
func (s *Store) tryChange(ctx context.Context, by By, action string, fn func(*change) error) error {
	err := s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		head, err := lockHead(within{tx})
		if err != nil {
			return err
		}
		if by.Seen != nil {
			latest, err := changedSince(within{tx}, head, by.Seen.Epoch)
			if err != nil {
				return err
			}
			if by.Seen.stale(head, latest) {
				return ErrStale
			}
		}
		c := &change{tx: tx, store: s, by: by, action: action, now: s.Now(), touched: map[string]bool{}}
		if err := fn(c); err != nil {
			return err
		}
		if len(c.touched) > 0 {
			head.Epoch++
			if err := tx.CreateInBatches(changedRows(head.Epoch, c.touched), 500).Error; err != nil {
				return err
			}
			if err := announce(tx, head.Epoch); err != nil {
				return err
			}
		}
		return appendEntries(within{tx}, head, c.entries)
	})
	if err != nil {
		return wrap(action, err)
	}
	// The change is made, whatever comes now; the next View must see it.
	if s.facts.refresh(context.WithoutCancel(ctx)) != nil {
		s.facts.forget()
	}
	return nil
}

// Changed is one key that changed in one epoch.
type Changed struct {
	Epoch int64  `gorm:"primaryKey;autoIncrement:false"`
	Key   string `gorm:"primaryKey"`
}

// TableName is changes.
func (Changed) TableName() string { return "changes" }

func changedRows(epoch int64, keys map[string]bool) []Changed {
	rows := make([]Changed, 0, len(keys))
	for k := range keys {
		rows = append(rows, Changed{Epoch: epoch, Key: k})
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].Key < rows[j].Key })
	return rows
}

func (c *change) touch(kind, id string) { c.touched[key(kind, id)] = true }

// record writes what became of target into the ledger. before and after must
// hold no secret; nil stands for "was not" or "is no more".
func (c *change) record(target string, before, after any) error {
	if _, known := targetKind(target); !known {
		return fmt.Errorf("record %s: of no kind that is known, so that the feed could not tell of it", target)
	}
	detail, err := json.Marshal(struct {
		By     By     `json:"by"`
		Target string `json:"target"`
		Before any    `json:"before,omitempty"`
		After  any    `json:"after,omitempty"`
	}{c.by, target, before, after})
	if err != nil {
		return fmt.Errorf("record %s: %w", target, err)
	}
	e := Entry{
		ID: NewID(PrefixChange), At: c.store.now().UnixMilli(), Kind: KindChange, Action: c.action, Outcome: OutcomeDone,
		ClientID: c.by.ClientID, SubjectID: c.by.SubjectID, Detail: string(detail),
	}
	switch {
	case HasPrefix(target, PrefixToken):
		e.TokenID = target
	case HasPrefix(target, PrefixGrant):
		e.GrantID = target
	case HasPrefix(target, PrefixResource):
		e.ResourceID = target
	}
	c.entries = append(c.entries, e)
	return nil
}

// as does part of a change that the ledger knows by another name.
func (c *change) as(action string, part func() error) error {
	whole := c.action
	c.action = action
	defer func() { c.action = whole }()
	return part()
}

// forUpdate reads a row that this transaction is going to change.
func (c *change) forUpdate() *gorm.DB {
	return c.tx.Clauses(clause.Locking{Strength: "UPDATE"})
}

// entity is a row that administrators create, change and delete.
type entity interface {
	identity() string
	// validate checks the row and brings it into the form it is stored in.
	validate() error
	// refers names the field that refers to another row, if there is one.
	refers() string
	// keys a change of this row touches.
	touches(c *change)
}

// versioned is what entities share for optimistic concurrency.
type versioned interface {
	entity
	meta() *Meta
	stamp(now int64)
}

// create stores a new row.
func create(ctx context.Context, s *Store, by By, action string, row versioned) error {
	return s.change(ctx, by, action, func(c *change) error {
		return c.insert(row)
	})
}

func (c *change) insert(row versioned) error {
	row.stamp(c.now)
	if err := row.validate(); err != nil {
		return err
	}
	if err := c.tx.Create(row).Error; err != nil {
		return blame(err, row.refers(), "names nothing that exists")
	}
	row.touches(c)
	return c.record(row.identity(), nil, row)
}

// AnyVersion skips the version check of an update.
const AnyVersion int64 = 0

// update reads a row, checks that it is still the version the caller saw, lets
// edit change it, and stores the result.
func update[T any, P interface {
	*T
	versioned
}](ctx context.Context, s *Store, by By, action, id string, ifVersion int64, edit func(*change, P) error) (*T, error) {
	row := P(new(T))
	err := s.change(ctx, by, action, func(c *change) error {
		if err := c.load(row, id, ifVersion); err != nil {
			return err
		}
		before, err := json.Marshal(row)
		if err != nil {
			return err
		}
		row.touches(c) // by what it hung from before
		meta := *row.meta()
		if err := edit(c, row); err != nil {
			return err
		}
		*row.meta() = meta // is not the editor's to change
		row.stamp(c.now)
		if err := row.validate(); err != nil {
			return err
		}
		if err := c.tx.Save(row).Error; err != nil {
			return blame(err, row.refers(), "names nothing that exists")
		}
		row.touches(c)
		return c.record(row.identity(), json.RawMessage(before), row)
	})
	if err != nil {
		return nil, err
	}
	return (*T)(row), nil
}

// load reads a row this transaction will change, with what belongs to it, and
// checks that it is the version the caller saw.
func (c *change) load(row versioned, id string, ifVersion int64) error {
	if err := c.forUpdate().First(row, "id = ?", id).Error; err != nil {
		return err
	}
	if ifVersion != AnyVersion && row.meta().Version != ifVersion {
		return ErrVersion
	}
	if whole, ok := row.(interface{ fill(*gorm.DB) error }); ok {
		return whole.fill(c.tx)
	}
	return nil
}

// remove deletes a row for good. also runs before, in the same transaction.
func remove[T any, P interface {
	*T
	versioned
}](ctx context.Context, s *Store, by By, action, id string, ifVersion int64, also func(*change, P) error) error {
	return s.change(ctx, by, action, func(c *change) error {
		row := P(new(T))
		if err := c.load(row, id, ifVersion); err != nil {
			return err
		}
		row.touches(c)
		if also != nil {
			if err := also(c, row); err != nil {
				return err
			}
		}
		if err := c.tx.Delete(row).Error; err != nil {
			return err
		}
		return c.record(row.identity(), row, nil)
	})
}

// get reads one row by id.
func get[T any](ctx context.Context, s *Store, op, id string) (*T, error) {
	var row T
	if err := s.read.WithContext(ctx).First(&row, "id = ?", id).Error; err != nil {
		return nil, wrap(op, absent(err))
	}
	return &row, nil
}

// Page asks for part of a list: at most Limit rows after the row whose key is
// After. Lists are ordered by key; ids sort by creation.
type Page struct {
	Limit int // 1..200, 50 if 0
	After string
}

func (p Page) size() int {
	switch {
	case p.Limit <= 0:
		return 50
	case p.Limit > 200:
		return 200
	default:
		return p.Limit
	}
}

// list reads a page of q ordered by column; next is the key to go on after, ""
// at the end.
func list[T any](q *gorm.DB, op, column string, p Page, keyOf func(T) string) (rows []T, next string, err error) {
	if p.After != "" {
		q = q.Where(column+" > ?", p.After)
	}
	if err := q.Order(column).Limit(p.size() + 1).Find(&rows).Error; err != nil {
		return nil, "", wrap(op, err)
	}
	if len(rows) > p.size() {
		rows = rows[:p.size()]
		next = keyOf(rows[len(rows)-1])
	}
	return rows, next, nil
}
