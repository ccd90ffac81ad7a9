package grants

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

// Caller calls addresses that clients chose (outbound.Client).
type Caller interface {
	PostForm(ctx context.Context, to string, form url.Values) error
	PostJSON(ctx context.Context, to string, header map[string]string, body []byte) (status int, err error)
	Get(ctx context.Context, from string) (body []byte, err error)
	PostSET(ctx context.Context, to, set string) (status int, err error)
}

// Word brings word to people (word.Word).
type Word interface {
	// Reaches names the channels by which somebody can be reached now; "": whoever runs
	// this server.
	Reaches(ctx context.Context, userID string) ([]string, error)
	// Send brings word by one of them. ErrNoUse: it would not get there later either.
	Send(ctx context.Context, channel, userID string, m Message) error
}

// noWord reaches nobody.
type noWord struct{}

func (noWord) Reaches(context.Context, string) ([]string, error) { return nil, nil }

func (noWord) Send(context.Context, string, string, Message) error { return ErrNoUse }

// Message is what somebody is told: what they are asked, or news of a client. It holds
// nothing by which anybody else could answer.
type Message struct {
	Approval string // id
	Client   string // name of who asks
	ClientID string
	Words    string // of the client's own, "" if it says nothing: not to be believed
	Compare  string // what is shown at the other side, too, "" if nothing is
	EndsAt   int64

	// Of an offer to answer for the client: its id, and the name of who makes it. It is
	// no approval then.
	Transfer, From string
	News           *News // nil: somebody is asked something
}

// ErrNoUse: what could not be sent could not be sent later either.
var ErrNoUse = errors.New("no use to try again")

// noticesAtOnce bounds how many are told at a time: one that answers slowly must not
// hold up the others for long.
const noticesAtOnce = 16

// settling is how long it may take to note what became of a notice. It is noted even
// if the server is being stopped: what was taken is not sent again.
const settling = 5 * time.Second

// Notify tells others what is due. What could not be told stays in the outbox, over
// restarts too.
func (e *Endpoint) Notify(ctx context.Context) error {
	due, err := e.store.DueNotices(ctx, noticesAtOnce)
	errs := make([]error, len(due))
	var group sync.WaitGroup
	for i, n := range due {
		group.Go(func() { errs[i] = e.notify(ctx, n) })
	}
	group.Wait()
	return errors.Join(append(errs, err, e.warnOfUnknown(ctx))...)
}

// unknownEvery is how often it is looked for notices that this release does not know, in
// seconds, and said that there are some.
const unknownEvery = 600

// warnOfUnknown says, now and then, that something waits for a replica of a newer release.
func (e *Endpoint) warnOfUnknown(ctx context.Context) error {
	last, now := e.looked.Load(), e.now().Unix()
	if now-last < unknownEvery || !e.looked.CompareAndSwap(last, now) {
		return nil
	}
	kinds, err := e.store.UnknownNotices(ctx)
	if len(kinds) > 0 {
		e.log.Warn("notices wait that this release does not know; a newer one tells them", "kinds", kinds)
	}
	return err
}

// notify tells one of them. That it could not be told is no fault of ours.
func (e *Endpoint) notify(ctx context.Context, n models.Notice) error {
	failed := e.deliver(ctx, &n)
	last, done := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer done()
	switch {
	case failed == nil:
		return e.store.NoticeSent(last, n)
	case errors.Is(failed, ErrNoUse):
		return e.store.NoticeGivenUp(last, n, failed.Error())
	}
	return e.store.NoticeFailed(last, n, failed.Error())
}

// deliver sends a notice by its kind.
func (e *Endpoint) deliver(ctx context.Context, n *models.Notice) error {
	switch n.Kind {
	case models.NoticeLogout:
		return e.tellLogout(ctx, n)
	case models.NoticeWord:
		return e.tellWord(ctx, n)
	case models.NoticeReminder, models.NoticeLeak, models.NoticeAnswer:
		return e.tellNews(ctx, n)
	case models.NoticePing:
		return e.ping(ctx, n)
	case models.NoticePush:
		return e.push(ctx, n)
	}
	return fmt.Errorf("notices of kind %q are not known here", n.Kind) // and not taken
}

// tellLogout tells a client that a session ended (OpenID Connect Back-Channel Logout
// section 2.5).
func (e *Endpoint) tellLogout(ctx context.Context, n *models.Notice) error {
	if e.caller == nil {
		return errors.New("nothing is called from here")
	}
	token, err := e.keys.SignLogout(tokens.LogoutClaims{
		Subject: n.SubjectID, Audience: n.ClientID, SessionID: n.SessionID, ID: models.NewID(models.PrefixNotice), IssuedAt: e.now().Unix(),
	})
	if err != nil {
		return err
	}
	return e.caller.PostForm(ctx, n.URL, url.Values{"logout_token": {token}})
}
