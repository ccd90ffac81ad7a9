package word

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// Poster sends JSON (outbound.Client).
type Poster interface {
	PostJSON(ctx context.Context, to string, header map[string]string, body []byte) (status int, err error)
}

// Webhook is the channel of the operator's own: whatever takes word from there to
// people, it is said to reach everybody. What is sent is signed as Standard Webhooks
// has it: HMAC-SHA256 over id, time and body.
type Webhook struct {
	url  string
	key  []byte
	post Poster
	now  func() time.Time
}

// shortestKey of a webhook, in bytes.
const shortestKey = 16

// NewWebhook makes the channel. A secret that begins with whsec_ is the key in base64,
// any other is the key itself.
func NewWebhook(url, secret string, post Poster, now func() time.Time) (*Webhook, error) {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, errors.New("the secret of the webhook is not base64")
		}
	}
	if len(key) < shortestKey {
		return nil, fmt.Errorf("the secret of the webhook must be at least %d bytes", shortestKey)
	}
	return &Webhook{url, key, post, now}, nil
}

// Name is webhook.
func (h *Webhook) Name() string { return "webhook" }

// Reaches implements Channel.
func (h *Webhook) Reaches(context.Context, *models.User) (bool, error) { return true, nil }

// hooked is what a webhook gets.
type hooked struct {
	Type      string       `json:"type"` // approval.asked, transfer.offered, test, or what news are of
	Timestamp string       `json:"timestamp"`
	User      *hookedUser  `json:"user,omitempty"`
	Client    *hookedParty `json:"client,omitempty"`
	Approval  string       `json:"approval,omitempty"`
	Transfer  string       `json:"transfer,omitempty"`
	From      string       `json:"offered_by,omitempty"`
	Message   string       `json:"message,omitempty"` // the client's own words
	Compare   string       `json:"compare,omitempty"`
	Link      string       `json:"link"`
	EndsAt    int64        `json:"expires_at,omitempty"`
	Lang      string       `json:"lang,omitempty"`
	*hookedNews
}

type hookedUser struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name,omitempty"`
	Email    string `json:"email,omitempty"`
}

type hookedParty struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Send implements Channel. The id of what is sent is that of the approval, the offer or the news: who
// gets it twice can tell.
func (h *Webhook) Send(ctx context.Context, u *models.User, n Note) error {
	now := h.now()
	out := hooked{
		Type: "approval.asked", Timestamp: now.UTC().Format(time.RFC3339), User: userOf(u),
		Client: clientOf(n), Approval: n.Approval, Message: n.Words, Compare: n.Compare, Link: n.Link, EndsAt: n.EndsAt, Lang: n.Lang,
	}
	id := n.Approval
	if n.Transfer != "" {
		out.Type, out.Transfer, out.From, id = "transfer.offered", n.Transfer, n.From, n.Transfer
	}
	if n.News != nil {
		out.Type, out.hookedNews, id = newsType(n), newsOf(n), n.News.ID
	}
	if n.Test {
		out.Type, out.Client, id = "test", nil, "test_"+strings.ToLower(rand.Text())
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	at := strconv.FormatInt(now.Unix(), 10)
	status, err := h.post.PostJSON(ctx, h.url, map[string]string{
		"webhook-id": id, "webhook-timestamp": at, "webhook-signature": "v1," + h.sign(id+"."+at+".", body),
	}, body)
	switch {
	case err != nil:
		return fmt.Errorf("webhook: %w", bare(err))
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		return nil
	case status == http.StatusGone:
		return fmt.Errorf("webhook: answered %d: %w", status, grants.ErrNoUse)
	}
	return fmt.Errorf("webhook: answered %d", status)
}

func (h *Webhook) sign(head string, body []byte) string {
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(head))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
