package harness

import (
	"net/mail"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/word"
)

// speaks gives the server its channels to people: mail to everybody, which goes to the
// mailbox, and browsers.
func (s *Server) speaks(reach outbound.Reach) {
	s.TB.Helper()
	book, err := pages.Shipped()
	require.NoError(s.TB, err)
	letters, err := pages.NewLetters(book, s.Clock.Now)
	require.NoError(s.TB, err)
	s.Mailbox = &word.Mailbox{}
	post := &word.Mail{From: mail.Address{Name: "Deputy", Address: "deputy@deputy.test"}, Writer: letters, Carrier: s.Mailbox, Now: s.Clock.Now, Local: "people.test"}
	s.Word = word.New(word.Config{
		Issuer: s.URL, Store: s.Store, Writer: letters, Now: s.Clock.Now,
		Channels: []word.Channel{post, word.NewPush(s.URL, s.Store, s.master, letters, reach.HTTP(0))},
	})
}
