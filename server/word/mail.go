package word

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// Envelope is a mail on its way.
type Envelope struct {
	From, To mail.Address
	Letter
	Link string // what the letter leads to
	At   time.Time
}

// Carrier takes mails where they go.
type Carrier interface {
	Carry(ctx context.Context, e Envelope) error
}

// Mail is the channel of e-mail. It reaches who has an address.
type Mail struct {
	From    mail.Address
	Writer  Writer
	Carrier Carrier
	Now     func() time.Time
	// Local is what stands behind the @ for those who have no address; "" if they get
	// no mail. It is for mails that never leave this machine.
	Local string
}

// Name is mail.
func (m *Mail) Name() string { return "mail" }

// Address is where somebody gets mail, "" if nowhere.
func (m *Mail) Address(u *models.User) string {
	if u.Email == "" && m.Local != "" {
		return u.Username + "@" + m.Local
	}
	return u.Email
}

// Reaches implements Channel.
func (m *Mail) Reaches(_ context.Context, u *models.User) (bool, error) {
	return m.Address(u) != "", nil
}

// Send implements Channel.
func (m *Mail) Send(ctx context.Context, u *models.User, n Note) error {
	to := m.Address(u)
	if to == "" {
		return fmt.Errorf("there is no address: %w", grants.ErrNoUse)
	}
	letter, err := m.Writer.Mail(n)
	if err != nil {
		return err
	}
	return m.Carrier.Carry(ctx, Envelope{From: m.From, To: mail.Address{Name: u.Name, Address: to}, Letter: letter, Link: n.Link, At: m.Now()})
}

// Ways of TLS to a mail server.
const (
	StartTLS = "starttls" // begins in plain and goes over before anything is said
	TLS      = "tls"
	NoTLS    = "none" // on this machine only
)

// SMTP carries mails to a mail server.
type SMTP struct {
	Address            string // host:port
	Username, Password string // "": nobody signs in there
	TLS                string // StartTLS, TLS or NoTLS
	Name               string // as which this server greets
}

// Check tells what is wrong with the settings, nil if nothing.
func (s SMTP) Check() error {
	host, _, err := net.SplitHostPort(s.Address)
	switch {
	case err != nil || host == "":
		return fmt.Errorf("the mail server %q must be host:port", s.Address)
	case s.TLS == NoTLS && host != "localhost" && !net.ParseIP(host).IsLoopback():
		return errors.New("mail without TLS is for a mail server on this machine only")
	case (s.Username == "") != (s.Password == ""):
		return errors.New("a user name at the mail server wants a password, and a password a user name")
	}
	return nil
}

// smtpTimeout bounds one command and its answer.
const smtpTimeout = 5 * time.Second

// Carry implements Carrier.
func (s SMTP) Carry(ctx context.Context, e Envelope) error {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&e.From)
	msg.ToMailAddress(&e.To)
	msg.Subject(e.Subject)
	msg.SetDateWithValue(e.At)
	msg.SetMessageIDWithValue(strings.ToLower(rand.Text()) + "@" + s.Name)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, e.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, e.HTML)
	client, err := s.client()
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.Reason == gomail.ErrSMTPRcptTo {
		return fmt.Errorf("%w: %w", err, grants.ErrNoUse) // nobody is there, and will not be
	}
	return err
}

// Connect goes as far as a mail would before it is sent: it connects, goes over to TLS
// and signs in, as the settings say.
func (s SMTP) Connect(ctx context.Context) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	return client.Close()
}

func (s SMTP) client() (*gomail.Client, error) {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("mail server: port %q", port)
	}
	options := []gomail.Option{gomail.WithTimeout(smtpTimeout), gomail.WithHELO(s.Name)}
	switch s.TLS {
	case TLS:
		options = append(options, gomail.WithSSL())
	case NoTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	client, err := gomail.NewClient(host, append(options, gomail.WithPort(n))...)
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	return client, nil
}
