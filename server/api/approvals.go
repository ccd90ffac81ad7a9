package api

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/deputyauth/deputy/models"
)

// approvalOf tells what became of an approval. No operation answers one.
func (s *server) approvalOf(a models.Approval) Approval {
	out := Approval{
		ID: a.ID, Kind: a.Kind, ClientID: a.ClientID, SubjectID: a.SubjectID, Digest: a.Digest, Delivery: a.Delivery,
		State: ApprovalState(a.Now(s.Store.Now())), Reported: a.Reported != 0, IP: a.IP, UserAgent: a.UserAgent, GrantID: a.GrantID,
		CreatedAt: at(a.CreatedAt), ExpiresAt: at(a.ExpiresAt), AnsweredAt: at(a.AnsweredAt),
		Request: ApprovalRequest{
			Scopes: each(a.Request.Scopes, same), Resources: each(a.Request.Resources, same), Message: a.Request.Message, ACRValues: each(a.Request.ACRValues, same),
			AuthorizationDetails: a.Request.Details, GrantType: a.Request.GrantType, ParentTokenID: a.Request.Parent,
		},
		ApprovedUntil: at(a.ApprovedUntil), UsedAt: at(a.UsedAt), TokenID: a.TokenID,
	}
	for _, id := range slices.Sorted(maps.Keys(a.Granted.Scopes)) {
		out.Granted = append(out.Granted, ApprovalGrant{ResourceID: id, Scopes: a.Granted.Scopes[id], AuthorizationDetails: a.Granted.Details[id]})
	}
	if a.Kind != models.ApprovalDevice { // whoever knows a device's code may answer
		out.CompareCode = a.CompareCode
	}
	return out
}

func (s *server) ListApprovals(ctx context.Context, r ListApprovalsRequestObject) (ListApprovalsResponseObject, error) {
	p := r.Params
	rows, next, err := s.Store.Approvals(ctx, models.ApprovalFilter{ClientID: p.ClientID, SubjectID: p.SubjectID, State: string(p.State)}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListApprovals200JSONResponse{Items: each(rows, s.approvalOf), NextCursor: cursor(next)}, nil
}

func (s *server) GetApproval(ctx context.Context, r GetApprovalRequestObject) (GetApprovalResponseObject, error) {
	a, err := s.Store.Approval(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetApproval200JSONResponse{OneApprovalJSONResponse(s.approvalOf(*a))}, nil
}

// CancelApproval ends a request or what came of it; that it was cancelled before is no error.
func (s *server) CancelApproval(ctx context.Context, r CancelApprovalRequestObject) (CancelApprovalResponseObject, error) {
	problem := s.Store.CancelApproval(ctx, by(ctx), r.ID)
	if problem != nil && !errors.Is(problem, models.ErrUsed) {
		return nil, problem
	}
	a, err := s.Store.Approval(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if problem != nil && a.State != models.ApprovalCancelled {
		return nil, fault("invalid_value", "state", "Nothing is left to end: it is %s.", a.Now(s.Store.Now()))
	}
	return CancelApproval200JSONResponse{OneApprovalJSONResponse(s.approvalOf(*a))}, nil
}

func (s *server) ListAcquaintances(ctx context.Context, r ListAcquaintancesRequestObject) (ListAcquaintancesResponseObject, error) {
	if _, err := s.Store.Client(ctx, r.ID); err != nil {
		return nil, err
	}
	rows, next, err := s.Store.Acquaintances(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListAcquaintances200JSONResponse{Items: each(rows, func(a models.Acquaintance) Acquaintance {
		return Acquaintance{ClientID: a.ClientID, PrincipalID: a.PrincipalID, CreatedAt: at(a.CreatedAt)}
	}), NextCursor: cursor(next)}, nil
}

func (s *server) PutAcquaintance(ctx context.Context, r PutAcquaintanceRequestObject) (PutAcquaintanceResponseObject, error) {
	return PutAcquaintance204Response{}, s.Store.Acquaint(ctx, by(ctx), r.ID, r.PrincipalID)
}

func (s *server) DeleteAcquaintance(ctx context.Context, r DeleteAcquaintanceRequestObject) (DeleteAcquaintanceResponseObject, error) {
	return DeleteAcquaintance204Response{}, s.Store.Estrange(ctx, by(ctx), r.ID, r.PrincipalID)
}
