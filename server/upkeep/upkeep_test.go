package upkeep_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/upkeep"
)

const day = 24 * time.Hour

// estate is two replicas on one database, with a clock that tests move.
type estate struct {
	*testing.T
	now    time.Time
	stores [2]*models.Store
	rings  [2]*tokens.Keyring
	keepers
	log   bytes.Buffer
	world modelstest.World
	dir   string

	master tokens.MasterKey
}

type keepers [2]*upkeep.Upkeep

// both has both replicas do what is due, at once.
func (k keepers) both(t *testing.T) {
	t.Helper()
	var at sync.WaitGroup
	for _, one := range k {
		at.Go(func() { one.Tend(t.Context()) })
	}
	at.Wait()
}

func newEstate(t *testing.T, o models.Options, c upkeep.Config) *estate {
	t.Helper()
	e := &estate{T: t, now: time.Now().UTC().Truncate(day).Add(-60*day + 9*time.Hour)}
	o.Now = func() time.Time { return e.now }
	e.stores[0] = modelstest.Open(t, o)
	e.stores[1] = e.stores[0] // SQLite is for one process
	if o.URL != "" {
		e.stores[1] = modelstest.Open(t, o)
	}
	var err error
	e.master, err = tokens.NewMasterKey(tokens.GenerateMasterKey())
	require.NoError(t, err)
	for i := range e.rings {
		e.rings[i] = e.ring(i, e.master)
	}
	e.world = modelstest.NewWorld(t, e.stores[0], "w")
	e.dir = t.TempDir()
	if c.ArchiveAfter != 0 {
		c.ArchiveDir = e.dir
	}
	e.start(c)
	return e
}

func (e *estate) ring(i int, master tokens.MasterKey) *tokens.Keyring {
	e.Helper()
	k, err := tokens.NewKeyring(e.Context(), "https://deputy.example", e.stores[i], master, func() time.Time { return e.now })
	require.NoError(e, err)
	return k
}

// start starts both replicas, or starts them anew.
func (e *estate) start(c upkeep.Config) {
	e.Helper()
	c.Now, c.Log = func() time.Time { return e.now }, slog.New(slog.NewTextHandler(&locked{b: &e.log}, nil))
	require.NoError(e, c.Check())
	for i := range e.keepers {
		c.Store, c.Keys = e.stores[i], e.rings[i]
		e.keepers[i] = upkeep.New(c)
	}
}

// locked is a log for two.
type locked struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// days go by, and something happens in each.
func (e *estate) days(n int) {
	e.Helper()
	for range n {
		for i, s := range e.stores {
			modelstest.Issue(e, s, e.world.Token(s))
			modelstest.User(e, s, fmt.Sprintf("user-%d-%d", e.now.Unix(), i))
		}
		require.NoError(e, e.stores[0].SignHead(e.Context(), e.rings[0].LedgerSigner()))
		e.now = e.now.Add(day)
	}
}

func (e *estate) files() []string {
	e.Helper()
	names, err := filepath.Glob(filepath.Join(e.dir, "*"))
	require.NoError(e, err)
	hidden, err := filepath.Glob(filepath.Join(e.dir, ".*"))
	require.NoError(e, err)
	return append(names, hidden...)
}

// holds proves what is left of the ledger, and every file, each from where the one before
// it ends; it counts what is in them.
func (e *estate) holds() (archived int64) {
	e.Helper()
	keys, err := upkeep.Verifiers(e.Context(), e.stores[0], nil)
	require.NoError(e, err)
	v, err := e.stores[0].Verify(e.Context(), keys, nil)
	require.NoError(e, err)
	require.Empty(e, v.Findings)
	for _, name := range e.files() {
		file, err := os.Open(name)
		require.NoError(e, err)
		a, err := models.ReadArchive(file, keys, nil)
		require.NoError(e, err)
		require.NoError(e, file.Close())
		require.Equal(e, archived, a.From)
		require.Equal(e, fmt.Sprintf("ledger-%012d-%012d.jsonl", a.From, a.To-1), filepath.Base(name))
		info, err := os.Stat(name)
		require.NoError(e, err)
		require.Equal(e, os.FileMode(0o600), info.Mode().Perm())
		archived = a.To
	}
	until, err := e.stores[0].ArchivedUntil(e.Context())
	require.NoError(e, err)
	require.Equal(e, archived, until, "what the ledger says is what is in the files")
	return archived
}

func (e *estate) changes(action string) []models.Entry {
	e.Helper()
	rows, _, err := e.stores[0].Entries(e.Context(), models.EntryFilter{Action: action}, -1, 200)
	require.NoError(e, err)
	return rows
}

func (e *estate) well() {
	e.Helper()
	for _, k := range e.keepers {
		for task, since := range k.Failing() {
			require.Zero(e, since, "%s: %s", task, e.log.String())
		}
	}
}

func TestTheLedgerIsArchivedByItself(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		c := upkeep.Config{ArchiveAfter: 10 * day}
		e := newEstate(t, o, c)
		c.ArchiveDir = e.dir
		e.days(9)
		e.both(t)
		require.Empty(t, e.files(), "nothing is old enough")
		var sizes []int64
		for range 3 {
			e.days(2)
			for range 3 { // once a day, however often it is looked at
				e.both(t)
			}
			e.start(c) // nor after a restart
			e.both(t)
			e.now = e.now.Add(time.Hour)
			e.both(t)
			e.now = e.now.Add(-time.Hour)
			e.well()
			sizes = append(sizes, e.holds())
		}
		require.Len(t, e.files(), 3)
		require.Len(t, e.changes(models.ActionArchive), 3)
		require.Less(t, sizes[0], sizes[1])
		require.Less(t, sizes[1], sizes[2])
		rows, _, err := e.stores[0].Entries(t.Context(), models.EntryFilter{}, -1, 200)
		require.NoError(t, err)
		first := slices.MinFunc(rows, func(a, b models.Entry) int { return int(a.Seq - b.Seq) })
		begins := e.now.Add(-c.ArchiveAfter).Truncate(day)
		require.False(t, time.UnixMilli(first.At).Before(begins), "all is gone from before %v", begins)
		require.True(t, time.UnixMilli(first.At).Before(begins.Add(day)), "and nothing from after")
	})
}

// Somebody is killed when the file is there, and the ledger does not say so yet.
func TestAnArchiveThatWasLeftBehindIsTakenUp(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		e := newEstate(t, o, upkeep.Config{ArchiveAfter: 5 * day})
		e.days(8)
		keys, err := upkeep.Verifiers(t.Context(), e.stores[0], nil)
		require.NoError(t, err)
		name := filepath.Join(e.dir, "left")
		a, err := upkeep.WriteArchive(t.Context(), e.stores[0], keys, name, e.now.Add(-6*day).Truncate(day).UnixMilli())
		require.NoError(t, err)
		whole := filepath.Join(e.dir, fmt.Sprintf("ledger-%012d-%012d.jsonl", a.From, a.To-1))
		require.NoError(t, os.Rename(name, whole))
		for part, age := range map[string]time.Duration{".ledger-old.part": 2 * day, ".ledger-new.part": time.Hour} {
			require.NoError(t, os.WriteFile(filepath.Join(e.dir, part), []byte("half"), 0o600))
			require.NoError(t, os.Chtimes(filepath.Join(e.dir, part), time.Time{}, time.Now().Add(-age)))
		}
		e.both(t)
		e.both(t)
		e.well()
		require.NoFileExists(t, filepath.Join(e.dir, ".ledger-old.part"))
		require.NoError(t, os.Remove(filepath.Join(e.dir, ".ledger-new.part")), "somebody may be at it")
		require.Len(t, e.files(), 2, "the one that was left, and what has become old enough since")
		require.Greater(t, e.holds(), a.To)
	})
}

// What fails is told, tried again ever more seldom, and over once it is put right.
func TestUpkeepThatFailsIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		e := newEstate(t, o, upkeep.Config{ArchiveAfter: 5 * day, RotateEvery: 90 * day})
		e.days(8)
		require.NoError(t, os.Remove(e.dir))
		failed := func() int { return bytes.Count(e.log.Bytes(), []byte("level=ERROR")) }
		one := e.keepers[0]
		one.Tend(t.Context())
		require.Equal(t, 1, failed(), e.log.String())
		require.Contains(t, e.log.String(), "archive_ledger")
		begun := e.now
		require.Equal(t, map[string]time.Time{upkeep.ArchiveLedger: begun, upkeep.RotateKeys: {}}, one.Failing(), "one does not keep the other from being done")
		one.Tend(t.Context())
		require.Equal(t, 1, failed(), "not at once")
		for n, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			e.now = e.now.Add(wait*time.Minute - time.Second)
			one.Tend(t.Context())
			require.Equal(t, 1+n, failed(), "too early for attempt %d", n)
			e.now = e.now.Add(time.Second)
			one.Tend(t.Context())
			require.Equal(t, 2+n, failed(), "attempt %d", n)
		}
		require.Equal(t, begun, one.Failing()[upkeep.ArchiveLedger])
		require.NoError(t, os.Mkdir(e.dir, 0o700))
		e.now = e.now.Add(time.Hour)
		one.Tend(t.Context())
		e.well()
		require.Len(t, e.files(), 1)
		e.holds()
	})
}

// Another replica that has been at it for hours may stand still.
func TestUpkeepThatAnotherReplicaHoldsUp(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		e := newEstate(t, o, upkeep.Config{ArchiveAfter: 5 * day})
		e.days(8)
		one := e.keepers[0]
		begun, err := e.stores[1].Alone(t.Context(), "upkeep "+upkeep.ArchiveLedger, func(context.Context) error {
			for range 2 {
				one.Tend(t.Context())
				e.well()
				e.now = e.now.Add(time.Hour)
			}
			one.Tend(t.Context())
			e.well()
			e.now = e.now.Add(time.Minute)
			one.Tend(t.Context())
			require.NotZero(t, one.Failing()[upkeep.ArchiveLedger])
			require.Empty(t, e.files())
			return nil
		})
		require.NoError(t, err)
		require.True(t, begun)
		e.now = e.now.Add(time.Hour)
		one.Tend(t.Context())
		e.well()
		require.Len(t, e.files(), 1)
	})
}

// What does not hold is not archived, and neither is what was put in the way.
func TestDamageIsNotArchived(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		e := newEstate(t, o, upkeep.Config{ArchiveAfter: 5 * day})
		e.days(8)
		bad := filepath.Join(e.dir, "ledger-000000000000-000000000003.jsonl")
		require.NoError(t, os.WriteFile(bad, []byte("{}\n"), 0o600))
		one := e.keepers[0]
		one.Tend(t.Context())
		require.NotZero(t, one.Failing()[upkeep.ArchiveLedger])
		require.Contains(t, e.log.String(), "is in the way")
		require.NoError(t, os.Remove(bad))

		exec(t, o, "update ledger set subject_id = 'usr_x' where seq = 2")
		e.now = e.now.Add(time.Hour)
		one.Tend(t.Context())
		require.Contains(t, e.log.String(), "the ledger does not hold: 1 findings")
		require.Empty(t, e.files())
		require.Empty(t, e.changes(models.ActionArchive))
	})
}
