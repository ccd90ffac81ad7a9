package grants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/deputyauth/deputy/models"
)

// OfferTo offers a client, as its owner, to whoever signs in by a name. Whether anybody
// does is told to nobody: the offer is made, and looks, the same, and takes the same work.
func (e *Endpoint) OfferTo(ctx context.Context, by models.By, clientID, name string) error {
	t := &models.Transfer{ClientID: clientID, Named: strings.ToLower(strings.TrimSpace(name))}
	user, err := e.store.UserNamed(ctx, t.Named)
	switch {
	case err == nil && user.Status != models.StatusDecommissioned:
		t.ToID = &user.ID
	case err != nil && !errors.Is(err, models.ErrNotFound):
		return err
	}
	return e.store.OfferTransfer(ctx, by, t)
}

// tellOffer tells a person that they are asked to answer for a client, if they still are,
// or finds out by which channels they are told.
func (e *Endpoint) tellOffer(ctx context.Context, n *models.Notice) error {
	t, err := e.store.Transfer(ctx, n.Ref)
	if errors.Is(err, models.ErrNotFound) || err == nil && t.Now(e.now().Unix()) != models.TransferOpen {
		return fmt.Errorf("it is not offered any more: %w", ErrNoUse)
	}
	if err != nil {
		return err
	}
	if t.ToID == nil {
		return fmt.Errorf("nobody is called so: %w", ErrNoUse)
	}
	client, err := e.store.Client(ctx, t.ClientID)
	if err != nil {
		return err
	}
	if n.Channel == "" {
		return e.spread(ctx, n, client)
	}
	from, err := e.called(ctx, t.OfferedBy)
	if err != nil {
		return err
	}
	return e.word.Send(ctx, n.Channel, n.SubjectID, Message{Transfer: t.ID, From: from, Client: client.Name, ClientID: client.ID, EndsAt: t.ExpiresAt})
}

// answered says how an offer was answered, by whom, and when.
func (e *Endpoint) answered(ctx context.Context, id string, news *News) error {
	t, err := e.store.Transfer(ctx, id)
	if err != nil {
		return err
	}
	switch t.State {
	case models.TransferAccepted:
		news.Kind = NewsTransferAccepted
	case models.TransferDeclined:
		news.Kind = NewsTransferDeclined
	default:
		return fmt.Errorf("it was not answered: %w", ErrNoUse)
	}
	news.At = t.AnsweredAt
	news.By, err = e.called(ctx, *t.ToID)
	return err
}

// called is how a user or client is called.
func (e *Endpoint) called(ctx context.Context, id string) (string, error) {
	if models.HasPrefix(id, models.PrefixUser) {
		u, err := e.store.User(ctx, id)
		if err != nil {
			return "", err
		}
		return cmp.Or(u.Name, u.Username), nil
	}
	client, err := e.store.Client(ctx, id)
	if err != nil {
		return "", err
	}
	return client.Name, nil
}
