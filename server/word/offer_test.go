package word_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/word"
)

// offered is what somebody is told of an offer.
func offered(lang string) word.Note {
	return word.Note{
		Message: grants.Message{Transfer: "trf_1", From: "Olivia\nOwner", Client: "payroll-agent", ClientID: "agt_1", EndsAt: at.Unix()},
		Lang:    lang, Link: "https://auth.example/account/transfers/trf_1",
	}
}

func TestAWebhookTellsOfOffers(t *testing.T) {
	h := newHook(t)
	w, err := word.NewWebhook(h.URL, "0123456789abcdef", outbound.New(outbound.Reach{Loopback: true}), now)
	require.NoError(t, err)
	require.NoError(t, w.Send(t.Context(), joe(), offered("")))
	require.Equal(t, "trf_1", h.header.Get("webhook-id"))
	var got map[string]any
	require.NoError(t, json.Unmarshal(h.body, &got))
	require.Equal(t, "transfer.offered", got["type"])
	require.Equal(t, "trf_1", got["transfer"])
	require.Equal(t, "Olivia\nOwner", got["offered_by"])
	require.NotContains(t, got, "approval")
	require.NotContains(t, got, "compare")
}

// Whatever somebody is called stays one line, and is no part of the markup.
func TestLettersOfOffers(t *testing.T) {
	book, err := pages.Shipped()
	require.NoError(t, err)
	letters, err := pages.NewLetters(book, now)
	require.NoError(t, err)
	for lang, subject := range map[string]string{"en": "You are asked to answer for payroll-agent", "de": "Sie werden gebeten, für payroll-agent einzustehen"} {
		n := offered(lang)
		n.From = "<b>Olivia</b>\nOwner"
		mail, err := letters.Mail(n)
		require.NoError(t, err)
		require.Equal(t, subject, mail.Subject)
		for _, body := range []string{mail.Text, mail.HTML} {
			require.Contains(t, body, n.Link)
			require.NotContains(t, body, "<b>Olivia</b>\nOwner")
		}
		require.Contains(t, mail.Text, "<b>Olivia</b> Owner")
		require.Contains(t, mail.HTML, "&lt;b&gt;Olivia&lt;/b&gt; Owner")
		require.Equal(t, 1, strings.Count(mail.HTML, "<title>"+subject+"</title>"))
		title, line, err := letters.Line(n)
		require.NoError(t, err)
		require.Equal(t, subject, title)
		require.Contains(t, line, "Olivia")
	}
}
