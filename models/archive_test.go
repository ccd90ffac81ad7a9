package models_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// past is a ledger of two weeks, a day apart, of which each day ends with a signed head.
type past struct {
	*testing.T
	s      *models.Store
	other  *models.Store // another server on the same database
	now    time.Time
	signer note.Signer
	keys   note.Verifiers
	w      modelstest.World
	heads  []string // as they were kept elsewhere
	fact   [3]models.FactBody
}

func newPast(t *testing.T, o models.Options) *past {
	p := &past{T: t, now: time.Now().Add(-14 * 24 * time.Hour)}
	o.Now = func() time.Time { return p.now }
	p.s, p.other = modelstest.Open(t, o), modelstest.Open(t, o)
	var key note.Verifier
	p.signer, key = noteKey(t)
	p.keys = note.VerifierList(key)
	p.w = modelstest.NewWorld(t, p.s, "w")
	for i, body := range []string{`{}`, `{"a":1}`, `{"b":2}`} {
		p.fact[i] = models.FactBody{Digest: digest(body), Body: body}
	}
	for range 14 {
		p.day()
	}
	return p
}

// day is what happens in one: decisions on an old fact, on one of every day, and a change.
func (p *past) day() {
	p.Helper()
	old := p.fact[0]
	if len(p.heads) > 4 {
		old = p.fact[2]
	}
	for _, s := range []*models.Store{p.s, p.other} {
		p.decide(s, old)
		p.decide(s, p.fact[1])
	}
	modelstest.User(p.T, p.s, fmt.Sprint("user", len(p.heads)))
	require.NoError(p, p.s.SignHead(p.Context(), p.signer))
	head, err := p.s.LatestHead(p.Context())
	require.NoError(p, err)
	p.heads = append(p.heads, head.Note)
	p.now = p.now.Add(24 * time.Hour)
}

// decide grants a token on a fact.
func (p *past) decide(s *models.Store, fact models.FactBody) {
	p.Helper()
	r := modelstest.Granted(p.w.Token(p.s))
	r.Entry.Detail = strings.TrimSuffix(r.Entry.Detail, "}") + `,"fact":"` + fact.Digest + `"}`
	r.Facts = []models.FactBody{fact}
	require.NoError(p, s.Append(context.Background(), r))
}

func (p *past) findings() []string {
	p.Helper()
	v, err := p.s.Verify(p.Context(), p.keys, p.heads)
	require.NoError(p, err)
	out := []string{}
	for _, f := range v.Findings {
		out = append(out, f.String())
	}
	return out
}

// before is the evening of so many days ago.
func (p *past) before(days int) int64 {
	return p.now.Add(-time.Duration(days)*24*time.Hour - 12*time.Hour).UnixMilli()
}

// archive archives what is older than so many days.
func (p *past) archive(days int) ([]byte, *models.Archive) {
	p.Helper()
	var file bytes.Buffer
	require.NoError(p, p.s.WriteArchive(p.Context(), &file, p.before(days)))
	a, err := models.ReadArchive(bytes.NewReader(file.Bytes()), p.keys, nil)
	require.NoError(p, err)
	return file.Bytes(), a
}

func (p *past) count(query string, args ...any) (n int64) {
	p.Helper()
	require.NoError(p, p.s.Reader().Raw("select count(*) from "+query, args...).Scan(&n).Error)
	return n
}

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func (p *past) hasFact(i int) bool { return p.count("facts where digest = ?", p.fact[i].Digest) == 1 }

func TestWhatIsArchivedIsProvenAndSoIsTheRest(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		p := newPast(t, o)
		size := size(t, p.s)
		tokens := p.count("tokens")
		first, a := p.archive(7)
		require.Zero(t, a.From)
		require.EqualValues(t, 3, a.Facts, "those it speaks of")
		require.Equal(t, a.To, p.count("ledger where at < ?", p.before(7)), "all that is older")
		require.NoError(t, p.s.Archived(t.Context(), modelstest.By(), *a))
		require.Equal(t, size-a.To+1, p.count("ledger"), "they are gone, and one says so")
		require.Zero(t, p.count("ledger where seq < ?", a.To))
		require.Less(t, p.count("tokens"), tokens)
		require.Equal(t, p.count("tokens"), p.count("tokens where decision_id in (select id from ledger)"))
		require.Zero(t, p.count("ledger_heads where size < ?", a.To))
		require.Empty(t, p.findings(), "also against heads of before it, which were kept elsewhere")
		latest, err := p.s.VerifyLatest(t.Context(), p.keys, 1<<40)
		require.NoError(t, err)
		require.Empty(t, latest.Findings)
		require.Equal(t, size-a.To+1, latest.Entries)

		require.False(t, p.hasFact(0), "of which only the past spoke")
		require.True(t, p.hasFact(1))
		require.True(t, p.hasFact(2))
		p.decide(p.other, p.fact[0])
		require.True(t, p.hasFact(0), "a server that remembers it to be stored stores it again")

		for range 4 {
			p.day()
		}
		second, b := p.archive(5)
		require.Equal(t, a.To, b.From, "one goes on where the other ends")
		require.NoError(t, p.s.Archived(t.Context(), modelstest.By(), *b))
		require.Empty(t, p.findings())
		for _, file := range [][]byte{first, second} {
			_, err := models.ReadArchive(bytes.NewReader(file), p.keys, nil)
			require.NoError(t, err)
		}
		require.ErrorIs(t, p.s.WriteArchive(t.Context(), &bytes.Buffer{}, p.before(6)), models.ErrNotFound)
		require.ErrorIs(t, p.s.Archived(t.Context(), modelstest.By(), *a), models.ErrConflict, "not twice")
		other := *b
		other.From, other.To = b.To, b.To+1
		require.ErrorIs(t, p.s.Archived(t.Context(), modelstest.By(), other), models.ErrConflict, "nor what is of another ledger")
		p.decide(p.s, p.fact[0])
		require.NoError(t, p.s.SignHead(t.Context(), p.signer))
		_, live := p.archive(-1)
		require.ErrorIs(t, p.s.Archived(t.Context(), modelstest.By(), *live), models.ErrConflict, "nor what speaks of tokens that live")
		require.Empty(t, p.findings())
	})
}

// Nobody can take rows away and say that they are archived, without its being found.
func TestNothingIsDroppedAsIfArchived(t *testing.T) {
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		p := newPast(t, o)
		_, a := p.archive(9)
		require.NoError(t, p.s.Archived(t.Context(), modelstest.By(), *a))
		require.Empty(t, p.findings())
		next := a.To
		db := p.s.Writer()
		require.NoError(t, db.Exec("delete from ledger where seq = ?", next).Error)
		require.Contains(t, strings.Join(p.findings(), "\n"), fmt.Sprintf("entry %d: the row is missing", next))
		require.NoError(t, db.Exec(fmt.Sprintf(`update ledger set detail = replace(detail, '"to":%d', '"to":%d') where action = 'archiveLedger'`, next, next+1)).Error)
		require.Contains(t, strings.Join(p.findings(), "\n"), "the row is not what was written")
	})
}

func TestArchivesThatWereTamperedWithAreRefused(t *testing.T) {
	p := newPast(t, modelstest.Database(t, "sqlite"))
	file, a := p.archive(7)
	lines := strings.SplitAfter(string(file), "\n")
	lines = lines[:len(lines)-1]
	entry := func(n int) *string { return &lines[1+n] }
	_, other := noteKey(t)
	for name, one := range map[string]struct {
		want string
		do   func()
	}{
		"nothing":                {"", func() {}},
		"empty":                  {"it is none", func() { lines = nil }},
		"an entry altered":       {"not those that were signed", func() { *entry(3) = strings.Replace(*entry(3), `"outcome":"`, `"outcome":"x`, 1) }},
		"an entry spaced":        {"not those that were signed", func() { *entry(3) = " " + *entry(3) }},
		"an entry dropped":       {"entry 3 is missing", func() { lines = slices.Delete(lines, 4, 5) }},
		"two swapped":            {"entry 3 is missing", func() { lines[4], lines[5] = lines[5], lines[4] }},
		"cut off in the entries": {"it ends before entry 5", func() { lines = lines[:6] }},
		"a fact altered":         {"does not match its digest", func() { lines[len(lines)-1] = strings.Replace(lines[len(lines)-1], `"body":"`, `"body":" `, 1) }},
		"another end": {"speaks of something else", func() {
			lines[0] = strings.Replace(lines[0], fmt.Sprintf(`"to":%d`, a.To), fmt.Sprintf(`"to":%d`, a.To+1), 1)
		}},
		"another beginning": {"its head is damaged", func() { lines[0] = strings.Replace(lines[0], `"from":0`, `"from":1`, 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			keep := slices.Clone(lines)
			defer func() { lines = keep }()
			one.do()
			_, err := models.ReadArchive(strings.NewReader(strings.Join(lines, "")), p.keys, nil)
			if one.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, models.ErrArchive)
			require.ErrorContains(t, err, one.want)
		})
	}
	_, err := models.ReadArchive(bytes.NewReader(file), note.VerifierList(other), nil)
	require.ErrorContains(t, err, "signature")
}
