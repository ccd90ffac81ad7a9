package models_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// put writes a notice of a kind, which is worth nothing after life seconds; 0: it does not say.
func (p *people) put(kind string, life int64) models.Notice {
	p.Helper()
	u := modelstest.User(p, p.Store, "u-"+models.NewID("x")[20:])
	n := models.Notice{
		ID: models.NewID(models.PrefixNotice), Kind: kind, Channel: "mail", Ref: "apr_1", ClientID: modelstest.Application(p, p.Store, "app-"+models.NewID("x")[20:]).ID,
		SubjectID: u.ID, Payload: []byte("sealed-secret"), CreatedAt: p.Now(), NextAt: p.Now(),
	}
	if life != 0 {
		n.EndsAt = p.Now() + life
	}
	require.NoError(p, p.Writer().Create(&n).Error)
	return n
}

func (p *people) due() []models.Notice {
	p.Helper()
	rows, err := p.DueNotices(p.Context(), 16)
	require.NoError(p, err)
	return rows
}

func (p *people) lastEntry() models.Entry {
	p.Helper()
	rows, _, err := p.Entries(p.Context(), models.EntryFilter{Newest: true}, -1, 1)
	require.NoError(p, err)
	require.Len(p, rows, 1)
	return rows[0]
}

func TestANoticeThatWasTakenIsNeverSentAgain(t *testing.T) {
	eachPeople(t, func(p *people) {
		for kind, action := range map[string]string{
			models.NoticeLogout: "tellLogout", models.NoticeWord: "tellWord", models.NoticePing: "tellPing", models.NoticePush: "tellPush",
		} {
			p.put(kind, 300)
			taken := p.due()
			require.Len(p, taken, 1, kind)
			require.Equal(p, "sealed-secret", string(taken[0].Payload))
			require.NoError(p, p.NoticeSent(p.Context(), taken[0]))
			e := p.lastEntry()
			require.Equal(p, []string{action, taken[0].SubjectID}, []string{e.Action, e.SubjectID})
			require.Contains(p, e.Detail, `"kind":"`+kind+`"`)
			require.NotContains(p, e.Detail, "sealed", "the ledger never says what was in it")
			p.advance(2 * time.Minute)
			require.Empty(p, p.due())
		}
	})
}

func TestWhatWasBeingSentWhenTheServerDiedIsSentAgain(t *testing.T) {
	eachPeople(t, func(p *people) {
		p.put(models.NoticePing, 300)
		first := p.due()
		require.Len(p, first, 1)
		p.advance(59 * time.Second)
		require.Empty(p, p.due(), "somebody is at it")
		p.advance(2 * time.Second)
		again := p.due()
		require.Len(p, again, 1, "nobody said what became of it")
		require.Equal(p, int64(2), again[0].Tries)
		require.NoError(p, p.NoticeFailed(p.Context(), first[0], "too late"), "whose turn is over says nothing any more")
		require.NoError(p, p.NoticeSent(p.Context(), again[0]))
		p.advance(time.Hour)
		require.Empty(p, p.due())
	})
}

func TestANoticeIsTriedForAsLongAsItIsWorthSomething(t *testing.T) {
	eachPeople(t, func(p *people) {
		for _, c := range []struct {
			kind   string
			life   int64
			tries  int
			action string
		}{{models.NoticeWord, 120, 4, "giveUpWord"}, {models.NoticePing, 120, 7, "giveUpPing"}, {models.NoticePush, 120, 7, "giveUpPush"}, {models.NoticeLogout, 0, 33, "giveUpLogout"}} {
			n := p.put(c.kind, c.life)
			tries := 0
			for range 90_000 {
				for _, n := range p.due() {
					tries++
					require.NoError(p, p.NoticeFailed(p.Context(), n, "answered 503"))
				}
				var left []models.Notice
				require.NoError(p, p.Reader().Find(&left).Error)
				if len(left) == 0 {
					break
				}
				p.advance(time.Duration(left[0].NextAt-p.Now()) * time.Second)
			}
			require.InDelta(p, c.tries, tries, 2, c.kind)
			e := p.lastEntry()
			require.Equal(p, c.action, e.Action)
			require.Contains(p, e.Detail, "answered 503")
			if c.life != 0 {
				require.LessOrEqual(p, e.At/1000, n.CreatedAt+c.life)
			}
		}
	})
}

// What a newer release beside this one wrote is left for it: not taken, no attempt counted,
// and there until somebody comes who knows it.
func TestNoticesOfANewerReleaseAreLeftAlone(t *testing.T) {
	eachPeople(t, func(p *people) {
		foreign := p.put("hologram", 86400)
		kinds, err := p.UnknownNotices(p.Context())
		require.NoError(p, err)
		require.Equal(p, []string{"hologram"}, kinds)
		for range 3 {
			require.Empty(p, p.due())
			p.advance(time.Hour)
		}
		p.put(models.NoticePing, 300)
		require.Len(p, p.due(), 1, "it holds up nobody")
		left, err := p.Notice(p.Context(), foreign.ID)
		require.NoError(p, err)
		require.Equal(p, foreign, *left, "as it was written")

		require.NoError(p, p.Writer().Model(&models.Notice{}).Where("id = ?", foreign.ID).Update("kind", models.NoticeWord).Error)
		taken := p.due() // by a release that knows it
		require.Len(p, taken, 1)
		require.Equal(p, []any{foreign.ID, int64(1)}, []any{taken[0].ID, taken[0].Tries})
		kinds, err = p.UnknownNotices(p.Context())
		require.NoError(p, err)
		require.Empty(p, kinds)
	})
}
