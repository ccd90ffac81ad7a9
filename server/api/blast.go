package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

// holdersTold bounds how many holders of tokens one answer names.
const holdersTold = 200

func blastRadius(f *models.Fall) BlastRadiusJSONResponse {
	return BlastRadiusJSONResponse{
		Tokens: f.Tokens, RefreshTokens: f.RefreshTokens, Grants: f.Grants, Approvals: f.Approvals, Offers: f.Offers, OwnedClients: f.Owned, CredentialsLeft: f.Left,
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

func (s *server) GetGrantBlastRadius(ctx context.Context, r GetGrantBlastRadiusRequestObject) (GetGrantBlastRadiusResponseObject, error) {
	found, err := s.Store.Grant(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Store.FallOfGrant(ctx, found)
	if err != nil {
		return nil, err
	}
	return GetGrantBlastRadius200JSONResponse{blastRadius(f)}, nil
}

func (s *server) GetApprovalBlastRadius(ctx context.Context, r GetApprovalBlastRadiusRequestObject) (GetApprovalBlastRadiusResponseObject, error) {
	found, err := s.Store.Approval(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Store.FallOfApproval(ctx, found)
	if err != nil {
		return nil, err
	}
	return GetApprovalBlastRadius200JSONResponse{blastRadius(f)}, nil
}

func (s *server) GetCredentialBlastRadius(ctx context.Context, r GetCredentialBlastRadiusRequestObject) (GetCredentialBlastRadiusResponseObject, error) {
	found, err := s.Store.Credential(ctx, r.ID, r.CredentialID)
	if err != nil {
		return nil, err
	}
	f, err := s.Store.FallOfCredential(ctx, found)
	if err != nil {
		return nil, err
	}
	return GetCredentialBlastRadius200JSONResponse{blastRadius(f)}, nil
}

func (s *server) GetTokenBlastRadius(ctx context.Context, r GetTokenBlastRadiusRequestObject) (GetTokenBlastRadiusResponseObject, error) {
	found, err := s.Store.Token(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Store.FallOfToken(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	return GetTokenBlastRadius200JSONResponse{blastRadius(f)}, nil
}

func (s *server) GetResourceServerBlastRadius(ctx context.Context, r GetResourceServerBlastRadiusRequestObject) (GetResourceServerBlastRadiusResponseObject, error) {
	found, err := s.Store.ResourceServer(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Store.FallOfResource(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	return GetResourceServerBlastRadius200JSONResponse{blastRadius(f)}, nil
}
