package models

import (
	"context"

	"gorm.io/gorm"
)

// What the tests of this package look at from the inside.
var (
	GrowTree = growTree
	RootOf   = rootOf
	Closure  = closure
)

// Hanging and PendingOf are the queries of FallOf, UsedScopes and UsedScopesOf some of
// UnusedScopes.
const (
	UsedScopes   = usedScopes
	UsedScopesOf = usedScopesOf

	Hanging   = hanging
	PendingOf = pendingOf
)

// BindPending binds PendingOf.
var BindPending = bindPending

const (
	MaxQueue = maxQueue
	MaxBatch = maxBatch
)

// Seal fixes what an approval asks.
func Seal(a *Approval) error { return a.seal() }

// Reader is the pool that reads, for tampering.
func (s *Store) Reader() *gorm.DB { return s.read }

// Writer is the pool that writes, for tampering.
func (s *Store) Writer() *gorm.DB { return s.write }

// Leaf is what the tree commits to.
func (e Entry) Leaf() []byte { return e.leaf() }

// Forget empties the cache of facts.
func (s *Store) Forget() { s.facts.forget() }

// Enqueue is Append without waiting.
func (s *Store) Enqueue(ctx context.Context, r *Record) <-chan error {
	p := &pending{ctx: ctx, record: r, result: make(chan error, 1)}
	s.ledger.queue <- p
	return p.result
}

// CommitTogether writes records as one batch.
func (s *Store) CommitTogether(ctx context.Context, records ...*Record) []error {
	batch := make([]*pending, len(records))
	for i, r := range records {
		batch[i] = &pending{ctx: ctx, record: r, result: make(chan error, 1)}
	}
	s.ledger.commit(batch)
	out := make([]error, len(records))
	for i, p := range batch {
		out[i] = <-p.result
	}
	return out
}

// SealedColumns are the columns of which is known that they are sealed.
func SealedColumns() (names []string) {
	for _, c := range sealedColumns {
		names = append(names, c.table+"."+c.column)
	}
	return names
}
