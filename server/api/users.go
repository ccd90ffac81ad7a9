package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

func userOf(u models.User) User {
	return User{
		ID: u.ID, Version: u.Version, Username: u.Username, Name: u.Name, Email: u.Email, Status: PrincipalStatus(u.Status),
		ExpiresAt: at(u.ExpiresAt), Labels: labelsOf(u.Labels), CreatedAt: at(u.CreatedAt), UpdatedAt: at(u.UpdatedAt),
	}
}

func (in UserInput) into(u *models.User) {
	u.Username, u.Name, u.Email, u.Labels = in.Username, in.Name, in.Email, models.Labels(in.Labels)
	u.ExpiresAt = in.ExpiresAt.orNever()
}

func oneUser(u *models.User) OneUserJSONResponse {
	return OneUserJSONResponse{Body: userOf(*u), Headers: OneUserResponseHeaders{ETag: etag(u.Version)}}
}

func (s *server) ListUsers(ctx context.Context, r ListUsersRequestObject) (ListUsersResponseObject, error) {
	p := r.Params
	rows, next, err := s.Store.Users(ctx, models.UserFilter{Status: string(p.Status), Username: p.Username, Email: p.Email}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListUsers200JSONResponse{Items: each(rows, userOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateUser(ctx context.Context, r CreateUserRequestObject) (CreateUserResponseObject, error) {
	u := &models.User{}
	r.Body.into(u)
	if err := s.Store.CreateUser(ctx, by(ctx), u); err != nil {
		return nil, err
	}
	return CreateUser201JSONResponse{NewUserJSONResponse{
		Body: userOf(*u), Headers: NewUserResponseHeaders{ETag: etag(u.Version), Location: s.location("users", u.ID)},
	}}, nil
}

func (s *server) GetUser(ctx context.Context, r GetUserRequestObject) (GetUserResponseObject, error) {
	u, err := s.Store.User(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetUser200JSONResponse{oneUser(u)}, nil
}

func (s *server) UpdateUser(ctx context.Context, r UpdateUserRequestObject) (UpdateUserResponseObject, error) {
	edit := func(u *models.User) { r.JSONBody.merge(userOf(*u)).into(u) }
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		if !r.JSONBody.names("expires_at") {
			return nil, nil
		}
		before, err := v.UserRow(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		after := *before
		edit(&after)
		switch {
		case after.ExpiresAt < before.ExpiresAt:
			return []string{stopsUser}, nil
		case after.ExpiresAt > before.ExpiresAt: // as good as a restoration
			return v.SelfScopes(ctx, r.ID)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	u, err := s.Store.UpdateUser(ctx, who, r.ID, version(r.Params.IfMatch), edit)
	if err != nil {
		return nil, err
	}
	return UpdateUser200JSONResponse{oneUser(u)}, nil
}

func (s *server) DeleteUser(ctx context.Context, r DeleteUserRequestObject) (DeleteUserResponseObject, error) {
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		_, err := v.UserRow(ctx, r.ID)
		return []string{stopsUser}, err
	})
	if err != nil {
		return nil, err
	}
	return DeleteUser204Response{}, s.Store.RemoveUser(ctx, who, r.ID, version(r.Params.IfMatch))
}

func (s *server) SuspendUser(ctx context.Context, r SuspendUserRequestObject) (SuspendUserResponseObject, error) {
	u, err := s.Store.SuspendUser(ctx, by(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return SuspendUser200JSONResponse{oneUser(u)}, nil
}

func (s *server) RestoreUser(ctx context.Context, r RestoreUserRequestObject) (RestoreUserResponseObject, error) {
	who, err := s.conferring(ctx, allOf(r.ID))
	if err != nil {
		return nil, err
	}
	u, err := s.Store.RestoreUser(ctx, who, r.ID)
	if err != nil {
		return nil, err
	}
	return RestoreUser200JSONResponse{oneUser(u)}, nil
}
