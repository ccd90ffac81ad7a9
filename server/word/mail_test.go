package word_test

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/word"
)

// postOffice is a mail server that says what it is told to say.
type postOffice struct {
	net.Listener
	rcpt string // answer to RCPT
	mu   sync.Mutex
	mail string
	said []string
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &postOffice{Listener: l, rcpt: "250 ok"}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *postOffice) serve(c net.Conn) {
	defer c.Close()
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 mail.example")
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		p.mu.Lock()
		p.said = append(p.said, strings.TrimSpace(line))
		p.mu.Unlock()
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); verb {
		case "EHLO":
			say("250-mail.example")
			say("250 8BITMIME")
		case "RCPT":
			say(p.rcpt)
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for line, err = in.ReadString('\n'); err == nil && line != ".\r\n"; line, err = in.ReadString('\n') {
				b.WriteString(line)
			}
			p.mu.Lock()
			p.mail = b.String()
			p.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *postOffice) channel(t *testing.T, tls string) *word.Mail {
	t.Helper()
	s := word.SMTP{Address: p.Addr().String(), TLS: tls, Name: "auth.example"}
	require.NoError(t, s.Check())
	return &word.Mail{From: mail.Address{Name: "Deputy", Address: "deputy@auth.example"}, Writer: letters(t), Carrier: s, Now: now}
}

func TestAMailIsTextAndHTML(t *testing.T) {
	p := newPostOffice(t)
	n := asked("Größe: 12 €")
	n.Lang = "de"
	require.NoError(t, p.channel(t, word.NoTLS).Send(t.Context(), joe(), n))
	m, err := mail.ReadMessage(strings.NewReader(p.mail))
	require.NoError(t, err)
	to, err := m.Header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, "joe@people.example", to[0].Address)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "payroll-agent wartet auf Ihre Antwort", subject)
	require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	require.Regexp(t, `^<[a-z0-9]+@auth\.example>$`, m.Header.Get("Message-ID"))
	require.Empty(t, m.Header.Get("User-Agent")+m.Header.Get("X-Mailer"))
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		part, err := parts.NextRawPart()
		require.NoError(t, err)
		require.Contains(t, part.Header.Get("Content-Type"), want)
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		require.NoError(t, err)
		require.Contains(t, string(body), "Größe: 12 €")
	}
	require.Contains(t, strings.Join(p.said, "\n"), "EHLO auth.example")
}

func TestAMailServerWithoutTLSGetsNothing(t *testing.T) {
	p := newPostOffice(t)
	err := p.channel(t, word.StartTLS).Send(t.Context(), joe(), asked("secret words"))
	require.ErrorContains(t, err, "STARTTLS")
	require.Empty(t, p.mail)
	require.NotContains(t, strings.Join(p.said, "\n"), "joe@")
}

func TestWhoIsNotThereIsNotTriedAgain(t *testing.T) {
	p := newPostOffice(t)
	p.rcpt = "550 nobody of that name"
	err := p.channel(t, word.NoTLS).Send(t.Context(), joe(), asked(""))
	require.ErrorIs(t, err, grants.ErrNoUse)
	require.ErrorContains(t, err, "nobody of that name")
	p.rcpt = "451 come again"
	err = p.channel(t, word.NoTLS).Send(t.Context(), joe(), asked(""))
	require.ErrorContains(t, err, "come again")
	require.NotErrorIs(t, err, grants.ErrNoUse)
}

func TestSettingsOfTheMailServerAreChecked(t *testing.T) {
	for want, s := range map[string]word.SMTP{
		"host:port": {Address: "mail.example", TLS: word.TLS}, "this machine": {Address: "mail.example:25", TLS: word.NoTLS},
		"wants a password": {Address: "mail.example:587", Username: "u", TLS: word.StartTLS},
	} {
		require.ErrorContains(t, s.Check(), want)
	}
	for _, s := range []word.SMTP{{Address: "localhost:1025", TLS: word.NoTLS}, {Address: "[::1]:1025", TLS: word.NoTLS}, {Address: "mail.example:465", TLS: word.TLS, Username: "u", Password: "p"}} {
		require.NoError(t, s.Check())
	}
}
