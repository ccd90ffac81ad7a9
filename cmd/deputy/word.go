package main

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/outbound"
	view "github.com/deputyauth/deputy/server/pages"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/word"
)

// wordFlags are the settings of how word reaches people.
type wordFlags struct {
	SMTPAddress   string `name:"smtp-address" env:"DEPUTY_SMTP_ADDRESS" help:"Mail server that takes mails to people; empty for no mail (with --dev: mails are kept, and shown at /dev/mailbox)." placeholder:"HOST:PORT"`
	SMTPTLS       string `name:"smtp-tls" env:"DEPUTY_SMTP_TLS" default:"starttls" enum:"starttls,tls,none" help:"starttls, tls, or none; none is for a mail server on this machine only."`
	SMTPUsername  string `name:"smtp-username" env:"DEPUTY_SMTP_USERNAME" help:"As whom to sign in at the mail server; empty for nobody."`
	SMTPPassword  Secret `name:"smtp-password" env:"DEPUTY_SMTP_PASSWORD" help:"Password there." placeholder:"PASSWORD"`
	MailFrom      string `name:"mail-from" env:"DEPUTY_MAIL_FROM" help:"Sender of mails, such as 'Deputy <deputy@example.com>'." placeholder:"ADDRESS"`
	WebhookURL    string `name:"word-webhook" env:"DEPUTY_WORD_WEBHOOK" help:"Address of yours that is told of everything people are asked or reminded of, and passes it on to them." placeholder:"URL"`
	WebhookSecret Secret `name:"word-webhook-secret" env:"DEPUTY_WORD_WEBHOOK_SECRET" help:"Key under which what is sent there is signed, 16 bytes or more." placeholder:"SECRET"`
}

// smtp is the mail server, nil if there is none.
func (f wordFlags) smtp(issuer string) (*word.SMTP, error) {
	if f.SMTPAddress == "" {
		return nil, nil
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	s := &word.SMTP{Address: f.SMTPAddress, Username: f.SMTPUsername, Password: string(f.SMTPPassword), TLS: f.SMTPTLS, Name: u.Hostname()}
	return s, s.Check()
}

// from is the sender of mails.
func (f wordFlags) from(dev bool) (mail.Address, error) {
	if f.MailFrom == "" && dev && f.SMTPAddress == "" {
		return mail.Address{Name: "Deputy", Address: "deputy@localhost"}, nil
	}
	if f.MailFrom == "" {
		return mail.Address{}, errors.New("DEPUTY_MAIL_FROM is not set: mails need a sender")
	}
	from, err := mail.ParseAddress(f.MailFrom)
	if err != nil {
		return mail.Address{}, fmt.Errorf("DEPUTY_MAIL_FROM: %w", err)
	}
	return *from, nil
}

// mailing is the channel of mail, nil if there is none. With dev and no mail server,
// mails go nowhere but into a mailbox, to everybody.
func (f wordFlags) mailing(issuer string, dev bool, letters word.Writer) (*word.Mail, error) {
	smtp, err := f.smtp(issuer)
	if err != nil || smtp == nil && !dev {
		return nil, err
	}
	from, err := f.from(dev)
	if err != nil {
		return nil, err
	}
	if smtp != nil {
		return &word.Mail{From: from, Writer: letters, Carrier: smtp, Now: time.Now}, nil
	}
	return &word.Mail{From: from, Writer: letters, Carrier: &word.Mailbox{}, Now: time.Now, Local: "localhost"}, nil
}

// word is every channel to people that the settings ask for.
func (c *serveCmd) word(store *models.Store, master tokens.MasterKey) (*word.Word, error) {
	book, err := view.Shipped()
	if err != nil {
		return nil, err
	}
	letters, err := view.NewLetters(book, time.Now)
	if err != nil {
		return nil, err
	}
	w := word.Config{Issuer: c.Issuer, Store: store, Writer: letters, Now: time.Now}
	post, err := c.mailing(c.Issuer, c.Dev, letters)
	if err != nil {
		return nil, err
	}
	if post != nil {
		w.Channels = append(w.Channels, post)
	}
	w.Channels = append(w.Channels, word.NewPush(c.Issuer, store, master, letters, c.reach().HTTP(0)))
	if c.WebhookURL != "" {
		hook, err := c.webhook()
		if err != nil {
			return nil, err
		}
		w.Channels = append(w.Channels, hook)
	}
	return word.New(w), nil
}

func (c *serveCmd) webhook() (*word.Webhook, error) {
	u, err := url.Parse(c.WebhookURL)
	if err != nil || !c.reach().Allows(u) {
		return nil, errors.New("DEPUTY_WORD_WEBHOOK must be an https address")
	}
	return word.NewWebhook(c.WebhookURL, string(c.WebhookSecret), outbound.New(c.reach()), time.Now)
}
