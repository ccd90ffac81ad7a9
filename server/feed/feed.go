// Package feed hands on the events that are read off the ledger to those who follow
// them. What is new is read once for all followers of a process; whoever comes from
// further back reads for themselves until they have caught up. It knows no HTTP, and
// not who may see what.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
)

// Source is where events come from (models.Store).
type Source interface {
	Refresh(ctx context.Context) error
	Grown() (size int64, more <-chan struct{})
	Feed(ctx context.Context, after models.Position, size int64) ([]models.Event, models.Position, error)
	FeedEnd(ctx context.Context, size int64) (models.Position, error)
	CheckPosition(ctx context.Context, p models.Position) error
}

// Bounds, and times.
const (
	MaxFollowers = 256 // of one process
	MaxPerName   = 8   // of one client
	maxRecent    = 4096

	readTimeout = 5 * time.Second
	net         = time.Second // for what nobody told of, and after what failed
)

// Reasons why nobody more is let in.
var (
	ErrFull   = errors.New("there are as many followers as there may be")
	ErrClosed = errors.New("the feed is closed")
)

// Feed is the feed of one process.
type Feed struct {
	source Source
	log    *slog.Logger

	mu        sync.Mutex
	followers map[string]int // by name
	all       int
	recent    []models.Event  // what came after start, up to end
	start     models.Position // nothing before is in recent
	end       models.Position
	size      int64         // of the ledger that end is the end of; 0: nothing is read yet
	more      chan struct{} // closed when end moves
	reading   bool
	closed    chan struct{}
	once      sync.Once
	warned    time.Time // of changes that this release does not know
}

// New makes a feed. It does nothing until somebody follows it.
func New(s Source, log *slog.Logger) *Feed {
	return &Feed{source: s, log: log, followers: map[string]int{}, more: make(chan struct{}), closed: make(chan struct{})}
}

// Closed is closed when the feed is.
func (f *Feed) Closed() <-chan struct{} { return f.closed }

// Close ends every following, now and in future.
func (f *Feed) Close() { f.once.Do(func() { close(f.closed) }) }

// Follower reads events in order, each once.
type Follower struct {
	feed *Feed
	name string
	at   models.Position
	once sync.Once
}

// Join lets somebody follow what comes after a position; nil: what comes from now on.
// models.ErrGone if nothing can go on from there. Leave must be called in the end.
func (f *Feed) Join(ctx context.Context, name string, after *models.Position) (*Follower, error) {
	if err := f.enter(name); err != nil {
		return nil, err
	}
	w := &Follower{feed: f, name: name}
	if err := w.begin(ctx, after); err != nil {
		w.Leave()
		return nil, err
	}
	return w, nil
}

func (f *Feed) enter(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.closed:
		return ErrClosed
	default:
	}
	if f.all >= MaxFollowers || f.followers[name] >= MaxPerName {
		return ErrFull
	}
	f.all++
	f.followers[name]++
	return nil
}

// At is how far the follower got.
func (w *Follower) At() models.Position { return w.at }

// Leave ends the following.
func (w *Follower) Leave() {
	w.once.Do(func() {
		w.feed.mu.Lock()
		defer w.feed.mu.Unlock()
		w.feed.all--
		if w.feed.followers[w.name]--; w.feed.followers[w.name] == 0 {
			delete(w.feed.followers, w.name)
		}
	})
}

func (w *Follower) begin(ctx context.Context, after *models.Position) error {
	if after != nil {
		if err := w.feed.source.CheckPosition(ctx, *after); err != nil {
			return err
		}
	}
	end, err := w.feed.awake(ctx)
	w.at = end
	if after != nil {
		w.at = *after
	}
	return err
}

// awake sees to it that somebody reads on, from now, and tells where that is.
func (f *Feed) awake(ctx context.Context) (models.Position, error) {
	if err := f.source.Refresh(ctx); err != nil {
		return models.Position{}, err
	}
	size, _ := f.source.Grown()
	now, err := f.source.FeedEnd(ctx, size)
	if err != nil {
		return now, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.reading {
		f.reading, f.recent, f.start, f.end, f.size = true, nil, now, now, size
		go f.read()
	}
	return now, nil
}

// read reads on until nobody follows any more.
func (f *Feed) read() {
	tick := time.NewTicker(net)
	defer tick.Stop()
	for f.wanted() {
		size, more := f.source.Grown()
		if size > f.size {
			if err := f.step(size); err == nil {
				continue
			}
			more = nil // try again at the next tick
		}
		select {
		case <-more:
		case <-tick.C:
			f.catchUp()
		case <-f.closed:
		}
	}
}

func (f *Feed) wanted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.closed:
		f.reading = false
	default:
		f.reading = f.all > 0
	}
	return f.reading
}

// catchUp is the net for what nobody told of.
func (f *Feed) catchUp() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	if err := f.source.Refresh(ctx); err != nil {
		f.log.Warn("events: the ledger was not looked at", "error", err)
	}
}

// step reads what is new, up to a size of the ledger.
func (f *Feed) step(size int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	events, end, err := f.source.Feed(ctx, f.end, size) // end and size are this goroutine's to change
	if err != nil {
		f.log.Warn("events were not read", "error", err)
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = append(f.recent, events...)
	f.warn(events)
	if over := len(f.recent) - maxRecent; over > 0 {
		f.start = f.recent[over-1].Position
		f.recent = slices.Clone(f.recent[over:])
	}
	if f.end = end; end.Seq >= size-1 {
		f.size = size
	}
	close(f.more)
	f.more = make(chan struct{})
	return nil
}

// warnEvery is how often it is said that there are changes which cannot be told.
const warnEvery = 10 * time.Minute

// warn says, now and then, why followers are told to look at everything anew.
func (f *Feed) warn(events []models.Event) {
	unknown := slices.ContainsFunc(events, func(e models.Event) bool { return e.Type == models.EventReset })
	if unknown && time.Since(f.warned) >= warnEvery {
		f.warned = time.Now()
		f.log.Warn("a newer release changed what this one cannot tell of; followers are told to look at everything anew")
	}
}

// Next gives what comes next, without waiting: some events, and how far that leads. If
// that is all there is, more is closed once there is something again; else it is nil.
func (w *Follower) Next(ctx context.Context) (events []models.Event, at models.Position, more <-chan struct{}, err error) {
	events, end, more, recent := w.feed.since(w.at)
	if !recent {
		size, _ := w.feed.source.Grown()
		if events, end, err = w.feed.source.Feed(ctx, w.at, size); err != nil {
			return nil, w.at, nil, err
		}
		if end == w.at { // they were further than this process knows of
			events, end, more, _ = w.feed.since(w.at)
		} else {
			more = nil
		}
	}
	w.at = end
	return events, end, more, nil
}

// since gives the events after a position, if all of them are in memory.
func (f *Feed) since(at models.Position) (events []models.Event, end models.Position, more <-chan struct{}, recent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.Compare(f.start) < 0 || at.Compare(f.end) > 0 {
		return nil, at, f.more, false
	}
	i, _ := slices.BinarySearchFunc(f.recent, at, func(e models.Event, p models.Position) int {
		if e.Position.Compare(p) <= 0 {
			return -1
		}
		return 1
	})
	return slices.Clone(f.recent[i:]), f.end, f.more, true
}
