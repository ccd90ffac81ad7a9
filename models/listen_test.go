package models_test

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// listening is a store that listens until the test ends or its connection does.
type listening struct {
	*models.Store
	also  atomic.Int64
	ended chan error
}

func listen(t *testing.T, s *models.Store) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{Store: s, ended: make(chan error, 1)}
	go func() { l.ended <- s.Listen(ctx, func(context.Context) { l.also.Add(1) }) }()
	t.Cleanup(func() {
		cancel()
		<-l.ended
	})
	eventually(t, "it to listen", func() bool { return l.also.Load() > 0 && s.Deaf() == 0 })
	return l
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(100 * time.Microsecond) {
		require.True(t, time.Now().Before(deadline), "waited too long for %s", what)
	}
}

// What one replica changes the other knows without looking.
func TestChangesAreAnnounced(t *testing.T) {
	t.Parallel()
	o := models.Options{URL: modelstest.Postgres(t)}
	here, there := modelstest.Open(t, o), listen(t, modelstest.Open(t, o))
	w := modelstest.NewWorld(t, here, "w")
	var took []time.Duration
	for i := range 50 {
		want := models.StatusSuspended
		change := here.SuspendClient
		if i%2 == 1 {
			want, change = models.StatusActive, here.RestoreClient
		}
		_, err := change(t.Context(), by, w.Agent.ID)
		require.NoError(t, err)
		made := time.Now()
		eventually(t, "the change to be known", func() bool { return there.Epoch() >= here.Epoch() })
		took = append(took, time.Since(made))
		require.Equal(t, want, principal(t, view(t, there.Store), w.Agent.ID).Status)
	}
	slices.Sort(took)
	t.Logf("changes made here 50 / known there 50: median %v, longest %v", took[25], took[49])
	eventually(t, "the rest to follow", func() bool { return there.also.Load() > 40 })
}

// Tokens, refusals and whatever else is only recorded announce nothing: the first
// thing that is heard after them is the next change.
func TestTokensAnnounceNothing(t *testing.T) {
	t.Parallel()
	url := modelstest.Postgres(t)
	s := modelstest.Open(t, models.Options{URL: url})
	w := modelstest.NewWorld(t, s, "w")
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(t.Context(), "listen deputy_changes")
	require.NoError(t, err)
	for range 20 {
		modelstest.Issue(t, s, w.Token(s))
		require.NoError(t, s.Append(t.Context(), modelstest.Refused(s, w.Agent.ID)))
	}
	_, err = s.SuspendClient(t.Context(), by, w.Agent.ID)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := conn.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, strconv.FormatInt(s.Epoch(), 10), n.Payload)
}

// A change that is taken back was never announced.
func TestWhatIsTakenBackIsNotAnnounced(t *testing.T) {
	t.Parallel()
	o := models.Options{URL: modelstest.Postgres(t)}
	here, there := modelstest.Open(t, o), listen(t, modelstest.Open(t, o))
	before := there.also.Load()
	u := modelstest.User(t, here, "alice")
	eventually(t, "the change to be known", func() bool { return there.also.Load() == before+1 })
	require.Error(t, here.CreateUser(t.Context(), by, &models.User{Username: u.Username, Name: "another"}))
	modelstest.User(t, here, "bob")
	eventually(t, "the next change to be known", func() bool { return there.also.Load() >= before+2 })
	require.Equal(t, before+2, there.also.Load())
}

// A listener that is cut off says so, and when it listens again it knows what it missed.
func TestListenerIsCutOff(t *testing.T) {
	t.Parallel()
	url := modelstest.Postgres(t)
	o := models.Options{URL: url}
	here, there := modelstest.Open(t, o), modelstest.Open(t, o)
	for range 3 {
		l := listen(t, there)
		var cut int
		require.NoError(t, here.Writer().Raw(`select count(pg_terminate_backend(pid)) from pg_stat_activity
			where application_name = 'deputy-listener' and datname = current_database()`).Scan(&cut).Error)
		require.Equal(t, 1, cut)
		err := <-l.ended
		l.ended <- err
		require.ErrorIs(t, err, models.ErrUnavailable)
		require.Positive(t, there.Deaf())
		modelstest.User(t, here, "user-"+models.NewID("x"))
		require.Less(t, there.Epoch(), here.Epoch())
	}
	listen(t, there)
	require.Equal(t, here.Epoch(), there.Epoch())
}

// There is nobody to listen to with SQLite.
func TestSQLiteAnnouncesNothing(t *testing.T) {
	t.Parallel()
	s := modelstest.New(t, "sqlite")
	require.False(t, s.Announces())
	require.Error(t, s.Listen(t.Context(), func(context.Context) {}))
	require.Zero(t, s.Deaf())
}

// A process that stands still in the middle of a batch holds everybody up for a few
// seconds; then the database takes its transaction back.
func TestWhoStandsStillLosesTheHead(t *testing.T) {
	t.Parallel()
	o := models.Options{URL: modelstest.Postgres(t)}
	here, there := modelstest.Open(t, o), modelstest.Open(t, o)
	w := modelstest.NewWorld(t, here, "w")
	stopped := here.Writer().Begin()
	require.NoError(t, stopped.Error)
	require.NoError(t, stopped.Exec("select 1 from ledger_head where id = 1 for update").Error)
	begun := time.Now()
	modelstest.Issue(t, there, w.Token(there))
	t.Logf("the others went on after %v", time.Since(begun).Round(time.Millisecond))
	require.Error(t, stopped.Commit().Error, "what stood still was taken back")
	modelstest.Issue(t, here, w.Token(here))
}
