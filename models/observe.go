package models

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Observer is told how the store works, for metrics. It is called on the path
// of requests, by many of them at once: it must be quick and never block.
type Observer interface {
	// Committed: one ledger commit of so many records ended. err says that
	// nobody in it got what they wanted.
	Committed(records int, took time.Duration, err error)
	// Loaded: a fact was needed; hit tells that it was in memory.
	Loaded(hit bool)
}

// unobserved stands for an Observer where there is none.
type unobserved struct{}

func (unobserved) Committed(int, time.Duration, error) {}
func (unobserved) Loaded(bool)                         {}

// pulse is what the store knows of its own life, in unix nanoseconds, 0 for
// never or not now. Time here is the machine's: it measures, and decides nothing.
type pulse struct {
	commitBegan  atomic.Int64 // of the commit under way
	commitFailed atomic.Int64 // the last one, if it did
	headSigned   atomic.Int64 // or seen to be signed
	factsCurrent atomic.Int64 // as of the last comparison with the database
	deaf         atomic.Int64 // since Listen lost its connection, or was called without getting one
}

func (p *pulse) begin() time.Time {
	now := time.Now()
	p.commitBegan.Store(now.UnixNano())
	return now
}

func (p *pulse) end(err error) {
	p.commitBegan.Store(0)
	if errors.Is(err, ErrUnavailable) { // not: what one caller asked to write cannot be written
		p.commitFailed.Store(time.Now().UnixNano())
	} else {
		p.commitFailed.Store(0)
	}
}

func mark(at *atomic.Int64, err error) {
	if err == nil {
		at.Store(time.Now().UnixNano())
	}
}

// since is how long ago something was, 0 if it never was.
func since(at *atomic.Int64) time.Duration {
	if n := at.Load(); n != 0 {
		return time.Since(time.Unix(0, n))
	}
	return 0
}

// Queue is how many records wait for the next commit of the ledger.
func (s *Store) Queue() int { return len(s.ledger.queue) }

// Epoch is the change that the facts in memory have reached.
func (s *Store) Epoch() int64 {
	s.facts.mu.RLock()
	defer s.facts.mu.RUnlock()
	return s.facts.epoch
}

// FactsAge is the time since facts in memory were compared with the database.
func (s *Store) FactsAge() time.Duration { return since(&s.pulse.factsCurrent) }

// HeadAge is the time since this process signed the ledger's head, or saw that
// there was nothing new to sign; 0 if it never did.
func (s *Store) HeadAge() time.Duration { return since(&s.pulse.headSigned) }

// Committer is how the writer of the ledger fares.
type Committer struct {
	Stopped bool
	Busy    time.Duration // with the commit under way, 0 if there is none
	Failed  time.Duration // since the last commit, if that failed; 0 if it did not
}

// Committer tells it without asking the database.
func (s *Store) Committer() Committer {
	c := Committer{Busy: since(&s.pulse.commitBegan), Failed: since(&s.pulse.commitFailed)}
	select {
	case <-s.ledger.done:
		c.Stopped = true
	default:
	}
	return c
}

// Health is what the database says of the state of things.
type Health struct {
	Behind  int64 // changes that the facts in memory do not take into account yet
	Entries int64 // in the ledger
	Signed  int64 // entries that the newest signed head covers
	Newest  int64 // when the newest entry was written, in unix milliseconds
}

// Health reads it. That it can be read says that the database answers and that
// its schema is there.
func (s *Store) Health(ctx context.Context) (Health, error) {
	db := s.read.WithContext(ctx)
	var head Head
	if err := db.First(&head, "id = 1").Error; err != nil {
		return Health{}, wrap("health", err)
	}
	if err := head.check(); err != nil {
		return Health{}, wrap("health", err)
	}
	h := Health{Entries: head.Size}
	if epoch := s.Epoch(); epoch > 0 { // 0: no facts are in memory yet
		h.Behind = max(0, head.Epoch-epoch)
	}
	signed, err := s.LatestHead(ctx)
	if err == nil {
		h.Signed = signed.Size
	} else if !errors.Is(err, ErrNotFound) {
		return Health{}, err
	}
	err = db.Model(&Entry{}).Where("seq = ?", head.Size-1).Pluck("at", &h.Newest).Error
	return h, wrap("health", err)
}
