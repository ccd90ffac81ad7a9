package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

func grantOf(g models.Grant) Grant {
	return Grant{
		ID: g.ID, Kind: g.Kind, ClientID: g.ClientID, SubjectID: g.SubjectID,
		CreatedAt: at(g.CreatedAt), ExpiresAt: at(g.ExpiresAt), RevokedAt: at(g.RevokedAt),
	}
}

func tokenOf(t models.Token) Token {
	return Token{
		ID: t.ID, GrantID: t.GrantID, ParentID: t.ParentID, Txn: t.Txn, ClientID: t.ClientID, SubjectID: t.SubjectID,
		ResourceServerID: t.ResourceID, Scopes: each(t.Scopes, same), Chain: each(t.Chain, same), DecisionID: t.DecisionID,
		IssuedAt: at(t.IssuedAt), ExpiresAt: at(t.ExpiresAt), RevokedAt: at(t.RevokedAt),
	}
}

func (s *server) ListGrants(ctx context.Context, r ListGrantsRequestObject) (ListGrantsResponseObject, error) {
	rows, next, err := s.Store.Grants(ctx, r.Params.ClientID, r.Params.SubjectID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListGrants200JSONResponse{Items: each(rows, grantOf), NextCursor: cursor(next)}, nil
}

func (s *server) GetGrant(ctx context.Context, r GetGrantRequestObject) (GetGrantResponseObject, error) {
	g, err := s.Store.Grant(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetGrant200JSONResponse(grantOf(*g)), nil
}

func (s *server) RevokeGrant(ctx context.Context, r RevokeGrantRequestObject) (RevokeGrantResponseObject, error) {
	return RevokeGrant204Response{}, s.Store.RevokeGrant(ctx, by(ctx), r.ID)
}

func (s *server) ListTokens(ctx context.Context, r ListTokensRequestObject) (ListTokensResponseObject, error) {
	p := r.Params
	rows, next, err := s.Store.Tokens(ctx, models.TokenFilter{
		ClientID: p.ClientID, SubjectID: p.SubjectID, GrantID: p.GrantID, ParentID: p.ParentID, Txn: p.Txn,
		ResourceID: p.ResourceServerID, Live: p.Live,
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListTokens200JSONResponse{Items: each(rows, tokenOf), NextCursor: cursor(next)}, nil
}

func (s *server) GetToken(ctx context.Context, r GetTokenRequestObject) (GetTokenResponseObject, error) {
	t, err := s.Store.Token(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetToken200JSONResponse(tokenOf(*t)), nil
}

func (s *server) RevokeToken(ctx context.Context, r RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	return RevokeToken204Response{}, s.Store.RevokeToken(ctx, by(ctx), r.ID)
}
