package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

// holdersTold bounds how many holders of tokens one answer names.
const holdersTold = 200

func blastRadius(f *models.Fall) BlastRadiusJSONResponse {
	return BlastRadiusJSONResponse{
		Tokens: f.Tokens, RefreshTokens: f.RefreshTokens, Grants: f.Grants, Approvals: f.Approvals, OwnedClients: f.Owned,
		Holders: each(f.Holders[:min(len(f.Holders), holdersTold)], func(h models.Holder) TokenHolder { return TokenHolder(h) }),
	}
}

func (s *server) GetClientBlastRadius(ctx context.Context, r GetClientBlastRadiusRequestObject) (GetClientBlastRadiusResponseObject, error) {
	if _, err := s.Store.Client(ctx, r.ID); err != nil {
		return nil, err
	}
	f, err := s.Store.FallOf(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetClientBlastRadius200JSONResponse{blastRadius(f)}, nil
}

func (s *server) GetUserBlastRadius(ctx context.Context, r GetUserBlastRadiusRequestObject) (GetUserBlastRadiusResponseObject, error) {
	if _, err := s.Store.User(ctx, r.ID); err != nil {
		return nil, err
	}
	f, err := s.Store.FallOf(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetUserBlastRadius200JSONResponse{blastRadius(f)}, nil
}

func (s *server) GetConsentBlastRadius(ctx context.Context, r GetConsentBlastRadiusRequestObject) (GetConsentBlastRadiusResponseObject, error) {
	c, err := s.Store.Consent(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Store.FallOfConsent(ctx, c)
	if err != nil {
		return nil, err
	}
	return GetConsentBlastRadius200JSONResponse{blastRadius(f)}, nil
}
