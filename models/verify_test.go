package models_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// evidence is a ledger to tamper with, and what was kept of it elsewhere.
type evidence struct {
	s        *models.Store
	db       *gorm.DB
	verifier note.Verifier
	kept     string // the head, signed at size signed
	signed   int64
	size     int64
	token    models.Token // granted before the head was signed
	grant    int64        // seq of the decision that granted it
	plain    int64        // seq of an entry that no token hangs from, even, before the head
	fact     string
}

// gather makes a ledger of changes, decisions and tokens, in batches of one and
// of several, with a head signed before the last of them.
func gather(t *testing.T, dialect string) *evidence {
	t.Helper()
	s := modelstest.New(t, dialect)
	signer, verifier := noteKey(t)
	w := modelstest.NewWorld(t, s, "w")
	root := modelstest.Issue(t, s, w.Token(s))
	e := &evidence{s: s, db: s.Writer(), verifier: verifier, token: modelstest.Issue(t, s, modelstest.Exchange(root, "agt_b"))}
	batch := []*models.Record{}
	for range 5 {
		batch = append(batch, modelstest.Refused(s, w.Agent.ID))
	}
	e.fact = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // SHA-256 of {}
	batch[0].Facts = []models.FactBody{{Digest: e.fact, Body: "{}"}}
	for _, err := range s.CommitTogether(t.Context(), batch...) {
		require.NoError(t, err)
	}
	require.NoError(t, s.SignHead(t.Context(), signer))
	head, err := s.LatestHead(t.Context())
	require.NoError(t, err)
	e.kept, e.signed = head.Note, head.Size
	modelstest.Issue(t, s, w.Token(s))
	modelstest.User(t, s, "late")
	modelstest.User(t, s, "later")
	e.size = size(t, s)
	granted, err := s.EntryByID(t.Context(), e.token.DecisionID)
	require.NoError(t, err)
	e.grant, e.plain = granted.Seq, granted.Seq+2
	return e
}

func (e *evidence) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	res := e.db.Exec(sql, args...)
	require.NoError(t, res.Error)
	require.NotZero(t, res.RowsAffected, sql)
}

// found verifies and lists where something was found, without the ids in brackets.
func (e *evidence) found(t *testing.T, kept ...string) []string {
	t.Helper()
	got, err := e.s.Verify(t.Context(), note.VerifierList(e.verifier), kept)
	require.NoError(t, err)
	where := []string{}
	for _, f := range got.Findings {
		name, _, _ := strings.Cut(f.Where, " (")
		where = append(where, name)
	}
	return where
}

func entry(seq int64) string { return fmt.Sprint("entry ", seq) }

func TestVerifyFindsNothing(t *testing.T) {
	t.Parallel()
	for _, dialect := range modelstest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			e := gather(t, dialect)
			got, err := e.s.Verify(t.Context(), note.VerifierList(e.verifier), []string{e.kept})
			require.NoError(t, err)
			require.Empty(t, got.Findings)
			tree, err := e.s.Tree(t.Context())
			require.NoError(t, err)
			require.Equal(t, models.Verification{Entries: e.size, Facts: 1, Heads: 1, Unsigned: 3, Root: tree.Root}, got)
		})
	}
	t.Run("in an empty ledger", func(t *testing.T) {
		modelstest.Each(t, func(t *testing.T, s *models.Store) {
			_, verifier := noteKey(t)
			got, err := s.Verify(t.Context(), note.VerifierList(verifier), nil)
			require.NoError(t, err)
			empty, err := tlog.TreeHash(0, nil)
			require.NoError(t, err)
			require.Equal(t, models.Verification{Root: empty}, got)
		})
	})
}

// tampering is one thing done to the database, and where it must be found:
// exactly there.
type tampering struct {
	name string
	do   func(t *testing.T, e *evidence)
	want func(e *evidence) []string
}

func at(seq func(e *evidence) int64) func(e *evidence) []string {
	return func(e *evidence) []string { return []string{entry(seq(e))} }
}

func tamperings(t *testing.T) []tampering {
	all := append(rowTamperings(), treeTamperings()...)
	all = append(all, tokenTamperings()...)
	parsed, err := schema.Parse(&models.Entry{}, &sync.Map{}, schema.NamingStrategy{})
	require.NoError(t, err)
	for _, column := range parsed.DBNames {
		change := column + " || 'x'"
		switch column {
		case "seq":
			continue // is moved about below
		case "at":
			change = "at + 1"
		}
		all = append(all, tampering{"entry's " + column, func(t *testing.T, e *evidence) {
			e.exec(t, "update ledger set "+column+" = "+change+" where seq = ?", e.plain)
		}, at(func(e *evidence) int64 { return e.plain })})
	}
	return all
}

func TestVerifyFindsTampering(t *testing.T) {
	t.Parallel()
	for _, dialect := range modelstest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			e := gather(t, dialect)
			for _, c := range tamperings(t) {
				t.Run(c.name, func(t *testing.T) {
					e.putBack(t, func() {
						c.do(t, e)
						require.ElementsMatch(t, c.want(e), e.found(t))
					})
					require.Empty(t, e.found(t), "put back as it was")
				})
			}
		})
	}
}

// putBack runs fn and then makes the ledger what it was before.
func (e *evidence) putBack(t *testing.T, fn func()) {
	t.Helper()
	defer keep[models.Entry](t, e.db)()
	defer keep[models.Token](t, e.db)()
	defer keep[models.FactBody](t, e.db)()
	defer keep[models.TreePart](t, e.db)()
	defer keep[models.SignedHead](t, e.db)()
	defer keep[models.Head](t, e.db)()
	fn()
}

// keep copies a table; calling what it returns makes the table that copy again.
func keep[T any](t *testing.T, db *gorm.DB) (putBack func()) {
	t.Helper()
	var rows []T
	require.NoError(t, db.Find(&rows).Error)
	return func() {
		require.NoError(t, db.Where("1 = 1").Delete(new(T)).Error)
		require.NoError(t, db.Create(&rows).Error)
	}
}

// What is cut off or rewritten throughout is consistent in itself: a signed
// head convicts it, and if that was taken away too, one that was kept elsewhere.
func TestVerifyFindsConsistentTampering(t *testing.T) {
	t.Parallel()
	for _, dialect := range modelstest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Run("the end cut off", func(t *testing.T) {
				e := gather(t, dialect)
				e.rewrite(t, e.signed-2, nil)
				head := fmt.Sprint("head ", e.signed)
				require.Equal(t, []string{head, "kept " + head}, e.found(t, e.kept))
				e.exec(t, "delete from ledger_heads")
				require.Empty(t, e.found(t))
				require.Equal(t, []string{"kept " + head}, e.found(t, e.kept))
			})
			t.Run("an entry changed and the tree made to match", func(t *testing.T) {
				e := gather(t, dialect)
				e.rewrite(t, e.size, func() { e.exec(t, "update ledger set client_id = 'agt_other' where seq = ?", e.plain) })
				head := fmt.Sprint("head ", e.signed)
				require.Equal(t, []string{head, "kept " + head}, e.found(t, e.kept))
				e.exec(t, "delete from ledger_heads")
				require.Empty(t, e.found(t))
				require.Equal(t, []string{"kept " + head}, e.found(t, e.kept))
			})
			t.Run("the end changed after the last head is beyond any proof", func(t *testing.T) {
				e := gather(t, dialect)
				e.rewrite(t, e.size-1, nil)
				require.Empty(t, e.found(t, e.kept))
			})
			t.Run("a kept head that is none", func(t *testing.T) {
				e := gather(t, dialect)
				require.Equal(t, []string{"kept head"}, e.found(t, "not a note"))
				other, _ := noteKey(t)
				forged, err := note.Sign(&note.Note{Text: "go.sum database tree\n1\n\n"}, other)
				require.NoError(t, err)
				require.Equal(t, []string{"kept head"}, e.found(t, string(forged)))
			})
		})
	}
}

// rewrite does what somebody with the whole database in hand would: it changes
// rows, drops those from size on, and makes tree and head match.
func (e *evidence) rewrite(t *testing.T, size int64, change func()) {
	t.Helper()
	if change != nil {
		change()
	}
	e.db.Exec("delete from ledger where seq >= ?", size)
	e.db.Exec("delete from tokens where decision_id not in (select id from ledger)")
	var rows []models.Entry
	require.NoError(t, e.db.Order("seq").Find(&rows).Error)
	require.Len(t, rows, int(size))
	var stored, edge []byte
	for _, row := range rows {
		var grown []byte
		grown, edge = models.GrowTree(edge, row.Seq, row.Leaf())
		stored = append(stored, grown...)
	}
	e.exec(t, "delete from ledger_tree")
	require.NoError(t, e.db.Create(&models.TreePart{Hashes: stored}).Error)
	e.exec(t, "update ledger_head set size = ?, edge = ?", size, edge)
}
