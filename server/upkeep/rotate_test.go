package upkeep_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/upkeep"
)

// exec changes the database behind everybody's back.
func exec(t *testing.T, o models.Options, statement string) {
	t.Helper()
	driver, dsn := "pgx", o.URL
	if dsn == "" {
		driver, dsn = "sqlite", "file:"+(&url.URL{Path: filepath.Join(o.Dir, "deputy.db")}).EscapedPath()+"?_pragma=busy_timeout(20000)"
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(t, err)
}

// signed is a token that a replica signs, and the key it did so with.
func (e *estate) signed(i int) (raw, kid string) {
	e.Helper()
	id := models.NewID(models.PrefixToken)
	raw, err := e.rings[i].Sign(tokens.Claims{ID: id, Txn: id, GrantID: "gnt_a", Subject: "agt_a", ClientID: "agt_a", Audience: "https://service.example",
		IssuedAt: e.now.Unix(), Expires: e.now.Unix() + 3600})
	require.NoError(e, err)
	header, _, err := tokens.Peek(raw)
	require.NoError(e, err)
	kid, _ = header["kid"].(string)
	return raw, kid
}

// verified has both replicas verify tokens, and read the keys as they do every ten seconds.
func (e *estate) verified(raws ...string) {
	e.Helper()
	for i, ring := range e.rings {
		for n, raw := range raws {
			_, err := ring.Verify(e.Context(), raw)
			require.NoError(e, err, "token %d at replica %d", n, i)
		}
		require.NoError(e, ring.Reload(e.Context()))
	}
}

func (e *estate) tokenKeys() (keys []models.SigningKey) {
	e.Helper()
	all, err := e.stores[0].SigningKeys(e.Context())
	require.NoError(e, err)
	for _, k := range all {
		if k.Purpose == models.KeyForTokens {
			keys = append(keys, k)
		}
	}
	return keys
}

func TestSigningKeysAreRotatedByThemselves(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		const every = 90 * day
		e := newEstate(t, o, upkeep.Config{RotateEvery: every})
		first := e.tokenKeys()[0]
		begin, err := e.stores[0].FeedNow(t.Context())
		require.NoError(t, err)
		e.now = time.Unix(first.ActiveAt, 0).Add(every - 5*time.Minute - time.Second)
		e.both(t)
		require.Len(t, e.tokenKeys(), 1, "it is not time yet")

		e.now = e.now.Add(time.Second)
		for range 3 {
			e.both(t)
		}
		e.start(upkeep.Config{RotateEvery: every})
		e.both(t)
		e.well()
		keys := e.tokenKeys()
		require.Len(t, keys, 2, "one of both made one")
		next := keys[1]
		require.Equal(t, first.ActiveAt+int64(every/time.Second), next.ActiveAt, "published five minutes before it signs")
		require.Equal(t, []int64{next.ActiveAt, next.ActiveAt + tokens.Overlap}, []int64{keys[0].RetiresAt, keys[0].ExpiresAt})

		before, kid := e.signed(0)
		require.Equal(t, first.ID, kid)
		e.verified(before)
		for _, ring := range e.rings {
			require.Contains(t, string(ring.JWKS()), next.ID)
			require.Contains(t, string(ring.JWKS()), first.ID)
		}
		e.now = e.now.Add(5 * time.Minute)
		for i := range e.rings {
			raw, kid := e.signed(i)
			require.Equal(t, next.ID, kid)
			e.verified(before, raw)
		}
		e.now = time.Unix(keys[0].ExpiresAt, 0)
		e.verified()
		require.NotContains(t, string(e.rings[0].JWKS()), first.ID, "whatever it signed is over")
		e.both(t)
		require.Len(t, e.tokenKeys(), 1)
		e.told(begin, map[string]string{next.ID: models.EventKeyCreated, first.ID: models.EventKeyRetired})

		e.now = e.now.Add(every)
		e.both(t)
		require.Len(t, e.tokenKeys(), 2, "and again")
	})
}

// told holds what the feed tells of keys to what it should.
func (e *estate) told(begin models.Position, want map[string]string) {
	e.Helper()
	end, err := e.stores[0].FeedNow(e.Context())
	require.NoError(e, err)
	events, _, err := e.stores[0].Feed(e.Context(), begin, end.Seq+1)
	require.NoError(e, err)
	got := map[string]string{}
	for _, event := range events {
		require.True(e, event.Everybody, event.Type)
		require.NotContains(e, got, event.KeyID, "once")
		got[event.KeyID] = event.Type
	}
	require.Equal(e, want, got)
}

func TestRotationByItselfLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		const every = 30 * day
		e := newEstate(t, o, upkeep.Config{RotateEvery: every})
		e.now = e.now.Add(20 * day)
		planned, err := e.rings[0].Rotate(t.Context(), modelstest.By(), 3600)
		require.NoError(t, err)
		e.now = e.now.Add(20 * day)
		e.both(t)
		require.Equal(t, planned.ID, e.tokenKeys()[0].ID)
		require.Len(t, e.tokenKeys(), 1, "somebody has rotated it by then")
		e.start(upkeep.Config{})
		e.now = e.now.Add(500 * day)
		e.both(t)
		require.Len(t, e.tokenKeys(), 1, "nobody asked for it")

		e.now = e.now.Add(-490 * day)
		master, err := tokens.NewMasterKey(tokens.GenerateMasterKey())
		require.NoError(t, err)
		_, err = tokens.Rewrap(t.Context(), e.stores[0], modelstest.By(), master.After(e.master))
		require.NoError(t, err)
		e.start(upkeep.Config{RotateEvery: every})
		e.keepers[1].Tend(t.Context())
		require.Len(t, e.tokenKeys(), 1, "a replica with the old master key makes nothing that the others cannot open")
		require.NotZero(t, e.keepers[1].Failing()[upkeep.RotateKeys])

		e.rings[0] = e.ring(0, master.After(e.master)) // some may still know the old one alone
		e.start(upkeep.Config{RotateEvery: every})
		e.keepers[0].Tend(t.Context())
		require.Len(t, e.tokenKeys(), 1)
		require.Zero(t, e.keepers[0].Failing()[upkeep.RotateKeys], "that takes a while")
		e.now = e.now.Add(8 * day)
		e.keepers[0].Tend(t.Context())
		require.NotZero(t, e.keepers[0].Failing()[upkeep.RotateKeys], "but not for ever")
		e.rings[0] = e.ring(0, master)
		e.start(upkeep.Config{RotateEvery: every})
		e.keepers[0].Tend(t.Context())
		require.Len(t, e.tokenKeys(), 2)
	})
}

func TestSettingsOfUpkeep(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]upkeep.Config{
		"":                           {},
		"signing keys cannot be":     {RotateEvery: day - time.Second},
		"cannot be rotated more":     {RotateLedgerEvery: day - time.Second},
		"must be 48h0m0s old":        {ArchiveDir: dir, ArchiveAfter: 2*day - time.Second},
		"no such file":               {ArchiveDir: filepath.Join(dir, "none"), ArchiveAfter: 2 * day},
		"folder of archives: rotate": {ArchiveDir: "rotate_test.go", ArchiveAfter: 2 * day},
	} {
		if err := c.Check(); name == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, name)
		}
	}
	require.NoError(t, upkeep.Config{ArchiveDir: dir, ArchiveAfter: 2 * day, RotateEvery: day}.Check())
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "what was tried leaves nothing")
}

// The ledger's key is renewed likewise: what the ones before it signed is verified as
// ever, in archives too, and each vouches for the one that came after it.
func TestTheLedgersKeyIsRotatedByItself(t *testing.T) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		c := upkeep.Config{RotateLedgerEvery: 5 * day, ArchiveAfter: 10 * day}
		e := newEstate(t, o, c)
		var last []*models.SignedHead
		for range 4 {
			e.days(5)
			e.start(upkeep.Config{RotateLedgerEvery: c.RotateLedgerEvery, ArchiveAfter: c.ArchiveAfter, ArchiveDir: e.dir})
			e.both(t)
			e.both(t)
			head, err := e.stores[0].LatestHead(t.Context())
			require.NoError(t, err)
			last = append(last, head)
			e.verified()
		}
		e.well()
		keys, err := e.stores[0].LedgerKeys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 5, "one of both made one each time")
		require.NotZero(t, e.holds(), "with all of them, the archives too")
		brought := e.changes("rotateKey")
		for i, k := range keys[1:] {
			_, err = note.Open([]byte(last[i].Note), note.VerifierList(verifierOf(t, keys[i])))
			require.NoError(t, err, "the one before signed last")
			tree, _, _ := strings.Cut(strings.TrimPrefix(last[i].Note, "go.sum database tree\n"), "\n")
			size, err := strconv.ParseInt(tree, 10, 64)
			require.NoError(t, err)
			at := slices.IndexFunc(brought, func(x models.Entry) bool { return strings.Contains(x.Detail, `"target":"`+k.ID+`","after"`) })
			if at >= 0 { // the others are in archives
				require.Less(t, brought[at].Seq, size, "over the entry that brought the next one")
				require.Contains(t, brought[at].Detail, k.PublicJWK)
			}
		}
		require.Contains(t, e.log.String(), keys[4].PublicJWK, "it is told whole")
		v, err := e.stores[0].Verify(t.Context(), note.VerifierList(verifierOf(t, keys[4])), nil)
		require.NoError(t, err)
		require.NotEmpty(t, v.Findings, "one key alone does not vouch for what the others signed")
	})
}

func verifierOf(t *testing.T, k models.SigningKey) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(k.PublicJWK)
	require.NoError(t, err)
	return v
}
