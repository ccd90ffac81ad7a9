package grants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

const (
	// quietAtMost is by how many entries of the ledger the position of a receiver may
	// lag behind while there is nothing to tell.
	quietAtMost = 1000
	// receiversAtOnce bounds how many are told at a time, and pushingAtMost for how long
	// one is before it is another's turn.
	receiversAtOnce = 16
	pushingAtMost   = 4 * time.Second
)

// PushEvents tells event receivers what they have not been told, each in order. Several
// replicas may be at it: one tells a receiver at a time. What was sent and not noted, by
// a process that was killed between, is sent once more, under the same jti.
func (e *Endpoint) PushEvents(ctx context.Context) error {
	rows, _, err := e.store.EventReceivers(ctx, models.Page{Limit: 200})
	if err != nil || len(rows) == 0 {
		return err
	}
	now, err := e.store.FeedNow(ctx)
	if err != nil {
		return err
	}
	errs, turns := make([]error, len(rows)), make(chan struct{}, receiversAtOnce)
	var group sync.WaitGroup
	for i := range rows {
		if rows[i].Position == now.String() || !rows[i].Due(e.now().Unix()) {
			continue
		}
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			errs[i] = e.pushTo(ctx, &rows[i], now)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

type batch struct {
	events []models.Event
	from   models.Position
	end    models.Position
}

// pushTo tells one receiver what comes next for it.
func (e *Endpoint) pushTo(ctx context.Context, to *models.EventReceiver, now models.Position) error {
	b, err := e.afterPosition(ctx, to.Position, now)
	if err != nil {
		return err
	}
	who := receives(to)
	wanted := slices.DeleteFunc(slices.Clone(b.events), func(event models.Event) bool { return event.Type != models.EventReset && !who.Sees(event) })
	if len(wanted) == 0 {
		if len(b.events) > 0 || b.end.Seq-b.from.Seq >= quietAtMost {
			_, err = e.store.MoveEventReceiver(ctx, to, b.end)
		}
		return err
	}
	if mine, err := e.store.TakeEventReceiver(ctx, to); err != nil || !mine {
		return err
	}
	for begin := time.Now(); len(wanted) > 0 && time.Since(begin) < pushingAtMost; wanted = wanted[1:] {
		if goOn, err := e.pushOne(ctx, to, who, wanted[0]); err != nil || !goOn {
			return err
		}
	}
	if len(wanted) == 0 {
		if mine, err := e.store.MoveEventReceiver(ctx, to, b.end); err != nil || !mine {
			return err
		}
	}
	return e.store.LeaveEventReceiver(ctx, to)
}

// pushOne tells a receiver of one event and notes what came of it, even if the server is
// being stopped.
func (e *Endpoint) pushOne(ctx context.Context, to *models.EventReceiver, who *Following, event models.Event) (goOn bool, err error) {
	failed := e.tellEvent(ctx, to, Tell(event, who))
	last, done := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer done()
	switch {
	case failed == nil:
		return e.store.MoveEventReceiver(last, to, event.Position)
	case ctx.Err() != nil: // no fault of the receiver's
		return false, e.store.LeaveEventReceiver(last, to)
	case errors.Is(failed, ErrNoUse) || to.Tired(e.now().Unix()):
		return e.store.EventGivenUp(last, to, event, failed.Error())
	}
	return false, e.store.EventFailed(last, to)
}

// afterPosition reads what comes after a position; where nothing can go on from there,
// that is what there is to tell.
func (e *Endpoint) afterPosition(ctx context.Context, position string, now models.Position) (b batch, err error) {
	at, ok := models.ParsePosition(position)
	err = models.ErrGone
	if ok {
		err = e.store.CheckPosition(ctx, at)
	}
	if errors.Is(err, models.ErrGone) {
		reset := models.Event{Type: models.EventReset, Position: now, At: e.now().UnixMilli()}
		return batch{events: []models.Event{reset}, from: now, end: now}, nil
	}
	if err != nil {
		return b, err
	}
	b.from = at
	b.events, b.end, err = e.store.Feed(ctx, at, now.Seq+1)
	return b, err
}

// receives is what a receiver was registered for.
func receives(r *models.EventReceiver) *Following {
	if r.ResourceID == nil {
		return &Following{Name: r.ID, All: true}
	}
	return &Following{Name: r.ID, Services: []string{*r.ResourceID}}
}

// tellEvent pushes an event as a Security Event Token (RFC 8935 section 2).
func (e *Endpoint) tellEvent(ctx context.Context, to *models.EventReceiver, event EventBody) error {
	if e.caller == nil {
		return errors.New("nothing is called from here")
	}
	audience, err := e.audienceOf(ctx, to)
	if err != nil {
		return err
	}
	set, err := e.securityEvent(event, to.ID+"."+event.ID, audience)
	if err != nil {
		return err
	}
	status, err := e.caller.PostSET(ctx, to.URL, set)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK || status == http.StatusAccepted || status == http.StatusNoContent:
		return nil
	case status == http.StatusBadRequest: // it was understood, and is not wanted (RFC 8935 section 2.3)
		return fmt.Errorf("answered %d: %w", status, ErrNoUse)
	}
	return fmt.Errorf("answered %d", status)
}

// audienceOf is whom it is for: the resource server, or whoever is at that address.
func (e *Endpoint) audienceOf(ctx context.Context, to *models.EventReceiver) (string, error) {
	if to.ResourceID == nil {
		return to.URL, nil
	}
	r, err := e.store.ResourceServer(ctx, *to.ResourceID)
	if err != nil {
		return "", err
	}
	return r.Identifier, nil
}

// eventURN is the type of an event for which there is no standard.
const eventURN = "urn:deputy:event:"

// securityEvent writes it, under the type of ours and, where there is one, of CAEP: two
// names for the same event (RFC 8417 section 2.2).
func (e *Endpoint) securityEvent(event EventBody, id, audience string) (string, error) {
	happened, err := time.Parse(time.RFC3339, event.Time)
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrNoUse)
	}
	claims := tokens.EventClaims{
		Audience: audience, IssuedAt: e.now().Unix(), ID: id, Happened: happened.Unix(), Txn: event.Txn,
		Events: map[string]any{eventURN + event.Type: event},
	}
	if event.CAEP != "" {
		claims.Events[event.CAEP] = caepMembers(event.Type, happened.Unix())
	}
	switch {
	case event.TokenID != "":
		claims.About = e.keys.AboutToken(event.TokenID)
	case event.SubjectID != "":
		claims.About = e.keys.AboutPrincipal(event.SubjectID)
	case event.ClientID != "":
		claims.About = e.keys.AboutPrincipal(event.ClientID)
	}
	return e.keys.SignEvent(claims)
}

// caepMembers are those that CAEP 1.0 wants of the types we use. What changed of a token
// is not told, but that it did.
func caepMembers(kind string, at int64) map[string]any {
	members := map[string]any{"event_timestamp": at}
	switch kind {
	case models.EventCredentialCreated:
		members["change_type"] = "create"
	case models.EventCredentialChanged:
		members["change_type"] = "update"
	case models.EventCredentialRevoked:
		members["change_type"] = "revoke"
	case models.EventConsentNarrowed, models.EventConsentChanged, models.EventClientAccess, models.EventUserAccess:
		members["claims"] = map[string]any{}
		return members
	default:
		return members
	}
	members["credential_type"] = "x-deputy-credential"
	return members
}
