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
