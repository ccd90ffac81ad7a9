package word

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/tokens"
)

// Push is the channel of Web Push: browsers that people subscribed show notes, whether
// or not a page is open. What is sent is encrypted for the browser (RFC 8291) and comes
// from this server alone (RFC 8292).
type Push struct {
	issuer string
	store  *models.Store
	master tokens.MasterKey
	writer Writer
	http   Caller // stays within reach: the addresses are browsers' to say

	mu  sync.Mutex
	key *pushKey
}

type pushKey struct{ public, private string }

// Caller sends requests (outbound.Reach.HTTP).
type Caller interface {
	Do(*http.Request) (*http.Response, error)
}

// NewPush makes the channel. client must refuse addresses that are not the public
// network's, and follow no redirects.
func NewPush(issuer string, store *models.Store, master tokens.MasterKey, writer Writer, client Caller) *Push {
	return &Push{issuer: issuer, store: store, master: master, writer: writer, http: client}
}

// Name is push.
func (p *Push) Name() string { return "push" }

// Reaches implements Channel.
func (p *Push) Reaches(ctx context.Context, u *models.User) (bool, error) {
	rows, err := p.store.Subscriptions(ctx, u.ID)
	return len(rows) > 0, err
}

// PublicKey is what browsers subscribe with. The first time it is asked for, the key
// is made.
func (p *Push) PublicKey(ctx context.Context) (string, error) {
	key, err := p.keys(ctx)
	if err != nil {
		return "", err
	}
	return key.public, nil
}

func (p *Push) keys(ctx context.Context) (*pushKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key != nil {
		return p.key, nil
	}
	row, err := p.store.PushKey(ctx, p.newKey)
	if err != nil {
		return nil, err
	}
	private, err := p.master.Open(row.ID, row.Sealed)
	if err != nil {
		return nil, err
	}
	p.key = &pushKey{row.Public, string(private)}
	return p.key, nil
}

func (p *Push) newKey() (*models.PushKey, error) {
	private, public, err := webpush.GenerateVAPIDKeys()
	if err != nil {
		return nil, fmt.Errorf("key for push: %w", err)
	}
	id := models.NewID(models.PrefixKey)
	return &models.PushKey{ID: id, Public: public, Sealed: p.master.Seal(id, []byte(private))}, nil
}

// shown is what the browser's worker gets (web/pages/worker.js).
type shown struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Link  string `json:"link"`
	Tag   string `json:"tag"` // a second note of the same tag takes the first one's place
	Lang  string `json:"lang,omitempty"`
}

// How long a push service keeps a note for a browser that is not there.
const (
	pushLife = 10 * time.Minute
	newsLife = 24 * time.Hour // what asks nothing is worth knowing tomorrow, too
)

// urgency is how long a push service keeps a note, and whether it wakes a browser.
func urgency(n Note) (life time.Duration, u webpush.Urgency) {
	if n.News != nil {
		return newsLife, webpush.UrgencyNormal
	}
	return pushLife, webpush.UrgencyHigh
}

// Send implements Channel. It is sent if any of somebody's browsers' services took it;
// a subscription that has ended there ends here.
func (p *Push) Send(ctx context.Context, u *models.User, n Note) error {
	rows, err := p.store.Subscriptions(ctx, u.ID)
	if err != nil {
		return err
	}
	key, err := p.keys(ctx)
	if err != nil {
		return err
	}
	title, body, err := p.writer.Line(n)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(shown{title, body, n.Link, tag(n), n.Lang})
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	took, errs := 0, []error{}
	for _, row := range rows {
		err := p.one(ctx, key, row, n, payload)
		if err == nil {
			took++
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %w", row.Device, err))
	}
	if took > 0 {
		return nil
	}
	if left, err := p.store.Subscriptions(ctx, u.ID); err == nil && len(left) == 0 {
		errs = append(errs, fmt.Errorf("no browser is left: %w", grants.ErrNoUse))
	}
	return errors.Join(errs...)
}

func tag(n Note) string {
	switch {
	case n.Test:
		return "test"
	case n.News != nil:
		return n.News.Thing
	}
	return cmp.Or(n.Transfer, n.Approval)
}

// one sends to one browser.
func (p *Push) one(ctx context.Context, key *pushKey, row models.Subscription, n Note, payload []byte) error {
	life, urgent := urgency(n)
	resp, err := webpush.SendNotificationWithContext(ctx, payload,
		&webpush.Subscription{Endpoint: row.Endpoint, Keys: webpush.Keys{Auth: row.Auth, P256dh: row.P256dh}},
		&webpush.Options{
			HTTPClient: p.http, Subscriber: p.subscriber(), TTL: int(life / time.Second), Urgency: urgent,
			VAPIDPublicKey: key.public, VAPIDPrivateKey: key.private,
		})
	if err != nil {
		return bare(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // the status has said it all
	switch {
	case resp.StatusCode >= http.StatusOK && resp.StatusCode < http.StatusMultipleChoices:
		return nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone: // RFC 8030 section 7.3
		err := p.store.Unsubscribe(ctx, models.By{System: "push", SubjectID: row.UserID}, row.UserID, row.ID)
		if err != nil && !errors.Is(err, models.ErrNotFound) {
			return err
		}
		return errors.New("the browser does not take notes any more")
	}
	return fmt.Errorf("the push service answered %d", resp.StatusCode)
}

// subscriber is whom a push service can turn to: this server.
func (p *Push) subscriber() string {
	if strings.HasPrefix(p.issuer, "https:") {
		return p.issuer
	}
	return "deputy@localhost"
}
