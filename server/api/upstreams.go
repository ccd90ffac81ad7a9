package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

func (s *server) upstreamOf(u models.Upstream) Upstream {
	return Upstream{
		ID: u.ID, Version: u.Version, Name: u.Name, Issuer: u.Issuer, ClientID: u.ClientID, HasSecret: len(u.Sealed) > 0, Scopes: each(u.Scopes, same),
		AcrValues: each(u.ACRValues, same), Status: UpstreamStatus(u.Status), RedirectURI: s.Issuer + "/login/upstream/" + u.ID + "/callback",
		CreatedAt: at(u.CreatedAt), UpdatedAt: at(u.UpdatedAt),
	}
}

func (in UpstreamInput) into(u *models.Upstream) {
	u.Name, u.Issuer, u.ClientID, u.Scopes, u.ACRValues = in.Name, in.Issuer, in.ClientID, in.Scopes, in.AcrValues
	if in.Status != "" {
		u.Status = string(in.Status)
	}
}

func (s *server) oneUpstream(u *models.Upstream) OneUpstreamJSONResponse {
	return OneUpstreamJSONResponse{Body: s.upstreamOf(*u), Headers: OneUpstreamResponseHeaders{ETag: etag(u.Version)}}
}

func (s *server) ListUpstreams(ctx context.Context, r ListUpstreamsRequestObject) (ListUpstreamsResponseObject, error) {
	rows, next, err := s.Store.Upstreams(ctx, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListUpstreams200JSONResponse{Items: each(rows, s.upstreamOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateUpstream(ctx context.Context, r CreateUpstreamRequestObject) (CreateUpstreamResponseObject, error) {
	u := &models.Upstream{}
	r.Body.into(u)
	var seal func(string) []byte
	if secret := r.Body.ClientSecret; secret != "" {
		seal = func(id string) []byte { return s.Seal(id, secret) }
	}
	if err := s.Store.CreateUpstream(ctx, by(ctx), u, seal); err != nil {
		return nil, err
	}
	return CreateUpstream201JSONResponse{NewUpstreamJSONResponse{
		Body: s.upstreamOf(*u), Headers: NewUpstreamResponseHeaders{ETag: etag(u.Version), Location: s.location("upstreams", u.ID)},
	}}, nil
}

func (s *server) GetUpstream(ctx context.Context, r GetUpstreamRequestObject) (GetUpstreamResponseObject, error) {
	u, err := s.Store.Upstream(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetUpstream200JSONResponse{s.oneUpstream(u)}, nil
}

func (s *server) UpdateUpstream(ctx context.Context, r UpdateUpstreamRequestObject) (UpdateUpstreamResponseObject, error) {
	u, err := s.Store.UpdateUpstream(ctx, by(ctx), r.ID, version(r.Params.IfMatch), func(u *models.Upstream) {
		in := r.JSONBody.merge(s.upstreamOf(*u))
		in.into(u)
		if r.JSONBody.names("client_secret") {
			u.Sealed = nil
			if in.ClientSecret != "" {
				u.Sealed = s.Seal(u.ID, in.ClientSecret)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return UpdateUpstream200JSONResponse{s.oneUpstream(u)}, nil
}

func (s *server) DeleteUpstream(ctx context.Context, r DeleteUpstreamRequestObject) (DeleteUpstreamResponseObject, error) {
	return DeleteUpstream204Response{}, s.Store.DeleteUpstream(ctx, by(ctx), r.ID, version(r.Params.IfMatch))
}

func identityOf(r models.Identity) Identity {
	return Identity{ID: r.ID, UserID: r.UserID, Issuer: r.Issuer, Subject: r.Subject, CreatedAt: at(r.CreatedAt), LastUsedAt: at(r.LastUsedAt)}
}

func (s *server) ListIdentities(ctx context.Context, r ListIdentitiesRequestObject) (ListIdentitiesResponseObject, error) {
	if _, err := s.Store.User(ctx, r.ID); err != nil {
		return nil, err
	}
	rows, err := s.Store.Identities(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return ListIdentities200JSONResponse{Items: each(rows, identityOf)}, nil
}

func (s *server) UnlinkIdentity(ctx context.Context, r UnlinkIdentityRequestObject) (UnlinkIdentityResponseObject, error) {
	return UnlinkIdentity204Response{}, s.Store.UnlinkIdentity(ctx, by(ctx), r.ID, r.IdentityID)
}
