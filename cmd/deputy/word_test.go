package main

import (
	"net/mail"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/word"
)

// channels are those that settings ask for.
func channels(t *testing.T, args ...string) ([]string, error) {
	t.Helper()
	c, err := settingsOf(t, args...)
	require.NoError(t, err)
	require.NoError(t, c.prepare())
	w, err := c.word(nil, tokens.MasterKey{})
	if err != nil {
		return nil, err
	}
	return w.Names(), nil
}

func TestWordGoesByTheChannelsThatAreSet(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("0123456789abcdef\n"), 0o600))
	t.Setenv("DEPUTY_SMTP_PASSWORD_FILE", secret)
	t.Setenv("DEPUTY_WORD_WEBHOOK_SECRET_FILE", secret)
	base := []string{"--issuer", "https://auth.example", "--master-key", "x", "--data-dir", t.TempDir()}
	mails := []string{"--smtp-address", "mail.example:587", "--smtp-username", "deputy", "--mail-from", "Deputy <deputy@auth.example>"}
	for want, c := range map[string]struct {
		args  []string
		names []string
	}{
		"":                         {nil, []string{"push"}},
		"all":                      {append(mails, "--word-webhook", "https://hook.example/deputy"), []string{"mail", "push", "webhook"}},
		"DEPUTY_MAIL_FROM":         {mails[:4], nil},
		"host:port":                {[]string{"--smtp-address", "mail.example"}, nil},
		"this machine":             {append([]string{"--smtp-tls", "none"}, mails...), nil},
		"must be an https address": {[]string{"--word-webhook", "http://hook.example"}, nil},
	} {
		names, err := channels(t, append(c.args, base...)...)
		if c.names == nil {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.names, names, want)
	}
}

func TestInDevelopmentMailsGoNowhere(t *testing.T) {
	c, err := settingsOf(t, "--dev", "--data-dir", t.TempDir())
	require.NoError(t, err)
	post, err := c.mailing("http://localhost:8080", true, nil)
	require.NoError(t, err)
	require.IsType(t, &word.Mailbox{}, post.Carrier)
	require.Equal(t, mail.Address{Name: "Deputy", Address: "deputy@localhost"}, post.From)

	c, err = settingsOf(t, "--dev", "--data-dir", t.TempDir(), "--smtp-address", "localhost:1025", "--smtp-tls", "none", "--mail-from", "d@deputy.test")
	require.NoError(t, err)
	post, err = c.mailing("http://localhost:8080", true, nil)
	require.NoError(t, err)
	require.Equal(t, &word.SMTP{Address: "localhost:1025", TLS: "none", Name: "localhost"}, post.Carrier)
}
