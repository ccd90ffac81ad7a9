package word_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/word"
)

func news(kind, as string) word.Note {
	return word.Note{
		Message: grants.Message{Client: "payroll-agent", ClientID: "agt_1", News: &grants.News{
			ID: "ntc_1", Kind: kind, Thing: "crd_1", Name: "evil\r\nBcc: <b>all</b>", As: as, At: at.Unix(), Do: "deputy agent rotate payroll-agent",
		}},
		Link: "https://auth.example/account/agents/agt_1",
	}
}

// Every kind of news is told to everybody in both languages, with one link, which is
// ours, and with what helps.
func TestNewsAreWrittenForEverybody(t *testing.T) {
	write := letters(t)
	for _, kind := range []string{grants.NewsClientEnds, grants.NewsCredentialEnds, grants.NewsCredentialLeaked, grants.NewsGrantLeaked, grants.NewsTokenLeaked} {
		for _, as := range []string{models.ToldOwner, models.ToldPerson, models.ToldAdministrator, models.ToldOperator} {
			subjects := map[string]bool{}
			for _, lang := range []string{"en", "de"} {
				n := news(kind, as)
				n.Lang = lang
				l, err := write.Mail(n)
				require.NoError(t, err, kind)
				subjects[l.Subject] = true
				require.Contains(t, l.Subject, "payroll-agent")
				require.NotContains(t, l.Subject, "\n")
				for _, text := range []string{"\n" + n.Link + "\n", "\n    " + n.News.Do + "\n", "14:05 UTC"} {
					require.Contains(t, l.Text, text)
				}
				require.NotContains(t, l.Text, "\r")
				require.NotContains(t, l.Text, "\nBcc")
				require.NotContains(t, l.HTML, "<b>all")
				require.Equal(t, 1, strings.Count(l.HTML, "<a "))
				require.Contains(t, l.HTML, `<a href="`+n.Link+`">`)
				title, body, err := write.Line(n)
				require.NoError(t, err)
				require.Equal(t, l.Subject, title)
				require.NotContains(t, body, "\n")
				n.News.Do = ""
				l, err = write.Mail(n)
				require.NoError(t, err)
				require.NotContains(t, l.Text+l.HTML, "deputy agent")
			}
			require.Len(t, subjects, 2)
		}
	}
}

// Of what somebody signs in by they are told, in both languages, with no agent in it.
func TestWhatSomebodySignsInByIsTheirs(t *testing.T) {
	write, h := letters(t), newHook(t)
	hook, err := word.NewWebhook(h.URL, "0123456789abcdef", outbound.New(outbound.Reach{Loopback: true}), now)
	require.NoError(t, err)
	for kind, subject := range map[string]string{
		grants.NewsSessionLeaked: "A session of yours was found in the open", grants.NewsLinkLeaked: "A link into your account was found in the open",
	} {
		n := word.Note{Link: "https://auth.example/account", Message: grants.Message{News: &grants.News{ID: "ntc_1", Kind: kind, Thing: "ses_1", Name: "ses_1", As: models.ToldHolder, At: at.Unix()}}}
		texts := map[string]bool{}
		for _, n.Lang = range []string{"en", "de"} {
			l, err := write.Mail(n)
			require.NoError(t, err)
			texts[l.Text] = true
			require.Contains(t, l.Text, "\n"+n.Link+"\n")
			require.Contains(t, l.Text, "14:05 UTC")
			require.Contains(t, l.HTML, `<a href="`+n.Link+`">`)
			require.NotContains(t, l.Text+l.HTML, "gent", "it is of no agent")
			require.NotContains(t, l.Text+l.HTML, "news.")
			require.Equal(t, n.Lang == "en", l.Subject == subject)
		}
		require.Len(t, texts, 2)
		require.NoError(t, hook.Send(t.Context(), joe(), n))
		var got map[string]any
		require.NoError(t, json.Unmarshal(h.body, &got))
		require.Equal(t, []any{strings.Replace(kind, "_", ".", 1), "holder", "ses_1", "Joe Park"}, []any{got["type"], got["told_as"], got["thing"], got["user"].(map[string]any)["name"]})
		require.NotContains(t, got, "client")
	}
}

// How an offer was answered is said with who did, and leads to where its reader can go on.
func TestAnswersToOffersAreWrittenForWhomTheyConcern(t *testing.T) {
	write := letters(t)
	for kind, as := range map[string][]string{
		grants.NewsTransferAccepted: {models.ToldFormer}, grants.NewsTransferDeclined: {models.ToldOwner, models.ToldOfferer},
	} {
		for _, told := range as {
			texts := map[string]bool{}
			for _, lang := range []string{"en", "de"} {
				n := news(kind, told)
				n.Lang, n.News.Do, n.News.By = lang, "", "Eve\r\n<b>Evil</b>"
				l, err := write.Mail(n)
				require.NoError(t, err)
				texts[l.Subject], texts[l.Text] = true, true
				require.Contains(t, l.Subject, "payroll-agent")
				require.Contains(t, l.Text, "Eve <b>Evil</b>")
				require.Contains(t, l.Text, "14:05 UTC")
				require.Contains(t, l.HTML, "Eve &lt;b&gt;Evil&lt;/b&gt;")
				require.Equal(t, 1, strings.Count(l.HTML, `<a href="`+n.Link+`">`))
				for _, body := range []string{l.Text, l.HTML} {
					require.NotContains(t, body, "news.")
					require.NotContains(t, body, "deputy agent")
				}
				_, line, err := write.Line(n)
				require.NoError(t, err)
				require.Contains(t, line, "Eve <b>Evil</b>")
			}
			require.Len(t, texts, 4, "%s as %s", kind, told)
		}
	}
}

func TestAWebhookTellsNewsToNobodyInParticular(t *testing.T) {
	h := newHook(t)
	w, err := word.NewWebhook(h.URL, "0123456789abcdef", outbound.New(outbound.Reach{Loopback: true}), now)
	require.NoError(t, err)
	n := news(grants.NewsCredentialLeaked, models.ToldOperator)
	n.News.Name = "first"
	require.NoError(t, w.Send(t.Context(), nil, n))
	require.Equal(t, "ntc_1", h.header.Get("webhook-id"))
	var got map[string]any
	require.NoError(t, json.Unmarshal(h.body, &got))
	require.Equal(t, map[string]any{
		"type": "credential.leaked", "timestamp": "2026-11-22T14:05:00Z", "client": map[string]any{"id": "agt_1", "name": "payroll-agent"},
		"thing": "crd_1", "thing_name": "first", "told_as": "operator", "unanswered": true, "ended_at": float64(at.Unix()), "link": n.Link,
	}, got)
	n = news(grants.NewsClientEnds, models.ToldOwner)
	n.EndsAt = at.Unix()
	require.NoError(t, w.Send(t.Context(), joe(), n))
	got = nil
	require.NoError(t, json.Unmarshal(h.body, &got))
	require.Equal(t, []any{"client.ends", float64(at.Unix()), false, "Joe Park"}, []any{got["type"], got["expires_at"], got["unanswered"], got["user"].(map[string]any)["name"]})
	require.NotContains(t, got, "ended_at")
}
