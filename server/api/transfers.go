package api

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
)

// transferOf tells what became of an offer. No operation answers one.
func (s *server) transferOf(t models.Transfer) Transfer {
	return Transfer{
		ID: t.ID, ClientID: t.ClientID, FromID: orEmpty(t.FromID), ToID: orEmpty(t.ToID), Named: t.Named, OfferedBy: t.OfferedBy,
		State: TransferState(t.Now(s.Store.Now())), CreatedAt: at(t.CreatedAt), ExpiresAt: at(t.ExpiresAt), AnsweredAt: at(t.AnsweredAt),
	}
}

func (s *server) OfferTransfer(ctx context.Context, r OfferTransferRequestObject) (OfferTransferResponseObject, error) {
	t := &models.Transfer{ClientID: r.ID, ToID: &r.Body.To}
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		if _, err := v.ClientRow(ctx, r.ID); err != nil {
			return nil, err
		}
		return v.SelfScopes(ctx, r.ID)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Store.OfferTransfer(ctx, who, t); err != nil {
		return nil, err
	}
	return OfferTransfer201JSONResponse{Body: s.transferOf(*t), Headers: OfferTransfer201ResponseHeaders{Location: s.location("transfers", t.ID)}}, nil
}

func (s *server) ListTransfers(ctx context.Context, r ListTransfersRequestObject) (ListTransfersResponseObject, error) {
	p := r.Params
	rows, next, err := s.Store.Transfers(ctx, models.TransferFilter{ClientID: p.ClientID, ToID: p.To, State: string(p.State)}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListTransfers200JSONResponse{Items: each(rows, s.transferOf), NextCursor: cursor(next)}, nil
}

func (s *server) GetTransfer(ctx context.Context, r GetTransferRequestObject) (GetTransferResponseObject, error) {
	t, err := s.Store.Transfer(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetTransfer200JSONResponse{OneTransferJSONResponse(s.transferOf(*t))}, nil
}

// CancelTransfer ends an offer that is open; that it was cancelled before is no error.
func (s *server) CancelTransfer(ctx context.Context, r CancelTransferRequestObject) (CancelTransferResponseObject, error) {
	_, problem := s.Store.CancelTransfer(ctx, by(ctx), r.ID, "")
	if problem != nil && !errors.Is(problem, models.ErrUsed) {
		return nil, problem
	}
	t, err := s.Store.Transfer(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if state := t.Now(s.Store.Now()); problem != nil && state != models.TransferCancelled {
		return nil, fault("invalid_value", "state", "Nobody is asked any more: it is %s.", state)
	}
	return CancelTransfer200JSONResponse{OneTransferJSONResponse(s.transferOf(*t))}, nil
}
