// Package word brings word to people: that something waits for their answer, or what
// became of an agent, by every channel that reaches them. What it brings holds nothing by which anybody else could
// answer. It knows no Gin and no GORM, and it decides nothing.
package word

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/outbound"
)

// Channel is one way in which word reaches people.
type Channel interface {
	// Name of it, as the ledger and the pages call it.
	Name() string
	// Reaches tells whether somebody would get what is sent to them now.
	Reaches(ctx context.Context, u *models.User) (bool, error)
	// Send brings them a note. grants.ErrNoUse: it would not get there later either. The
	// channel of whoever runs the server takes notes to nobody else, too: nil.
	Send(ctx context.Context, u *models.User, n Note) error
}

// Note is what one person is told.
type Note struct {
	grants.Message
	Lang string // in which they read, BCP 47; "" for the server's first
	Link string // to the page where they answer, once they have signed in
	Test bool   // they only want to see whether it arrives
}

// Writer puts notes into words (pages.Letters).
type Writer interface {
	Mail(n Note) (Letter, error)
	// Line is a note in few words: a title, and what stands below it.
	Line(n Note) (title, body string, err error)
	// Languages it writes.
	Languages() []Language
}

// Letter is a note as a mail.
type Letter struct{ Subject, Text, HTML string }

// Language is one that people can choose.
type Language struct{ Tag, Name string }

// Config of Word; every field is required but Channels.
type Config struct {
	Issuer   string
	Store    *models.Store
	Writer   Writer
	Now      func() time.Time
	Channels []Channel
}

// Word brings word. It is safe for concurrent use.
type Word struct {
	Config
	mu     sync.Mutex
	tested map[string]time.Time // when somebody last tried a channel
}

// New makes one.
func New(c Config) *Word { return &Word{Config: c, tested: map[string]time.Time{}} }

// Reaches names the channels by which a user can be reached now; "": whoever runs this
// server, if they have one of their own.
func (w *Word) Reaches(ctx context.Context, userID string) ([]string, error) {
	if userID == "" {
		return w.reachesOperator(), nil
	}
	u, err := w.Store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range w.Channels {
		there, err := c.Reaches(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.Name(), err)
		}
		if there {
			names = append(names, c.Name())
		}
	}
	return names, nil
}

// Names are those of all channels there are.
func (w *Word) Names() []string {
	var names []string
	for _, c := range w.Channels {
		names = append(names, c.Name())
	}
	return names
}

// reachesOperator names the channel that is not any person's.
func (w *Word) reachesOperator() []string {
	if _, ok := channel[*Webhook](w); ok {
		return []string{grants.ChannelOperator}
	}
	return nil
}

// Send tells a user what they are asked or offered, or news, by one channel; "": whoever runs this
// server.
func (w *Word) Send(ctx context.Context, channel, userID string, m grants.Message) error {
	link := w.Issuer + "/approvals/" + url.PathEscape(m.Approval)
	switch {
	case m.News != nil:
		link = w.newsLink(m)
	case m.Transfer != "":
		link = w.Issuer + "/account/transfers/" + url.PathEscape(m.Transfer)
	}
	return w.send(ctx, channel, userID, Note{Message: m, Link: link})
}

// newsLink leads to the page of the agent, for whom it has one; of a session, to those
// that somebody has.
func (w *Word) newsLink(m grants.Message) string {
	if m.News.Kind == grants.NewsSessionLeaked {
		return w.Issuer + "/account/sessions"
	}
	if m.News.As == models.ToldOwner || m.News.As == models.ToldPerson {
		return w.Issuer + "/account/agents/" + url.PathEscape(m.ClientID)
	}
	return w.Issuer + "/account"
}

// testPause is how long it takes until a channel may be tried again.
const testPause = 10 * time.Second

// TooSoon: a channel was tried a moment ago.
type TooSoon struct{ Wait time.Duration }

func (e *TooSoon) Error() string { return fmt.Sprintf("tried a moment ago; wait %s", e.Wait) }

// Test sends a user a note that asks nothing. What went wrong is the error, in words
// that they may read; nil if it is on its way.
func (w *Word) Test(ctx context.Context, channel, userID string) error {
	if wait := w.wait(channel + " " + userID); wait > 0 {
		return &TooSoon{wait}
	}
	return w.send(ctx, channel, userID, Note{Test: true, Link: w.Issuer + "/account/word"})
}

// wait is how long it is until a test is allowed; 0: it is now, and that is noted.
func (w *Word) wait(key string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	for k, at := range w.tested {
		if now.Sub(at) >= testPause {
			delete(w.tested, k)
		}
	}
	if at, ok := w.tested[key]; ok {
		return testPause - now.Sub(at)
	}
	w.tested[key] = now
	return 0
}

// Languages are those that people can be told in.
func (w *Word) Languages() []Language { return w.Writer.Languages() }

// channel is one of ours, by what it is.
func channel[C Channel](w *Word) (found C, ok bool) {
	for _, c := range w.Channels {
		if found, ok = c.(C); ok {
			return found, true
		}
	}
	return found, false
}

// Address is where a user gets mail, "" if they do not.
func (w *Word) Address(ctx context.Context, userID string) (string, error) {
	m, ok := channel[*Mail](w)
	if !ok {
		return "", nil
	}
	u, err := w.Store.User(ctx, userID)
	if err != nil {
		return "", err
	}
	return m.Address(u), nil
}

// PushKey is what browsers subscribe with, "" if they cannot.
func (w *Word) PushKey(ctx context.Context) (string, error) {
	p, ok := channel[*Push](w)
	if !ok {
		return "", nil
	}
	return p.PublicKey(ctx)
}

// Mails are those that went nowhere, newest first; there tells whether they do.
func (w *Word) Mails() (mails []Envelope, there bool) {
	m, ok := channel[*Mail](w)
	if !ok {
		return nil, false
	}
	box, ok := m.Carrier.(*Mailbox)
	if !ok {
		return nil, false
	}
	return box.Mails(), true
}

func (w *Word) send(ctx context.Context, channel, userID string, n Note) error {
	if userID == "" && channel == grants.ChannelOperator {
		return w.by(ctx, channel, nil, n)
	}
	u, err := w.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	chosen, err := w.Store.WordSettings(ctx, userID)
	if err != nil {
		return err
	}
	if u.Status != models.StatusActive {
		return errors.New("the user is not active")
	}
	n.Lang = chosen.Lang
	return w.by(ctx, channel, u, n)
}

func (w *Word) by(ctx context.Context, channel string, u *models.User, n Note) error {
	for _, c := range w.Channels {
		if c.Name() == channel {
			return c.Send(ctx, u, n)
		}
	}
	return fmt.Errorf("there is no channel %q here: %w", channel, grants.ErrNoUse)
}

// bare is an error of a call without the addresses in it, which are not for everybody
// to see.
func bare(err error) error {
	var unknown *net.DNSError
	var network *net.OpError
	var call *url.Error
	switch {
	case errors.Is(err, outbound.ErrPrivate):
		return outbound.ErrPrivate
	case errors.As(err, &unknown):
		return errors.New("the address cannot be resolved")
	case errors.As(err, &network):
		return network.Err
	case errors.As(err, &call):
		return call.Err
	}
	return err
}
