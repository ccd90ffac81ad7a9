package grants

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

// Caller calls addresses that clients chose (outbound.Client).
type Caller interface {
	PostForm(ctx context.Context, to string, form url.Values) error
}

// noticesAtOnce bounds how many clients are told at a time: one that answers slowly
// must not hold up the others for long.
const noticesAtOnce = 16

// Notify tells clients what is due (OpenID Connect Back-Channel Logout section 2.5).
// What could not be told stays in the outbox, over restarts too.
func (e *Endpoint) Notify(ctx context.Context) error {
	if e.caller == nil {
		return nil
	}
	due, err := e.store.DueNotices(ctx, noticesAtOnce)
	errs := make([]error, len(due))
	var group sync.WaitGroup
	for i, n := range due {
		group.Go(func() { errs[i] = e.notify(ctx, n) })
	}
	group.Wait()
	return errors.Join(append(errs, err)...)
}

// notify tells one client. That it could not be told is no fault of ours.
func (e *Endpoint) notify(ctx context.Context, n models.Notice) error {
	token, err := e.keys.SignLogout(tokens.LogoutClaims{
		Subject: n.SubjectID, Audience: n.ClientID, SessionID: n.SessionID, ID: models.NewID(models.PrefixNotice), IssuedAt: e.now().Unix(),
	})
	if err != nil {
		return err
	}
	if err := e.caller.PostForm(ctx, n.URL, url.Values{"logout_token": {token}}); err != nil {
		return e.store.NoticeFailed(ctx, n, err.Error())
	}
	return e.store.NoticeSent(ctx, n)
}
