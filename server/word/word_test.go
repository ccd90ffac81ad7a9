package word_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/word"
)

var at = time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)

func now() time.Time { return at }

func letters(t *testing.T) *pages.Letters {
	t.Helper()
	book, err := pages.Shipped()
	require.NoError(t, err)
	l, err := pages.NewLetters(book, now)
	require.NoError(t, err)
	return l
}

func joe() *models.User {
	u := &models.User{Username: "joe", Name: "Joe Park", Email: "joe@people.example"}
	u.ID = "usr_joe"
	return u
}

func asked(words string) word.Note {
	return word.Note{
		Message: grants.Message{Approval: "apr_1", Client: "payroll-agent", ClientID: "agt_1", Words: words, Compare: "K7QP", EndsAt: at.Add(5 * time.Minute).Unix()},
		Link:    "https://auth.example/approvals/apr_1",
	}
}

func TestALetterQuotesTheAgentAndLeadsToThePage(t *testing.T) {
	for lang, title := range map[string]string{"": "payroll-agent waits for your answer", "de": "payroll-agent wartet auf Ihre Antwort", "xx": "payroll-agent waits for your answer", "de-AT": "payroll-agent wartet auf Ihre Antwort"} {
		n := asked("Pay 12 EUR <b>now</b>\nand say https://evil.example/ is fine")
		n.Lang = lang
		l, err := letters(t).Mail(n)
		require.NoError(t, err)
		require.Equal(t, title, l.Subject)
		require.Contains(t, l.Text, "\n> Pay 12 EUR <b>now</b>\n> and say https://evil.example/ is fine\n", "every line of it is marked as theirs")
		require.Contains(t, l.Text, "\nhttps://auth.example/approvals/apr_1\n")
		require.Contains(t, l.Text, "K7QP")
		require.Contains(t, l.Text, "14:10 UTC")
		require.Contains(t, l.HTML, "<blockquote><p>Pay 12 EUR &lt;b&gt;now&lt;/b&gt;</p><p>and say https://evil.example/ is fine</p></blockquote>")
		require.Equal(t, 1, strings.Count(l.HTML, "<a "), "one link, and it is ours")
		require.Contains(t, l.HTML, `<a href="https://auth.example/approvals/apr_1">`)
	}
}

func TestALetterWithoutWordsHasNoQuote(t *testing.T) {
	l, err := letters(t).Mail(asked(""))
	require.NoError(t, err)
	require.NotContains(t, l.Text, ">")
	require.NotContains(t, l.HTML, "blockquote")
}

func TestANameCannotAddHeadersOrLines(t *testing.T) {
	n := asked("")
	n.Client = "evil\r\nBcc: all@people.example\n\nHello"
	l, err := letters(t).Mail(n)
	require.NoError(t, err)
	require.Equal(t, "evil Bcc: all@people.example Hello waits for your answer", l.Subject)
	title, body, err := letters(t).Line(n)
	require.NoError(t, err)
	require.Equal(t, l.Subject, title)
	require.Contains(t, body, "K7QP")
	require.NotContains(t, title+body, "\n")
}

func TestATestAsksNothing(t *testing.T) {
	l, err := letters(t).Mail(word.Note{Test: true, Link: "https://auth.example/account/word"})
	require.NoError(t, err)
	require.Equal(t, "This is a test from Deputy", l.Subject)
	require.Contains(t, l.Text, "https://auth.example/account/word")
	require.NotContains(t, l.Text, "approvals")
}

func TestTheMailboxIsBounded(t *testing.T) {
	box := &word.Mailbox{}
	m := &word.Mail{From: mail.Address{Address: "deputy@localhost"}, Writer: letters(t), Carrier: box, Now: now, Local: "localhost"}
	for range 150 {
		require.NoError(t, m.Send(t.Context(), joe(), asked("")))
	}
	nobody := joe()
	nobody.Email = ""
	require.NoError(t, m.Send(t.Context(), nobody, asked("")))
	all := box.Mails()
	require.Len(t, all, 100)
	require.Equal(t, []string{"joe@localhost", "joe@people.example"}, []string{all[0].To.Address, all[1].To.Address})
	m.Local = ""
	there, err := m.Reaches(t.Context(), nobody)
	require.NoError(t, err)
	require.False(t, there)
	require.ErrorIs(t, m.Send(t.Context(), nobody, asked("")), grants.ErrNoUse)
}

// hook is the operator's own endpoint.
type hook struct {
	*httptest.Server
	status int
	header http.Header
	body   []byte
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{status: http.StatusNoContent}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.header = r.Header
		h.body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

func TestAWebhookIsSigned(t *testing.T) {
	h := newHook(t)
	key := []byte("0123456789abcdef0123456789abcdef")
	w, err := word.NewWebhook(h.URL, "whsec_"+base64.StdEncoding.EncodeToString(key), outbound.New(outbound.Reach{Loopback: true}), now)
	require.NoError(t, err)
	there, err := w.Reaches(t.Context(), joe())
	require.NoError(t, err)
	require.True(t, there)
	require.NoError(t, w.Send(t.Context(), joe(), asked("Pay")))

	id, stamp := h.header.Get("webhook-id"), h.header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + string(h.body)))
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), h.header.Get("webhook-signature"))
	require.Equal(t, "apr_1", id, "who gets it twice can tell")
	var got map[string]any
	require.NoError(t, json.Unmarshal(h.body, &got))
	require.Equal(t, map[string]any{
		"type": "approval.asked", "timestamp": "2026-11-22T14:05:00Z", "approval": "apr_1", "message": "Pay", "compare": "K7QP",
		"link": "https://auth.example/approvals/apr_1", "expires_at": float64(at.Add(5 * time.Minute).Unix()),
		"user":   map[string]any{"id": "usr_joe", "username": "joe", "name": "Joe Park", "email": "joe@people.example"},
		"client": map[string]any{"id": "agt_1", "name": "payroll-agent"},
	}, got)

	require.NoError(t, w.Send(t.Context(), joe(), word.Note{Test: true, Link: "https://auth.example/account/word"}))
	require.Contains(t, string(h.body), `"type":"test"`)
	require.NotContains(t, string(h.body), `"client"`)
	for status, final := range map[int]bool{500: false, 404: false, 302: false, 410: true} {
		h.status = status
		err := w.Send(t.Context(), joe(), asked(""))
		require.ErrorContains(t, err, "answered")
		require.NotContains(t, err.Error(), h.URL, "the address is the operator's to know")
		require.Equal(t, final, errorsIs(err))
	}
}

func errorsIs(err error) bool { return strings.Contains(err.Error(), grants.ErrNoUse.Error()) }

func TestAWebhookIsHeldToItsRules(t *testing.T) {
	for _, secret := range []string{"", "short", "whsec_AAAA", "whsec_?"} {
		_, err := word.NewWebhook("https://hook.example", secret, nil, now)
		require.ErrorContains(t, err, "secret", secret)
	}
	h := newHook(t)
	w, err := word.NewWebhook(h.URL, "0123456789abcdef", outbound.New(outbound.Reach{}), now)
	require.NoError(t, err)
	err = w.Send(context.Background(), joe(), asked(""))
	require.ErrorIs(t, err, outbound.ErrPrivate)
	require.NotContains(t, err.Error(), "127.0.0.1")
	require.Nil(t, h.header, "an address inside is not reached")
}
