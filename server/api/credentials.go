package api

import (
	"context"
	"encoding/json"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/tokens"
)

func credentialOf(c models.Credential) Credential {
	return Credential{
		ID: c.ID, ClientID: c.ClientID, Kind: CredentialKind(c.Kind), Name: c.Name, PublicJWK: json.RawMessage(c.PublicJWK), JWKSURI: c.JWKSURI,
		CreatedAt: at(c.CreatedAt), ExpiresAt: at(c.ExpiresAt), LastUsedAt: at(c.LastUsedAt), RevokedAt: at(c.RevokedAt),
	}
}

// newCredential is the only answer that holds a secret.
func (s *server) newCredential(c *models.Credential, secret string) NewCredentialJSONResponse {
	body := credentialOf(*c)
	body.Secret = secret
	return NewCredentialJSONResponse{
		Body: body, Headers: NewCredentialResponseHeaders{Location: s.location("clients", c.ClientID, "credentials", c.ID)},
	}
}

func (s *server) ListCredentials(ctx context.Context, r ListCredentialsRequestObject) (ListCredentialsResponseObject, error) {
	rows, next, err := s.Store.Credentials(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListCredentials200JSONResponse{Items: each(rows, credentialOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateCredential(ctx context.Context, r CreateCredentialRequestObject) (CreateCredentialResponseObject, error) {
	c := &models.Credential{ClientID: r.ID, Kind: string(r.Body.Kind), Name: r.Body.Name, JWKSURI: r.Body.JWKSURI, ExpiresAt: r.Body.ExpiresAt.unix()}
	switch given := r.Body.PublicJWK != nil; {
	case given && r.Body.Kind != CredentialKindPublicKey:
		return nil, fault("invalid_value", "public_jwk", "Make a credential of kind public_key.")
	case given:
		jwk, err := tokens.PublicJWK(r.Body.PublicJWK)
		if err != nil {
			return nil, fault("invalid_value", "public_jwk", "%s", err)
		}
		c.PublicJWK = jwk
	case r.Body.Kind == CredentialKindPublicKey:
		return nil, fault("invalid_value", "public_jwk", "A credential of kind public_key needs its key.")
	}
	who, err := s.conferring(ctx, allOf(r.ID)) // who has its credential is the client
	if err != nil {
		return nil, err
	}
	secret, err := s.Store.CreateCredential(ctx, who, c)
	if err != nil {
		return nil, err
	}
	return CreateCredential201JSONResponse{s.newCredential(c, secret)}, nil
}

func (s *server) RotateCredential(ctx context.Context, r RotateCredentialRequestObject) (RotateCredentialResponseObject, error) {
	who, err := s.conferring(ctx, allOf(r.ID))
	if err != nil {
		return nil, err
	}
	c, secret, err := s.Store.RotateCredential(ctx, who, r.ID, r.CredentialID, r.Body.Overlap, r.Body.ExpiresAt.unix())
	if err != nil {
		return nil, err
	}
	return RotateCredential201JSONResponse{s.newCredential(c, secret)}, nil
}

func (s *server) RevokeCredential(ctx context.Context, r RevokeCredentialRequestObject) (RevokeCredentialResponseObject, error) {
	return RevokeCredential204Response{}, s.Store.RevokeCredential(ctx, by(ctx), r.ID, r.CredentialID)
}

func (s *server) GetOwnCredential(ctx context.Context, _ GetOwnCredentialRequestObject) (GetOwnCredentialResponseObject, error) {
	c, err := s.Store.CredentialShown(ctx, by(ctx))
	if err != nil {
		return nil, err
	}
	return GetOwnCredential200JSONResponse(credentialOf(*c)), nil
}

type bearerKey struct{} // string: the token of the request that was admitted

// RotateOwnCredential carries out what policy says of the new secret, which is asked
// once more, about that.
func (s *server) RotateOwnCredential(ctx context.Context, r RotateOwnCredentialRequestObject) (RotateOwnCredentialResponseObject, error) {
	old, err := s.Store.CredentialShown(ctx, by(ctx))
	if err != nil {
		return nil, err
	}
	call, _ := ctx.Value(callKey{}).(grants.Call)
	bearer, _ := ctx.Value(bearerKey{}).(string)
	who, life, err := s.Endpoint.Renew(ctx, call, bearer, policies.Renewal{Overlap: r.Body.Overlap, Life: old.Life()})
	if err != nil {
		return nil, err
	}
	next, secret, err := s.Store.RotateCredential(ctx, who, old.ClientID, old.ID, r.Body.Overlap, models.After(s.Store.Now(), life))
	if err != nil {
		return nil, err
	}
	return RotateOwnCredential201JSONResponse{s.newCredential(next, secret)}, nil
}
