package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/feed"
)

var by = modelstest.By()

func newFeed(tb testing.TB, s feed.Source) *feed.Feed {
	f := feed.New(s, slog.New(slog.DiscardHandler))
	tb.Cleanup(f.Close)
	return f
}

// replicas are two processes on one database, as far as the feed goes.
func replicas(t *testing.T, o models.Options) (stores [2]*models.Store, feeds [2]*feed.Feed) {
	for i := range stores {
		stores[i] = modelstest.Open(t, o)
		feeds[i] = newFeed(t, stores[i])
	}
	return stores, feeds
}

// busy changes something at random that is told of. It reports whether it is done.
type busy struct {
	s       *models.Store
	clients []string
	users   []string
	service string
}

func newBusy(t *testing.T, s *models.Store) *busy {
	b := &busy{s: s, service: modelstest.Service(t, s, "sales", "read").ID}
	for i := range 3 {
		owner := modelstest.User(t, s, fmt.Sprintf("owner-%d", i))
		agent, _ := modelstest.Agent(t, s, fmt.Sprintf("agent-%d", i), owner.ID)
		b.users, b.clients = append(b.users, owner.ID), append(b.clients, agent.ID)
	}
	return b
}

func (b *busy) change(t *testing.T, r *rand.Rand) {
	ctx, client, user := context.Background(), b.clients[r.IntN(3)], b.users[r.IntN(3)]
	var err error
	switch r.IntN(6) {
	case 0:
		_, err = b.s.SuspendClient(ctx, by, client)
	case 1:
		_, err = b.s.RestoreClient(ctx, by, client)
	case 2:
		_, err = b.s.SuspendUser(ctx, by, user)
	case 3:
		_, err = b.s.RestoreUser(ctx, by, user)
	case 4:
		err = b.s.GiveConsent(ctx, by, &models.Consent{ClientID: client, SubjectID: user, ResourceID: b.service, Scopes: []string{"read"}, ExpiresAt: b.s.Now() + 1000}, []string{"read"})
	case 5:
		err = b.s.RevokeAgent(ctx, by, user, client)
	}
	require.NoError(t, err)
}

// read follows from a position until done is closed and all is told, or until it is cut
// off after so many events. What it returns is where it would go on from.
func read(t *testing.T, f *feed.Feed, after models.Position, cut int, done <-chan struct{}, end func() models.Position) (ids []string, at models.Position, over bool) {
	w, err := f.Join(context.Background(), "reader", &after)
	require.NoError(t, err)
	defer w.Leave()
	at = after
	for deadline := time.After(30 * time.Second); ; {
		events, upTo, more, err := w.Next(context.Background())
		require.NoError(t, err)
		for _, e := range events {
			ids, at = append(ids, e.Position.String()+" "+e.Type), e.Position
			if len(ids) == cut {
				return ids, at, false
			}
		}
		at = upTo
		if more == nil {
			continue
		}
		select {
		case <-done:
			if at.Compare(end()) >= 0 {
				return ids, at, true
			}
		default:
		}
		select {
		case <-more:
		case <-done:
			time.Sleep(time.Millisecond) // what is left is being read
		case <-deadline:
			require.Fail(t, "the feed does not go on")
		}
	}
}

// Followers that are cut off at random, and go on at whatever replica, hear of every
// event once, in order.
func TestWhoeverResumesHearsEverythingOnce(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		stores, feeds := replicas(t, o)
		b := newBusy(t, stores[0])
		start, err := stores[0].FeedNow(context.Background())
		require.NoError(t, err)
		done := make(chan struct{})
		var last models.Position
		finished := make(chan []string, 4)
		for i := range 4 {
			go func() {
				r, all, at, over := rand.New(rand.NewPCG(uint64(i), 7)), []string(nil), start, false
				defer func() { finished <- all }()
				for !over {
					var ids []string
					ids, at, over = read(t, feeds[r.IntN(2)], at, 1+r.IntN(7), done, func() models.Position { return last })
					all = append(all, ids...)
					kept, ok := models.ParsePosition(at.String())
					require.True(t, ok)
					at = kept
				}
			}()
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 120 {
			b.change(t, r)
		}
		last, err = stores[0].FeedNow(context.Background())
		require.NoError(t, err)
		require.NoError(t, stores[1].Refresh(context.Background()))
		close(done)
		var want []string
		for at := start; at != last; {
			var events []models.Event
			events, at, err = stores[1].Feed(context.Background(), at, last.Seq+1)
			require.NoError(t, err)
			for _, e := range events {
				want = append(want, e.Position.String()+" "+e.Type)
			}
		}
		require.Greater(t, len(want), 60)
		for range 4 {
			require.Equal(t, want, <-finished)
		}
	})
}

// Of a ledger that is not the one of the position, or too old, nothing can be told.
func TestPositionsOfElsewhereAreGone(t *testing.T) {
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		f, ctx := newFeed(t, s), context.Background()
		modelstest.User(t, s, "joe")
		now, err := s.FeedNow(ctx)
		require.NoError(t, err)
		for _, p := range []models.Position{{Seq: now.Seq + 1, Check: now.Check}, {Seq: now.Seq, Check: "00000000"}} {
			_, err := f.Join(ctx, "joe", &p)
			require.ErrorIs(t, err, models.ErrGone)
		}
		w, err := f.Join(ctx, "joe", &now)
		require.NoError(t, err)
		w.Leave()
	})
}

// There is a bound to how many follow, of one client and of all.
func TestFollowersAreBounded(t *testing.T) {
	s, ctx := modelstest.New(t, "sqlite"), context.Background()
	modelstest.User(t, s, "joe")
	f := newFeed(t, s)
	var one *feed.Follower
	for i := range feed.MaxFollowers {
		w, err := f.Join(ctx, fmt.Sprint(i/feed.MaxPerName), nil)
		require.NoError(t, err)
		if i%feed.MaxPerName == feed.MaxPerName-1 && i < feed.MaxFollowers-1 {
			_, err = f.Join(ctx, fmt.Sprint(i/feed.MaxPerName), nil)
			require.ErrorIs(t, err, feed.ErrFull)
		}
		one = w
	}
	_, err := f.Join(ctx, "another", nil)
	require.ErrorIs(t, err, feed.ErrFull)
	one.Leave()
	one.Leave()
	_, err = f.Join(ctx, "another", nil)
	require.NoError(t, err)
	_, err = f.Join(ctx, "another", nil)
	require.ErrorIs(t, err, feed.ErrFull, "leaving twice makes one place")
	f.Close()
	_, err = f.Join(ctx, "late", nil)
	require.ErrorIs(t, err, feed.ErrClosed)
}

// failing is a source that fails for a while.
type failing struct {
	feed.Source
	left *int
}

func (f failing) Feed(ctx context.Context, after models.Position, size int64) ([]models.Event, models.Position, error) {
	if *f.left--; *f.left >= 0 {
		return nil, after, errors.New("away")
	}
	return f.Source.Feed(ctx, after, size)
}

// A database that is away for a moment loses nothing, and nobody.
func TestFeedRecoversByItself(t *testing.T) {
	s, ctx, left := modelstest.New(t, "sqlite"), context.Background(), 2
	joe := modelstest.User(t, s, "joe")
	f := newFeed(t, failing{s, &left})
	w, err := f.Join(ctx, "joe", nil)
	require.NoError(t, err)
	_, err = s.SuspendUser(ctx, by, joe.ID)
	require.NoError(t, err)
	for deadline := time.After(20 * time.Second); ; {
		events, _, more, err := w.Next(ctx)
		require.NoError(t, err)
		if len(events) > 0 {
			require.Equal(t, models.EventUserSuspended, events[0].Type)
			return
		}
		select {
		case <-more:
		case <-deadline:
			require.Fail(t, "the feed does not go on")
		}
	}
}

// newer is a ledger in which everything was changed by a newer release.
type newer struct{ feed.Source }

func (n newer) Feed(ctx context.Context, after models.Position, size int64) ([]models.Event, models.Position, error) {
	events, end, err := n.Source.Feed(ctx, after, size)
	for i := range events {
		events[i].Type = models.EventReset
	}
	return events, end, err
}

// That a newer release is at work beside this one is said, and not with every change.
func TestChangesOfANewerReleaseAreWarnedOfOnce(t *testing.T) {
	s, ctx := modelstest.New(t, "sqlite"), context.Background()
	var log bytes.Buffer
	f := feed.New(newer{s}, slog.New(slog.NewTextHandler(&log, nil)))
	joe := modelstest.User(t, s, "joe")
	w, err := f.Join(ctx, "joe", nil)
	require.NoError(t, err)
	for n := range 4 {
		change := s.SuspendUser
		if n%2 == 1 {
			change = s.RestoreUser
		}
		_, err = change(ctx, by, joe.ID)
		require.NoError(t, err)
		for deadline, told := time.After(20*time.Second), 0; told == 0; {
			events, _, more, err := w.Next(ctx)
			require.NoError(t, err)
			if told = len(events); told > 0 {
				continue
			}
			select {
			case <-more:
			case <-deadline:
				require.Fail(t, "the feed does not go on")
			}
		}
	}
	w.Leave()
	f.Close()
	require.Equal(t, 1, strings.Count(log.String(), "a newer release changed"))
}
