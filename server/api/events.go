package api

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
)

func eventOf(e models.Event) Event {
	return Event{
		ID: e.Position.String(), Type: e.Type, Time: atMilli(e.At), Caep: models.CAEP(e.Type),
		Aud:      each(e.Concerns, func(c models.Concerned) string { return c.Identifier }),
		ClientID: e.ClientID, Sub: e.SubjectID, GrantID: e.GrantID, Jti: e.TokenID, Txn: e.Txn, ConsentID: e.ConsentID,
		CredentialID: e.CredentialID, Kid: e.KeyID, ResourceServerID: e.ResourceID, Revision: e.Revision,
	}
}

// ListEvents tells what came after a position.
func (s *server) ListEvents(ctx context.Context, r ListEventsRequestObject) (ListEventsResponseObject, error) {
	now, err := s.Store.FeedNow(ctx)
	if err != nil {
		return nil, err
	}
	answer := ListEvents200JSONResponse{Items: []Event{}, Position: now.String()}
	if r.Params.After == "" {
		return answer, nil
	}
	after, ok := models.ParsePosition(r.Params.After)
	if !ok {
		return nil, malformed("after", "Was not given out by this server.")
	}
	err = s.Store.CheckPosition(ctx, after)
	if errors.Is(err, models.ErrGone) {
		answer.Reset = true
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	events, end, err := s.Store.Feed(ctx, after, now.Seq+1)
	if err != nil {
		return nil, err
	}
	answer.Items, answer.Position, answer.More = each(events, eventOf), end.String(), end.Compare(now) < 0
	return answer, nil
}

func receiverOf(r models.EventReceiver) EventReceiver {
	return EventReceiver{ID: r.ID, Version: r.Version, URL: r.URL, ResourceServerID: orEmpty(r.ResourceID), CreatedAt: at(r.CreatedAt)}
}

// ListEventReceivers lists where events are pushed to.
func (s *server) ListEventReceivers(ctx context.Context, r ListEventReceiversRequestObject) (ListEventReceiversResponseObject, error) {
	rows, next, err := s.Store.EventReceivers(ctx, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListEventReceivers200JSONResponse{Items: each(rows, receiverOf), NextCursor: cursor(next)}, nil
}

// CreateEventReceiver has events pushed somewhere from now on.
func (s *server) CreateEventReceiver(ctx context.Context, r CreateEventReceiverRequestObject) (CreateEventReceiverResponseObject, error) {
	row := &models.EventReceiver{URL: r.Body.URL}
	if r.Body.ResourceServerID != "" {
		row.ResourceID = &r.Body.ResourceServerID
	}
	if err := s.Store.CreateEventReceiver(ctx, by(ctx), row); err != nil {
		return nil, err
	}
	return CreateEventReceiver201JSONResponse{NewEventReceiverJSONResponse{
		Body: receiverOf(*row), Headers: NewEventReceiverResponseHeaders{ETag: etag(row.Version), Location: s.location("event-receivers", row.ID)},
	}}, nil
}

// GetEventReceiver reads one.
func (s *server) GetEventReceiver(ctx context.Context, r GetEventReceiverRequestObject) (GetEventReceiverResponseObject, error) {
	row, err := s.Store.EventReceiver(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetEventReceiver200JSONResponse{OneEventReceiverJSONResponse{Body: receiverOf(*row), Headers: OneEventReceiverResponseHeaders{ETag: etag(row.Version)}}}, nil
}

// DeleteEventReceiver ends it.
func (s *server) DeleteEventReceiver(ctx context.Context, r DeleteEventReceiverRequestObject) (DeleteEventReceiverResponseObject, error) {
	return DeleteEventReceiver204Response{}, s.Store.DeleteEventReceiver(ctx, by(ctx), r.ID, version(r.Params.IfMatch))
}
